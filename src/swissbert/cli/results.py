"""What every command does with a person at a terminal: it says what it waits for, fits tables, and ends with the next command."""

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swissbert.cli.program import program_name
from swissbert.terminal import has_colour, is_terminal, width_of

if TYPE_CHECKING:
    from swissbert.inference import Model

NEXT = {
    "quickstart": [("your own text", "predict {run} --task sst 'Not bad at all.'")],
    "train": [
        ("scores with intervals", "evaluate {run}"),
        ("a report with its mistakes", "analyse {run} --out {report}"),
    ],
    "train a table": [("your own text", "predict {run} {texts}")],
    "dry run": [("all settings, as TOML", "{again} --toml")],
    "distill": [("scores with intervals", "evaluate {run}")],
    "init": [("look it over, then", "train {recipe}")],
    "soup": [("scores with intervals", "evaluate {model}")],
    "evaluate": [("which rows are wrong, and why", "analyse {model} --out {report}")],
    "predict": [("many texts", "predict {model} --input FILE --output answers.csv")],
    "predict a file": [("answers over HTTP, and a page", "serve {model}")],
    "submit": [("its scores on dev rows", "evaluate {model}")],
    "data check": [("train on it", "train {recipe} --data {folder}")],
    "data check of other files": [("declare one as a task", "init {file}")],
    "convert": [("train on it", "train {recipe} --set encoder.name={folder}")],
    "push": [("load it anywhere", "predict {name} {texts}")],
    "export compact": [("load it", "predict {folder} {texts}")],
    "recipes": [("train one", "train {recipe}")],
    "reproduce": [("train these rows", "{again}")],
    "sweep dry run": [("try them", "{again}")],
    "sweep": [
        ("scores of the best trial with intervals", "evaluate {run}"),
        ("train its recipe again, with another seed", "train {recipe} --set seed=1 --out {out}"),
    ],
}
"""Why, and the next useful command, by what is finished."""


def next_steps(finished: str, **values: object) -> None:
    """Print the next useful commands for a person at a terminal; a program that reads the results gets nothing.

    Args:
        finished: A key of `NEXT`.
        **values: What its commands name; each is quoted for a shell, unless it is a list of words.
    """
    words = {
        name: shlex.join(map(str, value)) if isinstance(value, list) else shlex.quote(str(value))
        for name, value in values.items()
    }
    lines = [(why, f"{program_name()} {command.format(**words)}") for why, command in NEXT[finished]]
    next_lines(lines)


def next_lines(lines: Sequence[tuple[str, str]]) -> None:
    """Print why and what may be typed next, as `next_steps`, whatever program it is for."""
    if not (lines and is_terminal(sys.stdout) and is_terminal(sys.stderr)):
        return
    from swissbert.display import Display

    sys.stdout.flush()
    display = Display()
    display.say("")
    for why, command in lines:
        display.command(why, command)


def result_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Format a table for standard output: as wide as a terminal, else as wide as its cells; arguments as for `table`."""
    from swissbert.text_table import table

    return table(title, header, rows, left, width=width_of(sys.stdout), colour=has_colour(sys.stdout))


def heading(text: str) -> str:
    """Return the line above a part of the results."""
    from swissbert.text_table import styled

    return styled(text, "bold", colour=has_colour(sys.stdout))


def fitted(text: str) -> str:
    """Return a line of results, wrapped at spaces on a terminal."""
    from swissbert.text_table import folded

    width = width_of(sys.stdout)
    return text if width is None else "\n".join(folded(text, width, indent=len(text) - len(text.lstrip()) + 2))


@contextmanager
def waiting(label: str) -> Iterator[None]:
    """Show on a terminal what a command waits for, such as a library that is imported or a model that is read."""
    from swissbert.display import Display

    with Display().waiting(label):
        yield


def load_model(name: Path, device: str = "auto", **options: Any) -> "Model":
    """Load a model, and show meanwhile that it is loaded; arguments and errors as for `swissbert.load`."""
    with waiting(f"loading {name}"):
        from swissbert.inference import load

        return load(name, device, **options)
