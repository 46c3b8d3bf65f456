"""What forked processes need: locks that are free, and threads that exist.

``os.fork`` copies the memory of a process but only the thread that calls it. A lock that another thread holds would stay
locked in the child, and a pool would wait for workers that are not there.
"""

import ctypes
import os
import threading
from typing import Protocol
from weakref import WeakSet


class ForkLock:
    """A reentrant lock, for short work, which a fork waits for; so no child inherits what was being changed."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _locks.add(self)

    def __enter__(self) -> None:
        """Wait for the lock and take it."""
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        """Release the lock."""
        self._lock.release()


class Renewed(Protocol):
    """An object that has threads of its own, or memory that threads share."""

    def after_fork(self) -> None:
        """Replace what does not work in a forked process. Called in the child, by its only thread."""


_locks: WeakSet[ForkLock] = WeakSet()
_renewed: WeakSet[Renewed] = WeakSet()
_held: list[ForkLock] = []


def renew_after_fork(thing: Renewed) -> None:
    """Call ``thing.after_fork`` in every process that is forked while the object exists."""
    _renewed.add(thing)


def leak(thing: object) -> None:
    """Keep an object for ever, also when the interpreter ends: for what cannot be ended in a forked process."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _before() -> None:
    for lock in list(_locks):
        lock.__enter__()
        _held.append(lock)


def _after() -> None:
    while _held:
        _held.pop().__exit__()


def _in_child() -> None:
    _after()
    for thing in list(_renewed):
        thing.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_in_child)
