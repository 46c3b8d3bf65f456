"""Request and response models of the HTTP API, and the limits of requests."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticKnownError

from swissbert.data.formats import unreadable

MAX_INPUTS = 1024
"""Inputs per request."""
MAX_TOTAL_TOKENS = 32_768
"""Tokens of all inputs of a request, after long texts are cut."""
MAX_CHARACTERS = 10_000
"""Characters per text."""
MAX_TOTAL_CHARACTERS = 100_000
"""Characters of all texts of a request."""
MAX_FIELDS = 16
"""Fields of an object of a body; all of them have fewer."""
MAX_ATTENTION_TOKENS = 64
"""Tokens per attention request; the response grows with their square."""

EMPTY = "the text is empty"


def _readable(text: str) -> str:
    if not text.strip():
        raise ValueError(EMPTY)
    if reason := unreadable(text):
        raise ValueError(f"the text has {reason}")
    return text.strip()


Text = Annotated[str, Field(max_length=MAX_CHARACTERS), AfterValidator(_readable)]
Name = Annotated[str, Field(min_length=1, max_length=80)]
Tasks = Name | Annotated[list[Name], Field(min_length=1, max_length=64, fail_fast=True)]
"""One task or several, by name."""


class Body(BaseModel):
    """Base of request bodies: unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: Any) -> Any:
        """Refuse objects of many fields as a whole, because each unknown one is an error of its own."""
        if isinstance(value, dict) and len(value) > MAX_FIELDS:
            raise ValueError(f"an object of {len(value):,} fields, but it may have {', '.join(cls.model_fields)}")
        return value


class Input(Body):
    """A text, or a pair of texts for pair tasks."""

    text: Text
    text_pair: Text | None = None

    @property
    def is_pair(self) -> bool:
        """Whether it is a pair of texts."""
        return self.text_pair is not None

    @property
    def characters(self) -> int:
        """Number of characters of both texts."""
        return len(self.text) + len(self.text_pair or "")


def _as_object(value: object) -> object:
    """Turn a text into the object that stands for it."""
    return {"text": value} if isinstance(value, str) else value


def _as_objects(value: object) -> object:
    """Turn the texts of a list, and its pairs of texts, into the objects that stand for them."""
    if not isinstance(value, list):
        return _as_object(value)
    if len(value) > MAX_INPUTS:  # before they are looked at
        context = {"field_type": "List", "max_length": MAX_INPUTS, "actual_length": len(value)}
        raise PydanticKnownError("too_long", context)
    return [
        {"text": item[0], "text_pair": item[1]}
        if isinstance(item, list) and len(item) == 2 and all(isinstance(text, str) for text in item)
        else _as_object(item)
        for item in value
    ]


Pair = Annotated[list[Text], Field(min_length=2, max_length=2)]
Inputs = Annotated[
    Input | Annotated[list[Input], Field(min_length=1, max_length=MAX_INPUTS, fail_fast=True)],
    BeforeValidator(
        _as_objects,
        json_schema_input_type=Text
        | Input
        | Annotated[list[Text | Pair | Input], Field(min_length=1, max_length=MAX_INPUTS)],
    ),
]
"""A text, an object with a text, or a list of texts, pairs of texts and objects."""


class PredictBody(Body):
    """One input or a list of them, and one task or several; without `tasks`, all tasks that read such input.

    An input is a text, an object with `text` and perhaps `text_pair`, or, inside a list, a pair of texts as a list.
    `/v1/limits` has the limits of a request.
    """

    inputs: Inputs
    tasks: Tasks | None = None


class AttentionBody(Input):
    """A text or a pair, and optionally a single layer or head, counted from 0."""

    layer: Annotated[int, Field(ge=0, le=1000)] | None = None
    head: Annotated[int, Field(ge=0, le=1000)] | None = None


class ExplainBody(Input):
    """A text or a pair, and one task or several; without `tasks`, all tasks that read such input."""

    tasks: Tasks | None = None


class AnswerShape(BaseModel):
    """The answer to one task; which fields are present depends on the kind of task.

    A classification or binary task has `label`, `label_name` and `probabilities`, a multilabel task `labels`,
    `label_names` and `probabilities`, a regression `score`. `labels` and `label_names` may be empty. `cut` is there and
    true if the text was longer than the model takes, so that its end was not read.
    """

    label: int | None = None
    label_name: str | None = None
    probabilities: list[float] | None = None
    score: float | None = None
    labels: list[int] | None = None
    label_names: list[str] | None = None
    cut: bool | None = None


class PredictShape(BaseModel):
    """Answers by task name, one object per input, in the order of the inputs."""

    answers: list[dict[str, AnswerShape]]


class AttentionShape(BaseModel):
    """Word pieces, index of the first one of the second text, and weights ``[layers][heads][from][to]``."""

    tokens: list[str]
    boundary: int | None
    weights: list[list[list[list[float]]]]


class SpanShape(BaseModel):
    """A word that is left out, or several neighbouring ones of a long text: its place in ``text`` or ``text_pair``, in characters."""

    field: str
    start: int
    end: int
    text: str


class EffectsShape(BaseModel):
    """The answer to one task, and how it depends on each word.

    `value` is the probability of the label number `label` (the one that is assigned, of several the most probable one), or the
    score of a regression, where `label` is null. `without` has the same number for the text without each of the words.
    """

    answer: AnswerShape
    label: int | None
    value: float
    without: list[float]


class ExplainShape(BaseModel):
    """The words that were left out, and their effects by task name. Words that are not read, because the text is cut, are no words here."""

    words: list[SpanShape]
    tasks: dict[str, EffectsShape]


class ExampleShape(BaseModel):
    """An example for a task: a text or pair, and the right answer in words.

    `is_row` tells whether it is a dev row of the data that the server was given, else the declaration of the task has it.
    """

    task: str
    text: str
    text_pair: str | None
    label: str | None
    is_row: bool


class ModelShape(BaseModel):
    """The model: its name, encoder, date of training and longest text, what it is not for, and examples.

    `precision` is that of the answers: ``int8`` if the encoder's products have eight bits, else ``fp32``.
    """

    name: str
    encoder: str
    date: str | None
    max_tokens: int
    precision: str
    not_for: list[str]
    examples: list[ExampleShape]


class TaskShape(BaseModel):
    """The declaration of a task, and the model's score on its dev rows. `ends` are words for the ends of `range`."""

    name: str
    title: str
    help: str
    kind: str
    pair: bool
    labels: list[str]
    range: tuple[float, float] | None
    ends: tuple[str, str] | None
    metric: str
    score: float | None


class LimitsShape(BaseModel):
    """The limits of requests. A text of more than `tokens_per_text` tokens is cut; beyond the others is an error."""

    inputs: int
    characters_per_text: int
    characters: int
    tokens: int
    tokens_per_text: int
    attention_tokens: int
    explain_tokens: int
    body_bytes: int
    seconds: float


class ErrorShape(BaseModel):
    """What is wrong, in one sentence, and the field that it is about."""

    error: str
    field: str | None


BODY_FIELDS = frozenset(name for body in (Input, PredictBody, AttentionBody, ExplainBody) for name in body.model_fields)
"""Names of all fields of request bodies."""
