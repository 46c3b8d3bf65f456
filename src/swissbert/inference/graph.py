"""The layers of an encoder as a graph of ONNX Runtime operators with int8 matrix products, on packed tokens.

Inputs of the graph:

- ``hidden``, float ``[T, H]``: the embeddings,
- ``lengths``, int32 ``[B]``: the length of each sequence,
- ``first``, int64 ``[B]``: the index of each sequence's first token,
- ``spread``, int64 ``[B, L]``: the token at each place of the padded batch; padding is any token of the same sequence,
- ``back``, int64 ``[T]``: the index of each token in ``[B * L]``,
- ``bias``, float ``[1, heads, L, L]``, where the encoder has a bias of attention scores: that bias,
- ``share``, float ``[B, 1, L]``, where the pooling has a mean: 1 / length at each token's place, 0 at padding.

Its output is ``pooled``, float ``[B, W]``, as of `Bert.pool`.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from swissbert.encoder.activations import ACTIVATIONS
from swissbert.encoder.bert import Bert, Layer
from swissbert.encoder.pooling import POOLINGS

if TYPE_CHECKING:
    from onnx import NodeProto

WEIGHTS = 63
"""Largest absolute value of a weight. With 8 bits, sums of two products would overflow the 16 bits of AVX2."""
LARGEST = 127
"""Largest absolute value of an activation; stored with this added, from 0 to 254."""
RUNTIME = "com.microsoft"
"""Operator domain of ONNX Runtime's fused operators, which are not part of ONNX."""


