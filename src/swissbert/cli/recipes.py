"""The command ``recipes``: the recipes that ship."""

import sys

from swissbert.cli.results import next_steps
from swissbert.terminal import width_of
from swissbert.text_table import folded


def recipes() -> None:
    """List the recipes that ship."""
    from swissbert.config import shipped_recipes as shipped

    width = width_of(sys.stdout)
    for name, about in shipped().items():
        line = f"{name:20} {about}"
        print(line if width is None else "\n".join(folded(line, width, indent=21)))
    next_steps("recipes", recipe="quickstart")
