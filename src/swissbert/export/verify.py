"""Running an exported ONNX file, and comparing its answers with the model's."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from swissbert.data.batches import PackedBatch, pack
from swissbert.data.packing import batches_by_tokens
from swissbert.data.token_table import TokenTable
from swissbert.errors import SwissbertError
from swissbert.evaluation.predictions import TOKEN_BUDGET, OnBatch
from swissbert.export.trace import INPUTS
from swissbert.inference.model import Model
from swissbert.kinds import Array
from swissbert.tasks import Task

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

TOLERANCE = 1e-5
"""Largest difference between answers of file and model, as a share of the task's span (`Kind.answer_span`) if that is
above 1."""


def open_session(path: Path) -> "InferenceSession":
    """Open a file for the CPU, with as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def padded_inputs(batch: PackedBatch) -> dict[str, Array]:
    """Return the inputs of a graph for a packed batch, each int64 ``[B, L]``."""
    packed = batch.input_ids, torch.ones_like(batch.input_ids), batch.token_type_ids
    return {
        name: pad_sequence(list(torch.split(tokens, batch.lengths)), batch_first=True).numpy()
        for name, tokens in zip(INPUTS, packed, strict=True)
    }


def file_answers(session: "InferenceSession", task: Task, table: TokenTable, on_batch: OnBatch | None = None) -> Array:
    """Answer every row of a table with a file; the counterpart of `swissbert.evaluation.table_answers`."""
    batches = batches_by_tokens(table.lengths, TOKEN_BUDGET)
    parts = []
    for rows in batches:
        batch = pack(table, rows)
        parts.append(session.run([task.name], padded_inputs(batch))[0])
        if on_batch is not None:
            on_batch(batch.tokens)
    answers: Array = np.concatenate(parts)[np.argsort(np.concatenate(batches))]
    return answers


def check_answers(model: Model, tasks: Sequence[Task], session: "InferenceSession") -> None:
    """Compare answers of a file with the model's on random batches of several sizes and lengths.

    Raises:
        SwissbertError: If they differ in shape, or by more than `TOLERANCE`.
    """
    longest, vocabulary = model.description.encoder.max_length, model.network.encoder.config.vocab_size
    generator = torch.Generator().manual_seed(0)
    for lengths in ([1], [2, 5, 3], [7], [4, 11, 1, 9, 6], [longest, longest // 2 + 1]):
        lengths = [min(length, longest) for length in lengths]
        ids = torch.randint(vocabulary, (sum(lengths),), generator=generator)
        types = torch.cat([(torch.arange(length) > length // 2).long() for length in lengths])
        types = types.clamp(max=max(0, model.network.encoder.config.token_types - 1))
        batch = PackedBatch(ids, types, lengths, torch.zeros(len(lengths)))
        outputs = session.run([task.name for task in tasks], padded_inputs(batch))
        with torch.inference_mode():
            pooled = model.network.pool(batch)
        for task, actual in zip(tasks, outputs, strict=True):
            _check_task(task, actual, model.network.answers_of(pooled, task.name).numpy())


def _check_task(task: Task, actual: Array, expected: Array) -> None:
    if actual.shape != expected.shape:
        raise SwissbertError(
            f"task '{task.name}': answers of the ONNX file have shape {list(actual.shape)}, those of the model"
            f" {list(expected.shape)}; nothing was written"
        )
    difference = float(np.abs(actual - expected).max()) / max(1.0, task.kind.answer_span(task))
    if not difference <= TOLERANCE:
        raise SwissbertError(
            f"task '{task.name}': answers of the ONNX file differ from the model's by {difference:.2g}, more than the"
            f" {TOLERANCE:g} allowed; nothing was written"
        )
