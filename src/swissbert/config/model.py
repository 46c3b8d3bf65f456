"""Settings of the network: which encoder, how it pools, and heads."""

from typing import Self

from pydantic import Field, field_validator, model_validator

from swissbert.config.fields import Probability
from swissbert.encoder.pooling import POOLINGS
from swissbert.errors import nearest
from swissbert.model.heads import HEADS
from swissbert.settings import Settings


class EncoderSettings(Settings):
    """Which encoder, and how it is used.

    Attributes:
        name: ``minilm`` (from an installed package, offline), a folder, or a hub id (``owner/name``). A folder may also be
            a model folder or a run folder, whose best model is taken; it is kept as an absolute path, see `RunConfig`.
        revision: Branch, tag or commit of a hub id.
        freeze: Train the heads alone (the paper's *pretrain* option); a frozen encoder runs without dropout.
        dropout: Dropout of embeddings, attention and layers, 0 to below 1; left out, the checkpoint's own.
        max_length: Longest sequence in tokens; longer ones are cut.
    """

    name: str = Field(default="minilm", min_length=1)
    revision: str | None = None
    freeze: bool = False
    dropout: Probability | None = None
    max_length: int = Field(default=512, ge=8, le=65_536, strict=True)


class ModelSettings(Settings):
    """Heads and how they read a pair.

    Attributes:
        pooling: How the vectors of a sequence become one: ``pooler`` (the first token through BERT's pooler, as in the
            paper), ``cls`` (the first token alone), ``mean`` (the mean over all tokens) or ``cls_mean`` (both). Left
            out, it is the encoder's own (see `swissbert.model_folder.pooling`); a run and its models have the name. Some
            encoders have no pooler.
        pair_encoding: Encode a pair in one pass, as ``[CLS] a [SEP] b [SEP]`` or ``<s> a </s></s> b </s>``. Otherwise
            the two sentences are encoded separately and their pooled outputs concatenated (paper, Section 4).
        dropout: Dropout of the heads, 0 to below 1.
        layer_sharing: Put a linear layer with a leaky ReLU before the head's own; all pair tasks share one.
        pair_head: ``cosine`` answers binary and regression pair tasks by the cosine of the two sentence vectors (the
            paper), ``similarity`` by a learned curve on it; ``bi_encoder`` answers any pair task by a linear layer on
            both vectors, their difference, product and cosine.
    """

    pooling: str | None = None
    pair_encoding: bool = True
    dropout: Probability = 0.3
    layer_sharing: bool = False
    pair_head: str = "linear"

    @field_validator("pooling")
    @classmethod
    def _known_pooling(cls, name: str | None) -> str | None:
        if name is not None and name not in POOLINGS:
            raise ValueError(
                f"model.pooling is '{name}', but it is one of {', '.join(POOLINGS)}{nearest(name, POOLINGS)}"
            )
        return name

    @field_validator("pair_head")
    @classmethod
    def _known_head(cls, name: str) -> str:
        if name not in HEADS:
            raise ValueError(f"model.pair_head is '{name}', but it is one of {', '.join(HEADS)}{nearest(name, HEADS)}")
        return name

    @model_validator(mode="after")
    def _no_contradiction(self) -> Self:
        if self.pair_head != "linear" and self.pair_encoding:
            raise ValueError(
                f"model.pair_head = '{self.pair_head}' and model.pair_encoding = true exclude each other: "
                f"a {self.pair_head} needs one vector per sentence, and a pair that is encoded together has one vector"
            )
        if self.pair_head != "linear" and self.layer_sharing:
            raise ValueError(
                f"model.pair_head = '{self.pair_head}' and model.layer_sharing = true exclude each other: "
                f"a {self.pair_head} head has no layers"
            )
        return self
