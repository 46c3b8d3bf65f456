"""What a member of the BERT family declares: names in Hugging Face's files, and differences from BERT."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Classifier:
    """The classifier that transformers puts on a member.

    Attributes:
        name: Its class.
        output: Name of the layer that gives the logits.
        dense: Name of a layer of width H between first token and output; None if the output reads the pooler.
        activation: Activation of that layer: ``tanh``, which makes it a pooler, ``relu`` or ``gelu``.
        dropout: Key of its dropout rate in ``config.json``; None if it has none of its own.
    """

    name: str
    output: str = "classifier"
    dense: str | None = None
    activation: str = "tanh"
    dropout: str | None = "classifier_dropout"


@dataclass(frozen=True)
class Member:
    """A member of the family.

    Attributes:
        title: Its name for people.
        model: Class of transformers for the encoder alone.
        prefix: What names of the encoder begin with in checkpoints that have heads.
        classifier: Classifier of transformers.
        keys: Key in ``config.json`` of each field of `BertConfig` that the file states.
        outer: Hugging Face's module for each module outside the layers.
        layer: What names in a layer begin with; ``{}`` is the number of the layer.
        inner: Hugging Face's modules for each module of a layer; several are stacked along the first axis.
        defaults: Fields that have another value than BERT's where the file states none.
        fixed: Keys that would change the computation, and values that are implemented; the first is the default.
        settle: Changes the fields as read from a file to those of `BertConfig`.
        unsettle: The reverse, for writing.
        tokenizers: Classes of its tokenizer in transformers, without the ending ``Fast``.
    """

    title: str
    model: str
    prefix: str
    classifier: Classifier
    keys: Mapping[str, str]
    outer: Mapping[str, str]
    layer: str
    inner: Mapping[str, tuple[str, ...]]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    settle: Callable[[dict[str, Any]], None] | None = None
    unsettle: Callable[[dict[str, Any]], None] | None = None
    tokenizers: tuple[str, ...] = ()
