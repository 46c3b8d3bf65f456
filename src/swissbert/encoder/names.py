"""Names of parameters: those of `Bert` and those of Hugging Face, in both directions."""

import re
from typing import TYPE_CHECKING

from swissbert.encoder.shapes import parameter_shapes
from swissbert.family import MEMBERS
from swissbert.family.config import BertConfig

if TYPE_CHECKING:
    from torch import Tensor

    from swissbert.encoder.bert import Bert


def hf_names(config: BertConfig) -> dict[str, tuple[str, ...]]:
    """Return Hugging Face's names of each parameter of `Bert`.

    A fused parameter has three, which are stacked along the first axis in this order.
    """
    member = MEMBERS[config.member]
    names: dict[str, tuple[str, ...]] = {}
    for name in parameter_shapes(config):
        module, _, kind = name.rpartition(".")
        if module in member.outer:
            names[name] = (f"{member.outer[module]}.{kind}",)
        else:
            _, number, inner = module.split(".")
            start = member.layer.format(number)
            names[name] = tuple(f"{start}{part}.{kind}" for part in member.inner[inner])
    return names


def to_hf(encoder: "Bert") -> "dict[str, Tensor]":
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
