"""One ONNX file that answers every task whose input is one sequence.

The graph is traced from the model itself, padded; what is written is then run beside the model, packed, and nothing stays
where the two differ. The file takes int64 ``input_ids``, ``attention_mask`` and ``token_type_ids``, each ``[batch, length]``,
and gives an output for each task, under its name: probabilities ``[batch, labels]`` or scores ``[batch]`` in the range.
"""

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from tokenizers import Tokenizer as Fast
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from swissbert.data.batches import PackedBatch, batches_by_tokens, pack
from swissbert.data.tokens import TokenTable
from swissbert.encoder.attention import PaddedLayout
from swissbert.errors import SwissbertError
from swissbert.evaluation import table_answers, task_scores
from swissbert.evaluation.predictions import TOKEN_BUDGET
from swissbert.export.int8 import to_int8
from swissbert.export.plan import chosen, fill_new
from swissbert.inference.model import Model
from swissbert.model.multitask import MultitaskModel
from swissbert.tasks import Task

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]
CLOSE = 1e-5
"""Largest difference between file and model: of probabilities, and of scores as a share of a range wider than 1."""
LOSS = 0.003
"""What an eight-bit file may lose of a task's metric on dev rows; of few rows two may go wrong."""


class Padded(nn.Module):
    """The model on padded batches, for some of its tasks."""

    def __init__(self, model: MultitaskModel, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.model, self.tasks = model, tasks

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> tuple[Tensor, ...]:
        """Three int64 ``[B, L]`` -> an answer a task, ``[B, labels]`` or ``[B]``."""
        layout = PaddedLayout(attention_mask)
        pooled = self.model.encoder.pool(input_ids.flatten(), token_type_ids.flatten(), layout)
        return tuple(self.model.head(task.name).answers(self.model.logits(pooled, task.name)) for task in self.tasks)


def export_onnx(trained: Model, out: Path, names: Sequence[str] | None = None) -> Path:
    """Write ``out/model.onnx``, its tokenizer and description, for the tasks named or for all; returns the file.

    `trained` is on the CPU. Raises SwissbertError where a task does not fit, `out` is taken, or the file's answers are not
    the model's, which leaves nothing behind.
    """
    tasks = chosen(trained, names, misfit, "an ONNX file")

    def fill(new: Path) -> None:
        _save(trace(trained.network, tasks), new / "model.onnx")
        agree(trained, tasks, session(new / "model.onnx"))
        _describe(trained, tasks, new, "fp32")

    fill_new(out, fill)
    return out / "model.onnx"


def export_int8(
    trained: Model, out: Path, names: Sequence[str] | None = None, data: Path | None = None
) -> dict[str, tuple[float, float]]:
    """`export_onnx` with eight-bit matrix products; returns the dev score of model and file for each task.

    The dev rows are those in the directory `data`. Raises SwissbertError as `export_onnx` does, where there are no such rows,
    and where the file's score is more than `LOSS` below the model's.
    """
    tasks = chosen(trained, names, misfit, "an ONNX file")
    splits = list(trained.labelled_splits("dev", data, tasks))
    found: dict[str, tuple[float, float]] = {}

    def fill(new: Path) -> None:
        path = new / "model.onnx"
        model = trace(trained.network, tasks)
        _save(model, path)
        agree(trained, tasks, session(path))  # before what is rounded hides a mistake of tracing
        to_int8(model)
        _save(model, path)
        running = session(path)
        for split in splits:
            task = split.task
            both = table_answers(trained.network, task, split.table), file_answers(running, task, split.table)
            exact, ours = (task_scores(task, split.labels, answers)[task.metric] for answers in both)
            if not ours >= exact - max(LOSS, 2 / len(split)):
                raise SwissbertError(
                    f"task '{task.name}': {task.metric} on dev rows is {ours:.4f} with eight bits and {exact:.4f} without,"
                    " which is too far below; --format onnx keeps it"
                )
            found[task.name] = exact, ours
        _describe(trained, tasks, new, "int8", {name: ours for name, (_, ours) in found.items()})

    fill_new(out, fill)
    return found


def misfit(trained: Model, task: Task) -> str | None:
    """Why a task has no output in a file, or None where it has one."""
    if task.name in INPUTS:
        return "the file has an input of that name"
    return "it encodes the sentences of a pair one by one" if trained.network.separate(task) else None


def trace(model: MultitaskModel, tasks: Sequence[Task]) -> "ModelProto":
    """The graph of a model on the CPU."""
    example = [torch.full((2, 3), value) for value in (2, 1, 0)]  # three tensors: one given twice would be one input
    axes = {0: "batch", 1: "length"}
    with _quiet():
        program = torch.onnx.export(
            Padded(model, tasks).eval(),
            tuple(example),
            dynamo=True,
            input_names=INPUTS,
            output_names=[f"answer:{task.name}" for task in tasks],
            dynamic_shapes=(axes, axes, axes),
            verbose=False,
        )
    assert program is not None
    found: ModelProto = program.model_proto
    _clean(found)
    return found


def _clean(model: "ModelProto") -> None:
    """Leave out what tracing notes about this machine's files, and give outputs their names.

    A task may be called as an inner value is ("linear"), so inner values get names that no task can have.
    """
    graph = model.graph
    keep = {value.name for value in graph.input} | {""}
    renamed = {value.name: value.name.removeprefix("answer:") for value in graph.output}

    def name(old: str) -> str:
        return old if old in keep else renamed.get(old, f"{old}.")

    for node in graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        node.input[:] = [name(old) for old in node.input]
        node.output[:] = [name(old) for old in node.output]
    for value in (*graph.initializer, *graph.output):
        value.name = name(value.name)
    for value in (*graph.initializer, *graph.input, *graph.output):
        value.ClearField("metadata_props")
    graph.ClearField("value_info")
    graph.ClearField("metadata_props")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch's exporter says about its own insides, and about torchvision, which is not used."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*LeafSpec", category=FutureWarning)
            warnings.filterwarnings("ignore", message=".*The axis name: .* will not be used", category=UserWarning)
            yield
    finally:
        logging.disable(before)


def _save(model: "ModelProto", path: Path) -> None:
    import onnx

    try:
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)
    except ValueError as error:  # protobuf's limit of 2 GB
        raise SwissbertError(f"the model is too large for one ONNX file ({error})") from error


