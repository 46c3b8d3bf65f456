"""Settings of distillation: which trained models teach a run, and how much."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from swissbert.settings import Settings


class DistillationSettings(Settings):
    """Which trained models teach a run: its targets mix the labels of the train rows with the answers of the models.

    The target of a row is ``(1 - s) * label + s * answer``, where the answer is the mean of all teachers and ``s`` is
    their share (Hinton et al., 2015). With `annealing` it falls in a straight line from `weight` at the first step to 0
    after the last one: teacher annealing (BAM, Clark et al., 2019). Rows of extra files that are declared
    unlabelled have the answer alone.

    Attributes:
        teachers: Model folders, run folders (their best model), hub ids or ``mini``; relative paths become absolute, as
            that of ``encoder.name`` does. Each answers those tasks of the run that it has. None: no distillation.
        annealing: Whether the share of the teachers falls to 0 during the run; otherwise it is constant.
        weight: Share of the teachers in the target, above 0 to 1; with `annealing` that of the first step.
        temperature: Divides the logits of the teachers before they become probabilities: above 1 they are less certain.
            The network that learns and scores of a regression have none.
    """

    teachers: list[Annotated[str, Field(min_length=1)]] = Field(default=[])
    annealing: bool = Field(default=True, strict=True)
    weight: float = Field(default=1.0, gt=0, le=1, strict=True)
    temperature: float = Field(default=1.0, ge=0.1, le=100, strict=True)

    @model_validator(mode="after")
    def _teachers_once(self) -> Self:
        for number, name in enumerate(self.teachers):
            if name in self.teachers[:number]:
                raise ValueError(f"distillation.teachers names '{name}' twice; each model counts once in the mean")
        return self

    def share(self, step: int, total: int) -> float:
        """Return the share of the teachers in the targets of a step.

        Args:
            step: Number of the step, from 0 to below `total`.
            total: Number of steps of the run.
        """
        return self.weight * (1 - step / total) if self.annealing else self.weight
