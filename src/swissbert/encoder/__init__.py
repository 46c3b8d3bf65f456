"""BERT (Devlin et al., 2019) and its family, implemented for packed batches, and its checkpoints. Knows no hub, no ONNX, no settings."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.encoder.attention import PackedLayout as PackedLayout
    from swissbert.encoder.attention import PaddedLayout as PaddedLayout
    from swissbert.encoder.bert import Bert as Bert
    from swissbert.encoder.bert import Encoded as Encoded
    from swissbert.family.config import BertConfig as BertConfig

__all__ = ["Bert", "BertConfig", "Encoded", "PackedLayout", "PaddedLayout"]

_MODULES = {
    "Bert": "swissbert.encoder.bert",
    "BertConfig": "swissbert.family.config",
    "Encoded": "swissbert.encoder.bert",
    "PackedLayout": "swissbert.encoder.attention",
    "PaddedLayout": "swissbert.encoder.attention",
}


def __getattr__(name: str) -> object:
    """Import public names on first use, because most need torch (PEP 562)."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
