"""Names of parameters: those of `Bert` and those of Hugging Face, in both directions."""

import re

from torch import Tensor

from swissbert.encoder.bert import Bert, BertConfig

# module of Bert, Hugging Face's module; those of a layer follow "layers.N." and "encoder.layer.N."
_OUTER = [
    ("embeddings.word", "embeddings.word_embeddings"),
    ("embeddings.position", "embeddings.position_embeddings"),
    ("embeddings.token_type", "embeddings.token_type_embeddings"),
    ("embeddings.norm", "embeddings.LayerNorm"),
    ("pooler", "pooler.dense"),
]
_INNER = [
    ("qkv", ("attention.self.query", "attention.self.key", "attention.self.value")),
    ("attention_out", ("attention.output.dense",)),
    ("attention_norm", ("attention.output.LayerNorm",)),
    ("up", ("intermediate.dense",)),
    ("down", ("output.dense",)),
    ("norm", ("output.LayerNorm",)),
]


def hf_names(config: BertConfig) -> dict[str, tuple[str, ...]]:
    """Return Hugging Face's names of each parameter of `Bert`.

    A fused parameter has three, which are stacked along the first axis in this order.
    """
    names: dict[str, tuple[str, ...]] = {}
    for ours, theirs in _OUTER:
        kinds = ("weight", "bias") if ours in ("embeddings.norm", "pooler") else ("weight",)
        names |= {f"{ours}.{kind}": (f"{theirs}.{kind}",) for kind in kinds}
    for i in range(config.layers):
        for ours, parts in _INNER:
            for kind in ("weight", "bias"):
                names[f"layers.{i}.{ours}.{kind}"] = tuple(f"encoder.layer.{i}.{part}.{kind}" for part in parts)
    return names


def to_hf(encoder: Bert) -> dict[str, Tensor]:
    """Return the parameters under Hugging Face names: fp32, contiguous, detached, on the CPU."""
    state = encoder.state_dict()
    tensors: dict[str, Tensor] = {}
    for ours, theirs in hf_names(encoder.config).items():
        for name, part in zip(theirs, state[ours].chunk(len(theirs)), strict=True):
            tensors[name] = part.detach().float().contiguous().cpu()
    return tensors


def plain_name(name: str) -> str:
    """Return the name of a tensor with the old names of norms replaced."""
    return re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name))
