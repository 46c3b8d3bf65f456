"""The command ``env``: versions, machine and device."""

import json

from swissbert.cli.program import JsonOption
from swissbert.cli.results import waiting


def env(as_json: JsonOption = False) -> None:
    """Show versions, machine, device and precision."""
    with waiting("looking at the machine"):
        from swissbert.environment import environment

        rows = environment()
    print(json.dumps(rows) if as_json else "\n".join(f"{key:12} {value}" for key, value in rows.items()))
