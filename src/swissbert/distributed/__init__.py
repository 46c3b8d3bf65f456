"""Several processes that train one model together: who they are, what each computes, and sums over all of them.

`World` is what other modules see. `ALONE`, a single process, does nothing in each of its functions, so that the same code
trains with one process and with many.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.distributed.joining import joined as joined
    from swissbert.distributed.world import ALONE as ALONE
    from swissbert.distributed.world import EndedElsewhereError as EndedElsewhereError
    from swissbert.distributed.world import World as World

_MODULES = {"ALONE": "world", "EndedElsewhereError": "world", "World": "world", "joined": "joining"}
__all__ = ["ALONE", "EndedElsewhereError", "World", "joined"]


def __getattr__(name: str) -> object:
    """Import public names on first use, because they need torch (PEP 562)."""
    if name in _MODULES:
        return getattr(import_module(f"swissbert.distributed.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
