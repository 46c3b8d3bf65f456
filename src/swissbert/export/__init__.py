"""Exports of a trained model: transformers classifiers and ONNX files."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.export.hf import export_hf as export_hf
    from swissbert.export.onnx import export_int8 as export_int8
    from swissbert.export.onnx import export_onnx as export_onnx

__all__ = ["export_hf", "export_int8", "export_onnx"]

_MODULES = {"export_hf": "hf", "export_int8": "onnx", "export_onnx": "onnx"}


def __getattr__(name: str) -> object:
    """Import public names on first use, because they need torch (PEP 562)."""
    if name in _MODULES:
        return getattr(import_module(f"swissbert.export.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
