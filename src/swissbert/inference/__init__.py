"""Inference with a trained model: Python objects, streams, files, attention, int8 products, prediction files."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.inference.model import Model as Model
    from swissbert.inference.model import evaluate as evaluate
    from swissbert.inference.model import load as load

__all__ = ["Model", "evaluate", "load"]


def __getattr__(name: str) -> object:
    """Import public names on first use, because they need torch (PEP 562)."""
    if name in __all__:
        return getattr(import_module("swissbert.inference.model"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
