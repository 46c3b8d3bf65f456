"""Open the weights of a checkpoint: ``model.safetensors``, or the shards that ``model.safetensors.index.json`` lists.

They are read as tensors of torch or as arrays of numpy; for the latter torch is not imported.
"""

import errno
import json
import math
import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open

from swissbert.errors import LONGEST_QUOTE, SwissbertError, clipped
from swissbert.reading import open_regular, read_object
from swissbert.settings import shown
from swissbert.wording import one_line

if TYPE_CHECKING:
    from torch import Tensor

Framework = Literal["pt", "np"]
"""What tensors are read as: those of torch, or arrays of numpy, which needs no torch."""
SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")

FLOATS = frozenset({"F16", "BF16", "F32", "F64"})
"""Types of weights that are read; others hold no numbers of full range, or numbers that would lose a part."""
HEADER_BYTES = 2**23
"""Largest header of a safetensors file that is read; a thousand layers need one of a megabyte."""
LONGEST_NAME = 500
"""Most characters of the name of a tensor."""
HOLES = 2**26
"""Bytes of a file from which it must not consist of holes, which take memory but no room on the disk."""


@dataclass(frozen=True)
class _Part:
    """An open safetensors file."""

    file: Path
    opened: Any

    @cached_property
    def mapped(self) -> tuple[np.ndarray, int, dict[str, Any]]:
        """The bytes of the file, mapped into memory once; where its data begin; and its tensors by name."""
        with open_regular(self.file) as file:
            size = int.from_bytes(file.read(8), "little")  # as checked when the file was opened
            tensors = json.loads(file.read(size))
            return np.memmap(file, np.uint8, "c").view(np.ndarray), 8 + size, tensors


class Weights:
    """Open safetensors files.

    Attributes:
        file: The file, or the index of several, for messages.
        names: Names of all tensors.
    """

    def __init__(self, file: Path, parts: "dict[str, _Part]") -> None:
        self.file, self.names = file, sorted(parts)
        self._parts = parts  # the open file of each tensor

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor without reading it."""
        return tuple(self._parts[name].opened.get_slice(name).get_shape())

    def get(self, name: str, types: Collection[str] = FLOATS) -> "Tensor":
        """Read a tensor, of files that were opened for torch.

        Raises:
            SwissbertError: If its type is not among `types`, by their names in safetensors.
        """
        self._check_type(name, types)
        tensor: Tensor = self._parts[name].opened.get_tensor(name)
        return tensor

    def array(self, name: str, types: Collection[str] = FLOATS) -> np.ndarray:
        """Read a tensor as an array, of files that were opened for numpy: floating-point numbers as fp32, others as stored.

        Numbers that are fp32 in the file are mapped into memory: changes stay in memory, but what others write into the file
        may show. Copy what is kept.

        Raises:
            SwissbertError: If its type is not among `types`, by their names in safetensors.
        """
        kind = self._check_type(name, types)
        if kind == "F32":
            return self._mapped(name, "<f4")
        if kind == "BF16":  # numpy has no such type: fp32 without the last 16 bits
            bits = self._mapped(name, "<u2").astype(np.uint32)
            bits <<= 16  # in place: otherwise a single number would no longer be an array
            return bits.view(np.float32)
        values: np.ndarray = self._parts[name].opened.get_tensor(name)
        with np.errstate(over="ignore"):  # becomes infinity, which callers refuse
            return values.astype(np.float32, copy=False) if kind in FLOATS else values

    def _mapped(self, name: str, dtype: str) -> np.ndarray:
        """Return the part of a mapped file that is a tensor."""
        values, start, tensors = self._parts[name].mapped
        first, end = tensors[name]["data_offsets"]
        return values[start + first : start + end].view(dtype).reshape(self.shape(name))

    def _check_type(self, name: str, types: Collection[str]) -> str:
        """Return the type of a tensor. Raises SwissbertError if it is not among `types`."""
        kind = str(self._parts[name].opened.get_slice(name).get_dtype())
        if kind not in types:
            use = "; use the unquantised model" if types is FLOATS else ""
            raise SwissbertError(
                f"{self.file}: {name} is of the type {kind}, but {', '.join(sorted(types))} are read{use}"
            )
        return kind


def need_finite(values: "Tensor | np.ndarray", name: str, file: Path) -> None:
    """Raise SwissbertError if a tensor or an array holds NaN or infinity."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(values.sum())  # a tenth of the time of looking at each; may be infinite for large numbers
    if (
        not math.isfinite(total)
        and not (np.isfinite(values) if isinstance(values, np.ndarray) else values.isfinite()).all()
    ):
        raise SwissbertError(f"{file}: {name} holds NaN or infinity, so the file is damaged, or its training failed")


def read_array_file(file: Path, types: Collection[str] = FLOATS) -> dict[str, np.ndarray]:
    """Read all tensors of a safetensors file as arrays.

    Args:
        file: The file.
        types: Types that tensors may have, by their names in safetensors.

    Raises:
        SwissbertError: If it is missing or damaged, or has a tensor of another type.
    """
    with open_file(file, "np") as weights:
        return {name: weights.array(name, types) for name in weights.names}


@contextmanager
def open_file(file: Path, framework: Framework = "pt") -> Iterator[Weights]:
    """Open one safetensors file for the length of a block.

    Raises:
        SwissbertError: If it is missing or damaged.
    """
    with ExitStack() as stack, _damage(file):
        opened = _opened(file, stack, framework)
        yield Weights(file, dict.fromkeys(opened.keys(), _Part(file, opened)))


