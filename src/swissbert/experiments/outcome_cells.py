"""Cells of the outcome of a table as text, the same in Markdown and on the page."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from swissbert.experiments.outcome import Line, Outcome

INTERVAL = "95 % interval of overall"
"""Heading of the column of intervals."""
RUN_HEADER = ["row", "seed", "tasks", "steps", "best at", "tokens/s", "minutes in steps", "commit", "date", "machine"]
"""Columns of the table of runs."""
SOUP_HEADER = ["row", "seed", "model", "its score", "mean with it", "kept"]
"""Columns of the table of soups, whose rows are the models that were tried, in their order."""


@dataclass(frozen=True)
class Cell:
    """A score of a line.

    Attributes:
        paper: Score of the paper; empty if there is none.
        ours: Our mean over the seeds, or why there is none.
        spread: Standard deviation over the seeds with its sign; empty for one seed.
        difference: Ours less the paper's; empty if there are not both.
        is_best: Whether ours is the best of a column with several.
    """

    paper: str
    ours: str
    spread: str = ""
    difference: str = ""
    is_best: bool = False


def cell(line: Line, column: str, best: dict[str, float]) -> Cell:
    """Format a score of a line; `best` is that of `best_scores`."""
    paper = line.paper.get(column)
    values = line.ours.get(column, [])
    shown = "" if paper is None else figure(paper)
    if not values:
        return Cell(shown, line.note)
    mean = statistics.fmean(values)
    return Cell(
        shown,
        figure(mean),
        f"± {statistics.stdev(values):.3f}" if len(values) > 1 else "",
        "" if paper is None else figure(mean - paper, "+"),
        line.competes(column) and mean == best.get(column),
    )


def best_scores(result: Outcome) -> dict[str, float]:
    """Return our highest mean score of each column that has several; of ``overall``, among lines with the same tasks."""
    best: dict[str, float] = {}
    for column in result.columns:
        lines = [line for line in result.lines if line.competes(column)]
        means = [statistics.fmean(line.ours[column]) for line in lines if line.ours.get(column)]
        if len(means) > 1:
            best[column] = max(means)
    return best


def best_note(result: Outcome) -> str:
    """Say what the best scores of `best_scores` are the best of."""
    is_narrow = any(line.ours.get("overall") and not line.competes("overall") for line in result.lines)
    return "our best score of a column" + (
        "; of overall, the best of the rows that have exactly the tasks of the columns" if is_narrow else ""
    )


def interval_cell(line: Line) -> str:
    """Format the interval of overall; empty if there is none."""
    return "" if line.interval is None else " to ".join(map(figure, line.interval))


def difference_cell(line: Line) -> str:
    """Format the difference from the row that the table compares with, and its interval; empty if there is none."""
    if line.difference is None:
        return ""
    mean, low, high = (figure(value, "+") for value in line.difference)
    return f"{mean} ({low} to {high})"


def further_columns(result: Outcome) -> dict[str, Callable[[Line], str]]:
    """Return the columns right of the scores: heading to the function that formats the cell of a line."""
    columns: dict[str, Callable[[Line], str]] = {}
    if result.has_intervals:
        columns[INTERVAL] = interval_cell
    if any(line.difference for line in result.lines):
        columns["difference, 95 % interval"] = difference_cell
    if not result.has_paper:
        columns["seconds of training"] = seconds_cell
    return columns


def seconds_cell(line: Line) -> str:
    """Format the mean time of training; empty for a line that was not run."""
    return f"{statistics.fmean(line.seconds):,.0f}" if line.seconds else ""


def run_cells(result: Outcome) -> list[list[str]]:
    """Return the cells of the table of runs, in the order of `RUN_HEADER`."""
    return [
        [
            record.row,
            str(record.seed),
            ", ".join(run.train_rows),
            f"{run.steps:,}",
            f"{run.best_step:,}",
            f"{run.tokens / max(run.seconds, 1e-9):,.0f}",
            f"{run.seconds / 60:.1f}",
            _short(str(run.provenance.get("commit", ""))),
            str(run.provenance.get("date", ""))[:10],
            f"{run.provenance.get('machine', '')}; {run.provenance.get('device', '')}, {run.provenance.get('precision', '')}",
        ]
        for record in result.records
        for run in record.runs
    ]


def soup_cells(result: Outcome) -> list[list[str]]:
    """Return the cells of the table of soups, in the order of `SOUP_HEADER`."""
    return [
        [
            record.row,
            str(record.seed),
            model.name,
            *("" if value is None else figure(value) for value in (model.score, model.mean_score)),
            "yes" if model.kept else "no",
        ]
        for record in result.records
        if record.soup
        for model in record.soup.models
    ]


def figure(value: float, sign: str = "") -> str:
    """Format a score with three digits and a minus sign of the width of a digit."""
    return f"{value:{sign}.3f}".replace("-", "−")


def _short(commit: str) -> str:
    """Shorten a commit to ten digits, and keep the mark of uncommitted changes."""
    digits, plus, changes = commit.partition("+")
    return digits[:10] + plus + changes
