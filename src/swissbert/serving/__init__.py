"""The HTTP server: requests of different clients and tasks share encoder passes."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.serving.app import make_app as make_app
    from swissbert.serving.server import serve as serve

__all__ = ["make_app", "serve"]

_MODULES = {"make_app": "app", "serve": "server"}


def __getattr__(name: str) -> object:
    """Import public names on first use, because they need torch and the serve extra (PEP 562)."""
    if name in _MODULES:
        return getattr(import_module(f"swissbert.serving.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
