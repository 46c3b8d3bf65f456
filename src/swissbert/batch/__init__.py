"""Answers by engines that run on many processes or machines: a callable for their batches, and our own job on Ray."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.batch.predictor import Predictor as Predictor

__all__ = ["Predictor"]


def __getattr__(name: str) -> object:
    """Import the public name on first use, because it needs torch (PEP 562)."""
    if name in __all__:
        return getattr(import_module("swissbert.batch.predictor"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