def to_graph(encoder: Bert) -> bytes:
    """Return the layers and the pooling of an encoder as a serialised ONNX model."""
    return _Graph(encoder).serialised()


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
    """Builder of the graph: each method adds nodes and tensors, and returns the name of its result.

    Attributes:
        config: Sizes of the encoder.
        pooling: How it pools.
        width: Size of a pooled output.
        nodes: The nodes so far, in order of execution.
        tensors: The constants so far by name.
        rounded: Names of the int8 version and the scales of each value that was rounded.
    """

    def __init__(self, encoder: Bert) -> None:
        self.config, self.pooling, self.width = encoder.config, POOLINGS[encoder.pooling], encoder.width
        self.nodes: list[NodeProto] = []
        self.tensors: dict[str, np.ndarray] = {}
        self.rounded: dict[str, tuple[str, str]] = {}
        self.step = self.tensor("step", np.float32(1 / LARGEST))
        self.zero = self.tensor("zero", np.uint8(LARGEST))
        self.whole = self.tensor("whole", np.int8(0))
        self.least = self.tensor("least", np.float32(1e-12))  # avoids a division by 0 for tokens of zeros
        self.axis = self.tensor("along", np.array([-1], np.int64))
        self.bias = self.bias_of_first = ""
        if encoder.relative_bias is not None:
            begin, end, rows = (self.tensor(f"row{i}", np.array([i], np.int64)) for i in (0, 1, 2))
            self.bias, self.bias_of_first = "bias", self.add("Slice", ["bias", begin, end, rows])
        hidden = "hidden"
        numbers = {layer: number for number, layer in enumerate(encoder.layers, 1)}  # a shared one is stored once
        for place, layer in enumerate(encoder.stack, 1):
            is_last = place == encoder.config.layers and not self.pooling.uses_mean
            hidden = self.layer(layer, hidden, f"layer{numbers[layer]}", last=is_last)
        self.pool(encoder, hidden)

    def tensor(self, name: str, value: Any) -> str:
        """Add a constant."""
        self.tensors[name] = np.asarray(value)
        return name

    def parameters(self, module: nn.Linear | nn.LayerNorm, name: str) -> tuple[str, str]:
        """Add weight and bias of a module."""
        return self.tensor(f"{name}.weight", _array(module.weight)), self.tensor(f"{name}.bias", _array(module.bias))

    def add(self, operator: str, inputs: list[str], output: str = "", domain: str = "", **options: Any) -> str:
        """Add a node with one output, whose name is made up if not given."""
        from onnx import helper

        output = output or f"{operator}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **options))
        return output

    def layer(self, layer: Layer, hidden: str, name: str, *, last: bool) -> str:
        """Add a layer, ``[T, H] -> [T, H]``; the last one computes first tokens only, ``-> [B, H]``."""
        own = self.add("Gather", [hidden, "first"]) if last else hidden
        context = self.attention(layer, own, hidden, name, last=last)
        product, bias = self.product(context, layer.attention_out.weight, layer.attention_out.bias, f"{name}.out")
        hidden = self.norm(layer.attention_norm, self.add("Add", [product, bias]), own, f"{name}.attention_norm")
        product, bias = self.product(hidden, layer.up.weight, layer.up.bias, f"{name}.up")
        wide = self.activation(product, bias)
        product, bias = self.product(wide, layer.down.weight, layer.down.bias, f"{name}.down")
        return self.norm(layer.norm, self.add("Add", [product, bias]), hidden, f"{name}.norm")

    def activation(self, product: str, bias: str) -> str:
        """Add a bias and the encoder's activation."""
        function = ACTIVATIONS[self.config.activation]
        if function is ACTIVATIONS["gelu"]:
            return self.add("BiasGelu", [product, bias], domain=RUNTIME)
        if function is ACTIVATIONS["gelu_new"]:
            return self.add("FastGelu", [product, bias], domain=RUNTIME)
        total = self.add("Add", [product, bias])
        if function is ACTIVATIONS["silu"]:
            return self.add("Mul", [total, self.add("Sigmoid", [total])])
        return self.add({ACTIVATIONS["relu"]: "Relu", ACTIVATIONS["tanh"]: "Tanh"}[function], [total])

    def pool(self, encoder: Bert, hidden: str) -> None:
        """Add the pooling of `hidden`: first tokens ``[B, H]``, or all ``[T, H]`` where there is a mean."""
        if self.pooling.uses_pooler:
            weight, bias = self.parameters(encoder.pooler, "pooler")
            self.add("Tanh", [self.add("Gemm", [hidden, weight, bias], transB=1)], "pooled")
        elif not self.pooling.uses_mean:
            self.add("Identity", [hidden], "pooled")
        else:
            flat = self.tensor("flat", np.array([-1, self.config.hidden_size], np.int64))
            sums = self.add("MatMul", ["share", self.add("Gather", [hidden, "spread"])])  # [B, 1, H]
            if self.pooling.uses_first:
                parts = [self.add("Gather", [hidden, "first"]), self.add("Reshape", [sums, flat])]
                self.add("Concat", parts, "pooled", axis=1)
            else:
                self.add("Reshape", [sums, flat], "pooled")

    def attention(self, layer: Layer, own: str, hidden: str, name: str, *, last: bool) -> str:
        """Add attention of the queries `own`, ``[T, H]`` or ``[B, H]``, over the keys and values of `hidden`."""
        size = self.config.hidden_size
        weight, bias = layer.qkv.weight, layer.qkv.bias
        flat = self.tensor("flat", np.array([-1, size], np.int64))
        if last:
            alone = self.tensor("alone", np.array([-1, 1, size], np.int64))
            query = self.add("Reshape", [self.linear(own, weight[:size], bias[:size], f"{name}.q"), alone])
            key, value = self.parts(self.linear(hidden, weight[size:], bias[size:], f"{name}.kv"), 2)
            added = self.bias_of_first
        else:
            query, key, value = self.parts(self.linear(hidden, weight, bias, f"{name}.qkv"), 3)
            added = self.bias
        # [B, L, H]; keys and values beyond a sequence's length are masked
        inputs = [query, key, value, "", "lengths", *([added] if added else [])]
        context = self.add("MultiHeadAttention", inputs, domain=RUNTIME, num_heads=self.config.heads)
        context = self.add("Reshape", [context, flat])
        return context if last else self.add("Gather", [context, "back"])

    def parts(self, tokens: str, count: int) -> list[str]:
        """Split ``[T, count * H]`` into `count` values ``[B, L, H]``."""
        from onnx import helper

        outputs = [f"{tokens}.{part}" for part in range(count)]
        sizes = self.tensor(f"{count}H", np.full(count, self.config.hidden_size, np.int64))
        self.nodes.append(helper.make_node("Split", [self.add("Gather", [tokens, "spread"]), sizes], outputs, axis=-1))
        return outputs

    def linear(self, x: str, weight: Tensor, bias: Tensor, name: str) -> str:
        """Add a linear layer."""
        return self.add("Add", [*self.product(x, weight, bias, name)])

    def product(self, x: str, weight: Tensor, bias: Tensor, name: str) -> tuple[str, str]:
        """Add the product ``x Wᵀ`` in int8; returns it as fp32, and the bias, which is not added yet."""
        whole, scales = round_weights(_array(weight))
        matrix, scale = self.tensor(f"{name}.int8", whole), self.tensor(f"{name}.scale", scales)
        tokens, largest = self.round(x)
        inputs = [tokens, matrix, self.step, scale, self.zero, self.whole]
        product = self.add("MatMulIntegerToFloat", inputs, domain=RUNTIME)
        return self.add("Mul", [product, largest]), self.tensor(f"{name}.bias", _array(bias))

    def round(self, x: str) -> tuple[str, str]:
        """Round ``x[T, inputs]`` to uint8; returns it and its scales ``[T, 1]``, the largest absolute value of each token."""
        if x not in self.rounded:
            high, low = (self.add(name, [x, self.axis], keepdims=1) for name in ("ReduceMax", "ReduceMin"))
            largest = self.add("Max", [high, self.add("Neg", [low]), self.least])
            shrunk = self.add("Div", [x, largest])
            self.rounded[x] = self.add("QuantizeLinear", [shrunk, self.step, self.zero]), largest
        return self.rounded[x]

    def norm(self, norm: nn.LayerNorm, x: str, residual: str, name: str) -> str:
        """Add a residual and a layer norm, as two operators: ONNX Runtime's fused one took four times as long."""
        inputs = [self.add("Add", [x, residual]), *self.parameters(norm, name)]
        return self.add("LayerNormalization", inputs, axis=-1, epsilon=norm.eps)

    def serialised(self) -> bytes:
        """Return the model as bytes."""
        from onnx import TensorProto, helper, numpy_helper

        size, whole = self.config.hidden_size, TensorProto.INT64
        inputs = [
            helper.make_tensor_value_info("hidden", TensorProto.FLOAT, ["T", size]),
            helper.make_tensor_value_info("lengths", TensorProto.INT32, ["B"]),
            helper.make_tensor_value_info("first", whole, ["B"]),
            helper.make_tensor_value_info("spread", whole, ["B", "L"]),
            helper.make_tensor_value_info("back", whole, ["T"]),
        ]
        if self.bias:
            shape = (1, self.config.heads, "L", "L")
            inputs.append(helper.make_tensor_value_info("bias", TensorProto.FLOAT, shape))
        if self.pooling.uses_mean:
            inputs.append(helper.make_tensor_value_info("share", TensorProto.FLOAT, ["B", 1, "L"]))
        pooled = helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["B", self.width])
        tensors = [numpy_helper.from_array(value, name) for name, value in self.tensors.items()]
        graph = helper.make_graph(self.nodes, "layers", inputs, [pooled], tensors)
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(RUNTIME, 1)]
        model: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
        return model


def _array(parameter: Tensor) -> np.ndarray:
    array: np.ndarray = parameter.detach().float().cpu().numpy()
    return array
