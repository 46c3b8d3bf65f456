"""Threads of computations on the CPU. Uses torch's number of threads if torch is already imported; never imports it for that."""

import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier
from typing import TypeVar

Item = TypeVar("Item")
Out = TypeVar("Out")

_own = threading.local()
"""``count`` is 1 in the threads of `on_each_core`."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count() -> int:
    """Return the number of threads that a computation of the calling thread uses.

    It is torch's where torch is imported, else ``OMP_NUM_THREADS``, else the number of cores.
    """
    own: int | None = getattr(_own, "count", None)
    if own is not None:
        return own
    if is_torch_imported():
        return int(sys.modules["torch"].get_num_threads())
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) > 0 else cores()


def is_torch_imported() -> bool:
    """Whether torch is imported, and not only under way."""
    return hasattr(sys.modules.get("torch"), "get_num_threads")


def on_each_core(work: Callable[[Item], Out], items: Sequence[Item]) -> list[Out]:
    """Return ``[work(item) for item in items]``, computed on as many cores as there are threads, one thread per item.

    For independent work of similar size: cores that share no item never wait for one another. If there are fewer items
    than threads, they are computed one by one on all threads. Autocast and other modes of the caller do not apply in
    the workers.
    """
    threads = thread_count()
    if threads == 1 or len(items) < threads:
        return [work(item) for item in items]
    return list(_workers(threads, is_torch_imported()).map(work, items))


@cache
def _workers(count: int, with_torch: bool) -> ThreadPoolExecutor:
    """Return a pool of `count` threads that compute with one thread each, created once and shared by all callers."""
    pool = ThreadPoolExecutor(count, "swissbert", _one_torch_thread if with_torch else _one_thread)
    together = Barrier(count)
    list(pool.map(lambda _: together.wait(), range(count)))  # returns only when every worker has been started
    if with_torch:
        import torch

        torch.set_num_threads(count)  # the workers have also changed the default of threads that start later
    return pool


def _one_thread() -> None:
    _own.count = 1


def _one_torch_thread() -> None:
    import torch

    torch.get_num_threads()  # torch sets the thread-local default lazily on first use; trigger that before overriding it
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_workers.cache_clear)
