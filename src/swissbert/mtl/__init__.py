"""Multitask learning: how the losses and gradients of several tasks become one update, and which task comes next.

Importing this package does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from swissbert.mtl.methods import METHODS, Method, Needs, find_method, method_names

if TYPE_CHECKING:
    from swissbert.mtl.balancing import Balancer as Balancer
    from swissbert.mtl.balancing import Balancers as Balancers
    from swissbert.mtl.balancing import StepView as StepView
    from swissbert.mtl.balancing import make_balancers as make_balancers

__all__ = [
    "METHODS",
    "Balancer",
    "Balancers",
    "Method",
    "Needs",
    "StepView",
    "find_method",
    "make_balancers",
    "method_names",
]

_TORCH = ("Balancer", "Balancers", "StepView", "make_balancers")


def __getattr__(name: str) -> object:
    """Import names that need torch on first use (PEP 562)."""
    if name in _TORCH:
        return getattr(import_module("swissbert.mtl.balancing"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
