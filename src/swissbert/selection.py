"""Choice of the score that decides which model is kept, and of the tasks that hold dev rows out label by label."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations

from swissbert.metrics import METRICS, higher_is_better
from swissbert.tasks import Task
from swissbert.wording import joined

OVERALL = ("overall", "overall_normalised")
LOSS_NAMES = ("loss", "eval_loss", "val_loss", "dev_loss")
"""Names of the sum of all losses on dev rows; the first is the one that is stored."""


def known_scores(tasks: Sequence[Task]) -> list[str]:
    """Return the values of ``train.best_by``."""
    names = [*OVERALL, LOSS_NAMES[0]]
    for task in tasks:
        names += [f"{task.name}.{metric}" for metric in [*task.kind.metrics, "loss"]]
    return names


def full_name(name: str, tasks: Sequence[Task]) -> str:
    """Return the score that a value of ``train.best_by`` stands for.

    ``macro_f1`` or ``eval_macro_f1`` is that metric of the only task that has it. ``overall`` of a single task whose
    metric is an error (lower is better) is that metric.

    Raises:
        ValueError: If there is no such score, several tasks have it, or ``overall`` does not judge every task.
    """
    known = known_scores(tasks)
    if name in OVERALL:
        return _checked_overall(name, tasks)
    if name in LOSS_NAMES:
        return LOSS_NAMES[0]
    if name in known:
        return name
    short = name.removeprefix("eval_")
    fitting = [score for score in known if "." in score and score.partition(".")[2] == short]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise ValueError(f"train.best_by is '{name}', which several tasks have; name one: {', '.join(fitting)}")
    kinds = " and ".join(METRICS[short].kinds) if short in METRICS else ""
    hint = f" ('{short}' is a metric of {kinds} tasks)" if kinds else ""
    raise ValueError(f"train.best_by is '{name}', but it is one of {', '.join(known)}{hint}")


def _checked_overall(name: str, tasks: Sequence[Task]) -> str:
    errors = [task for task in tasks if not higher_is_better(task.metric)]
    if not errors:
        return name
    task = errors[0]
    if len(tasks) == 1:
        return f"{task.name}.{task.metric}"
    raise ValueError(
        f"train.best_by is '{name}', a mean of metrics where higher is better, but the metric of task '{task.name}' is "
        f"{task.metric}; use 'loss', '{task.name}.{task.metric}' or another metric of the task"
    )


def is_better_higher(name: str) -> bool:
    """Return whether larger values of a full name are better."""
    metric = name.rpartition(".")[2]
    return metric != LOSS_NAMES[0] and higher_is_better(metric)


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
    found: dict[str, dict[str, None]] = {}
    for pair in combinations([task for task in tasks if task.holds_out], 2):
        (texts, how), (other_texts, other_how) = map(_held_out_by, pair)
        guards = {task.guard for task in pair} - {"sentences"}
        is_guarded = not guards or (texts == other_texts and guards == {"rows"})
        if texts & other_texts and (texts != other_texts or how != other_how) and not is_guarded:
            for file in set.intersection(*map(_sources, pair)):
                found.setdefault(file, {}).update(dict.fromkeys(task.name for task in pair))
    for file, names in sorted(found.items()):
        listed = joined([f"'{name}'" for name in names])
        yield (
            f"{file}: tasks {listed} hold out different rows of it, so a text may be in a dev "
            'row of one and in a train row of another; guard = "sentences" in these tasks leaves such train rows out'
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
