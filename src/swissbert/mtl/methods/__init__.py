"""Methods that balance tasks. A new method is a `Balancer` in a file here and one line in `METHODS`."""

from importlib import import_module
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from swissbert.mtl.balancing import Balancer

Needs = Literal["own loss", "all losses", "gram"]
"""What a method must see of a step; `swissbert.mtl.balancing.Balancer` explains the three."""


class Method(NamedTuple):
    """An entry of `METHODS`.

    Attributes:
        path: The class, as ``module:class``: a name in a settings file is looked up without importing torch.
        needs: The class attribute `Balancer.needs`.
    """

    path: str
    needs: Needs


METHODS: dict[str, Method] = {
    "sum": Method("swissbert.mtl.methods.sum:Sum", "own loss"),
    "learnable": Method("swissbert.mtl.methods.learnable:Learnable", "own loss"),
    "uncertainty": Method("swissbert.mtl.methods.uncertainty:Uncertainty", "own loss"),
    "automatic": Method("swissbert.mtl.methods.automatic:Automatic", "own loss"),
    "pcgrad": Method("swissbert.mtl.methods.pcgrad:PCGrad", "gram"),
}
"""The methods by name. ``loss.weighting`` takes those that need losses, ``loss.surgery`` those that need the Gram matrix."""

__all__ = ["METHODS", "Method", "Needs", "find_method", "method_names"]


def method_names(*needs: Needs) -> list[str]:
    """Return the names of the methods with one of these `needs`, in the order of the table."""
    return [name for name, method in METHODS.items() if method.needs in needs]


def find_method(name: str) -> "type[Balancer]":
    """Import the class of a name in `METHODS`."""
    module, _, attribute = METHODS[name].path.partition(":")
    balancer: type[Balancer] = getattr(import_module(module), attribute)
    return balancer
