"""Settings of stages: parts of a run that follow each other and read different tasks or rows."""

from typing import Literal, Self

from pydantic import Field, model_validator

from swissbert.config.fields import Count
from swissbert.settings import Settings


class Stage(Settings):
    """One part of a run. Stages follow each other in the order of the recipe, and each begins with a new epoch.

    Exactly one of `epochs`, `steps` and `share` says how long it is.

    Attributes:
        name: Name in messages: small letters, digits, ``_`` and ``-``.
        tasks: The tasks that learn; all of them if left out, or with `rows` ``extra`` all that have extra files.
        epochs: Number of epochs. An epoch ends as ``train.epoch_ends`` says, for the tasks and rows of the stage.
        steps: Number of optimizer steps, in as many epochs as they need; the last one may be incomplete.
        share: Share of the steps of the run, which are ``train.max_steps``, or else those that ``train.epochs`` epochs of
            all tasks and rows have.
        rows: Rows of the tasks: those of their ``own`` files, those of their ``extra`` files, or ``all``.
    """

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_-]{0,39}$",
        description="up to 40 small letters, digits, '_' and '-' are expected, a letter first",
    )
    tasks: list[str] | None = Field(default=None, min_length=1)
    epochs: Count | None = None
    steps: Count | None = None
    share: float | None = Field(default=None, gt=0, le=1, strict=True)
    rows: Literal["all", "own", "extra"] = "all"

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        given = [key for key in ("epochs", "steps", "share") if getattr(self, key) is not None]
        if len(given) != 1:
            what = f"{' and '.join(given)} are given" if given else "no length is given"
            raise ValueError(f"stage '{self.name}': {what}; give one of epochs, steps and share")
        return self
