"""Scores and data reports as text for a terminal."""

from swissbert.data.check import Report
from swissbert.display import table
from swissbert.evaluation import Scores, TaskScores
from swissbert.metrics import METRICS


def scores_table(scores: Scores) -> str:
    """Format every metric with its interval and chance, the overall scores, and confusion matrices."""
    rows = []
    for name, task in scores.tasks.items():
        for metric, value in task.metrics.items():
            interval = (task.intervals or {}).get(metric)  # metrics of heads and of callers have none
            rows.append(
                [
                    name,
                    f"{metric} *" if metric == task.metric else metric,
                    f"{value:.3f}",
                    f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "",
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
    """Return what the best constant answer scores; 0 for a correlation."""
    if metric in METRICS and METRICS[metric].is_correlation:
        return f"{0:.3f}"
    value = (task.baseline or {}).get(metric)
    return "" if value is None else f"{value:.3f}"


def confusion_table(name: str, task: TaskScores) -> str:
    """Format counts of true labels (rows) and predicted labels (columns)."""
    assert task.confusion is not None
    assert task.labels is not None
    rows = [[label, *map(str, counts)] for label, counts in zip(task.labels, task.confusion, strict=True)]
    return table(f"{name}: true label by row, predicted by column", ["", *task.labels], rows)


def check_text(report: Report) -> str:
    """Format the report of ``data check``."""
    parts = [*_splits(report), *_bad_rows(report), *_problems(report), *_shared(report)]
    if report.other:
        lines = [f"  {name}: columns {', '.join(columns) or 'not readable'}" for name, columns in report.other.items()]
        parts.append("\n".join(["Files that belong to no task (declare one and pass it with --tasks)", *lines]))
    return "\n\n".join(parts) or "There are no data files here."


def _splits(report: Report) -> list[str]:
    rows = [
        [
            split.task,
            split.split,
            split.file,
            f"{split.rows:,}",
            str(len(split.bad)),
            str(split.repeated),
            f"{split.lengths[0]} / {split.lengths[1]} / {split.lengths[2]}",
        ]
        for split in report.splits
    ]
    balances = [
        [split.task, split.split, "  ".join(f"{label} {share:.0%}" for label, share in split.balance.items())]
        for split in report.splits
        if split.balance
    ]
    parts = []
    if rows:
        header = ["task", "split", "file", "rows", "bad", "repeated", "tokens: median / 95 % / longest"]
        parts.append(table("Data", header, rows, left=3))
    if balances:
        parts.append(table("Labels", ["task", "split", "share of each"], balances, left=3))
    return parts


def _bad_rows(report: Report) -> list[str]:
    lines = [f"  {row}" for split in report.splits for row in split.bad[:20]]
    more = sum(max(0, len(split.bad) - 20) for split in report.splits)
    return ["\n".join(["Bad rows", *lines, *([f"  and {more} more"] if more else [])])] if lines else []


def _problems(report: Report) -> list[str]:
    lines = [f"  {problem.task} {problem.split}: {problem.sentence}" for problem in report.problems]
    return ["\n".join(["Problems", *lines])] if lines else []


def _shared(report: Report) -> list[str]:
    if report.shared:
        lines = [
            f"  {shared.task}: {shared.rows} row(s) of {shared.split} are in train too"
            + (f", {shared.other_label} with another label" if shared.other_label else "")
            + f" (the first: {shared.first[:80]})"
            for shared in report.shared
        ]
        return ["\n".join(["Rows shared with train", *lines])]
    with_train = {split.task for split in report.splits if split.split == "train"}
    return (
        ["Rows shared with train\n  none"]
        if any(split.task in with_train for split in report.splits if split.split != "train")
        else []
    )
