"""Pooling: how the hidden states of a sequence become its one vector.

The names are known without torch, because settings are checked against them.
"""

from dataclasses import dataclass

from swissbert.errors import SettingsError


@dataclass(frozen=True)
class Pooling:
    """One way to pool.

    Attributes:
        parts: Vectors ``[H]`` side by side in a pooled output.
        title: What it is, for people.
        uses_pooler: Whether the pooler's layer and tanh are applied to the first token.
        uses_first: Whether the first token's hidden state is part of it.
        uses_mean: Whether the mean over all tokens of the sequence, special tokens included, is part of it.
    """

    parts: int
    title: str
    uses_pooler: bool = False
    uses_first: bool = True
    uses_mean: bool = False


POOLINGS = {
    "pooler": Pooling(1, "the first token through the pooler, as in BERT", uses_pooler=True),
    "cls": Pooling(1, "the first token"),
    "mean": Pooling(1, "the mean over all tokens", uses_first=False, uses_mean=True),
    "cls_mean": Pooling(2, "the first token and the mean over all tokens, side by side", uses_mean=True),
}
"""The ways to pool by name; ``model.pooling`` takes these names."""


def check_pooling(name: str, has_pooler: bool) -> None:
    """Raise SwissbertError if a way to pool, a name in `POOLINGS`, needs a pooler that the encoder does not have."""
    if POOLINGS[name].uses_pooler and not has_pooler:
        others = " or ".join(f"'{other}'" for other, pooling in POOLINGS.items() if not pooling.uses_pooler)
        raise SettingsError(f"model.pooling is '{name}', but this encoder has no pooler; use {others}")
