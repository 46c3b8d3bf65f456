"""Write the tokenizer, description and README of an ONNX export."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from tokenizers import Tokenizer as FastTokenizer

from swissbert.export.plan import CARD, ONNX_DESCRIPTION, ONNX_FILE, ONNX_FORMAT, TOKENIZER, TOKENIZER_CONFIG
from swissbert.export.trace import INPUTS
from swissbert.inference.model import Model
from swissbert.tasks import Task


def describe(
    model: Model, tasks: Sequence[Task], folder: Path, precision: str, scores: Mapping[str, float] | None = None
) -> None:
    """Write everything that a user of the file needs.

    Args:
        model: The exported model.
        tasks: The exported tasks.
        folder: An existing folder.
        precision: ``fp32`` or ``int8``.
        scores: Dev scores of the file by task; the model's own if not given.
    """
    longest = model.description.encoder.max_length
    _write_tokenizer(model, folder, longest)
    if scores is None:
        stored = model.description.scores
        scores = {t.name: stored[name] for t in tasks if (name := f"{t.name}.{t.metric}") in stored}
    table = {
        "format": ONNX_FORMAT,
        "file": ONNX_FILE,
        "precision": precision,
        "max_length": longest,
        "inputs": INPUTS,
        "tasks": {task.name: _task(task, scores.get(task.name, math.nan)) for task in tasks},
    }
    text = json.dumps(table, indent=2, ensure_ascii=False)
    (folder / ONNX_DESCRIPTION).write_text(text + "\n", encoding="utf-8")
    (folder / CARD).write_text(_card(tasks[0]), encoding="utf-8")


def _write_tokenizer(model: Model, folder: Path, longest: int) -> None:
    """Write a tokenizer that pads and truncates, so that its user needs no settings besides."""
    model.tokenizer.save(folder, longest)
    tokenizer = FastTokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.enable_truncation(longest, strategy="longest_first")
    padding = model.tokenizer.padding
    if padding is not None:
        tokenizer.enable_padding(pad_id=padding[0], pad_token=padding[1])
    else:
        tokenizer.enable_padding()
    tokenizer.save(str(folder / TOKENIZER))
    settings = json.loads((folder / TOKENIZER_CONFIG).read_text(encoding="utf-8"))
    settings["model_input_names"] = INPUTS  # those of the graph, also where the encoder has no token types
    (folder / TOKENIZER_CONFIG).write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _task(task: Task, score: float) -> dict[str, object]:
    return {
        "kind": task.kind.name,
        "input": "pair" if task.is_pair else "sentence",
        **({"labels": task.labels} if task.kind.has_labels else {"range": task.range}),
        "metric": task.metric,
        "dev_score": None if math.isnan(score) else score,
    }


def _card(task: Task) -> str:
    """Return the folder's README, with `task` as the example."""
    example = '[("one text", "another")]' if task.is_pair else '["some text"]'
    return f"""# swissBERT as ONNX

`{ONNX_FILE}` has one output per task: probabilities of its labels, or a score. `{ONNX_DESCRIPTION}` lists the tasks with
their labels or range. A `multilabel` task assigns every label with a probability of at least 0.5. Request only
outputs of tasks that take the input at hand, a sentence or a pair.

```python
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("{TOKENIZER}")  # pads a batch and truncates long texts
session = onnxruntime.InferenceSession("{ONNX_FILE}")
rows = tokenizer.encode_batch({example})
inputs = {{
    "input_ids": np.array([row.ids for row in rows], np.int64),
    "attention_mask": np.array([row.attention_mask for row in rows], np.int64),
    "token_type_ids": np.array([row.type_ids for row in rows], np.int64),
}}
print(session.run(["{task.name}"], inputs)[0])
```
"""
