"""Choice of the score that decides which model is kept, and of the tasks that hold dev rows out label by label."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations

from swissbert.metrics import METRICS, higher_is_better
from swissbert.tasks import Task

OVERALL = ("overall", "overall_normalised")
LOSS_NAMES = ("loss", "eval_loss", "val_loss", "dev_loss")
"""Names of the sum of all losses on dev rows; the first is the one that is stored."""

IN_MEMORY = "rows in memory"
"""What stands for the files of a task that has none."""


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
    """Yield a sentence for each two tasks that hold different rows of one file out for dev.

    The rows are chosen by their texts, so tasks that read the same texts hold the same rows out. Where one of them reads
    further texts, a larger share or label by label, a text can be a dev row of one and a train row of the other, from which
    the encoder learns for both. The setting ``guard`` leaves such train rows out.

    Args:
        tasks: The tasks of a run, after `with_stratify`.
    """
    for one, other in combinations([task for task in tasks if task.holds_out], 2):
        files = sorted(_sources(one) & _sources(other) - {IN_MEMORY})
        texts = [{task.columns.text, task.columns.text_pair} - {None} for task in (one, other)]
        if not files or not texts[0] & texts[1]:
            continue
        is_same = texts[0] == texts[1]
        if is_same and one.holdout == other.holdout and not (one.stratify or other.stratify):
            continue
        if all(task.guard == "sentences" or (is_same and task.guard == "rows") for task in (one, other)):
            continue
        yield (
            f"{files[0]}: tasks '{one.name}' and '{other.name}' hold out different rows of it, so a text may be in a dev row "
            'of one and in a train row of the other; guard = "sentences" in both tasks leaves such train rows out'
        )


def _sources(task: Task) -> set[str]:
    """Return what the train rows of a task are read from."""
    if task.hub is not None:
        return {f"{task.hub.dataset} on the hub"}
    return set(task.candidates("train")) or {IN_MEMORY}
