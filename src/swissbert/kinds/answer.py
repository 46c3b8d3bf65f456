"""The answer of a model to one input of one task."""

from typing import Any, NamedTuple


class Answer(NamedTuple):
    """One answer; which fields are set depends on the kind of task.

    Attributes:
        label: Class number of a classification or binary task.
        label_name: Name of that class.
        probabilities: Probability of each label, in the order of the task's ``labels``.
        score: Score of a regression, on the scale of its labels.
        labels: Numbers of the labels that a multilabel task assigns, ascending; may be empty.
        label_names: Names of those labels.
        cut: Whether the text was longer than the model takes, so that its end was not read.
    """

    label: int | None = None
    label_name: str | None = None
    probabilities: list[float] | None = None
    score: float | None = None
    labels: list[int] | None = None
    label_names: list[str] | None = None
    cut: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the fields that are set; ``cut`` only where it is true."""
        return {key: value for key, value in self._asdict().items() if value is not None and value is not False}
