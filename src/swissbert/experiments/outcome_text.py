"""The outcome of a table for a terminal: our score, and below it the paper's and the difference."""

from swissbert.experiments.outcome import Outcome
from swissbert.experiments.outcome_cells import best_note, best_scores, cell, further_columns
from swissbert.text_table import UNLIMITED, folded, table


def as_text(result: Outcome, width: int | None, *, colour: bool = False) -> str:
    """Format the outcome as text.

    Args:
        result: The outcome.
        width: Columns of the terminal; None for as many as needed.
        colour: Whether to write escape codes for colour.
    """
    best = best_scores(result)
    further = further_columns(result)
    rows = []
    for line in result.lines:
        cells = [cell(line, column, best) for column in result.columns]
        ours = [f"{score.ours} {score.spread}".strip() + (" *" if score.is_best else "") for score in cells]
        rows.append([line.title, *ours, *(text(line) for text in further.values())])
        if not result.has_paper:
            continue
        beside = [f"{score.paper} {f'({score.difference})' if score.difference else ''}".strip() for score in cells]
        if any(score.paper for score in cells):
            title = "  paper (difference)" if any(line.ours.values()) else "  paper"
            rows.append([title, *beside, *("" for _ in further)])
    header = ["row", *result.columns.values(), *further]
    sentences = [*result.caption, *([f"* {best_note(result)}"] if best else [])]
    wrapped = [part for sentence in sentences for part in folded(sentence, width or UNLIMITED)]
    return "\n".join([table(result.title, header, rows, width=width, colour=colour), "", *wrapped])
