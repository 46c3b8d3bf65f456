"""What an installation lacks: swissbert-lite has no torch and nothing that only training and analysis use."""

import glob
import sys
from functools import cache
from importlib.util import find_spec

from swissbert.errors import SwissbertError

GPU_FILES = ("/dev/nvidia*", "/dev/kfd", "/dev/dxg", "/dev/nvhost-*", "/dev/nvgpu")
"""Devices that Linux has where there may be a GPU for torch: those of NVIDIA, AMD, Windows' Linux and NVIDIA's Jetson."""
INSTALL = "swissbert-lite answers in int8 only; swissbert does everything: pip uninstall swissbert-lite, then pip install swissbert"
"""What to do where swissbert-lite is not enough; the two install the same modules, so one replaces the other."""
_FULL = ("torch", "scipy", "sklearn", "pyarrow", "datasets", "tomli_w")
"""Libraries that swissbert requires and swissbert-lite does not."""


@cache
def has_torch() -> bool:
    """Whether torch is installed. It is not imported."""
    return find_spec("torch") is not None


def need_torch(what: str) -> None:
    """Raise SwissbertError if torch is not installed; `what` needs it."""
    if not has_torch():
        raise SwissbertError(f"{what} needs PyTorch, which is not installed: {INSTALL}")


def may_have_gpu() -> bool:
    """Whether torch is installed and may find a GPU. If not, there is no need to import it to choose a device."""
    if not has_torch():
        return False
    return not sys.platform.startswith("linux") or any(glob.glob(pattern) for pattern in GPU_FILES)


def explained(error: ModuleNotFoundError) -> SwissbertError | None:
    """Return what to install if an import failed because swissbert-lite is installed; None for any other failure."""
    name = (error.name or "").partition(".")[0]
    if name not in _FULL or has_torch():
        return None
    return SwissbertError(f"this needs {name}, which is not installed: {INSTALL}")
