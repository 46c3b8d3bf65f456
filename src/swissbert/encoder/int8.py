"""Eight-bit matrix products for answering on a CPU; everything between them stays fp32.

The four linear maps of each layer hold their weights in 7 bits, one scale for each output, and take activations in 8 bits,
one scale for each token. A token's scale is its own largest value, so nothing is calibrated and no token, and no text, changes
the answer of another. (Seven bits for weights: products of two 8-bit numbers overflow the 16 bits that AVX2 adds them in.)
"""

import threading
import warnings

import torch
from torch import Tensor, nn

from swissbert.encoder.bert import Bert, Layer
from swissbert.errors import SwissbertError

WEIGHTS = 63
"""Largest weight, of either sign."""
ACTIVATIONS = 127
"""Largest activation, of either sign; stored with this added, from 0 to 254."""


def has_int8() -> bool:
    """Whether this processor and this torch have the products: x86-64 with AVX2 does."""
    return "fbgemm" in torch.backends.quantized.supported_engines


_PACKING = threading.Lock()
"""The engine that packs is a setting of the whole process."""


class Int8Linear(nn.Module):
    """``x Wᵀ + b`` for x ``[T, inputs]``, W ``[outputs, inputs]`` and b ``[outputs]``."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.bias = bias
        scales = (weight.abs().amax(1) / WEIGHTS).clamp(min=1e-12)
        with _PACKING:
            self._packed = self._pack(weight, scales)

    @staticmethod
    def _pack(weight: Tensor, scales: Tensor) -> object:
        engine = torch.backends.quantized.engine
        try:
            torch.backends.quantized.engine = "fbgemm"  # its packing is what the product reads
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch moves its quantised tensors elsewhere, the products stay
                zeros = torch.zeros(len(weight), dtype=torch.int64)
                whole = torch.quantize_per_channel(weight, scales.double(), zeros, 0, torch.qint8)
                return torch.ops.quantized.linear_prepack(whole, None)
        finally:
            torch.backends.quantized.engine = engine

    def forward(self, x: Tensor) -> Tensor:
        """``[T, inputs] -> [T, outputs]``, fp32."""
        largest = x.abs().amax(1, keepdim=True).clamp_(min=1e-12)  # [T, 1]
        product = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            x / largest, 1 / ACTIVATIONS, ACTIVATIONS, self._packed
        )
        return torch.addcmul(self.bias, product, largest)


class Int8Layer(Layer):
    """A `Layer` whose linear maps are `Int8Linear`; it answers and does not learn. Only the `last` one can give `first`."""

    def __init__(self, layer: Layer, last: bool) -> None:
        nn.Module.__init__(self)
        self.heads, self.dropout, self.attention_dropout = layer.heads, layer.dropout, layer.attention_dropout
        self.attention_norm, self.norm = layer.attention_norm, layer.norm
        for name in ("qkv", "attention_out", "up", "down"):
            linear = getattr(layer, name)
            setattr(self, name, Int8Linear(linear.weight.detach(), linear.bias.detach()))
        if last:
            size = layer.qkv.in_features
            weight, bias = layer.qkv.weight.detach(), layer.qkv.bias.detach()
            self.q, self.kv = Int8Linear(weight[:size], bias[:size]), Int8Linear(weight[size:], bias[size:])

    def split_qkv(self, own: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Queries of `own` ``[B, H]``, keys and values of `hidden` ``[T, 2H]``."""
        return self.q(own), self.kv(hidden)


def to_int8(encoder: Bert) -> None:
    """Let an encoder on the CPU answer with eight-bit products from now on.

    Raises SwissbertError where there are none.
    """
    if not has_int8():
        raise SwissbertError("precision is 'int8', but this processor has no such products in torch; 'fp32' works")
    for i, layer in enumerate(encoder.layers):
        assert isinstance(layer, Layer)
        encoder.layers[i] = Int8Layer(layer, i == len(encoder.layers) - 1)
    encoder.steady = True  # a last digit before a rounding to eight bits would be far more than a last digit after it
