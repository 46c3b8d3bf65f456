"""Tables and answers as a person reads them in a terminal."""

from swissbert.data.check import Report
from swissbert.display import table
from swissbert.evaluation import Scores, TaskScores


def scores_table(scores: Scores) -> str:
    """Every metric with its interval, the overall scores, and confusion matrices where they were made."""
    rows = []
    for name, task in scores.tasks.items():
        for metric, value in task.metrics.items():
            span = task.intervals[metric] if task.intervals else None
            chance = _chance(task) if metric == "accuracy" else ("0.000" if metric in ("pearson", "spearman") else "")
            mark = " *" if metric == task.metric else ""
            rows.append(
                [
                    name,
                    metric + mark,
                    f"{value:.3f}",
                    f"{span[0]:.3f} to {span[1]:.3f}" if span else "",
                    chance,
                    f"{task.rows:,}",
                ]
            )
    rows.append(["overall", "mean of *", f"{scores.overall:.3f}", "", "", ""])
    rows.append(["overall_normalised", "mean of *, r as (r+1)/2", f"{scores.overall_normalised:.3f}", "", "", ""])
    parts = [table("Scores", ["task", "metric", "score", "95 % interval", "chance", "rows"], rows, left=2)]
    parts += [confusion_table(name, task) for name, task in scores.tasks.items() if task.confusion]
    return "\n\n".join(parts)


def _chance(task: TaskScores) -> str:
    """Accuracy of always answering the most frequent label."""
    return f"{max(map(sum, task.confusion)) / task.rows:.3f}" if task.confusion else ""


def confusion_table(name: str, task: TaskScores) -> str:
    """Counts of true (rows) against predicted (columns) labels."""
    assert task.confusion is not None
    assert task.labels is not None
    rows = [[label, *map(str, counts)] for label, counts in zip(task.labels, task.confusion, strict=True)]
    return table(f"{name}: true label by row, predicted by column", ["", *task.labels], rows)


def check_text(report: Report) -> str:
    """What `data check` says."""
    rows = [
        [
            s.task,
            s.split,
            s.file,
            f"{s.rows:,}",
            str(len(s.bad)),
            str(s.repeated),
            f"{s.lengths[0]} / {s.lengths[1]} / {s.lengths[2]}",
        ]
        for s in report.splits
    ]
    parts = []
    if rows:
        header = ["task", "split", "file", "rows", "bad", "repeated", "tokens: median / 95 % / longest"]
        parts.append(table("Data", header, rows, left=3))
    balances = [
        [s.task, s.split, "  ".join(f"{label} {share:.0%}" for label, share in s.balance.items())]
        for s in report.splits
        if s.balance
    ]
    if balances:
        parts.append(table("Labels", ["task", "split", "share of each"], balances, left=3))
    bad = [f"  {row}" for s in report.splits for row in s.bad[:20]]
    more = sum(max(0, len(s.bad) - 20) for s in report.splits)
    if bad:
        parts.append("\n".join(["Bad rows", *bad, *([f"  and {more} more"] if more else [])]))
    if report.problems:
        lines = [f"  {p.task} {p.split}: {p.sentence}" for p in report.problems]
        parts.append("\n".join(["Problems", *lines]))
    if report.shared:
        lines = [
            f"  {s.task}: {s.rows} row(s) of {s.split} stand in train too"
            + (f", {s.other_label} with another label" if s.other_label else "")
            + f" (the first: {s.first[:80]})"
            for s in report.shared
        ]
        parts.append("\n".join(["Rows shared with train", *lines]))
    elif {s.task for s in report.splits if s.split == "train"} & {s.task for s in report.splits if s.split != "train"}:
        parts.append("Rows shared with train\n  none")
    if report.other:
        lines = [f"  {name}: columns {', '.join(columns) or 'not readable'}" for name, columns in report.other.items()]
        parts.append("\n".join(["Files that no task here reads (declare one and pass it with --tasks)", *lines]))
    return "\n\n".join(parts) or "No data files here."
