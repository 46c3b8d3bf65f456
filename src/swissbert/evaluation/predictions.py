"""Answers of a model to tables of tokens, in batches of like length."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from swissbert.data.batches import batches_by_tokens, pack
from swissbert.data.tokens import TokenTable
from swissbert.device import on_each_core
from swissbert.distributed.world import ALONE, World
from swissbert.errors import SwissbertError
from swissbert.kinds import Array
from swissbert.model.multitask import MultitaskModel
from swissbert.tasks import Task

TOKEN_BUDGET = 2048
"""Tokens of one inference batch: enough to keep a processor busy, small enough for its caches."""
CORE_BUDGET = 1024
"""Tokens of one inference batch that runs on a single core."""


OnBatch = Callable[[int], object]
"""Called with the number of tokens of each batch that is done, from any thread."""


def table_answers(
    model: MultitaskModel,
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
    model: MultitaskModel,
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

    def answer(pooled: torch.Tensor) -> list[torch.Tensor]:
        return [model.answers_of(pooled, task.name) for task in tasks]

    parts = _each_row(model, table, answer, on_batch, world)
    answers = {task.name: part for task, part in zip(tasks, parts, strict=True)}
    for name, values in answers.items():
        _refuse_infinite(name, values)
    return answers


def untuned_answers(model: MultitaskModel, task: Task, table: TokenTable, on_batch: OnBatch | None = None) -> Array:
    """Answer every row of a table as `table_answers` does, but without fitted thresholds, for targets of distillation."""
    head = model.head(task.name)

    def answer(pooled: torch.Tensor) -> list[torch.Tensor]:
        with torch.inference_mode():
            return [head.untuned_answers(model.logits(pooled, task.name))]

    (answers,) = _each_row(model, table, answer, on_batch)
    _refuse_infinite(task.name, answers)
    return answers


def answers_and_logits(
    model: MultitaskModel,
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

    def both(pooled: torch.Tensor) -> list[torch.Tensor]:
        with torch.inference_mode():
            return [model.answers_of(pooled, task.name), model.logits(pooled, task.name)]

    answers, logits = _each_row(model, table, both, on_batch, world=world)
    _refuse_infinite(task.name, answers)
    return answers, logits


def pooled_rows(model: MultitaskModel, table: TokenTable) -> Array:
    """Return the pooled output of every row of a table of single texts, in its order: fp32 ``[N, W]``.

    Raises:
        SwissbertError: If one is NaN or infinite.
    """
    (pooled,) = _each_row(model, table, lambda pooled: [pooled])
    if not np.isfinite(pooled).all():
        raise SwissbertError("sentence vectors contain NaN or infinity")
    return pooled


def _each_row(
    model: MultitaskModel,
    table: TokenTable,
    compute: Callable[[torch.Tensor], list[torch.Tensor]],
    on_batch: OnBatch | None = None,
    world: World = ALONE,
) -> list[Array]:
    """Compute arrays from the pooled outputs of every row, in batches; their first axis is in the order of the table."""
    device = next(model.parameters()).device
    on_cpu = device.type == "cpu"
    batches = batches_by_tokens(table.lengths, CORE_BUDGET if on_cpu else TOKEN_BUDGET)
    own = batches[world.rank :: world.size]  # one after the other, since they are sorted by length
    computed = own or batches[:1]  # a process without any computes one for the shape of the answers

    def answer(rows: np.ndarray) -> list[Array]:
        with torch.inference_mode():
            batch = pack(table, rows)
            pooled = model.pool(batch.to(device))
        parts = [part.cpu().numpy() for part in compute(pooled)]
        if on_batch is not None:
            on_batch(batch.tokens)
        return parts

    was_training = model.training
    model.eval()
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
    whole = torch.zeros(count, *column.shape[1:], dtype=torch.from_numpy(column[:0]).dtype)
    if own:
        whole[torch.from_numpy(np.concatenate(own))] = torch.from_numpy(column)
    return world.sum(whole).numpy()


def _refuse_infinite(name: str, answers: Array) -> None:
    if not np.isfinite(answers).all():
        raise SwissbertError(f"predictions for task '{name}' contain NaN or infinity")
