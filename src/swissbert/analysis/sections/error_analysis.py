"""Section on the errors of one task: buckets of rows, word overlap, worst and best rows."""

from pathlib import Path

from swissbert.analysis.answered import AnsweredSplit, in_words, read_rows, text_cells, text_header
from swissbert.analysis.mistakes import bucket_errors, bucket_figure, overlap_figure
from swissbert.analysis.page import Part, Picture, Section, Table

SHOWN = 8
"""Number of worst rows and of best rows that are listed."""
HOW = (
    "The interval of a bucket is for this bucket alone. Of several buckets one may lie above or below 0 by chance; the summary "
    "corrects for their number and leaves out small buckets."
)
"""Why the summary may not name a bucket whose interval is above 0."""


def errors_section(answered: AnsweredSplit, directory: Path | None) -> Section:
    """Build the section; texts are read again from the data files in `directory`."""
    name, kind = answered.task.name, answered.task.kind
    parts = _bucket_parts(answered)
    if answered.overlap is not None:
        parts.append(Picture(f"overlap-{name}", overlap_figure(answered), f"Word overlap of {name}"))
    parts += _example_parts(answered, directory)
    mean = float(answered.errors.mean())
    shown = f"{mean:.1%}" if kind.error_is_share else f"{mean:.2f}"
    text = f"{kind.error_name[0].upper()}{kind.error_name[1:]} on {len(answered.errors):,} rows: {shown}."
    if title := answered.task.title:
        text = f"{title}{'' if title[-1] in '.?!' else '.'} {text}"
    return Section(f"errors-{name}", f"Errors: {name}", text, parts, how=HOW if bucket_errors(answered) else "")


def _bucket_parts(answered: AnsweredSplit) -> list[Part]:
    name = answered.task.name
    rows = [
        [b.name, b.description, b.rows, b.error, b.rest, b.difference, *(b.interval or (float("nan"),) * 2)]
        for b in bucket_errors(answered)
    ]
    if not rows:
        return []
    error = answered.task.kind.error_name
    header = ["bucket", "definition", "rows", error, "other rows", "difference", "from", "to"]
    title = f"{name}: errors by bucket, differences with 95 % intervals"
    picture = Picture(f"buckets-{name}", bucket_figure(answered), f"Errors of {name} by bucket of rows")
    return [picture, Table(f"buckets-{name}", title, header, rows)]


def _example_parts(answered: AnsweredSplit, directory: Path | None) -> list[Part]:
    """Return tables of the worst and the best rows, those that are not empty."""
    task = answered.task
    worst = f"worst mistakes, by {task.kind.severity_rule(task)}"
    best = "most confident correct answers" if task.kind.error_is_share else "smallest errors"
    chosen = {("mistakes", worst): answered.worst(SHOWN), ("successes", best): answered.best(SHOWN)}
    texts = read_rows(answered, [number for numbers in chosen.values() for number in numbers], directory)
    header = [*text_header(task), "true", "predicted", *_strength_header(answered)]
    return [
        Table(
            f"{prefix}-{task.name}",
            f"{task.name}: {title}",
            header,
            [[*text_cells(texts[i]), *in_words(answered, i), *_strengths(answered, i)] for i in numbers],
        )
        for (prefix, title), numbers in chosen.items()
        if numbers
    ]


def _strength_header(answered: AnsweredSplit) -> list[str]:
    return ["severity", *([] if answered.confidence is None else ["confidence"])]


def _strengths(answered: AnsweredSplit, number: int) -> list[float]:
    """Return the severity of a row, and the confidence if there is one."""
    confidence = [] if answered.confidence is None else [float(answered.confidence[number])]
    return [float(answered.severity[number]), *confidence]
