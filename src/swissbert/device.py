"""Device, precision and thread selection.

The environment variable ``SWISSBERT_CPU`` overrides what the processor reports: ``plain`` hides bf16, VNNI and AMX,
``bf16`` claims native bf16. Results then are those of such a processor, if not its speed. Tests use it to train in both
precisions on any machine.
"""

import ctypes
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch

from swissbert.errors import SwissbertError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""The precisions by their names in settings."""
THREAD_END = 0.005
"""Seconds in which a thread that has returned gives back what it holds of torch's libraries."""
KERNEL_CACHES = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64", "LRU_CACHE_CAPACITY": "64"}
"""Numbers of compiled kernels that oneDNN, and torch's layer above it, keep; their own default is 1,024 each."""


class Abilities(NamedTuple):
    """Instructions of the processor that decide on precision or speed: bf16 products, eight-bit products, matrix units."""

    bf16: bool
    vnni: bool
    amx: bool


def processor_abilities() -> Abilities:
    """Return what the processor reports, or what ``SWISSBERT_CPU`` says in its place.

    Raises:
        SwissbertError: If ``SWISSBERT_CPU`` is neither ``plain`` nor ``bf16``.
    """
    override = os.environ.get("SWISSBERT_CPU")
    if override not in (None, "", "plain", "bf16"):
        raise SwissbertError(f"SWISSBERT_CPU is '{override}', but 'plain' or 'bf16' is expected")
    if override == "plain":
        return Abilities(False, False, False)
    reported = torch.cpu.get_capabilities()

    def has(*names: str) -> bool:
        return any(reported.get(name, False) for name in names)

    return Abilities(
        bf16=override == "bf16" or has("amx_bf16", "avx512_bf16", "bf16"),
        vnni=has("avx512_vnni", "avx_vnni"),
        amx=has("amx_tile"),
    )


@dataclass(frozen=True)
class Hardware:
    """Device, precision and thread count of a run, as `resolve_hardware` chooses them.

    Attributes:
        device: Where the model and its batches are.
        precision: Type of the encoder's products under autocast; parameters are always float32.
        threads: Number of threads of torch on the CPU.
    """

    device: torch.device
    precision: torch.dtype
    threads: int

    @property
    def precision_name(self) -> str:
        """``float32`` or ``bfloat16``."""
        return str(self.precision).removeprefix("torch.")

    def __str__(self) -> str:
        """Name all three, for instance ``float32 on cpu, 2 threads``."""
        return f"{self.precision_name} on {self.device}, {threads_text(self.threads)}"

    def autocast(self) -> torch.autocast:
        """Return the context in which a forward pass runs."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16)

    def shared_copies(self) -> torch.autocast:
        """Return a context in which all passes under `autocast` share the bf16 copies of parameters.

        torch keeps these copies until the outermost context ends, of whatever kind it is, so each parameter is converted once
        and not in each pass. Parameters must not change within.
        """
        return torch.autocast(self.device.type, enabled=False)


def threads_text(threads: int) -> str:
    """Return a number of threads in words."""
    return f"{threads} thread{'' if threads == 1 else 's'}"


def resolve_hardware(device: str = "auto", precision: str = "auto", threads: int | None = None) -> Hardware:
    """Choose device, precision and thread count together.

    Args:
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        precision: ``auto``, ``fp32`` or ``bf16``.
        threads: Thread count, or None for torch's own.

    Raises:
        SwissbertError: If the device is not available.
    """
    chosen = pick_device(device, "train.device")
    return Hardware(chosen, pick_precision(precision, chosen), threads or torch.get_num_threads())


def limit_kernel_caches() -> None:
    """Let oneDNN keep the kernels of about one pass, unless the user has set another number.

    Products of bf16 matrices on a CPU have a kernel for each shape, which depends on the number of tokens, so nearly every batch
    needs new ones. They take about half a megabyte each and are spread over the memory of the activations, which then cannot be
    used again: with the default, a run grows by gigabytes within some hundred steps. Kernels are seldom needed again later, and
    the numbers that they compute are the same. The libraries read the variables when they compile their first kernel.
    """
    for name, number in KERNEL_CACHES.items():
        if name.replace("ONEDNN", "DNNL") not in os.environ:  # the older name of the variable
            os.environ.setdefault(name, number)


@contextmanager
def same_threads_afterwards() -> Iterator[None]:
    """Set torch's number of threads back to what it was before the block."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pick_device(name: str = "auto", setting: str = "device") -> torch.device:
    """Return a device by name; ``auto`` is CUDA, else MPS, else the CPU.

    Args:
        name: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        setting: What the name is called in the error message.

    Raises:
        SwissbertError: If the device is not available.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if not is_available(name):
        raise SwissbertError(f"{setting} is '{name}', but there is no such device here; 'auto' takes an available one")
    return torch.device(name)


def is_available(name: str) -> bool:
    """Whether this machine has a device."""
    kind, _, number = name.partition(":")
    if kind == "cuda":
        return torch.cuda.is_available() and int(number or 0) < torch.cuda.device_count()
    return kind == "cpu" or (kind == "mps" and torch.backends.mps.is_available())


def has_bf16(device: torch.device) -> bool:
    """Whether a device multiplies bf16 natively; elsewhere bf16 is emulated and slower than fp32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and processor_abilities().bf16


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """Return a precision by name; ``auto`` is bf16 where the device has it natively, else fp32."""
    if name == "auto":
        return torch.bfloat16 if has_bf16(device) else torch.float32
    return PRECISIONS[name]


def _before_fork() -> None:
    """End the OpenMP threads of the calling thread; torch starts new ones when it needs them.

    GNU's OpenMP would wait for them for ever in a forked process, where they do not exist. So would MKL for its memory,
    which a thread that ends holds for a moment after Python has joined it.
    """
    if _pause_openmp is not None:
        _pause_openmp(1)  # omp_pause_soft
    time.sleep(THREAD_END)


_pause_openmp = getattr(ctypes.CDLL(torch._C.__file__), "omp_pause_resource_all", None)
"""The function of the OpenMP library that torch is linked with."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)
