"""Tracing a network to an ONNX graph."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from swissbert.encoder.attention import PaddedLayout
from swissbert.errors import SwissbertError
from swissbert.model.multitask import MultitaskModel
from swissbert.tasks import Task

if TYPE_CHECKING:
    from onnx import ModelProto

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]
"""Inputs of the graph, each int64 ``[batch, length]``."""


class PaddedModel(nn.Module):
    """A `MultitaskModel` on padded batches, for a selection of its tasks."""

    def __init__(self, network: MultitaskModel, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.model, self.tasks = network, tasks  # quantize.py finds weights by the prefix "model."

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> tuple[Tensor, ...]:
        """Return the answers of each task, ``[B, C]`` or ``[B]``; the arguments are int64 ``[B, L]``."""
        layout = PaddedLayout(attention_mask)
        pooled = self.model.encoder.pool(input_ids.flatten(), token_type_ids.flatten(), layout)
        return tuple(self.model.head(task.name).answers(self.model.logits(pooled, task.name)) for task in self.tasks)


def trace(network: MultitaskModel, tasks: Sequence[Task]) -> "ModelProto":
    """Return the graph of a network on the CPU, with one output per task under the task's name.

    Raises:
        SwissbertError: If a head or kind uses an operator that ONNX does not have.
    """
    example = [torch.full((2, 3), value) for value in (2, 1, 0)]  # the same tensor twice would become one input
    axes = {0: "batch", 1: "length"}
    try:
        with _quiet():
            program = torch.onnx.export(
                PaddedModel(network, tasks).eval(),
                tuple(example),
                dynamo=True,
                input_names=INPUTS,
                output_names=[f"answer:{task.name}" for task in tasks],
                dynamic_shapes=(axes, axes, axes),
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).splitlines()[0][:200]
        raise SwissbertError(f"the model cannot be converted to ONNX: {reason}") from error
    assert program is not None
    graph: ModelProto = program.model_proto
    _clean(graph)
    return graph


def save(model: "ModelProto", path: Path) -> None:
    """Check a graph and write it into one file.

    Raises:
        SwissbertError: If it exceeds the 2 GB that one file may have.
    """
    import onnx

    try:
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)
    except ValueError as error:  # protobuf's limit of 2 GB
        raise SwissbertError(f"the model is too large for one ONNX file ({error})") from error


def _clean(model: "ModelProto") -> None:
    """Remove metadata with paths of this machine, and name the outputs after their tasks.

    A task may have the name of an inner value ("linear"), so a dot, which no task name contains, is appended to those.
    """
    graph = model.graph
    inputs = {value.name for value in graph.input} | {""}
    outputs = {value.name: value.name.removeprefix("answer:") for value in graph.output}

    def rename(name: str) -> str:
        return name if name in inputs else outputs.get(name, f"{name}.")

    for node in graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        node.input[:] = [rename(name) for name in node.input]
        node.output[:] = [rename(name) for name in node.output]
    for value in (*graph.initializer, *graph.output):
        value.name = rename(value.name)
    for value in (*graph.initializer, *graph.input, *graph.output):
        value.ClearField("metadata_props")
    graph.ClearField("value_info")
    graph.ClearField("metadata_props")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence messages of torch's exporter about its own internals, and about torchvision, which is not used."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*LeafSpec", category=FutureWarning)
            warnings.filterwarnings("ignore", message=".*The axis name: .* will not be used", category=UserWarning)
            yield
    finally:
        logging.disable(before)
