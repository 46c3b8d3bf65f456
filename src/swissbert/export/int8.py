"""Eight-bit matrix products in an ONNX graph, by ONNX's own operators.

As in `swissbert.inference.int8`: weights in 7 bits with a scale for each output, activations in 8 bits with a scale for each
token. A scale for a whole batch, which onnxruntime's own dynamic quantisation has, lets a text change the answers of its
neighbours, and its answers were more than twice as far from the exact ones. Word vectors are stored in 16 bits, which halves
the largest table; everything else stays fp32.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from swissbert.inference.graph import ACTIVATIONS, round_weights

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def to_int8(model: "ModelProto") -> None:
    """Replace the linear maps of the encoder's layers, in place.

    Pooler and heads, which are small, stay as they are, and so does what gives the last layer its queries, keys and values,
    of which parts are computed for first tokens alone.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    new: dict[str, np.ndarray] = {
        "int8.step": np.array(1 / ACTIVATIONS, np.float32),
        "int8.zero": np.array(ACTIVATIONS, np.uint8),
        "int8.least": np.array(1e-12, np.float32),  # a token of zeros alone has a scale too
        "int8.axis": np.array([-1], np.int64),
    }
    rounded: set[str] = set()

    def make(kind: str, inputs: list[str], output: str, **options: Any) -> "NodeProto":
        return helper.make_node(kind, inputs, [output], **options)

    def round_tokens(x: str) -> Iterator["NodeProto"]:
        """``x[T, inputs]`` -> ``x/int8``, and ``x/scale[T, 1]``: each token's own largest value."""
        yield make("Abs", [x], f"{x}/abs")
        yield make("ReduceMax", [f"{x}/abs", "int8.axis"], f"{x}/max", keepdims=1)
        yield make("Max", [f"{x}/max", "int8.least"], f"{x}/scale")
        yield make("Div", [x, f"{x}/scale"], f"{x}/one")
        yield make("QuantizeLinear", [f"{x}/one", "int8.step", "int8.zero"], f"{x}/int8")

    def linear(node: "NodeProto") -> Iterator["NodeProto"]:
        x, weight, *bias = node.input  # the exporter leaves out a bias of zeros
        y = node.output[0]
        if x not in rounded:
            rounded.add(x)
            yield from round_tokens(x)
        new[f"{weight}/int8"], scales = round_weights(numpy_helper.to_array(stored.pop(weight)))
        new[f"{weight}/scale"] = scales / np.float32(ACTIVATIONS)
        yield make("MatMulInteger", [f"{x}/int8", f"{weight}/int8", "int8.zero"], f"{y}/whole")
        yield make("Cast", [f"{y}/whole"], f"{y}/float", to=1)
        yield make("Mul", [f"{y}/float", f"{weight}/scale"], f"{y}/scaled")
        yield make("Mul", [f"{y}/scaled", f"{x}/scale"], f"{y}/product" if bias else y)
        if bias:
            yield make("Add", [f"{y}/product", *bias], y)

    def words(node: "NodeProto") -> Iterator["NodeProto"]:
        table, ids = node.input
        y = node.output[0]
        new[f"{table}/half"] = numpy_helper.to_array(stored.pop(table)).astype(np.float16)
        yield make("Gather", [f"{table}/half", ids], f"{y}/half")
        yield make("Cast", [f"{y}/half"], y, to=1)

    nodes: list[NodeProto] = []
    for node in graph.node:
        if node.op_type == "Gemm" and node.input[1].startswith("model.encoder.layers."):
            nodes += linear(node)
        elif node.op_type == "Gather" and node.input[0].startswith("model.encoder.embeddings.word."):
            nodes += words(node)
        else:
            nodes.append(node)
    tensors = [*stored.values(), *(numpy_helper.from_array(array, name) for name, array in new.items())]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)
