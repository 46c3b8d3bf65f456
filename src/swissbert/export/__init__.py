"""Exports of a trained model: transformers classifiers, sentence-transformers encoders and ONNX files."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.export.hf import export_hf as export_hf
    from swissbert.export.onnx import export_int8 as export_int8
    from swissbert.export.onnx import export_onnx as export_onnx
    from swissbert.export.sentence_vectors import export_sentence_vectors as export_sentence_vectors

__all__ = ["export_hf", "export_int8", "export_onnx", "export_sentence_vectors"]

_MODULES = {
    "export_hf": "hf",
    "export_int8": "onnx",
    "export_onnx": "onnx",
    "export_sentence_vectors": "sentence_vectors",
}


def __getattr__(name: str) -> object:
    """Import public names on first use, because they need torch (PEP 562)."""
    if name in _MODULES:
        return getattr(import_module(f"swissbert.export.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
