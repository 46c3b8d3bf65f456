"""An encoder as a graph of ONNX Runtime operators with int8 matrix products, on packed tokens. Does not import torch or onnx.

Inputs of the graph that answers (`pooling_graph`):

- ``embedded``, float ``[T, E]``: the sum of the embeddings of each token, before their norm,
- ``lengths``, int32 ``[B]``: the length of each sequence,
- ``first``, int64 ``[B]``: the index of each sequence's first token,
- ``spread``, int64 ``[B, L]``: the token at each place of the padded batch; padding is any token of the same sequence,
- ``back``, int64 ``[T]``: the index of each token in ``[B * L]``,
- ``bias``, float ``[1, heads, L, L]``, where the encoder has a bias of attention scores: that bias,
- ``share``, float ``[B, 1, L]``, where the pooling has a mean: 1 / length at each token's place, 0 at padding.

Its output is ``pooled``, float ``[B, W]``, as of `swissbert.encoder.Bert.pool`. The graph that shows attention
(`attention_graph`) takes ``embedded`` and perhaps ``bias`` of one sequence, and has an output ``attention.N``, float
``[heads, T, T]``, for each layer N from 0.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from swissbert.encoder.activation_names import ACTIVATION_NAMES
from swissbert.encoder.pooling import Pooling
from swissbert.encoder.shapes import stack
from swissbert.family.config import BertConfig
from swissbert.inference import onnx_bytes

WEIGHTS = 63
"""Largest absolute value of a weight. With 8 bits, sums of two products would overflow the 16 bits of AVX2."""
LARGEST = 127
"""Largest absolute value of an activation; stored with this added, from 0 to 254."""
RUNTIME = "com.microsoft"
"""Operator domain of ONNX Runtime's fused operators, which are not part of ONNX."""
LINEAR = ("qkv", "attention_out", "up", "down")
"""Linear layers of an encoder's layer, whose products are in int8."""

Arrays = Mapping[str, np.ndarray]


def pooling_graph(config: BertConfig, pooling: Pooling, rounded: Arrays) -> bytes:
    """Return the norm of the embeddings, the layers and the pooling of an encoder as a serialised ONNX model.

    Args:
        config: Sizes of the encoder.
        pooling: How it pools.
        rounded: Its parameters, from `round_parameters`.
    """
    graph = _Graph(config, rounded)
    hidden = graph.embeddings()
    layers = stack(config)
    for place, number in enumerate(layers, 1):
        is_last = place == len(layers) and not pooling.uses_mean
        hidden = graph.layer(number, hidden, last=is_last)
    graph.pool(pooling, hidden)
    inputs: dict[str, tuple[str, list[int | str]]] = {
        "lengths": ("int32", ["B"]),
        "first": ("int64", ["B"]),
        "spread": ("int64", ["B", "L"]),
    }
    inputs["back"] = ("int64", ["T"])
    if pooling.uses_mean:
        inputs["share"] = ("float32", ["B", 1, "L"])
    return graph.serialised(inputs, {"pooled": ["B", config.hidden_size * pooling.parts]}, "L")


def attention_graph(config: BertConfig, rounded: Arrays) -> bytes:
    """Return the attention probabilities of every layer over one sequence as a serialised ONNX model; arguments as above."""
    graph = _Graph(config, rounded)
    hidden = graph.embeddings()
    names = [f"attention.{place}" for place in range(config.layers)]
    for name, number in zip(names, stack(config), strict=True):
        hidden = graph.layer(number, hidden, shown=name)
    return graph.serialised({}, {name: [config.heads, "T", "T"] for name in names}, "T")


