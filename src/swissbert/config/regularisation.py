"""Settings of regularisation: answers that change little with the embeddings, and from step to step."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from swissbert.config.fields import Probability
from swissbert.settings import Settings

Factor = Annotated[float, Field(ge=0, le=10_000, strict=True)]
Size = Annotated[float, Field(gt=0, le=1, strict=True)]
KEYS = {
    "smoothness": ("epsilon", "noise", "step_size", "ascent_steps"),
    "proximal": ("proximal_decay", "proximal_start"),
}
"""Settings of each term, by that of its factor."""


class RegularisationSettings(Settings):
    """Smoothness and proximal terms of SMART (Jiang et al., 2020), added to the loss of each task; both are off by default.

    Attributes:
        smoothness: Factor of the smoothness term (lambda of the paper, which takes 1 to 5): how far the answers move when
            embeddings are perturbed in the direction in which they move most. 0: off.
        epsilon: Largest perturbation of an embedding's values. The paper names 1e-5, with which the term is about 1e-10
            and changes nothing; the code that its authors published perturbs far more.
        noise: Standard deviation of the random perturbation from which the ascent starts (sigma); 1e-5 in the paper.
        step_size: Length of a step of the ascent (eta); each step ends inside `epsilon`. 1e-3 in the paper.
        ascent_steps: Number of these steps.
        proximal: Factor of the proximal term (mu, 1 in the paper): how far the answers are from those of the anchor, a
            moving average of the weights. 0: off.
        proximal_decay: Share of the anchor that stays at each step (beta). Left out it is 1 - 1 / (0.05 steps of the run),
            at least 0.5, so that the anchor is an average over about a twentieth of the run.
        proximal_start: Share of the steps after which the anchor starts, as a copy of the network, and the term with it:
            heads are random at first and should not be held where they are. The paper starts at once, 0.
        tasks: Names of the tasks that are regularised; all if left out.
    """

    smoothness: Factor = 0.0
    epsilon: Size = 0.1
    noise: Size = 0.1
    step_size: Size = 0.1
    ascent_steps: int = Field(default=1, ge=1, le=100, strict=True)
    proximal: Factor = 0.0
    proximal_decay: Probability | None = None
    proximal_start: Probability = 0.1
    tasks: list[str] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _has_a_factor(self) -> Self:
        """Refuse settings of a term whose factor is not given. A factor that is given may be 0, as in a comparison."""
        given = self.model_fields_set
        for factor, keys in KEYS.items():
            if factor not in given and (pointless := next((key for key in keys if key in given), None)):
                raise ValueError(f"regularisation.{pointless} is given, but regularisation.{factor} is not")
        if "tasks" in given and not given & KEYS.keys():
            raise ValueError(
                "regularisation.tasks is given, but neither regularisation.smoothness nor regularisation.proximal is"
            )
        return self

    def applies_to(self, task: str) -> bool:
        """Whether the loss of a task has a term."""
        return (self.smoothness > 0 or self.proximal > 0) and (self.tasks is None or task in self.tasks)
