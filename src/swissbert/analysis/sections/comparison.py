"""Section that compares two models on the same rows."""

import math
from collections.abc import Sequence
from pathlib import Path

from swissbert.analysis.answered import AnsweredSplit, in_words, read_rows, text_cells, text_header
from swissbert.analysis.page import Part, Picture, Section, Table
from swissbert.analysis.versus import agreement, compare, disagreements, versus_figure

SHOWN = 8
"""Number of rows in each table of rows that one model answers better."""


def comparison_section(
    pairs: Sequence[tuple[AnsweredSplit, AnsweredSplit]], names: tuple[str, str], directory: Path | None
) -> Section:
    """Build the section.

    Args:
        pairs: Answers of both models to the same split, for each task.
        names: Names of the models; numbers are added where they are equal.
        directory: Directory of the data files.

    Raises:
        SwissbertError: If the models have not answered the same rows.
    """
    if names[0] == names[1]:
        names = (f"{names[0]} (1)", f"{names[1]} (2)")
    differences = [difference for pair in pairs for difference in compare(*pair)]
    rows = [
        [
            d.task,
            d.metric,
            *("undefined" if math.isnan(value) else value for value in (d.first, d.second)),
            d.difference,
            *d.interval,
            "" if d.p is None else d.p,
        ]
        for d in differences
    ]
    header = ["task", "metric", *names, "difference", "from", "to", "McNemar p"]
    counts = [[first.task.name, *agreement(first, second)] for first, second in pairs]
    parts: list[Part] = [
        Picture("versus", versus_figure(differences, names), f"{names[0]} against {names[1]}"),
        Table("versus", "All metrics; differences with 95 % intervals (paired bootstrap)", header, rows, digits=4),
        Table(
            "who-is-right",
            "Rows that both models, one or neither answers correctly; for scores: equal or smaller error",
            ["task", "both", f"only {names[0]}", f"only {names[1]}", "neither"],
            counts,
        ),
    ]
    for first, second in pairs:
        parts += _examples(first, second, "won", names, directory)
        parts += _examples(second, first, "lost", names[::-1], directory)
    text = f"{names[0]} against {names[1]} on the same {pairs[0][0].split} rows."
    return Section("versus", "Two models", text, parts)


def _examples(
    better: AnsweredSplit, worse: AnsweredSplit, prefix: str, names: Sequence[str], directory: Path | None
) -> list[Part]:
    """Return a table of rows where the first of two models has the smaller error, if there are any."""
    numbers = disagreements(better, worse, SHOWN)
    if not numbers:
        return []
    task = better.task
    texts = read_rows(better, numbers, directory)
    rows = [[*text_cells(texts[i]), *in_words(better, i), in_words(worse, i)[1]] for i in numbers]
    title = f"{task.name}: better answered by {names[0]}"
    return [Table(f"{prefix}-{task.name}", title, [*text_header(task), "true", *names], rows)]
