"""Objects from outside the package that take part in a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from swissbert.model.heads.base import Head
from swissbert.mtl.balancing import Balancer, class_name
from swissbert.training.callbacks import Callback


@dataclass(frozen=True)
class Outside:
    """Objects from outside the package that take part in a run.

    Attributes:
        balancer: A method that balances tasks, or two.
        heads: Head classes by task name.
        callbacks: Callbacks.
    """

    balancer: Balancer | Sequence[Balancer] | None = None
    heads: Mapping[str, type[Head]] | None = None
    callbacks: Sequence[object] = ()

    @property
    def balancers(self) -> list[Balancer]:
        """The methods, as a list."""
        if isinstance(self.balancer, Sequence):
            return [*self.balancer]
        return [] if self.balancer is None else [self.balancer]

    def names(self) -> dict[str, object]:
        """Return the names of the classes that a model depends on, for ``run.json`` and provenance; empty without any."""
        names: dict[str, object] = {}
        if self.balancer is not None:
            names["balancer"] = [class_name(one) for one in self.balancers]
        if self.heads:
            names["heads"] = {task: class_name(head) for task, head in self.heads.items()}
        return names

    def classes(self) -> list[type]:
        """Return all classes, whose code is fingerprinted."""
        return [*map(type, self.balancers), *(self.heads or {}).values(), *map(type, self.callbacks)]

    def may_change_network(self) -> bool:
        """Whether a callback is called before the first step, when it may change the network."""
        starts = [type(callback) for callback in self.callbacks if hasattr(callback, "on_start")]
        return any(getattr(kind, "on_start", None) is not Callback.on_start for kind in starts)
