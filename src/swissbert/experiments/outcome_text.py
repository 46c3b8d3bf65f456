"""The outcome of a table for a terminal: our score, and below it the paper's and the difference."""

from swissbert.experiments.outcome import Outcome
from swissbert.experiments.outcome_files import best_of, cells_of
from swissbert.text_table import folded, table

UNLIMITED = 10_000
"""Columns of a text that is not limited."""


def as_text(result: Outcome, width: int | None, *, colour: bool = False) -> str:
    """Format the outcome as text.

    Args:
        result: The outcome.
        width: Columns of the terminal; None for as many as needed.
        colour: Whether to write escape codes for colour.
    """
    best = best_of(result)
    rows = []
    for line in result.lines:
        cells = {column: cells_of(line, column, best) for column in result.columns}
        rows.append([line.title, *(f"{ours} *" if top else ours for _, ours, _, top in cells.values())])
        if any(line.ours.values()):
            beside = [
                f"{paper} {f'({difference})' if difference else ''}".strip()
                for paper, _, difference, _ in cells.values()
            ]
            rows.append(["  paper (difference)", *beside])
        elif any(paper for paper, *_ in cells.values()):
            rows.append(["  paper", *(paper for paper, *_ in cells.values())])
    header = ["row", *result.columns.values()]
    sentences = [*result.caption, *(["* our best of a column"] if best else [])]
    wrapped = [part for sentence in sentences for part in folded(sentence, width or UNLIMITED)]
    return "\n".join([table(result.title, header, rows, width=width, colour=colour), "", *wrapped])
