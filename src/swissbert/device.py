"""Where tensors live, how wide their numbers are, and how many cores work on them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier
from typing import TypeVar

import torch

from swissbert.errors import SwissbertError

Item = TypeVar("Item")
Out = TypeVar("Out")


def pick_device(name: str = "auto") -> torch.device:
    """``auto`` is CUDA, else MPS, else the CPU. Raises SwissbertError where the named device is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if not there[name.split(":")[0]]:
        raise SwissbertError(f"train.device is '{name}', but there is no such device here; 'auto' takes what there is")
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """``auto`` is bf16 where the hardware multiplies it natively, else fp32, which is faster there."""
    if name == "auto":
        if device.type == "cuda":
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            can = torch.cpu.get_capabilities()
            native = device.type == "cpu" and any(can.get(key, False) for key in ("amx_bf16", "avx512_bf16", "bf16"))
        return torch.bfloat16 if native else torch.float32
    return torch.bfloat16 if name == "bf16" else torch.float32


def on_each_core(work: Callable[[Item], Out], items: Sequence[Item]) -> list[Out]:
    """``[work(item) for item in items]``, as many at a time as torch has threads, each of them on one thread.

    For passes of one size that do not depend on each other: cores that share none of them never wait for one another.
    Fewer items than threads are done one by one, on all threads. Autocast and modes of the caller are not the workers'.
    """
    threads = torch.get_num_threads()
    if threads == 1 or len(items) < threads:
        return [work(item) for item in items]
    return list(_workers(threads).map(work, items))


@cache
def _workers(count: int) -> ThreadPoolExecutor:
    """Threads for which torch has one thread each; they stay, and all callers share them."""
    pool = ThreadPoolExecutor(count, "swissbert", _one_thread)
    together = Barrier(count)
    list(pool.map(lambda _: together.wait(), range(count)))  # now each of them is there
    torch.set_num_threads(count)  # they have set, too, what every other thread begins with
    return pool


def _one_thread() -> None:
    torch.get_num_threads()  # the first call in a thread gives it what all begin with, so it goes before
    torch.set_num_threads(1)
