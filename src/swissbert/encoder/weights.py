"""Open the weights of a checkpoint: ``model.safetensors``, or the shards that ``model.safetensors.index.json`` lists."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from swissbert.errors import SwissbertError
from swissbert.files import read_object

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")


class Weights:
    """Open safetensors files.

    Attributes:
        file: The file, or the index of several, for messages.
        names: Names of all tensors.
    """

    def __init__(self, file: Path, parts: dict[str, Any]) -> None:
        self.file, self.names = file, sorted(parts)
        self._parts = parts  # the open file of each tensor

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor without reading it."""
        return tuple(self._parts[name].get_slice(name).get_shape())

    def get(self, name: str) -> Tensor:
        """Read a tensor."""
        tensor: Tensor = self._parts[name].get_tensor(name)
        return tensor


@contextmanager
def open_weights(folder: Path) -> Iterator[Weights]:
    """Open the weights in a folder for the length of a block.

    Raises:
        SwissbertError: If there are none, or a file is missing or damaged.
    """
    file = folder / SINGLE if (folder / SINGLE).exists() or not (folder / INDEX).is_file() else folder / INDEX
    if not file.is_file():
        raise SwissbertError(f"{file}: no such file{_pickled(folder)}")
    by_shard = shards(file) if file.name == INDEX else {file: None}
    with ExitStack() as stack:
        parts: dict[str, Any] = {}
        for shard, names in by_shard.items():
            try:
                opened = stack.enter_context(safe_open(shard, framework="pt"))
                held = list(opened.keys())
            except (SafetensorError, OSError) as error:
                if _is_pointer(shard):
                    raise SwissbertError(
                        f"{shard}: a pointer of Git LFS and not the weights themselves; `git lfs pull` downloads them"
                    ) from error
                raise SwissbertError(f"{shard}: not a readable safetensors file ({error})") from error
            if names is not None and (lacking := sorted(set(names) - set(held))):
                raise SwissbertError(
                    f"{shard}: {file.name} promises the tensor {lacking[0]}, which is not in this file"
                )
            parts |= dict.fromkeys(held if names is None else names, opened)
        try:
            yield Weights(file, parts)
        except (SafetensorError, OSError) as error:
            raise SwissbertError(f"{file}: not a readable safetensors file ({error})") from error


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
                f"{index}: the file of the tensor {name} is {file!r}, but it must lie in the same folder"
            )
        result.setdefault(index.parent / file, []).append(name)
    for path in result:
        if not path.is_file():
            raise SwissbertError(f"{path}: no such file, but {index.name} lists it; download or copy it again")
    return result


def _is_pointer(path: Path) -> bool:
    """Whether a file is what Git leaves in the place of a large one until it is downloaded."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(40).startswith(b"version https://git-lfs.github.com/")
    return False


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
    return ""
