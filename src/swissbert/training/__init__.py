"""Training: from settings to a run folder with the best model in it, with exact resume."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.training.loop import Result as Result
    from swissbert.training.loop import Stopped as Stopped
    from swissbert.training.loop import train as train

__all__ = ["Result", "Stopped", "train"]


def __getattr__(name: str) -> object:
    """Import public names on first use, because they need torch (PEP 562)."""
    if name in __all__:
        return getattr(import_module("swissbert.training.loop"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
