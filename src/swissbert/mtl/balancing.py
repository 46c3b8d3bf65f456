"""The base class of methods that balance tasks, and the choice of those of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self, get_args

import torch
from torch import Tensor, nn

from swissbert.errors import SettingsError, SwissbertError
from swissbert.mtl.methods import Needs, find_method


@dataclass(frozen=True)
class StepView:
    """What a method sees of a step, after the backward passes of all its tasks. ``T`` is the number of tasks in the step.

    Attributes:
        tasks: Names of the tasks with a batch in this step, in the order of the rows below.
        losses: ``[T]`` float64 on the CPU, without gradient: the loss of each task after ``loss.scale``, of all its
            batches in the step divided by ``train.accumulation``. For a Gram method, times the factor of the weighting.
        gram: ``[T, T]`` float64 on the CPU: inner products of the gradients of `losses` with respect to the parameters
            that tasks share; None for a method that needs losses only.
        step: Number of the step, from 0.
        seed: ``seed`` of the run.
    """

    tasks: tuple[str, ...]
    losses: Tensor
    gram: Tensor | None
    step: int
    seed: int

    @property
    def needed_gram(self) -> Tensor:
        """The Gram matrix `gram`, for a method whose ``needs`` is ``"gram"``.

        Raises:
            ValueError: If the step has none.
        """
        if self.gram is None:
            raise ValueError("this step has no Gram matrix: a method that reads it has needs = 'gram'")
        return self.gram


class Balancer(nn.Module):
    """A method that balances tasks. A new method is a subclass in a file of `methods` and one line in `METHODS`.

    The class attribute `needs` says what the method must see, and so which function it overrides:

    - ``"own loss"``: `term` and `weight`. The update is the gradient of the sum of the terms. Tasks are computed one by
      one, and the activations of a task are freed before the next one is encoded.
    - ``"all losses"``: `coefficients` from the losses of the step. The update is the combination of the task gradients
      with these coefficients; the gradient of a task's head is multiplied by the task's coefficient too.
    - ``"gram"``: `coefficients` from losses and inner products of the task gradients. They combine the gradients of the
      parameters that tasks share; a head keeps the gradient of its own task.

    A Gram method composes with one that needs losses: it then sees the gradients of the weighted losses.

    An instance is created without tasks (``MyBalancer()``); `setup` creates what depends on them. Parameters are learned
    at the rate ``loss.lr`` without weight decay: autograd gives those of an ``"own loss"`` method their gradients, other
    methods set ``.grad`` in `coefficients`. All that a method keeps from step to step is a parameter or a buffer, so
    that ``state_dict`` holds it and a resumed run goes on exactly. Randomness comes from `StepView.seed` and
    `StepView.step` alone. An ``"own loss"`` method lives on the device of the model, others on the CPU.

    Example::

        class InverseLoss(Balancer):
            needs = "all losses"

            def coefficients(self, step: StepView) -> Tensor:
                return 1 / (step.losses + 1e-8)


        train(config, "runs/inverse", balancer=InverseLoss())
    """

    needs: ClassVar[Needs] = "own loss"

    tasks: list[str]

    def setup(self, tasks: Sequence[str]) -> Self:
        """Create parameters and buffers for the tasks of a run, in place of earlier ones; return the method itself.

        Args:
            tasks: Names of all tasks of the run, in order. A step may have fewer.
        """
        self.tasks = list(tasks)
        return self

    def term(self, task: str, loss: Tensor) -> Tensor:
        """Return the term of a task in the objective, a scalar; `loss` is its loss, a scalar, after ``loss.scale``."""
        return loss

    def weight(self, task: str) -> float:
        """Return the present factor of a task's loss, and so of its gradient, for the log."""
        return 1.0

    def coefficients(self, step: StepView) -> Tensor:
        """Return the factors of the task gradients, ``[T]`` float64, finite."""
        raise NotImplementedError(f"{type(self).__name__} needs {self.needs} and so defines coefficients(step)")


def checked_coefficients(balancer: Balancer, step: StepView) -> Tensor:
    """Return `Balancer.coefficients` as ``[T]`` float64 on the CPU, without gradient.

    Raises:
        SwissbertError: If they have another shape or contain NaN or infinity.
    """
    values = torch.as_tensor(balancer.coefficients(step)).detach().cpu().double()
    if values.shape != (len(step.tasks),):
        raise SwissbertError(
            f"coefficients of {type(balancer).__name__} have shape {list(values.shape)}, but a step of "
            f"{len(step.tasks)} tasks needs [{len(step.tasks)}]"
        )
    if not values.isfinite().all():
        raise SettingsError(
            f"coefficients of {type(balancer).__name__} contain NaN or infinity at step {step.step + 1}: {values.tolist()}"
        )
    return values


class Balancers(NamedTuple):
    """The methods of a run, set up for its tasks.

    Attributes:
        weighting: Turns task losses into weighted ones; needs own loss or all losses.
        surgery: Combines the gradients of the weighted losses; needs the Gram matrix. None: they are summed.
    """

    weighting: Balancer
    surgery: Balancer | None


def make_balancers(
    weighting: str,
    surgery: str | None,
    tasks: Sequence[str],
    balancer: Balancer | Sequence[Balancer] | None = None,
) -> Balancers:
    """Create the methods of a run.

    Args:
        weighting: Name in `METHODS` of a method that needs losses.
        surgery: Name of a method that needs the Gram matrix, if any.
        tasks: Names of the run's tasks, in order.
        balancer: Methods from outside the package: one, or one that needs losses and one that needs the Gram matrix.
            Each takes the place of ``loss.weighting`` or ``loss.surgery``, which must be left at their defaults.

    Raises:
        SwissbertError: If `balancer` is something else, or in conflict with a setting.
    """
    given = () if balancer is None else tuple(balancer) if isinstance(balancer, Sequence) else (balancer,)
    places: dict[str, Balancer] = {}
    for method in given:
        if not isinstance(method, Balancer):
            raise SwissbertError(f"balancer is {class_name(method)}; an instance of a Balancer, or two, is expected")
        if method.needs not in get_args(Needs):
            raise SwissbertError(
                f"{class_name(method)}.needs is '{method.needs}', but it is one of {', '.join(get_args(Needs))}"
            )
        place = "surgery" if method.needs == "gram" else "weighting"
        if place in places:
            raise SwissbertError(
                f"balancer has two methods for loss.{place}, {class_name(places[place])} and {class_name(method)}; "
                "at most one that needs losses and one that needs the Gram matrix can be combined"
            )
        places[place] = method
    if "weighting" in places and weighting != "sum":
        raise SwissbertError(f"loss.weighting is '{weighting}', but a balancer takes its place; leave it at 'sum'")
    if "surgery" in places and surgery is not None:
        raise SwissbertError(f"loss.surgery is '{surgery}', but a balancer takes its place; leave it at false")
    if "surgery" in places and len(tasks) < 2:
        raise SwissbertError(
            f"{class_name(places['surgery'])} combines gradients and so needs at least two tasks in tasks"
        )
    first = places.get("weighting") or find_method(weighting)()
    second = places.get("surgery") or (find_method(surgery)() if surgery else None)
    return Balancers(first.setup(tasks), second.setup(tasks) if second else None)


def class_name(value: object) -> str:
    """Return the dotted name of a class, or of the class of an instance."""
    kind = value if isinstance(value, type) else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
