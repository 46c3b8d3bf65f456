"""The difference of a fine-tuned encoder from its base, quantised to four bits per weight.

Fine-tuning changes weights little, so few bits are enough: each row of a matrix has one scale and integers from -7 to
7, two per byte. Rows that did not change (tokens that do not occur in training texts) are omitted. Vectors are stored
unquantised. Does not import torch.
"""

from collections.abc import Mapping

import numpy as np

TOP = 7
"""Largest absolute code; codes are stored with 8 added."""
ROWS = 128
"""Rows that are restored at a time, so that what is computed in between stays in the processor's cache."""
_CODES = np.array([[pair % 16 - 8, pair // 16 - 8] for pair in range(256)], np.float32).view(np.uint64)[:, 0]
"""The two codes of each byte as two fp32 numbers in one of 64 bits, which is looked up in one step, ``[256]``."""


def pack(base: Mapping[str, np.ndarray], tuned: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Quantise a difference.

    Args:
        base: Parameters of the base encoder by name, fp32.
        tuned: Parameters of the fine-tuned encoder, of the same names and shapes.

    Returns:
        Tensors by name. A matrix ``N`` ``[R, C]`` becomes ``N.codes`` uint8 ``[K, ceil(C / 2)]``, ``N.scales`` ``[K]``
        and ``N.rows`` int32 ``[K]``, the K rows that changed; a vector stays ``N``. The error of a weight is at most
        1/14 of the largest change in its row.
    """
    packed: dict[str, np.ndarray] = {}
    for name, values in tuned.items():
        if values.ndim != 2:
            packed[name] = values.copy()
            continue
        changes = values - base[name]
        rows = np.flatnonzero(np.abs(changes).max(1, initial=0))
        changes = changes[rows]
        scales = np.abs(changes).max(1, initial=0) / np.float32(TOP)  # [K]
        codes = (np.rint(changes / scales[:, None]) + 8).astype(np.uint8)
        if codes.shape[1] % 2:
            codes = np.pad(codes, ((0, 0), (0, 1)), constant_values=8)
        packed[f"{name}.codes"] = codes[:, 0::2] | codes[:, 1::2] << 4
        packed[f"{name}.scales"], packed[f"{name}.rows"] = scales, rows.astype(np.int32)
    return packed


def unpack(
    base: Mapping[str, np.ndarray], packed: Mapping[str, np.ndarray], *, in_place: bool = False
) -> dict[str, np.ndarray]:
    """Restore parameters.

    Args:
        base: Parameters of the base encoder by name, fp32.
        packed: Tensors that `pack` returned.
        in_place: Change the matrices of `base`, instead of copies.

    Raises:
        ValueError: If the two do not belong together.
    """
    tuned: dict[str, np.ndarray] = {}
    for name, values in base.items():
        if values.ndim != 2:
            tuned[name] = _part(packed, name, "float32", values.shape).copy()  # what was read cannot be written to
            continue
        height, width = values.shape
        count = packed[f"{name}.scales"].size if f"{name}.scales" in packed else 0
        rows = _part(packed, f"{name}.rows", "int32", (count,))
        scales = _part(packed, f"{name}.scales", "float32", (count,))
        pairs = _part(packed, f"{name}.codes", "uint8", (count, (width + 1) // 2))
        if count and not (int(rows.min()) >= 0 and int(rows.max()) < height):
            raise ValueError(f"{name}.rows has indices outside of 0 to {height - 1}")
        if len(np.unique(rows)) < count:
            raise ValueError(f"{name}.rows has an index twice")
        tuned[name] = values if in_place else values.copy()
        with np.errstate(over="ignore", invalid="ignore"):  # of damaged scales; the caller looks for infinity
            for part in (slice(start, start + ROWS) for start in range(0, count, ROWS)):
                changes = _CODES[pairs[part]].view(np.float32)[:, :width]
                changes *= scales[part, None]
                tuned[name][rows[part]] += changes
    if unknown := [name for name in packed if name.removesuffix(".codes") not in base and _owner(name) not in base]:
        raise ValueError(f"{unknown[0]} belongs to no parameter")
    return tuned


def _owner(name: str) -> str:
    return name.removesuffix(".scales").removesuffix(".rows")


def _part(packed: Mapping[str, np.ndarray], name: str, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    values = packed.get(name)
    if values is None or values.dtype != kind or values.shape != shape:
        actual = "is missing" if values is None else f"is {values.dtype} {list(values.shape)}"
        raise ValueError(f"{name} {actual}, but must be {kind} {list(shape)}")
    return values
