"""Request and response models of the HTTP API, and the limits of requests."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from swissbert.data.formats import unreadable

MAX_INPUTS = 64
"""Inputs per request."""
MAX_CHARACTERS = 10_000
"""Characters per text."""
MAX_TOTAL_CHARACTERS = 100_000
"""Characters of all texts of a request."""
MAX_ATTENTION_TOKENS = 64
"""Tokens per attention request; the response grows with their square."""


def _readable(text: str) -> str:
    if not text.strip():
        raise ValueError("the text is empty")
    if reason := unreadable(text):
        raise ValueError(f"the text has {reason}")
    return text.strip()


Text = Annotated[str, Field(max_length=MAX_CHARACTERS), AfterValidator(_readable)]
Name = Annotated[str, Field(min_length=1, max_length=80)]


class Body(BaseModel):
    """Base of request bodies: unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Input(Body):
    """A text, or a pair of texts for pair tasks."""

    text: Text
    text_pair: Text | None = None

    @property
    def characters(self) -> int:
        """Number of characters of both texts."""
        return len(self.text) + len(self.text_pair or "")


class PredictBody(Body):
    """One input or up to 64, and one task or several; without `tasks`, all tasks that read such input."""

    inputs: Input | Annotated[list[Input], Field(min_length=1, max_length=MAX_INPUTS)]
    tasks: Name | Annotated[list[Name], Field(min_length=1, max_length=64)] | None = None


class AttentionBody(Input):
    """A text or a pair, and optionally a single layer or head, counted from 0."""

    layer: Annotated[int, Field(ge=0, le=1000)] | None = None
    head: Annotated[int, Field(ge=0, le=1000)] | None = None


class AnswerShape(BaseModel):
    """The answer to one task; which fields are present depends on the kind of task.

    A classification or binary task has `label`, `label_name` and `probabilities`, a multilabel task `labels`,
    `label_names` and `probabilities`, a regression `score`. `labels` and `label_names` may be empty.
    """

    label: int | None = None
    label_name: str | None = None
    probabilities: list[float] | None = None
    score: float | None = None
    labels: list[int] | None = None
    label_names: list[str] | None = None


class PredictShape(BaseModel):
    """Answers by task name, one object per input, in the order of the inputs."""

    answers: list[dict[str, AnswerShape]]


class AttentionShape(BaseModel):
    """Word pieces, index of the first one of the second text, and weights ``[layers][heads][from][to]``."""

    tokens: list[str]
    boundary: int | None
    weights: list[list[list[list[float]]]]


class TaskShape(BaseModel):
    """The declaration of a task, and the model's score on its dev rows."""

    name: str
    kind: str
    pair: bool
    labels: list[str]
    range: tuple[float, float] | None
    metric: str
    score: float | None


class ErrorShape(BaseModel):
    """What is wrong, in one sentence, and the field that it is about."""

    error: str
    field: str | None


BODY_FIELDS = frozenset(name for body in (Input, PredictBody, AttentionBody) for name in body.model_fields)
"""Names of all fields of request bodies."""
