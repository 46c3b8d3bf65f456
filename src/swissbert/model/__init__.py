"""The multitask model: encoder, heads, and how they fit together."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.model.heads.base import Head as Head
    from swissbert.model.multitask import MultitaskModel as MultitaskModel

__all__ = ["Head", "MultitaskModel"]

_MODULES = {"Head": "swissbert.model.heads.base", "MultitaskModel": "swissbert.model.multitask"}


def __getattr__(name: str) -> object:
    """Import public names on first use, because they need torch (PEP 562)."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
