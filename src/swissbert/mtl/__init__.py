"""Multitask learning: how the losses and gradients of several tasks become one update, and which task comes next.

Importing this package imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from swissbert.mtl.methods import METHODS, Method, Needs, find_method, method_names

if TYPE_CHECKING:
    from swissbert.mtl.balancing import Balancer as Balancer
    from swissbert.mtl.balancing import StepView as StepView

__all__ = ["METHODS", "Balancer", "Method", "Needs", "StepView", "find_method", "method_names"]


def __getattr__(name: str) -> object:
    """Import `Balancer` and `StepView` on first use, because they need torch (PEP 562)."""
    if name in ("Balancer", "StepView"):
        return getattr(import_module("swissbert.mtl.balancing"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
