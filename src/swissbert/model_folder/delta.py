"""The difference of a fine-tuned encoder from its base, quantised to four bits per weight.

Fine-tuning changes weights little, so few bits are enough: each row of a matrix has one scale and integers from -7 to
7, two per byte. Rows that did not change (tokens that do not occur in training texts) are omitted. Vectors are stored
unquantised.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

TOP = 7
"""Largest absolute code; codes are stored with 8 added."""


def pack(base: Mapping[str, Tensor], tuned: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Quantise a difference.

    Args:
        base: Parameters of the base encoder by name, fp32.
        tuned: Parameters of the fine-tuned encoder, of the same names and shapes.

    Returns:
        Tensors by name. A matrix ``N`` ``[R, C]`` becomes ``N.codes`` uint8 ``[K, ceil(C / 2)]``, ``N.scales`` ``[K]``
        and ``N.rows`` int32 ``[K]``, the K rows that changed; a vector stays ``N``. The error of a weight is at most
        1/14 of the largest change in its row.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in tuned.items():
        if tensor.dim() != 2:
            packed[name] = tensor.clone()
            continue
        changes = tensor - base[name]
        rows = changes.abs().amax(1).nonzero()[:, 0]
        changes = changes[rows]
        scales = changes.abs().amax(1) / TOP  # [K]
        codes = (changes / scales[:, None]).round().to(torch.int8) + 8
        if codes.shape[1] % 2:
            codes = torch.nn.functional.pad(codes, (0, 1), value=8)
        codes = codes.to(torch.uint8)
        packed[f"{name}.codes"] = codes[:, 0::2] | codes[:, 1::2] << 4
        packed[f"{name}.scales"], packed[f"{name}.rows"] = scales, rows.to(torch.int32)
    return packed


def unpack(base: Mapping[str, Tensor], packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Restore parameters.

    Args:
        base: Parameters of the base encoder by name, fp32.
        packed: Tensors that `pack` returned.

    Raises:
        ValueError: If the two do not belong together.
    """
    tuned: dict[str, Tensor] = {}
    for name, tensor in base.items():
        if tensor.dim() != 2:
            tuned[name] = _part(packed, name, torch.float32, tuple(tensor.shape))
            continue
        height, width = tensor.shape
        count = packed[f"{name}.scales"].numel() if f"{name}.scales" in packed else 0
        rows = _part(packed, f"{name}.rows", torch.int32, (count,)).long()
        scales = _part(packed, f"{name}.scales", torch.float32, (count,))
        pairs = _part(packed, f"{name}.codes", torch.uint8, (count, (width + 1) // 2))
        if count and not (int(rows.min()) >= 0 and int(rows.max()) < height):
            raise ValueError(f"{name}.rows has indices outside of 0 to {height - 1}")
        codes = torch.stack([pairs & 15, pairs >> 4], 2).flatten(1)[:, :width]
        tuned[name] = tensor.index_add(0, rows, (codes.float() - 8) * scales[:, None])
    if unknown := [name for name in packed if name.removesuffix(".codes") not in base and _owner(name) not in base]:
        raise ValueError(f"{unknown[0]} belongs to no parameter")
    return tuned


def _owner(name: str) -> str:
    return name.removesuffix(".scales").removesuffix(".rows")


def _part(packed: Mapping[str, Tensor], name: str, kind: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    tensor = packed.get(name)
    if tensor is None or tensor.dtype != kind or tuple(tensor.shape) != shape:
        actual = "is missing" if tensor is None else f"is {tensor.dtype} {list(tensor.shape)}"
        raise ValueError(f"{name} {actual}, but must be {kind} {list(shape)}")
    return tensor
