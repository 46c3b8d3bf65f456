"""The layers of an encoder as a graph of ONNX Runtime's operators, with eight-bit matrix products, on packed tokens.

Its inputs are ``hidden`` float ``[T, H]`` (the embeddings), ``lengths`` int32 ``[B]``, ``first`` int64 ``[B]`` (index of each
sequence's first token), ``spread`` int64 ``[B, L]`` (which token goes where in attention; padding is any token of the same sequence) and ``back``
int64 ``[T]`` (where each token is in ``[B * L]``). It gives ``pooled`` ``[B, H]``, as `Bert.pool` does.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from swissbert.encoder.bert import Bert, Layer

if TYPE_CHECKING:
    from onnx import NodeProto

WEIGHTS = 63
"""Largest weight, of either sign: products of two 8-bit numbers overflow the 16 bits that AVX2 adds them in."""
ACTIVATIONS = 127
"""Largest activation, of either sign; stored with this added, from 0 to 254."""
OWN = "com.microsoft"
"""Where ONNX Runtime's own operators are named: fused ones that ONNX itself has not."""


def to_graph(encoder: Bert) -> bytes:
    """The layers and the pooler of an encoder, serialised."""
    return _Graph(encoder).serialised()


def round_weights(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``[outputs, inputs]`` -> int8 ``[inputs, outputs]``, and the scale of each output, float32."""
    scales = np.maximum(np.abs(weight).max(1) / WEIGHTS, 1e-12)
    return np.rint(weight / scales[:, None]).astype(np.int8).T.copy(), scales.astype(np.float32)


class _Graph:
    """Nodes and tensors, as they come. A value goes by its name, which each method returns."""

    def __init__(self, encoder: Bert) -> None:
        self.config = encoder.config
        self.nodes: list[NodeProto] = []
        self.tensors: dict[str, np.ndarray] = {}
        self.rounded: dict[str, tuple[str, str]] = {}
        self.step = self.tensor("step", np.float32(1 / ACTIVATIONS))
        self.zero = self.tensor("zero", np.uint8(ACTIVATIONS))
        self.whole = self.tensor("whole", np.int8(0))
        self.least = self.tensor("least", np.float32(1e-12))  # a token of zeros alone has a scale too
        self.along = self.tensor("along", np.array([-1], np.int64))
        hidden = "hidden"
        for number, layer in enumerate(encoder.layers, 1):
            assert isinstance(layer, Layer)
            hidden = self.layer(layer, hidden, f"layer{number}", last=number == len(encoder.layers))
        weight, bias = self.parameters(encoder.pooler, "pooler")
        self.add("Tanh", [self.add("Gemm", [hidden, weight, bias], transB=1)], "pooled")

    def tensor(self, name: str, value: Any) -> str:
        self.tensors[name] = np.asarray(value)
        return name

    def parameters(self, module: nn.Linear | nn.LayerNorm, name: str) -> tuple[str, str]:
        return self.tensor(f"{name}.weight", _array(module.weight)), self.tensor(f"{name}.bias", _array(module.bias))

    def add(self, kind: str, inputs: list[str], output: str = "", domain: str = "", **options: Any) -> str:
        from onnx import helper

        output = output or f"{kind}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **options))
        return output

    def layer(self, layer: Layer, hidden: str, name: str, *, last: bool) -> str:
        """``[T, H] -> [T, H]``; the `last` one ``-> [B, H]``, what first tokens need alone."""
        own = self.add("Gather", [hidden, "first"]) if last else hidden
        context = self.attention(layer, own, hidden, name, last=last)
        product, bias = self.product(context, layer.attention_out.weight, layer.attention_out.bias, f"{name}.out")
        hidden = self.norm(layer.attention_norm, self.add("Add", [product, bias]), own, f"{name}.attention_norm")
        product, bias = self.product(hidden, layer.up.weight, layer.up.bias, f"{name}.up")
        wide = self.add("BiasGelu", [product, bias], domain=OWN)
        product, bias = self.product(wide, layer.down.weight, layer.down.bias, f"{name}.down")
        return self.norm(layer.norm, self.add("Add", [product, bias]), hidden, f"{name}.norm")

    def attention(self, layer: Layer, own: str, hidden: str, name: str, *, last: bool) -> str:
        """Context of each token of `own`: ``[T, H]``, or ``[B, H]``."""
        size = self.config.hidden_size
        weight, bias = layer.qkv.weight, layer.qkv.bias
        flat = self.tensor("flat", np.array([-1, size], np.int64))
        if last:
            alone = self.tensor("alone", np.array([-1, 1, size], np.int64))
            query = self.add("Reshape", [self.linear(own, weight[:size], bias[:size], f"{name}.q"), alone])
            key, value = self.parts(self.linear(hidden, weight[size:], bias[size:], f"{name}.kv"), 2)
        else:
            query, key, value = self.parts(self.linear(hidden, weight, bias, f"{name}.qkv"), 3)
        # [B, L, H]; keys and values beyond a sequence's length are not looked at
        inputs = [query, key, value, "", "lengths"]
        context = self.add("MultiHeadAttention", inputs, domain=OWN, num_heads=self.config.heads)
        context = self.add("Reshape", [context, flat])
        return context if last else self.add("Gather", [context, "back"])

    def parts(self, tokens: str, count: int) -> list[str]:
        """``[T, count * H]`` -> as many of ``[B, L, H]``."""
        from onnx import helper

        outputs = [f"{tokens}.{part}" for part in range(count)]
        sizes = self.tensor(f"{count}H", np.full(count, self.config.hidden_size, np.int64))
        self.nodes.append(helper.make_node("Split", [self.add("Gather", [tokens, "spread"]), sizes], outputs, axis=-1))
        return outputs

    def linear(self, x: str, weight: Tensor, bias: Tensor, name: str) -> str:
        return self.add("Add", [*self.product(x, weight, bias, name)])

    def product(self, x: str, weight: Tensor, bias: Tensor, name: str) -> tuple[str, str]:
        """``x Wᵀ`` with eight-bit numbers, as fp32, and the bias that is still to be added."""
        whole, scales = round_weights(_array(weight))
        matrix, scale = self.tensor(f"{name}.int8", whole), self.tensor(f"{name}.scale", scales)
        tokens, largest = self.round(x)
        inputs = [tokens, matrix, self.step, scale, self.zero, self.whole]
        product = self.add("MatMulIntegerToFloat", inputs, domain=OWN)
        return self.add("Mul", [product, largest]), self.tensor(f"{name}.bias", _array(bias))

    def round(self, x: str) -> tuple[str, str]:
        """``x[T, inputs]`` as uint8, and its scales ``[T, 1]``: each token's own largest value."""
        if x not in self.rounded:
            high, low = (self.add(kind, [x, self.along], keepdims=1) for kind in ("ReduceMax", "ReduceMin"))
            largest = self.add("Max", [high, self.add("Neg", [low]), self.least])
            shrunk = self.add("Div", [x, largest])
            self.rounded[x] = self.add("QuantizeLinear", [shrunk, self.step, self.zero]), largest
        return self.rounded[x]

    def norm(self, norm: nn.LayerNorm, x: str, residual: str, name: str) -> str:
        # two operators: the fused one took four times as long
        inputs = [self.add("Add", [x, residual]), *self.parameters(norm, name)]
        return self.add("LayerNormalization", inputs, axis=-1, epsilon=norm.eps)

    def serialised(self) -> bytes:
        from onnx import TensorProto, helper, numpy_helper

        size, whole = self.config.hidden_size, TensorProto.INT64
        inputs = [
            helper.make_tensor_value_info("hidden", TensorProto.FLOAT, ["T", size]),
            helper.make_tensor_value_info("lengths", TensorProto.INT32, ["B"]),
            helper.make_tensor_value_info("first", whole, ["B"]),
            helper.make_tensor_value_info("spread", whole, ["B", "L"]),
            helper.make_tensor_value_info("back", whole, ["T"]),
        ]
        pooled = helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["B", size])
        tensors = [numpy_helper.from_array(value, name) for name, value in self.tensors.items()]
        graph = helper.make_graph(self.nodes, "layers", inputs, [pooled], tensors)
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(OWN, 1)]
        model: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
        return model


def _array(parameter: Tensor) -> np.ndarray:
    array: np.ndarray = parameter.detach().float().cpu().numpy()
    return array