@contextmanager
def _damage(file: Path) -> Iterator[None]:
    """Turn errors of reading a safetensors file into a SwissbertError."""
    try:
        yield
    except (SafetensorError, OSError) as error:
        raise SwissbertError(
            f"{file}: not a readable safetensors file ({clipped(str(error), LONGEST_QUOTE)})"
        ) from error


def _opened(file: Path, stack: ExitStack, framework: Framework) -> Any:
    """Open a safetensors file whose header has a usual size and which is on the disk as a whole."""
    with open_regular(file) as start:
        header = int.from_bytes(start.read(8), "little")
        size = os.fstat(start.fileno()).st_size
        if HEADER_BYTES < header <= size:
            raise SwissbertError(f"{file}: its header has {header:,} bytes, but at most {HEADER_BYTES:,} are read")
        if size >= HOLES and _is_hollow(start.fileno(), size):
            raise SwissbertError(f"{file}: more than half of the file is holes, which hold no weights; copy it again")
    opened = stack.enter_context(safe_open(file, framework=framework))
    if any(len(name) > LONGEST_NAME for name in opened.keys()):  # noqa: SIM118 (it is no dictionary)
        raise SwissbertError(f"{file}: a tensor has a name of more than {LONGEST_NAME} characters")
    return opened


def _is_hollow(handle: int, size: int) -> bool:
    """Whether more than half of a file are holes, as far as the file system tells."""
    if not hasattr(os, "SEEK_DATA"):
        return False
    data = position = 0
    try:
        while position < size and 2 * data < size:
            start = os.lseek(handle, position, os.SEEK_DATA)
            position = os.lseek(handle, start, os.SEEK_HOLE)
            data += position - start
    except OSError as error:
        if error.errno != errno.ENXIO:  # the file system does not tell; ENXIO: there is no data behind the position
            return False
    return 2 * data < size


@contextmanager
def open_weights(folder: Path, framework: Framework = "pt") -> Iterator[Weights]:
    """Open the weights in a folder for the length of a block.

    Raises:
        SwissbertError: If there are none, or a file is missing or damaged.
    """
    file = folder / SINGLE if (folder / SINGLE).exists() or not (folder / INDEX).is_file() else folder / INDEX
    if not file.is_file():
        raise SwissbertError(f"{file}: no such file{_pickled(folder)}")
    by_shard = shards(file) if file.name == INDEX else {file: None}
    with ExitStack() as stack:
        parts: dict[str, _Part] = {}
        for shard, names in by_shard.items():
            try:
                opened = _opened(shard, stack, framework)
                held = list(opened.keys())
            except (SafetensorError, OSError) as error:
                refuse_pointer(shard)
                raise SwissbertError(
                    f"{one_line(str(shard))}: not a readable safetensors file ({clipped(str(error), LONGEST_QUOTE)})"
                ) from error
            if names is not None and (lacking := sorted(set(names) - set(held))):
                raise SwissbertError(
                    f"{one_line(str(shard))}: {file.name} promises the tensor {one_line(clipped(lacking[0], 100))}, which is "
                    "not in this file"
                )
            parts |= dict.fromkeys(held if names is None else names, _Part(shard, opened))
        with _damage(file):
            yield Weights(file, parts)


def shards(index: Path) -> dict[Path, list[str]]:
    """Return the files that an index lists, with the names of their tensors.

    Args:
        index: ``model.safetensors.index.json`` or ``pytorch_model.bin.index.json``; its files lie beside it.

    Raises:
        SwissbertError: If it is no such index, a file is missing, or lies elsewhere.
    """
    table = read_object(index).get("weight_map")
    if not isinstance(table, dict) or not table:
        raise SwissbertError(f"{index}: weight_map is missing, so its files are not known")
    result: dict[Path, list[str]] = {}
    for name, file in table.items():
        if not isinstance(file, str) or Path(file).name != file or "\\" in file or file in ("", ".", ".."):
            raise SwissbertError(
                f"{index}: the file of the tensor {one_line(clipped(name, 100))} is {shown(file)}, but it must lie in the "
                "same folder"
            )
        result.setdefault(index.parent / file, []).append(name)
    for path in result:
        if not os.path.isfile(path):  # unlike Path.is_file, False for names that no file system takes
            raise SwissbertError(
                f"{one_line(str(path))}: no such file, but {index.name} lists it; download or copy it again"
            )
    return result


def refuse_pointer(path: Path) -> None:
    """Raise SwissbertError if a file is what Git leaves in the place of a large one until it is downloaded."""
    with suppress(OSError), path.open("rb") as file:
        start = file.read(40)
        if start.startswith(b"version https://git-lfs.github.com/"):
            raise SwissbertError(
                f"{one_line(str(path))}: a pointer of Git LFS and not the weights themselves; `git lfs pull` downloads them"
            )


def _pickled(folder: Path) -> str:
    """Return what to do about weights in another format in a folder; an empty string if there are none."""
    name = next((name for name in PICKLED if (folder / name).exists()), None)
    if name is None:
        return other_formats(folder)
    return (
        f"; {name} holds pickled weights, which are not read here: `swissbert convert {folder}` writes safetensors from "
        "them once (in Python: swissbert.convert_weights)"
    )


def other_formats(folder: Path) -> str:
    """Name files with weights in a format that cannot be read; an empty string if there are none."""
    for ending, name in (("gguf", "GGUF"), ("onnx", "ONNX"), ("pt", "PyTorch"), ("ckpt", "PyTorch Lightning")):
        if files := sorted(file.name for file in folder.glob(f"*.{ending}")):
            return (
                f"; {files[0]} ({name}) is not read: the config.json and model.safetensors of transformers are needed"
            )
    if parts := sorted(file.name for file in folder.glob("model?*.safetensors")):
        return f"; {parts[0]} is there: weights are read from model.safetensors, or from the files that {INDEX} lists"
    return ""
