"""Data: from files, hub data sets and rows in memory to checked rows, tokens and packed batches.

Public names are imported on first use, so that rows and formats can be used without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.data.batches import PackedBatch
    from swissbert.data.cache import cached_split
    from swissbert.data.check import check_directory
    from swissbert.data.dataset import TaskData, load_split, tokenize
    from swissbert.data.formats import FORMATS, Format, ReadOptions, TextFormat
    from swissbert.data.memory import MemoryRows
    from swissbert.data.rows import BadRow, Row, Rows
    from swissbert.data.splits import Reading, Source, open_split, read_split
    from swissbert.data.token_table import TokenTable
    from swissbert.data.tokens import Tokenizer

_MODULES = {
    "BadRow": "rows",
    "FORMATS": "formats",
    "Format": "formats",
    "MemoryRows": "memory",
    "PackedBatch": "batches",
    "ReadOptions": "formats",
    "Reading": "splits",
    "Row": "rows",
    "Rows": "rows",
    "Source": "splits",
    "TaskData": "dataset",
    "TextFormat": "formats",
    "TokenTable": "token_table",
    "Tokenizer": "tokens",
    "cached_split": "cache",
    "check_directory": "check",
    "load_split": "dataset",
    "open_split": "splits",
    "read_split": "splits",
    "tokenize": "dataset",
}

__all__ = [
    "FORMATS",
    "BadRow",
    "Format",
    "MemoryRows",
    "PackedBatch",
    "ReadOptions",
    "Reading",
    "Row",
    "Rows",
    "Source",
    "TaskData",
    "TextFormat",
    "TokenTable",
    "Tokenizer",
    "cached_split",
    "check_directory",
    "load_split",
    "open_split",
    "read_split",
    "tokenize",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """List all public names, imported or not."""
    return sorted({*globals(), *_MODULES})
