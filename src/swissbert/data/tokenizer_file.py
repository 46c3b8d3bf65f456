"""Read ``tokenizer.json``, reduced to the parts that BERT has.

The library tokenizers knows many more: normalizers and decoders with regular expressions, which may take any time or end
the program, and processors that add any number of tokens. A file of a stranger could use all of them, so the file is
checked before the library sees it, and whatever BERT's tokenizer does not have is refused by name.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from tokenizers import Tokenizer as FastTokenizer

from swissbert.data.word_piece import engine_errors
from swissbert.errors import SwissbertError
from swissbert.reading import JSON_BYTES, parse_json, regular_bytes
from swissbert.settings import shown

LARGEST_NUMBER = 2_000_000
"""Numbers of tokens are below; see the largest ``vocab_size`` in `swissbert.encoder.config_file`."""
MOST_ADDED, LONGEST_ADDED = 10_000, 1_000
"""Most added tokens, and most characters of one."""
LONGEST_WORD = 200
"""Highest ``max_input_chars_per_word``; BERT's is 100, and looking a word up takes the square of its length."""

_PARTS = (
    "version",
    "truncation",
    "padding",
    "added_tokens",
    "normalizer",
    "pre_tokenizer",
    "post_processor",
    "decoder",
)
_TYPES: dict[str, tuple[str | None, ...]] = {
    "normalizer": ("BertNormalizer", None),
    "pre_tokenizer": ("BertPreTokenizer",),
    "post_processor": ("TemplateProcessing", "BertProcessing", None),
    "decoder": ("WordPiece", None),
}
"""Types of parts that BERT has; None where the part may be missing."""


def read_tokenizer_file(path: Path, vocab_size: int | None) -> tuple[FastTokenizer, dict[str, int]]:
    """Read ``tokenizer.json``.

    Args:
        path: The file.
        vocab_size: Vocabulary size of the encoder, if it is known.

    Returns:
        The tokenizer, and its vocabulary without added tokens.

    Raises:
        SwissbertError: If the file cannot be read, has a part that BERT's tokenizer does not have, or has more entries
            than the encoder.
    """
    try:
        content = regular_bytes(path, JSON_BYTES)
    except OSError as error:
        raise SwissbertError(f"{path}: cannot be read ({error.strerror or error})") from error
    table = parse_json(content, path, object_pairs_hook=_without_repeated_keys)
    if not isinstance(table, dict):
        raise SwissbertError(f"{path}: a JSON object is expected")
    vocabulary = _checked_model(table.get("model"), path)
    check_size(vocabulary.values(), vocab_size, path.parent)
    for name in table:
        if name != "model" and name not in _PARTS:
            _refuse(path, "part", name)
    for name, types in _TYPES.items():
        _check_type(path, name, table.get(name), types)
    _check_processor(path, table.get("post_processor"))
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
        if not isinstance(text, str) or len(text) > LONGEST_ADDED or not _is_number(number):
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


def _checked_model(model: object, path: Path) -> dict[str, int]:
    """Return the vocabulary of a WordPiece model.

    Raises:
        SwissbertError: If it is another model, or has settings that BERT does not have.
    """
    if not isinstance(model, dict):
        raise SwissbertError(f"{path}: model is {shown(model)}, but a table is expected")
    if (kind := model.get("type", "WordPiece")) != "WordPiece":
        name = kind if isinstance(kind, str) else shown(kind)
        raise SwissbertError(f"{path}: a tokenizer of the type {name}, but only WordPiece, BERT's, is read")
    vocabulary, unknown, longest = (model.get(key) for key in ("vocab", "unk_token", "max_input_chars_per_word"))
    if not isinstance(vocabulary, dict) or not all(map(_is_number, vocabulary.values())):
        raise SwissbertError(
            f"{path}: model.vocab is {shown(vocabulary)}, but a table of words and numbers below {LARGEST_NUMBER:,} is "
            "expected"
        )
    if not isinstance(unknown, str) or unknown not in vocabulary:
        raise SwissbertError(f"{path}: model.unk_token is {shown(unknown)}, which is not in the vocabulary")
    if (prefix := model.get("continuing_subword_prefix")) != "##":
        raise SwissbertError(f"{path}: model.continuing_subword_prefix is {shown(prefix)}, but only '##' is supported")
    if type(longest) is not int or not 1 <= longest <= LONGEST_WORD:
        raise SwissbertError(
            f"{path}: model.max_input_chars_per_word is {shown(longest)}; a whole number from 1 to {LONGEST_WORD} is "
            "expected"
        )
    return vocabulary


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value < LARGEST_NUMBER


def _check_type(path: Path, name: str, part: object, types: tuple[str | None, ...]) -> None:
    """Refuse a part of a type that BERT does not have."""
    if part is None and None in types:
        return
    kind = part.get("type") if isinstance(part, dict) else part
    if not isinstance(kind, str) or kind not in types:
        _refuse(path, name, kind)


def _check_processor(path: Path, processor: Mapping[str, Any] | None) -> None:
    """Refuse a post-processor that adds other tokens than one before, between and after texts, or other token types."""
    if processor is None:
        return
    if processor["type"] == "BertProcessing":
        tokens = [processor.get("cls"), processor.get("sep")]
        if not all(isinstance(token, list) and [type(part) for part in token] == [str, int] for token in tokens):
            _refuse(path, "post_processor", processor)
        return
    single, special = processor.get("single"), processor.get("special_tokens")
    try:
        cls, sep = (single[i]["SpecialToken"]["id"] for i in (0, 2))  # type: ignore[index]
        known = {name: (token["id"], len(token["ids"]), len(token["tokens"])) for name, token in special.items()}  # type: ignore[union-attr]
        first, second = _piece("SpecialToken", cls, 0), _piece("SpecialToken", sep, 0)
        a, b = _piece("Sequence", "A", 0), _piece("Sequence", "B", 1)
        expected = [first, a, second], [first, a, second, b, _piece("SpecialToken", sep, 1)]
        is_known = (single, processor.get("pair")) == expected and known == {name: (name, 1, 1) for name in (cls, sep)}
    except (TypeError, KeyError, IndexError, AttributeError):
        is_known = False
    if not is_known:
        _refuse(path, "post_processor", processor)


def _piece(kind: str, name: object, token_type: int) -> dict[str, dict[str, object]]:
    return {kind: {"id": name, "type_id": token_type}}


def _refuse(path: Path, name: str, value: object) -> NoReturn:
    text = value if isinstance(value, str) and value.isidentifier() else shown(value)
    raise SwissbertError(f"{path}: has the {name} {text}, which BERT's tokenizer does not have, so it is not read")
