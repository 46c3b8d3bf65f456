"""The contents of ``swissbert.json``: tasks, settings, scores and provenance of a model."""

from typing import Any, Self

from pydantic import Field, model_validator

from swissbert.config import EncoderSettings, ModelSettings
from swissbert.settings import Settings
from swissbert.tasks import Task

FORMAT = 1
"""Version of the model folder's layout."""


class Description(Settings):
    """Everything about a model that is not weights or vocabulary.

    Attributes:
        format: `FORMAT` of the folder's layout.
        tasks: The tasks, in order.
        encoder: The encoder settings of the run.
        model: The settings of heads and pair encoding.
        scores: Scores on dev rows by dotted name.
        provenance: Versions, machine, recipe, seed and date; free keys.
        compact: SHA-256 checksums of a compact folder; None for a full one.
    """

    format: int
    tasks: list[Task] = Field(min_length=1)
    encoder: EncoderSettings
    model: ModelSettings
    scores: dict[str, float] = Field(default={})
    provenance: dict[str, Any] = Field(default={})
    compact: dict[str, str] | None = None

    @model_validator(mode="after")
    def _different_names(self) -> Self:
        names = [task.name for task in self.tasks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"tasks: the name '{name}' is used twice")
        return self
