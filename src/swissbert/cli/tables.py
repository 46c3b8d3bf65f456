"""Tables of scores and data checks for the terminal."""

from swissbert.data.check import Report, Shared
from swissbert.display import table
from swissbert.evaluation import Scores, TaskScores
from swissbert.metrics import METRICS

BAD_SHOWN = 20
"""Largest number of bad rows that are listed for each split."""


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
                    f"{value:.3f}",
                    f"{span[0]:.3f} to {span[1]:.3f}" if span else "",
                    _chance(task, metric),
                    f"{task.rows:,}",
                ]
            )
    rows.append(["overall", "mean of *", f"{scores.overall:.3f}", "", "", ""])
    rows.append(["overall_normalised", "mean of *, r as (r+1)/2", f"{scores.overall_normalised:.3f}", "", "", ""])
    parts = [table("Scores", ["task", "metric", "score", "95 % interval", "chance", "rows"], rows, left=2)]
    parts += [confusion_table(name, task) for name, task in scores.tasks.items() if task.confusion]
    return "\n\n".join(parts)


def _chance(task: TaskScores, metric: str) -> str:
    """Format the score of the best constant answer; 0 for correlations; empty where neither is defined."""
    if metric in METRICS and METRICS[metric].is_correlation:
        return "0.000"
    return f"{task.baseline[metric]:.3f}" if task.baseline and metric in task.baseline else ""


def confusion_table(name: str, task: TaskScores) -> str:
    """Format counts of true (rows) against predicted (columns) labels."""
    assert task.confusion is not None
    assert task.labels is not None
    rows = [[label, *map(str, counts)] for label, counts in zip(task.labels, task.confusion, strict=True)]
    return table(f"{name}: true label by row, predicted by column", ["", *task.labels], rows)


def check_text(report: Report) -> str:
    """Format what `data check` reports."""
    parts = [
        _files(report),
        _balances(report),
        _block("Detected", list(dict.fromkeys(note for split in report.splits for note in split.notes))),
        _bad_rows(report),
        _block("Problems", [f"{problem.task} {problem.split}: {problem.sentence}" for problem in report.problems]),
        _shared_rows(report),
        _block(
            "Files that belong to no task (declare one and pass it with --tasks)",
            [f"{name}: columns {', '.join(columns) or 'not readable'}" for name, columns in report.other.items()],
        ),
    ]
    return "\n\n".join(part for part in parts if part) or "There are no data files here."


def _files(report: Report) -> str:
    rows = [
        [
            split.task,
            split.split,
            split.file,
            f"{split.rows:,}",
            str(len(split.bad)),
            str(split.repeated),
            " / ".join(map(str, split.lengths)),
        ]
        for split in report.splits
    ]
    header = ["task", "split", "file", "rows", "bad", "repeated", "tokens: median / 95 % / longest"]
    return table("Data", header, rows, left=3) if rows else ""


def _balances(report: Report) -> str:
    rows = [
        [split.task, split.split, "  ".join(f"{label} {share:.0%}" for label, share in split.balance.items())]
        for split in report.splits
        if split.balance
    ]
    return table("Labels", ["task", "split", "share of rows"], rows, left=3) if rows else ""


def _bad_rows(report: Report) -> str:
    lines = [str(row) for split in report.splits for row in split.bad[:BAD_SHOWN]]
    more = sum(max(0, len(split.bad) - BAD_SHOWN) for split in report.splits)
    return _block("Bad rows", [*lines, *([f"and {more} more"] if more else [])])


def _shared_rows(report: Report) -> str:
    """List rows of other splits that are in the train split too; say so if there are none."""
    if report.shared:
        return _block("Rows shared with train", [_shared_line(shared) for shared in report.shared])
    trained = {split.task for split in report.splits if split.split == "train"}
    others = {split.task for split in report.splits if split.split != "train"}
    return _block("Rows shared with train", ["none"]) if trained & others else ""


def _shared_line(shared: Shared) -> str:
    other = f", {shared.other_label} with another label" if shared.other_label else ""
    return f"{shared.task}: {shared.rows} row(s) of {shared.split} are in train too{other} (the first: {shared.first[:80]})"


def _block(title: str, lines: list[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)]) if lines else ""
