"""Which rows the tasks of a run hold out for dev: label by label, or not the same ones of a file."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product

from swissbert.tasks import Task
from swissbert.wording import joined


def with_stratify(tasks: Sequence[Task]) -> list[Task]:
    """Fill in ``stratify`` where tasks leave it out.

    It is true for a task that holds dev rows out of train rows with one label each, unless another task of the run reads
    one of the same files: a text must not be a train row of one task and a dev row of another. Tasks without files of
    their own, whose rows are given in memory, count as reading the same.
    """
    readers = Counter(source for task in tasks for source in _sources(task))
    filled = []
    for task in tasks:
        if task.stratify is None:
            is_alone = all(readers[source] == 1 for source in _sources(task))
            automatic = task.holds_out and task.kind.can_stratify(task) and is_alone
            task = task.model_copy(update={"stratify": automatic})
        filled.append(task)
    return filled


def uneven_holdouts(tasks: Sequence[Task]) -> Iterator[str]:
    """Yield a sentence for each file of which tasks hold different rows out for dev.

    The rows are chosen by their texts, so tasks that read the same texts hold the same rows out. Where one of them reads
    further texts, a larger share or label by label, a text can be a dev row of one and a train row of another, from which
    the encoder learns for both. The setting ``guard`` leaves such train rows out.

    Args:
        tasks: The tasks of a run, after `with_stratify`, without those whose rows are in memory.
    """
    readers: dict[tuple[str, str | None], list[Task]] = {}
    for task in tasks:
        for place in product(_sources(task), _held_out_by(task)[0]) if task.holds_out else ():
            readers.setdefault(place, []).append(task)
    found: dict[str, dict[str, None]] = {}
    for (file, _), group in readers.items():
        ways = set(map(_held_out_by, group))
        guards = {task.guard for task in group} - {"sentences"}
        is_guarded = not guards or (guards == {"rows"} and len({texts for texts, _ in ways}) == 1)
        if len(ways) > 1 and not is_guarded:
            found.setdefault(file, {}).update(dict.fromkeys(task.name for task in group))
    for file, names in sorted(found.items()):
        listed = joined([f"'{name}'" for name in names])
        yield (
            f"{file}: tasks {listed} hold out different rows of it, so a text may be in a dev row of one and in a train row of "
            'another; guard = "sentences" in these tasks leaves such train rows out'
        )


def _held_out_by(task: Task) -> tuple[frozenset[str | None], tuple[object, ...]]:
    """Return the columns of texts by which rows are held out, and the other settings that decide which."""
    label = (task.columns.label, task.kind.name, *task.labels) if task.stratify else ()
    return frozenset({task.columns.text, task.columns.text_pair} - {None}), (task.holdout, *label)


def _sources(task: Task) -> set[str]:
    """Return what the train rows of a task are read from."""
    if task.hub is not None:
        return {f"{task.hub.dataset} on the hub"}
    return set(task.candidates("train")) or {"rows in memory"}
