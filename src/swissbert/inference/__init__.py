"""Inference with a trained model: Python objects, streams, files, attention, int8 products, prediction files."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.inference.loading import evaluate as evaluate
    from swissbert.inference.loading import load as load
    from swissbert.inference.model import Model as Model

__all__ = ["Model", "evaluate", "load"]
_MODULES = {"Model": "model", "evaluate": "loading", "load": "loading"}


def __getattr__(name: str) -> object:
    """Import public names on first use, because they need torch (PEP 562)."""
    if name in _MODULES:
        return getattr(import_module(f"swissbert.inference.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
