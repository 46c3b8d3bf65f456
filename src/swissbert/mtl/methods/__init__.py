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
    "gls": Method("swissbert.mtl.methods.gls:GLS", "all losses"),
    "log_sum": Method("swissbert.mtl.methods.log_sum:LogSum", "all losses"),
    "uw_so": Method("swissbert.mtl.methods.uw_so:UWSO", "all losses"),
    "famo": Method("swissbert.mtl.methods.famo:FAMO", "all losses"),
    "rlw": Method("swissbert.mtl.methods.rlw:RLW", "all losses"),
    "pcgrad": Method("swissbert.mtl.methods.pcgrad:PCGrad", "gram"),
    "gradvac": Method("swissbert.mtl.methods.gradvac:GradVac", "gram"),
    "db_mtl": Method("swissbert.mtl.methods.db_mtl:DBMTL", "gram"),
    "imtl_g": Method("swissbert.mtl.methods.imtl_g:IMTLG", "gram"),
    "aligned_mtl": Method("swissbert.mtl.methods.aligned_mtl:AlignedMTL", "gram"),
    "upgrad": Method("swissbert.mtl.methods.upgrad:UPGrad", "gram"),
    "mgda": Method("swissbert.mtl.methods.mgda:MGDA", "gram"),
    "cagrad": Method("swissbert.mtl.methods.cagrad:CAGrad", "gram"),
    "fairgrad": Method("swissbert.mtl.methods.fairgrad:FairGrad", "gram"),
    "nash": Method("swissbert.mtl.methods.fairgrad:Nash", "gram"),
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
