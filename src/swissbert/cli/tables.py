"""Tables of scores and data checks for the terminal."""

import math
import sys
from typing import TYPE_CHECKING

from swissbert.cli.results import fitted, heading, result_table
from swissbert.data.check import Report, Shared
from swissbert.data.formats import COLUMNS_SHOWN, NAME_SHOWN
from swissbert.errors import LONGEST_LINE, clipped
from swissbert.evaluation import Scores, TaskScores
from swissbert.evaluation.confused import MANY_LABELS, most_confused, worst_labels
from swissbert.metrics import METRICS, higher_is_better, shown, shown_as
from swissbert.terminal import width_of
from swissbert.text_table import least_width
from swissbert.wording import one_line

if TYPE_CHECKING:
    from swissbert.training.soup import Soup

BAD_SHOWN = 20
"""Largest number of bad rows that are listed for each split."""
MATRIX_WIDTH = 140
"""Characters that the labels of a confusion matrix may have together."""
ENDS = 3
"""Most frequent labels, and as many least frequent ones, whose shares are shown of many."""


def scores_table(scores: Scores) -> str:
    """Format every metric with interval and chance level, the overall scores, and confusion matrices if present."""
    rows = []
    for name, task in scores.tasks.items():
        for metric, value in task.metrics.items():
            span = task.intervals[metric] if task.intervals and metric in task.intervals else None
            rows.append(
                [
                    name,
                    metric + (" *" if metric == task.metric else ""),
                    shown_as(metric, value),
                    f"{shown_as(metric, span[0])} to {shown_as(metric, span[1])}" if span else "",
                    _chance(task, metric),
                    f"{task.rows:,}",
                ]
            )
    if any(higher_is_better(task.metric) for task in scores.tasks.values()):
        rows.append(["overall", "mean of *", shown(scores.overall), "", "", ""])
    if any(task.metric in METRICS and METRICS[task.metric].is_correlation for task in scores.tasks.values()):
        rows.append(["overall_normalised", "mean of *, r as (r+1)/2", shown(scores.overall_normalised), "", "", ""])
    parts = [result_table("Scores", ["task", "metric", "score", "95 % interval", "chance", "rows"], rows, left=2)]
    parts += [_block("On these scores", scores.all_notes())]
    parts += [confusion_table(name, task) for name, task in scores.tasks.items() if task.confusion]
    return "\n\n".join(part for part in parts if part)


def _chance(task: TaskScores, metric: str) -> str:
    """Format the score of the best constant answer; 0 for correlations; empty where neither is defined."""
    if metric in METRICS and METRICS[metric].is_correlation:
        return "0.000"
    value = task.baseline.get(metric, math.nan) if task.baseline else math.nan
    return "" if math.isnan(value) else shown_as(metric, value)


def confusion_table(name: str, task: TaskScores) -> str:
    """Format counts of true (rows) against predicted (columns) labels; of many labels those that are most confused."""
    assert task.confusion is not None
    assert task.labels is not None
    rows = [[label, *map(str, counts)] for label, counts in zip(task.labels, task.confusion, strict=True)]
    header = ["", *task.labels]
    limit = width_of(sys.stdout)
    is_too_wide = sum(map(len, task.labels)) > MATRIX_WIDTH if limit is None else least_width(header, rows) > limit
    if len(task.labels) > MANY_LABELS or is_too_wide:
        return _confused(name, task.labels, task.confusion)
    return result_table(f"{name}: true label by row, predicted by column", header, rows)


def _confused(name: str, labels: list[str], confusion: list[list[int]]) -> str:
    """Format the most confused pairs of labels, and the labels with the smallest share of right rows."""
    pairs = most_confused(labels, confusion)
    worst = worst_labels(labels, confusion)
    count = f"{len(labels)} labels; the JSON has the whole table"
    confused = result_table(
        f"{name}: labels most often confused ({count})",
        ["true", "predicted", "rows"],
        [[true, predicted, str(rows)] for true, predicted, rows in pairs],
        left=2,
    )
    fewest = result_table(
        f"{name}: labels with the smallest share of right rows",
        ["label", "rows", "right", "share"],
        [[label, str(rows), str(right), f"{share:.3f}"] for label, rows, right, share in worst],
    )
    return "\n\n".join([*([confused] if pairs else [f"{name}: no labels are confused ({count})"]), fewest])


