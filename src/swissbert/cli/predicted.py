"""What the forms of the command ``predict`` share: what is asked, and how many rows could be used."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from swissbert.inference.input_options import InputOptions
    from swissbert.inference.model import Model
    from swissbert.inference.stream import Tally
    from swissbert.tasks import Task


@dataclass(frozen=True)
class Asked:
    """What to answer, and how.

    Attributes:
        names: Tasks that were named; None for all that read the input.
        format: Format of the input.
        options: What takes the place of how tasks declare their files.
        threshold: Threshold of binary and multilabel tasks; None for that of the model.
    """

    names: list[str] | None
    format: str
    options: "InputOptions"
    threshold: float | None

    def tasks(self, model: "Model") -> "list[Task]":
        """Return the tasks of a model that were named, each once, or all."""
        names = model.tasks if self.names is None else dict.fromkeys(self.names)
        return [model.task(name) for name in names]


def report(tally: "Tally", model: "Model") -> None:
    """Report how many rows could not be used or were cut. Exits with status 1 if there are rows and none was used."""
    if not tally.rows:
        print("there are no rows to answer", file=sys.stderr)
    if tally.bad:
        print(
            f"{tally.bad:,} of {tally.rows:,} row(s) could not be used; the reasons are in their lines of the output",
            file=sys.stderr,
        )
    if tally.partly_bad:
        print(f"{tally.partly_bad:,} of {tally.rows:,} row(s) could be used by some of the tasks only", file=sys.stderr)
    report_cut(tally.rows, tally.cut, model)
    if tally.rows and tally.bad == tally.rows:
        raise typer.Exit(1)


def report_cut(rows: int, cut: int, model: "Model") -> None:
    """Report how many texts were cut, if any."""
    if cut:
        was = "was" if cut == 1 else "were"
        print(
            f"{cut:,} of {rows:,} text(s) {was} longer than {model.description.encoder.max_length} tokens and {was} cut",
            file=sys.stderr,
        )
