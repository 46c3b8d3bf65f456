"""Read ``tokenizer.json``, reduced to the parts that the tokenizers of the BERT family have.

The library tokenizers knows many more: normalizers and decoders with regular expressions, which may take any time or end
the program, and processors that add any number of tokens. A file of a stranger could use all of them, so the file is
checked before the library sees it, and whatever is not on the list is refused by name.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as FastTokenizer

from swissbert.data.tokenizer_models import LARGEST_NUMBER, check_model, is_number
from swissbert.data.tokenizer_steps import check_steps, refuse
from swissbert.data.word_piece import engine_errors
from swissbert.errors import SwissbertError
from swissbert.reading import parse_json, regular_bytes
from swissbert.settings import shown

MOST_BYTES = 2**25
"""Largest file that is read: twice XLM-R's, which has a quarter of a million pieces."""
MOST_TABLES = 600_000
"""Most tables and lists of the file; each piece of Unigram and each merge of BPE is a list."""
MOST_ADDED, LONGEST_ADDED = 10_000, 1_000
"""Most added tokens, and most characters of one."""

_PARTS = (
    "version",
    "truncation",
    "padding",
    "added_tokens",
    "model",
    "normalizer",
    "pre_tokenizer",
    "post_processor",
    "decoder",
)


def read_tokenizer_file(path: Path, vocab_size: int | None) -> tuple[FastTokenizer, dict[str, int]]:
    """Read ``tokenizer.json``.

    Args:
        path: The file.
        vocab_size: Vocabulary size of the encoder, if it is known.

    Returns:
        The tokenizer, and its vocabulary without added tokens.

    Raises:
        SwissbertError: If the file cannot be read, has a part that is not on the list, or has more entries
            than the encoder.
    """
    try:
        content = regular_bytes(path, MOST_BYTES)
    except OSError as error:
        raise SwissbertError(f"{path}: cannot be read ({error.strerror or error})") from error
    table = parse_json(content, path, object_pairs_hook=_without_repeated_keys, most_tables=MOST_TABLES)
    if not isinstance(table, dict):
        raise SwissbertError(f"{path}: a JSON object is expected")
    model, vocabulary = check_model(table.get("model"), path)
    check_size(vocabulary.values(), vocab_size, path.parent)
    for name in table:
        if name not in _PARTS:
            refuse(path, "part", name)
    check_steps(table, model, path)
    check_added(path, table.get("added_tokens") or [])
    try:
        with engine_errors(path):
            return FastTokenizer.from_buffer(content), vocabulary
    except (ValueError, TypeError) as error:
        raise SwissbertError(f"{path}: the tokenizer cannot be read ({error})") from error


def check_size(numbers: Iterable[int], vocab_size: int | None, folder: Path) -> None:
    """Raise SwissbertError if a vocabulary has more entries than the encoder."""
    entries = max(numbers, default=-1) + 1
    if vocab_size is not None and entries > vocab_size:
        raise SwissbertError(f"{folder}: the vocabulary has {entries} entries, but the encoder has {vocab_size}")


def check_added(path: Path, tokens: object) -> None:
    """Raise SwissbertError if added tokens are not a list of tables with a text and a number, or too many or too long."""
    if not isinstance(tokens, list) or len(tokens) > MOST_ADDED:
        many = f"{len(tokens):,}" if isinstance(tokens, list) else shown(tokens)
        raise SwissbertError(f"{path}: a list of up to {MOST_ADDED:,} added tokens is expected, not {many}")
    for token in tokens:
        text, number = (token.get("content"), token.get("id")) if isinstance(token, dict) else (None, None)
        if not isinstance(text, str) or len(text) > LONGEST_ADDED or not is_number(number):
            raise SwissbertError(
                f"{path}: an added token is {shown(token)}, but a table with a text of up to {LONGEST_ADDED:,} "
                f"characters and a number below {LARGEST_NUMBER:,} is expected"
            )


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a dictionary; of a repeated key this program and the library might take different values."""
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a key stands twice in one table")
    return table
