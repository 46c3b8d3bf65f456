"""A fine-tuned encoder as its difference from the one it started as, in four bits a weight.

Fine-tuning moves weights little, so the difference needs few bits: each row of a matrix has one scale and whole numbers from -7 to 7,
two of them a byte. Rows that did not move (words that no training text has) are left out. Vectors are kept as they are.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

TOP = 7
"""Largest code, of either sign; stored with 8 added."""


def pack(base: Mapping[str, Tensor], tuned: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `unpack` makes `tuned` of again, nearly: parameters by name, fp32, those of `base` under the same names and shapes.

    A matrix ``N`` ``[R, C]`` becomes ``N.codes`` uint8 ``[K, ceil(C / 2)]``, ``N.scales`` ``[K]`` and ``N.rows`` int32
    ``[K]``, the K rows that moved; a vector stays ``N``. No row is off by more than a fourteenth of its largest move.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in tuned.items():
        if tensor.dim() != 2:
            packed[name] = tensor.clone()
            continue
        moves = tensor - base[name]
        rows = moves.abs().amax(1).nonzero()[:, 0]
        moves = moves[rows]
        scales = moves.abs().amax(1) / TOP  # [K]
        codes = (moves / scales[:, None]).round().to(torch.int8) + 8
        if codes.shape[1] % 2:
            codes = torch.nn.functional.pad(codes, (0, 1), value=8)
        codes = codes.to(torch.uint8)
        packed[f"{name}.codes"] = codes[:, 0::2] | codes[:, 1::2] << 4
        packed[f"{name}.scales"], packed[f"{name}.rows"] = scales, rows.to(torch.int32)
    return packed


def unpack(base: Mapping[str, Tensor], packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters by name, from those of `base` and what `pack` gave.

    Raises ValueError where they do not belong together.
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
            raise ValueError(f"{name}.rows names rows that a matrix of {height} has not")
        codes = torch.stack([pairs & 15, pairs >> 4], 2).flatten(1)[:, :width]
        tuned[name] = tensor.index_add(0, rows, (codes.float() - 8) * scales[:, None])
    if strange := [name for name in packed if name.removesuffix(".codes") not in base and _owner(name) not in base]:
        raise ValueError(f"{strange[0]} is of no parameter")
    return tuned


def _owner(name: str) -> str:
    return name.removesuffix(".scales").removesuffix(".rows")


def _part(packed: Mapping[str, Tensor], name: str, kind: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    tensor = packed.get(name)
    if tensor is None or tensor.dtype != kind or tuple(tensor.shape) != shape:
        found = "is missing" if tensor is None else f"is {tensor.dtype} {list(tensor.shape)}"
        raise ValueError(f"{name} {found}, but {kind} {list(shape)} is expected")
    return tensor
