"""Answers of a model to tables of tokens, in batches of like length."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from swissbert.data.packing import batches_by_tokens
from swissbert.data.token_table import TokenTable
from swissbert.distributed.world import ALONE, World
from swissbert.errors import SettingsError
from swissbert.kinds import Array
from swissbert.tasks import Task
from swissbert.threads import on_each_core

if TYPE_CHECKING:
    from swissbert.model.multitask import MultitaskModel

TOKEN_BUDGET = 2048
"""Tokens of one inference batch: enough to keep a processor busy, small enough for its caches."""
CORE_BUDGET = 1024
"""Tokens of one inference batch that runs on a single core."""


class Engine(Protocol):
    """What computes answers: a `swissbert.model.MultitaskModel` with tensors, or `swissbert.inference.int8_model.Int8Model`
    with arrays.

    Attributes:
        training: Whether dropout is applied.
        is_on_cpu: Whether it computes on the CPU.
    """

    training: bool

    @property
    def is_on_cpu(self) -> bool: ...  # noqa: D102

    def pool_rows(self, table: TokenTable, rows: np.ndarray) -> Any:
        """Return the pooled outputs of rows of a table by number: one row ``[W]`` per sequence."""

    def answers_of(self, pooled: Any, name: str) -> Any:
        """Return the answers of one task, ``[B, C]`` or ``[B]``, from rows of `pool_rows`."""

    def head(self, name: str) -> Any:
        """Return the head of a task."""

    def train(self, mode: bool = True) -> Any:
        """Switch dropout on or off."""


OnBatch = Callable[[int], object]
"""Called with the number of tokens of each batch that is done, from any thread."""


def table_answers(
    model: Engine,
    task: Task,
    table: TokenTable,
    on_batch: OnBatch | None = None,
    *,
    world: World = ALONE,
) -> Array:
    """Answer every row of a table, in its order: fp32 probabilities ``[N, C]`` or scores ``[N]``.

    Args:
        model: The network.
        task: The task.
        table: Tokens of N rows.
        on_batch: Called after each batch.
        world: Processes that share the batches out; each of them returns all answers.

    Raises:
        SwissbertError: If an answer is NaN or infinite.
    """
    return tables_answers(model, [task], table, on_batch, world=world)[task.name]


def tables_answers(
    model: Engine,
    tasks: Sequence[Task],
    table: TokenTable,
    on_batch: OnBatch | None = None,
    *,
    world: World = ALONE,
) -> dict[str, Array]:
    """Answer several tasks that read rows alike, with one encoder pass over each row; arguments as for `table_answers`.

    Returns:
        Answers by task name, as `table_answers` gives them.

    Raises:
        SwissbertError: If an answer is NaN or infinite.
    """

    def answer(pooled: Any) -> list[Any]:
        return [model.answers_of(pooled, task.name) for task in tasks]

    parts = _each_row(model, table, answer, on_batch, world)
    answers = {task.name: part for task, part in zip(tasks, parts, strict=True)}
    for name, values in answers.items():
        _refuse_infinite(name, values)
    return answers


def untuned_answers(model: "MultitaskModel", task: Task, table: TokenTable, on_batch: OnBatch | None = None) -> Array:
    """Answer every row of a table as `table_answers` does, but without fitted thresholds, for targets of distillation."""
    import torch

    head = model.head(task.name)

    def answer(pooled: torch.Tensor) -> list[torch.Tensor]:
        with torch.inference_mode():
            return [head.untuned_answers(model.logits(pooled, task.name))]

    (answers,) = _each_row(model, table, answer, on_batch)
    _refuse_infinite(task.name, answers)
    return answers


def answers_and_logits(
    model: "MultitaskModel",
    task: Task,
    table: TokenTable,
    on_batch: OnBatch | None = None,
    *,
    world: World = ALONE,
) -> tuple[Array, Array]:
    """Answer every row of a table, with one encoder pass; arguments as for `table_answers`.

    Returns:
        Answers as `table_answers` gives them, and the logits that they are made of, fp32 ``[N, outputs]``.

    Raises:
        SwissbertError: If an answer is NaN or infinite.
    """

    import torch

    def both(pooled: torch.Tensor) -> list[torch.Tensor]:
        with torch.inference_mode():
            return [model.answers_of(pooled, task.name), model.logits(pooled, task.name)]

    answers, logits = _each_row(model, table, both, on_batch, world=world)
    _refuse_infinite(task.name, answers)
    return answers, logits


def pooled_rows(model: Engine, table: TokenTable) -> Array:
    """Return the pooled output of every row of a table of single texts, in its order: fp32 ``[N, W]``.

    Raises:
        SwissbertError: If one is NaN or infinite.
    """
    (pooled,) = _each_row(model, table, lambda pooled: [pooled])
    if not np.isfinite(pooled).all():
        raise SettingsError("sentence vectors contain NaN or infinity")
    return pooled


def _each_row(
    model: Engine,
    table: TokenTable,
    compute: Callable[[Any], list[Any]],
    on_batch: OnBatch | None = None,
    world: World = ALONE,
) -> list[Array]:
    """Compute arrays from the pooled outputs of every row, in batches; their first axis is in the order of the table."""
    on_cpu = model.is_on_cpu
    batches = batches_by_tokens(table.lengths, CORE_BUDGET if on_cpu else TOKEN_BUDGET)
    own = batches[world.rank :: world.size]  # one after the other, since they are sorted by length
    computed = own or batches[:1]  # a process without any computes one for the shape of the answers

    def answer(rows: np.ndarray) -> list[Array]:
        parts = [to_array(part) for part in compute(model.pool_rows(table, rows))]
        if on_batch is not None:
            on_batch(int(table.lengths[rows].sum()))
        return parts

    was_training = model.training
    model.train(False)
    try:
        parts = on_each_core(answer, computed) if on_cpu else [answer(rows) for rows in computed]
    finally:
        model.train(was_training)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    if not world.is_alone:
        return [_gathered(column, own, len(table), world) for column in columns]
    order = np.argsort(np.concatenate(batches))  # back from the order of batches to that of rows
    return [column[order] for column in columns]


def _gathered(column: Array, own: Sequence[np.ndarray], count: int, world: World) -> Array:
    """Return the values of all processes, with `count` rows, from those of the rows of this one."""
    import torch

    whole = torch.zeros(count, *column.shape[1:], dtype=torch.from_numpy(column[:0]).dtype)
    if own:
        whole[torch.from_numpy(np.concatenate(own))] = torch.from_numpy(column)
    return world.sum(whole).numpy()


def to_array(values: Any) -> Array:
    """Return a tensor or an array as an array."""
    array: Array = values if isinstance(values, np.ndarray) else values.cpu().numpy()
    return array


def _refuse_infinite(name: str, answers: Array) -> None:
    if not np.isfinite(answers).all():
        raise SettingsError(f"predictions for task '{name}' contain NaN or infinity")
