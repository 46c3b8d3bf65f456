"""Choice of the score that decides which model is kept."""

from collections.abc import Sequence

from swissbert.metrics import METRICS, higher_is_better
from swissbert.tasks import Task

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
