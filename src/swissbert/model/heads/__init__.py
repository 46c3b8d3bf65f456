"""Heads. A new head is a `Head` in a file here and one line in `HEADS`."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.model.heads.base import Head as Head

HEADS: dict[str, str] = {
    "linear": "swissbert.model.heads.linear:LinearHead",
    "cosine": "swissbert.model.heads.cosine:CosineHead",
    "similarity": "swissbert.model.heads.similarity:SimilarityHead",
    "bi_encoder": "swissbert.model.heads.bi_encoder:BiEncoderHead",
}
"""The heads by name, as ``module:class``: a name in a settings file is looked up without importing torch."""

__all__ = ["HEADS", "Head", "find_head"]


def find_head(name: str) -> "type[Head]":
    """Import the head of a name in `HEADS`."""
    module, _, attribute = HEADS[name].partition(":")
    head: type[Head] = getattr(import_module(module), attribute)
    return head


def __getattr__(name: str) -> object:
    """Import `Head` on first use, because it needs torch (PEP 562)."""
    if name == "Head":
        return import_module("swissbert.model.heads.base").Head
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
