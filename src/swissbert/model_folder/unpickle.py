"""Write safetensors from pickled weights. Runs as a program of its own and imports nothing of swissbert.

Usage: ``python unpickle.py TARGET SOURCE...``. This is the only place where a pickle is read. ``weights_only=True`` allows
tensors and plain containers alone, and from the moment of reading on, an audit hook ends the process if anything opens a
connection, starts a program or writes a file.
"""

import os
import sys
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

WRAPPERS = ("state_dict", "model_state_dict", "model", "module")
"""Keys under which training programs store the weights beside other things."""
_REFUSED = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn", "ctypes.dlopen")


def tensors_of(content: object) -> dict[str, Tensor]:
    """Return the tensors of a state dictionary, contiguous and each with memory of its own.

    Raises:
        ValueError: If it is none.
    """
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not any(isinstance(value, Tensor) for value in content.values()):
        raise ValueError("it holds no table of tensors")
    return {
        str(name): value.detach().clone().contiguous() for name, value in content.items() if isinstance(value, Tensor)
    }


def read(path: str) -> dict[str, Tensor]:
    """Read one file; files of torch before 1.6 cannot be mapped into memory."""
    options: dict[str, Any] = {"map_location": "cpu", "weights_only": True}
    with open(path, "rb") as file:
        is_zip = file.read(2) == b"PK"
    return tensors_of(torch.load(path, mmap=is_zip, **options))


def isolate() -> None:
    """Raise PermissionError from now on if Python code goes to the network, starts a program or writes a file.

    The result is written by the library safetensors, whose files Python does not see.
    """

    def check(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(_REFUSED):
            raise PermissionError(f"{event} is not allowed while pickled weights are read")
        if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            raise PermissionError(f"{arguments[0]!r} may not be written while pickled weights are read")

    sys.addaudithook(check)


def main() -> None:
    """Convert; the last line of standard error says why not."""
    target, *sources = sys.argv[1:]
    isolate()
    tensors: dict[str, Tensor] = {}
    for source in sources:
        tensors |= read(source)
    save_file(tensors, target, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
