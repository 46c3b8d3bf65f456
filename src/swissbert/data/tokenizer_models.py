"""Check the model of a ``tokenizer.json``: WordPiece, byte-level BPE or Unigram, with bounds on what it holds."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from swissbert.errors import SwissbertError
from swissbert.settings import shown

LARGEST_NUMBER = 2_000_000
"""Numbers of tokens are below; see the largest ``vocab_size`` in `swissbert.encoder.config_file`."""
LONGEST_WORD = 200
"""Highest ``max_input_chars_per_word``; BERT's is 100, and looking a word up takes the square of its length."""
LONGEST_PIECE = 200
"""Most characters of a piece of Unigram, which is looked up at every character; those of SentencePiece have 16."""

HIGHEST_SCORE = 1e6
"""Scores of Unigram, logarithms of probabilities, are nearer to zero."""


def check_model(model: object, path: Path) -> tuple[str, dict[str, int]]:
    """Check a tokenizer's model.

    Args:
        model: The part ``model`` of the file.
        path: The file, for messages.

    Returns:
        The type of the model, and its vocabulary.

    Raises:
        SwissbertError: If it is another model, or has settings or sizes that are not supported.
    """
    if not isinstance(model, dict):
        raise SwissbertError(f"{path}: model is {shown(model)}, but a table is expected")
    kind = model.get("type", "WordPiece")
    if not isinstance(kind, str) or kind not in _CHECKS:
        name = kind if isinstance(kind, str) else shown(kind)
        raise SwissbertError(f"{path}: a tokenizer of the type {name}, but only {', '.join(_CHECKS)} are read")
    return kind, _CHECKS[kind](model, path)


def is_number(value: object) -> bool:
    """Whether a value can be the number of a token."""
    return type(value) is int and 0 <= value < LARGEST_NUMBER


def _word_piece(model: Mapping[str, Any], path: Path) -> dict[str, int]:
    vocabulary = _table_of_numbers(model, path)
    unknown, longest = model.get("unk_token"), model.get("max_input_chars_per_word")
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


def _byte_pairs(model: Mapping[str, Any], path: Path) -> dict[str, int]:
    vocabulary, merges = _table_of_numbers(model, path), model.get("merges")
    fixed = {
        "dropout": (None, 0, 0.0),  # tokens would be random
        "continuing_subword_prefix": (None, ""),
        "end_of_word_suffix": (None, ""),
        "byte_fallback": (False, None),
        "fuse_unk": (False, None),
    }
    _check_fixed(model, fixed, path)
    if not isinstance(model.get("ignore_merges", False), bool):
        _wrong(path, "ignore_merges", model["ignore_merges"], "true or false")
    if model.get("unk_token") is not None and model["unk_token"] not in [*vocabulary]:
        raise SwissbertError(f"{path}: model.unk_token is {shown(model['unk_token'])}, which is not in the vocabulary")
    if not isinstance(merges, list) or len(merges) > LARGEST_NUMBER:
        _wrong(path, "merges", merges, f"a list of up to {LARGEST_NUMBER:,} pairs")
    for merge in merges:
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise SwissbertError(f"{path}: an entry of model.merges is {shown(merge)}, but two pieces are expected")
        if lacking := [piece for piece in (*pair, "".join(pair)) if piece not in vocabulary]:
            raise SwissbertError(f"{path}: model.merges has {shown(lacking[0])}, which is not in the vocabulary")
    return vocabulary


def _unigram(model: Mapping[str, Any], path: Path) -> dict[str, int]:
    pieces, unknown = model.get("vocab"), model.get("unk_id")
    if not isinstance(pieces, list) or not 0 < len(pieces) <= LARGEST_NUMBER:
        _wrong(path, "vocab", pieces, f"a list of up to {LARGEST_NUMBER:,} pieces with their scores")
    _check_fixed(model, {"byte_fallback": (False, None)}, path)
    for entry in pieces:
        text, score = entry if isinstance(entry, list) and len(entry) == 2 else (None, math.nan)
        # compared, not converted: whole numbers may be too large for a float
        is_score = type(score) in (int, float) and -HIGHEST_SCORE < score < HIGHEST_SCORE
        if not isinstance(text, str) or len(text) > LONGEST_PIECE or not is_score:
            raise SwissbertError(
                f"{path}: an entry of model.vocab is {shown(entry)}, but a text of up to {LONGEST_PIECE} characters and a "
                f"score between {-HIGHEST_SCORE:,.0f} and {HIGHEST_SCORE:,.0f} are expected"
            )
    if type(unknown) is not int or not 0 <= unknown < len(pieces):
        _wrong(path, "unk_id", unknown, f"a whole number below the {len(pieces):,} pieces")
    return {text: number for number, (text, _) in enumerate(pieces)}


_CHECKS: dict[str, Callable[[Mapping[str, Any], Path], dict[str, int]]] = {
    "WordPiece": _word_piece,
    "BPE": _byte_pairs,
    "Unigram": _unigram,
}


def _table_of_numbers(model: Mapping[str, Any], path: Path) -> dict[str, int]:
    """Return a vocabulary that is a table."""
    vocabulary = model.get("vocab")
    if not isinstance(vocabulary, dict) or not all(map(is_number, vocabulary.values())):
        _wrong(path, "vocab", vocabulary, f"a table of words and numbers below {LARGEST_NUMBER:,}")
    return vocabulary


def _check_fixed(model: Mapping[str, Any], fixed: Mapping[str, tuple[object, ...]], path: Path) -> None:
    """Refuse settings with other values than those that are supported."""
    for key, allowed in fixed.items():
        if (value := model.get(key)) not in allowed:
            raise SwissbertError(f"{path}: model.{key} is {shown(value)}, but only {allowed[0]!r} is supported")


def _wrong(path: Path, key: str, value: object, expected: str) -> NoReturn:
    raise SwissbertError(f"{path}: model.{key} is {shown(value)}, but {expected} is expected")