def session(path: Path) -> "InferenceSession":
    """A file, ready to run on the CPU, on as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def padded(batch: PackedBatch) -> dict[str, np.ndarray]:
    """A batch as a file takes it: each input ``[B, L]``."""
    packed = batch.input_ids, torch.ones_like(batch.input_ids), batch.token_type_ids
    return {
        name: pad_sequence(list(torch.split(tokens, batch.lengths)), batch_first=True).numpy()
        for name, tokens in zip(INPUTS, packed, strict=True)
    }


def file_answers(running: "InferenceSession", task: Task, table: TokenTable) -> np.ndarray:
    """`swissbert.evaluation.table_answers` of a file."""
    batches = batches_by_tokens(table.lengths, TOKEN_BUDGET)
    parts = [running.run([task.name], padded(pack(table, rows)))[0] for rows in batches]
    answers: np.ndarray = np.concatenate(parts)[np.argsort(np.concatenate(batches))]
    return answers


def agree(trained: Model, tasks: Sequence[Task], running: "InferenceSession") -> None:
    """Raise SwissbertError where a file's answers are not the model's, on batches of several sizes and lengths."""
    longest, size = trained.description.encoder.max_length, trained.network.encoder.config.vocab_size
    random = torch.Generator().manual_seed(0)
    for lengths in ([1], [2, 5, 3], [7], [4, 11, 1, 9, 6], [longest, longest // 2 + 1]):
        lengths = [min(length, longest) for length in lengths]
        ids = torch.randint(size, (sum(lengths),), generator=random)
        types = torch.cat([(torch.arange(length) > length // 2).long() for length in lengths])
        batch = PackedBatch(ids, types, lengths, torch.zeros(len(lengths)))
        found = running.run([task.name for task in tasks], padded(batch))
        with torch.inference_mode():
            features = trained.network.pool(batch)
        for task, ours in zip(tasks, found, strict=True):
            theirs = trained.network.answers_of(features, task.name).numpy()
            low, high = task.range or (0.0, 1.0)
            far = float(np.abs(ours - theirs).max()) / max(1.0, high - low)
            if ours.shape != theirs.shape or not far <= CLOSE:
                raise SwissbertError(
                    f"task '{task.name}': the file's answers differ from the model's by {far:.2g}, which is more than"
                    f" {CLOSE:g}; nothing was written"
                )


def _describe(
    trained: Model, tasks: Sequence[Task], folder: Path, precision: str, dev: dict[str, float] | None = None
) -> None:
    """Write what a user of the file needs: tokenizer, tasks with their labels or range, and an example."""
    longest = trained.description.encoder.max_length
    trained.tokenizer.save(folder)
    (folder / "tokenizer_config.json").unlink()  # tokenizer.json is complete: it pads and cuts too
    tokenizer = Fast.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(longest, strategy="longest_first")
    tokenizer.enable_padding()
    tokenizer.save(str(folder / "tokenizer.json"))
    stored = trained.description.scores
    table = {
        "format": "onnx",
        "file": "model.onnx",
        "precision": precision,
        "max_length": longest,
        "inputs": INPUTS,
        "tasks": {
            task.name: {
                "kind": task.kind.name,
                "input": "pair" if task.is_pair else "sentence",
                **({"range": task.range} if task.range else {"labels": task.labels}),
                "metric": task.metric,
                "dev_score": dev[task.name] if dev else stored.get(f"{task.name}.{task.metric}"),
            }
            for task in tasks
        },
    }
    text = json.dumps(table, indent=2, ensure_ascii=False)
    (folder / "swissbert.json").write_text(text + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_card(tasks[0]), encoding="utf-8")


def _card(task: Task) -> str:
    """How to use a folder, in Markdown."""
    given = '[("one text", "another")]' if task.is_pair else '["some text"]'
    return f"""# swissBERT as ONNX

`model.onnx` has one output a task: probabilities of its labels, or a score. `swissbert.json` names tasks, labels and ranges.
Run it only for the tasks that take such an input, sentence or pair.

```python
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")  # pads a batch, and cuts what is too long
session = onnxruntime.InferenceSession("model.onnx")
rows = tokenizer.encode_batch({given})
inputs = {{
    "input_ids": np.array([row.ids for row in rows], np.int64),
    "attention_mask": np.array([row.attention_mask for row in rows], np.int64),
    "token_type_ids": np.array([row.type_ids for row in rows], np.int64),
}}
print(session.run(["{task.name}"], inputs)[0])
```
"""
