"""Section on the data: labels and lengths of every split."""

from collections.abc import Iterable, Mapping, Sequence

from swissbert.analysis.distributions import Distribution, distribution_figure
from swissbert.analysis.page import Part, Picture, Section, Table
from swissbert.tasks import Task


def labels_section(tasks: Iterable[Task], counts: Mapping[str, list[Distribution]], problems: Sequence[str]) -> Section:
    """Build the section.

    Args:
        tasks: The tasks.
        counts: Counts of the splits of each task, by name of the task.
        problems: Error messages of splits that cannot be read.
    """
    parts: list[Part] = []
    rows: list[list[str | int | float]] = []
    for task in tasks:
        splits = counts[task.name]
        if splits:
            figure = distribution_figure(task, splits)
            parts.append(Picture(f"labels-{task.name}", figure, f"Labels and lengths of {task.name}"))
        rows += [
            [task.name, split.split, name, split.labels[group], split.share(group)]
            for split in splits
            if split.labelled
            for group, name in enumerate(task.kind.groups(task))
        ]
    parts.append(Table("labels", "Labels by split", ["task", "split", "label", "rows", "share"], rows))
    text = " ".join(["All available splits.", *(f"Not counted: {problem}." for problem in problems)])
    return Section("labels", "Labels and lengths", text, parts)
