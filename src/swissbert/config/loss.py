"""Settings of the objective: how the losses of the tasks become one update, and which tasks a step reads."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from swissbert.config.fields import Count, Rate
from swissbert.errors import nearest
from swissbert.mtl.methods import METHODS, method_names
from swissbert.settings import Settings


class LossSettings(Settings):
    """How the losses and gradients of the tasks become one update.

    Attributes:
        weighting: Name of a method in `swissbert.mtl.METHODS` that weights task losses.
        scale: Factor of a task's loss before the weighting; 1 for tasks that are not named. For instance
            ``scale.sts = 0.1`` where squared errors on a scale of 0 to 5 would outweigh cross-entropies.
        lr: Learning rate of the parameters of the methods.
        surgery: Whether and how the gradients of the weighted losses are combined other than by their sum: false, true
            (``pcgrad``, the paper's gradient surgery), or the name of a method in `swissbert.mtl.METHODS` that works on
            the Gram matrix of the task gradients.
    """

    weighting: str = "sum"
    scale: dict[str, Annotated[float, Field(gt=0, strict=True)]] = Field(default={})
    lr: Rate = 1e-4
    surgery: bool | str = False

    @field_validator("weighting")
    @classmethod
    def _known_weighting(cls, name: str) -> str:
        names = method_names("own loss", "all losses")
        if name not in names:
            hint = "; loss.surgery takes this method" if name in METHODS else nearest(name, names)
            raise ValueError(f"loss.weighting is '{name}', but it is one of {', '.join(names)}{hint}")
        return name

    @field_validator("surgery", mode="before")
    @classmethod
    def _known_surgery(cls, value: object) -> object:
        names = method_names("gram")
        if value == "pcgrad":
            return True  # both spellings are the same setting, also where a resumed run is compared with its record
        if not isinstance(value, bool) and value not in names:
            is_method = isinstance(value, str) and value in METHODS
            hint = "; loss.weighting takes this method" if is_method else nearest(str(value), names)
            raise ValueError(f"loss.surgery is '{value}', but it is one of true, false, {', '.join(names)}{hint}")
        return value

    @property
    def gram_method(self) -> str | None:
        """Name of the method that combines task gradients, or None if they are summed."""
        return self.surgery if isinstance(self.surgery, str) else "pcgrad" if self.surgery else None


class SamplingSettings(Settings):
    """Which task the batches of a step are drawn from: see `swissbert.mtl.sampling`.

    Attributes:
        method: ``round_robin`` takes one batch of each task per step (the paper's loop). The other methods draw tasks
            at random, with probabilities from `weights` (``weighted``) or from the number of rows of each task; an
            epoch that ends with the ``longest`` task then has as many batches as all tasks together.
        weights: Relative probability of each task, for ``weighted``.
        temperature: Exponent 1/T on the number of rows, for ``temperature``.
        draws: Tasks drawn per step; the number of tasks if left out.
    """

    method: Literal["round_robin", "weighted", "proportional", "square_root", "temperature", "annealed"] = "round_robin"
    weights: dict[str, Annotated[float, Field(gt=0, strict=True)]] = Field(default={})
    temperature: float = Field(default=2.0, gt=0, strict=True)
    draws: Count | None = None