def round_parameters(parameters: Arrays) -> dict[str, np.ndarray]:
    """Round the weights of products to int8.

    Args:
        parameters: Parameters of an encoder by name, fp32.

    Returns:
        The parameters without the tables of embeddings and biases of attention. In the place of a weight ``N.weight`` are
        ``N.int8``, int8 ``[inputs, outputs]``, and ``N.scale``, fp32 ``[outputs]``. All are copies.
    """
    rounded: dict[str, np.ndarray] = {}
    for name, values in parameters.items():
        module, _, kind = name.rpartition(".")
        if kind == "weight" and module.rpartition(".")[2] in LINEAR:
            rounded[f"{module}.int8"], rounded[f"{module}.scale"] = round_weights(values)
        elif values.ndim == 1 or module in ("pooler", "embeddings.projection"):
            rounded[name] = values.copy()  # may be mapped from a file
    return rounded


def round_weights(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round a weight to 7 bits.

    Args:
        weight: fp32 ``[outputs, inputs]``.

    Returns:
        The rounded weight, int8 ``[inputs, outputs]``, and the scale of each output, fp32 ``[outputs]``.
    """
    scales = np.maximum(np.abs(weight).max(1) / WEIGHTS, 1e-12)
    return np.rint(weight / scales[:, None]).astype(np.int8).T.copy(), scales.astype(np.float32)


class _Graph:
    """Builder of a graph: each method adds nodes and constants, and returns the name of its result.

    Attributes:
        config: Sizes of the encoder.
        given: Its parameters, from `round_parameters`.
        nodes: The nodes so far, in order of execution.
        tensors: The constants so far by name.
        rounded: Names of the int8 version and the scales of each value that was rounded.
    """

    def __init__(self, config: BertConfig, given: Arrays) -> None:
        self.config, self.given = config, given
        self.nodes: list[bytes] = []
        self.tensors: dict[str, np.ndarray] = {}
        self.rounded: dict[str, tuple[str, str]] = {}
        self.step = self.tensor("step", np.float32(1 / LARGEST))
        self.zero = self.tensor("zero", np.uint8(LARGEST))
        self.whole = self.tensor("whole", np.int8(0))
        self.least = self.tensor("least", np.float32(1e-12))  # avoids a division by 0 for tokens of zeros
        self.axis = self.tensor("along", np.array([-1], np.int64))
        self.flat = self.tensor("flat", np.array([-1, config.hidden_size], np.int64))

    def tensor(self, name: str, value: Any) -> str:
        """Add a constant."""
        self.tensors[name] = np.asarray(value)
        return name

    def parameters(self, module: str) -> tuple[str, str]:
        """Add weight and bias of a module."""
        weight, bias = f"{module}.weight", f"{module}.bias"
        return self.tensor(weight, self.given[weight]), self.tensor(bias, self.given[bias])

    def add(self, operator: str, inputs: list[str], output: str = "", domain: str = "", **options: float) -> str:
        """Add a node with one output, whose name is made up if not given."""
        output = output or f"{operator}.{len(self.nodes)}"
        self.nodes.append(onnx_bytes.node(operator, inputs, [output], domain, options))
        return output

    def embeddings(self) -> str:
        """Add the norm of the embeddings and their projection, ``[T, E] -> [T, H]``."""
        hidden = self.norm("embedded", "embeddings.norm")
        if not self.config.embedding_size:
            return hidden
        weight, bias = self.parameters("embeddings.projection")
        return self.add("Gemm", [hidden, weight, bias], transB=1)

    def layer(self, number: int, hidden: str, *, last: bool = False, shown: str = "") -> str:
        """Add a layer, ``[T, H] -> [T, H]``; the last one computes first tokens only, ``-> [B, H]``.

        Args:
            number: Which layer, from 0.
            hidden: Its input.
            last: Whether it is the last one, of which only first tokens are used.
            shown: Name of the output for its attention probabilities over one sequence; empty for none.
        """
        name = f"layers.{number}"
        own = self.add("Gather", [hidden, "first"]) if last else hidden
        context = self.shown_attention(name, hidden, shown) if shown else self.attention(name, own, hidden, last=last)
        product, bias = self.product(context, f"{name}.attention_out")
        hidden = self.norm(self.add("Add", [self.add("Add", [product, bias]), own]), f"{name}.attention_norm")
        wide = self.activation(*self.product(hidden, f"{name}.up"))
        product, bias = self.product(wide, f"{name}.down")
        return self.norm(self.add("Add", [self.add("Add", [product, bias]), hidden]), f"{name}.norm")

    def activation(self, product: str, bias: str) -> str:
        """Add a bias and the encoder's activation."""
        function = ACTIVATION_NAMES[self.config.activation]
        fused = {"gelu": "BiasGelu", "gelu_tanh": "FastGelu"}
        if function in fused:
            return self.add(fused[function], [product, bias], domain=RUNTIME)
        total = self.add("Add", [product, bias])
        if function == "silu":
            return self.add("Mul", [total, self.add("Sigmoid", [total])])
        return self.add({"relu": "Relu", "tanh": "Tanh"}[function], [total])

    def pool(self, pooling: Pooling, hidden: str) -> None:
        """Add the pooling of `hidden`: first tokens ``[B, H]``, or all ``[T, H]`` where there is a mean."""
        if pooling.uses_pooler:
            weight, bias = self.parameters("pooler")
            self.add("Tanh", [self.add("Gemm", [hidden, weight, bias], transB=1)], "pooled")
        elif not pooling.uses_mean:
            self.add("Identity", [hidden], "pooled")
        else:
            sums = self.add("MatMul", ["share", self.add("Gather", [hidden, "spread"])])  # [B, 1, H]
            if pooling.uses_first:
                parts = [self.add("Gather", [hidden, "first"]), self.add("Reshape", [sums, self.flat])]
                self.add("Concat", parts, "pooled", axis=1)
            else:
                self.add("Reshape", [sums, self.flat], "pooled")

    def attention(self, name: str, own: str, hidden: str, *, last: bool) -> str:
        """Add attention of the queries `own`, ``[T, H]`` or ``[B, H]``, over the keys and values of `hidden`."""
        size = self.config.hidden_size
        bias = "bias" if self.config.relative_buckets else ""
        if last:
            alone = self.tensor("alone", np.array([-1, 1, size], np.int64))
            query = self.add("Reshape", [self.linear(own, f"{name}.qkv", slice(0, size)), alone])
            both = self.linear(hidden, f"{name}.qkv", slice(size, None))
            key, value = self.split(self.add("Gather", [both, "spread"]), 2)
            if bias:
                begin, end, rows = (self.tensor(f"row{i}", np.array([i], np.int64)) for i in (0, 1, 2))
                bias = self.add("Slice", ["bias", begin, end, rows])
        else:
            query, key, value = self.split(self.add("Gather", [self.linear(hidden, f"{name}.qkv"), "spread"]), 3)
        # [B, L, H]; keys and values beyond a sequence's length are masked
        inputs = [query, key, value, "", "lengths", *([bias] if bias else [])]
        context = self.add("MultiHeadAttention", inputs, domain=RUNTIME, num_heads=self.config.heads)
        context = self.add("Reshape", [context, self.flat])
        return context if last else self.add("Gather", [context, "back"])

    def shown_attention(self, name: str, hidden: str, shown: str) -> str:
        """Add attention over one sequence, ``[T, H] -> [T, H]``, and its probabilities ``[heads, T, T]`` as an output."""
        heads, size = self.config.heads, self.config.hidden_size // self.config.heads
        apart = self.tensor("apart", np.array([-1, heads, size], np.int64))
        root = self.tensor("root", np.float32(1 / math.sqrt(size)))
        parts = [self.add("Reshape", [x, apart]) for x in self.split(self.linear(hidden, f"{name}.qkv"), 3)]
        query, key, value = (self.transposed(x) for x in parts)  # [heads, T, size]
        scores = self.add("Mul", [self.add("MatMul", [query, self.transposed(key, "ends")]), root])
        if self.config.relative_buckets:
            front = self.tensor("front", np.array([0], np.int64))
            scores = self.add("Add", [scores, self.add("Squeeze", ["bias", front])])
        weights = self.add("Softmax", [scores], shown, axis=-1)
        return self.add("Reshape", [self.transposed(self.add("MatMul", [weights, value])), self.flat])

    def transposed(self, x: str, axes: str = "fronts") -> str:
        """Exchange the first two axes of three, or the last two (``ends``)."""
        order = (1, 0, 2) if axes == "fronts" else (0, 2, 1)
        output = f"Transpose.{len(self.nodes)}"
        self.nodes.append(onnx_bytes.node("Transpose", [x], [output], "", {"perm": order}))
        return output

    def split(self, x: str, count: int) -> list[str]:
        """Split the last axis of ``[..., count * H]`` into `count` values."""
        outputs = [f"{x}.{part}" for part in range(count)]
        sizes = self.tensor(f"{count}H", np.full(count, self.config.hidden_size, np.int64))
        self.nodes.append(onnx_bytes.node("Split", [x, sizes], outputs, "", {"axis": -1}))
        return outputs

    def linear(self, x: str, module: str, part: slice = slice(None)) -> str:
        """Add a linear layer, or the part of one that gives some of its outputs."""
        return self.add("Add", [*self.product(x, module, part)])

    def product(self, x: str, module: str, part: slice = slice(None)) -> tuple[str, str]:
        """Add the product ``x Wᵀ`` in int8; returns it as fp32, and the bias, which is not added yet."""
        name = module if part == slice(None) else f"{module}.{part.start}"
        matrix = self.tensor(f"{name}.int8", self.given[f"{module}.int8"][:, part])
        scale = self.tensor(f"{name}.scale", self.given[f"{module}.scale"][part])
        bias = self.tensor(f"{name}.bias", self.given[f"{module}.bias"][part])
        tokens, largest = self.round(x)
        inputs = [tokens, matrix, self.step, scale, self.zero, self.whole]
        product = self.add("MatMulIntegerToFloat", inputs, domain=RUNTIME)
        return self.add("Mul", [product, largest]), bias

    def round(self, x: str) -> tuple[str, str]:
        """Round ``x[T, inputs]`` to uint8; returns it and its scales ``[T, 1]``, the largest absolute value of each token."""
        if x not in self.rounded:
            high, low = (self.add(name, [x, self.axis], keepdims=1) for name in ("ReduceMax", "ReduceMin"))
            largest = self.add("Max", [high, self.add("Neg", [low]), self.least])
            shrunk = self.add("Div", [x, largest])
            self.rounded[x] = self.add("QuantizeLinear", [shrunk, self.step, self.zero]), largest
        return self.rounded[x]

    def norm(self, x: str, module: str) -> str:
        """Add a layer norm. ONNX Runtime's operator that adds the residual too took four times as long."""
        return self.add("LayerNormalization", [x, *self.parameters(module)], axis=-1, epsilon=self.config.norm_eps)

    def serialised(
        self, inputs: dict[str, tuple[str, list[int | str]]], outputs: dict[str, list[int | str]], longest: str
    ) -> bytes:
        """Return the model as bytes.

        Args:
            inputs: Type and shape of each input besides ``embedded`` and ``bias``.
            outputs: Shape of each output, fp32.
            longest: Name of the size of the bias.
        """
        config = self.config
        inputs = {"embedded": ("float32", ["T", config.embedding_size or config.hidden_size]), **inputs}
        if config.relative_buckets:
            inputs["bias"] = ("float32", [1, config.heads, longest, longest])
        return onnx_bytes.model(
            self.nodes,
            [onnx_bytes.value(name, *of) for name, of in inputs.items()],
            [onnx_bytes.value(name, "float32", shape) for name, shape in outputs.items()],
            [onnx_bytes.tensor(name, values) for name, values in self.tensors.items()],
            {"": 18, RUNTIME: 1},
        )
