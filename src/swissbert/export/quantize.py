"""Int8 matrix products in an ONNX graph, with operators of ONNX itself.

As in `swissbert.inference.int8`: weights in 7 bits with one scale per output, activations in 8 bits with one scale per
token. The dynamic quantisation that comes with onnxruntime uses one scale per batch, so a text would change the answers
of its neighbours; its answers were also more than twice as far from the exact ones. Word embeddings are stored in fp16,
which halves the largest table; everything else stays fp32.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from swissbert.inference.graph import LARGEST, round_weights

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

LAYERS = "model.encoder.layers."
WORDS = "model.encoder.embeddings.word."
"""Prefixes of parameter names in a traced graph."""


def quantize(model: "ModelProto") -> None:
    """Replace the linear layers of the encoder and the word embeddings, in place.

    Pooler and heads are small and stay fp32. So does the last layer's projection to queries, keys and values, of which
    only parts are computed for the first tokens.
    """
    from onnx import numpy_helper

    graph = model.graph
    rewriter = _Rewriter({tensor.name: tensor for tensor in graph.initializer})
    nodes: list[NodeProto] = []
    for node in graph.node:
        if node.op_type == "Gemm" and node.input[1].startswith(LAYERS):
            nodes += rewriter.linear(node)
        elif node.op_type == "Gather" and node.input[0].startswith(WORDS):
            nodes += rewriter.words(node)
        else:
            nodes.append(node)
    arrays = (numpy_helper.from_array(array, name) for name, array in rewriter.arrays.items())
    tensors = [*rewriter.stored.values(), *arrays]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)


class _Rewriter:
    """Replacements of nodes.

    Attributes:
        stored: The graph's tensors by name, without those that were replaced.
        arrays: New tensors by name.
    """

    def __init__(self, stored: dict[str, Any]) -> None:
        self.stored = stored
        self.arrays: dict[str, np.ndarray] = {
            "int8.step": np.array(1 / LARGEST, np.float32),
            "int8.zero": np.array(LARGEST, np.uint8),
            "int8.least": np.array(1e-12, np.float32),  # avoids a division by 0 for tokens of zeros
            "int8.axis": np.array([-1], np.int64),
        }
        self._rounded: set[str] = set()

    def linear(self, node: "NodeProto") -> Iterator["NodeProto"]:
        """Yield the int8 product that replaces a ``Gemm``."""
        x, weight, *bias = node.input  # the exporter leaves out a bias of zeros
        y = node.output[0]
        if x not in self._rounded:
            self._rounded.add(x)
            yield from _round_tokens(x)
        if f"{weight}/int8" not in self.arrays:  # layers may share their weights
            self.arrays[f"{weight}/int8"], scales = round_weights(self._take(weight))
            self.arrays[f"{weight}/scale"] = scales / np.float32(LARGEST)
        yield _node("MatMulInteger", [f"{x}/int8", f"{weight}/int8", "int8.zero"], f"{y}/whole")
        yield _node("Cast", [f"{y}/whole"], f"{y}/float", to=1)
        yield _node("Mul", [f"{y}/float", f"{weight}/scale"], f"{y}/scaled")
        yield _node("Mul", [f"{y}/scaled", f"{x}/scale"], f"{y}/product" if bias else y)
        if bias:
            yield _node("Add", [f"{y}/product", *bias], y)

    def words(self, node: "NodeProto") -> Iterator["NodeProto"]:
        """Yield the lookup in an fp16 table that replaces the ``Gather`` of word embeddings."""
        table, ids = node.input
        y = node.output[0]
        self.arrays[f"{table}/half"] = self._take(table).astype(np.float16)
        yield _node("Gather", [f"{table}/half", ids], f"{y}/half")
        yield _node("Cast", [f"{y}/half"], y, to=1)

    def _take(self, name: str) -> np.ndarray:
        """Remove a stored tensor and return its values."""
        from onnx import numpy_helper

        array: np.ndarray = numpy_helper.to_array(self.stored.pop(name))
        return array


def _round_tokens(x: str) -> Iterator["NodeProto"]:
    """Yield nodes that turn ``x[T, inputs]`` into ``x/int8`` and ``x/scale[T, 1]``, the largest value of each token."""
    yield _node("Abs", [x], f"{x}/abs")
    yield _node("ReduceMax", [f"{x}/abs", "int8.axis"], f"{x}/max", keepdims=1)
    yield _node("Max", [f"{x}/max", "int8.least"], f"{x}/scale")
    yield _node("Div", [x, f"{x}/scale"], f"{x}/one")
    yield _node("QuantizeLinear", [f"{x}/one", "int8.step", "int8.zero"], f"{x}/int8")


def _node(operator: str, inputs: list[str], output: str, **options: Any) -> "NodeProto":
    from onnx import helper

    return helper.make_node(operator, inputs, [output], **options)