def soup_table(soup: "Soup") -> str:
    """Format the models that were tried for a soup, in their order."""
    rows = [
        [
            trial.name,
            shown(trial.score, 4),
            shown(trial.mean_score, 4),
            "kept" if trial.kept else "not kept",
        ]
        for trial in soup.trials
    ]
    kept = sum(trial.kept for trial in soup.trials)
    title = f"Mean of {kept} of {len(rows)} models, by {soup.best_by} on dev rows"
    return result_table(title, ["model", "its score", "mean with it", ""], rows)


def check_text(report: Report) -> str:
    """Format what `data check` reports."""
    parts = [
        _files(report),
        _balances(report),
        _spellings(report),
        _block("Detected", list(dict.fromkeys(note for split in report.splits for note in split.source_notes))),
        _bad_rows(report),
        _block("Problems", [f"{problem.task} {problem.split}: {problem.sentence}" for problem in report.problems]),
        _shared_rows(report),
        _block(
            "Files that belong to no task (declare one and pass it with --tasks)",
            [_columns(name, columns) for name, columns in report.other.items()],
        ),
    ]
    return "\n\n".join(part for part in parts if part) or "There are no data files here."


def _columns(name: str, columns: list[str]) -> str:
    shown = [clipped(column, NAME_SHOWN) for column in columns[: COLUMNS_SHOWN + 1]]
    more = f" and {len(columns) - COLUMNS_SHOWN:,} more" if len(columns) > COLUMNS_SHOWN else ""
    return f"{name}: columns {', '.join(shown[:COLUMNS_SHOWN]) + more or 'not readable'}"


def _files(report: Report) -> str:
    rows = [
        [
            split.task,
            split.split,
            split.file,
            f"{split.rows:,}",
            f"{len(split.bad) + split.more_bad:,}",
            str(split.unlabelled),
            str(split.repeated),
            " / ".join(map(str, split.lengths)),
        ]
        for split in report.splits
    ]
    header = ["task", "split", "file", "rows", "bad", "no label", "repeated", "tokens: median / 95 % / longest"]
    return result_table("Data", header, rows, left=3) if rows else ""


def _balances(report: Report) -> str:
    rows = [[split.task, split.split, _shares(split.balance)] for split in report.splits if split.balance]
    return result_table("Labels", ["task", "split", "share of rows"], rows, left=3) if rows else ""


def _shares(balance: dict[str, float]) -> str:
    """Format the share of each label; of many labels the most and the least frequent ones."""
    balance = {clipped(label, NAME_SHOWN): share for label, share in balance.items()}
    parts = [f"{label} {share:.0%}" for label, share in balance.items()]
    if len(parts) <= MANY_LABELS:
        return "  ".join(parts)
    order = sorted(balance, key=lambda label: -balance[label])
    absent = sum(not share for share in balance.values())
    ends = [[f"{label} {balance[label]:.1%}" for label in group] for group in (order[:ENDS], order[-ENDS:])]
    missing = f"; {absent} of {len(parts)} labels have no row" if absent else ""
    return f"{'  '.join(ends[0])}  ... {len(parts) - 2 * ENDS} more ...  {'  '.join(ends[1])}{missing}"


def _spellings(report: Report) -> str:
    lines = []
    for split in report.splits:
        most = sorted(split.spellings.items(), key=lambda pair: -pair[1])[:BAD_SHOWN]
        lines += [f"{split.task} {split.split}: {spelling} in {count:,} row(s)" for spelling, count in most]
    return _block("Labels that are not written as declared", lines)


def _bad_rows(report: Report) -> str:
    lines = [str(row) for split in report.splits for row in split.bad[:BAD_SHOWN]]
    more = sum(max(0, len(split.bad) + split.more_bad - BAD_SHOWN) for split in report.splits)
    return _block("Bad rows", [*lines, *([f"and {more} more"] if more else [])])


def _shared_rows(report: Report) -> str:
    """List rows of other splits that are in the train split too; say so if there are none."""
    if report.shared:
        return _block("Rows shared with train", [_shared_line(shared) for shared in report.shared])
    trained = {split.task for split in report.splits if split.split == "train"}
    others = {split.task for split in report.splits if split.split in ("dev", "test")}
    return _block("Rows shared with train", ["none"]) if trained & others else ""


def _shared_line(shared: Shared) -> str:
    other = f", {shared.other_label} with another label" if shared.other_label else ""
    return f"{shared.task}: {shared.rows} row(s) of {shared.split} are in train too{other} (the first: {shared.first[:80]})"


def _block(title: str, lines: list[str]) -> str:
    """Format lines, which may quote a file of any content, below a title."""
    return "\n".join(
        [heading(title), *(fitted(f"  {clipped(one_line(line), LONGEST_LINE)}") for line in lines)]
    ) * bool(lines)
