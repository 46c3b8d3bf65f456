"""Pages of the site that are generated when it is built: settings, commands and API, so that they cannot age.

A page of the reference has a line ``<!-- generated: NAME -->``. When Sphinx reads the page, the text of the generator of that
name takes the place of the line.
"""

import re
from collections.abc import Callable
from typing import Any

from reference_api import api_reference
from reference_commands import command_reference
from reference_settings import setting_reference

GENERATORS: dict[str, Callable[[], str]] = {
    "settings": setting_reference,
    "commands": command_reference,
    "api": api_reference,
}
PLACE = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def generated(text: str) -> str:
    """Return the text of a page with its generated parts in place."""
    return PLACE.sub(lambda match: GENERATORS[match[1]](), text)


def setup(app: Any) -> None:
    """Connect the generators to a Sphinx application."""

    def read(_: Any, __: str, content: list[str]) -> None:
        content[0] = generated(content[0])

    def without_fields(_: Any, what: str, __: str, target: Any, ___: Any, ____: Any, _____: Any) -> Any:
        """Leave out the signature of a table of settings, which repeats all its attributes."""
        from swissbert.settings import Settings

        return ("", None) if what == "class" and issubclass(target, Settings) else None

    app.connect("source-read", read)
    app.connect("autodoc-process-signature", without_fields)
