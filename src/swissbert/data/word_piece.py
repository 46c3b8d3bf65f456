"""Build a WordPiece tokenizer of the library ``tokenizers``, and describe any as ``tokenizer_config.json`` does."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from swissbert.errors import LONGEST_QUOTE, SwissbertError, clipped

NORMALIZER = {
    "lowercase": "do_lower_case",
    "strip_accents": "strip_accents",
    "handle_chinese_chars": "tokenize_chinese_chars",
    "clean_text": "clean_text",
}
"""Text normalization settings: names in ``tokenizer.json`` and in ``tokenizer_config.json``."""
SPECIAL = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
"""Special tokens and their usual names."""
OTHER_SPECIAL = {
    "unk_token": "<unk>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "cls_token": "<s>",
    "mask_token": "<mask>",
}
"""Their names in RoBERTa and others."""

_CHARACTERS = 100
"""Longest word that is looked up, in characters; BERT's value, which ``tokenizer_config.json`` cannot state."""


@dataclass
class TokenizerParts:
    """A tokenizer as its files describe it.

    Attributes:
        fast: The tokenizer.
        vocabulary: Its entries with their numbers, without added tokens.
        special: Names of the special tokens, by the keys of `SPECIAL`.
        longest: ``model_max_length``; None if it is not stated.
        truncation_side: Side at which long texts are cut, ``right`` or ``left``.
        notes: Lines about what was decided here rather than by the files.
    """

    fast: Tokenizer
    vocabulary: dict[str, int]
    special: dict[str, str]
    longest: int | None = None
    truncation_side: str = "right"
    notes: list[str] = field(default_factory=list)

    @property
    def model(self) -> str:
        """Type of the model: WordPiece, BPE or Unigram."""
        return type(self.fast.model).__name__


@contextmanager
def engine_errors(where: object) -> Iterator[None]:
    """Turn errors of the library tokenizers into `SwissbertError`: plain Exception, and panics, which are no Exception.

    Args:
        where: What the message begins with.
    """
    try:
        yield
    except BaseException as error:
        if type(error) is not Exception and type(error).__name__ != "PanicException":
            raise
        raise SwissbertError(f"{where}: the tokenizer failed ({clipped(str(error), LONGEST_QUOTE)})") from error


def word_piece(vocabulary: dict[str, int], special: Mapping[str, str], options: Mapping[str, bool]) -> Tokenizer:
    """Build BERT's tokenizer without added tokens.

    Args:
        vocabulary: Entries with their numbers; they include unknown, CLS and SEP token.
        special: Names of the special tokens.
        options: Text normalization settings by their names in ``tokenizer.json``.
    """
    fast = Tokenizer(models.WordPiece(vocabulary, unk_token=special["unk_token"]))
    fast.normalizer = normalizers.BertNormalizer(**options)
    fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    sep, cls = ((special[key], vocabulary[special[key]]) for key in ("sep_token", "cls_token"))
    fast.post_processor = processors.BertProcessing(sep, cls)
    fast.decoder = decoders.WordPiece()
    return fast


def added_token(stored: Mapping[str, Any]) -> AddedToken:
    """Return a token of ``added_tokens_decoder``.

    Raises:
        SwissbertError: If it is not Unicode text.
    """
    flags = ("lstrip", "rstrip", "single_word", "normalized", "special")
    try:
        str(stored["content"]).encode()
    except UnicodeEncodeError as error:
        raise SwissbertError(f"an added token is {stored['content']!a}, which is not Unicode text") from error
    return AddedToken(str(stored["content"]), **{flag: bool(stored[flag]) for flag in flags if flag in stored})


def part_of(fast: Tokenizer, name: str) -> dict[str, Any]:
    """Return a part of ``tokenizer.json``, such as ``normalizer``; empty if there is none."""
    if name == "normalizer":  # much smaller than the whole file
        state = fast.normalizer.__getstate__() if fast.normalizer is not None else b"{}"
        return dict(json.loads(state))
    return dict(json.loads(fast.to_str()).get(name) or {})


def config_table(parts: TokenizerParts, longest: int | None, *, writes_types: bool) -> dict[str, Any]:
    """Return ``tokenizer_config.json`` with which transformers gives the same tokens.

    Args:
        parts: The tokenizer.
        longest: ``model_max_length``, at which other libraries cut texts; left out if None.
        writes_types: Whether the encoder takes token types.
    """
    stored = json.loads(parts.fast.to_str())
    normalizer, model = stored.get("normalizer") or {}, stored["model"]
    has_bert_pairs = len(parts.fast.encode("", "").ids) == 3
    is_plain = (
        has_bert_pairs
        and normalizer.get("type") == "BertNormalizer"
        and normalizer.get("clean_text", True)
        and (stored.get("pre_tokenizer") or {}).get("type") == "BertPreTokenizer"
        and model.get("max_input_chars_per_word") == _CHARACTERS
    )
    table: dict[str, Any] = {"tokenizer_class": "BertTokenizer" if is_plain else "PreTrainedTokenizerFast"}
    if is_plain:
        table |= {theirs: normalizer[ours] for ours, theirs in NORMALIZER.items() if theirs != "clean_text"}
    table |= {key: name for key, name in parts.special.items() if parts.fast.token_to_id(name) is not None}
    if longest is not None:
        table["model_max_length"] = longest
    if parts.truncation_side != "right":
        table["truncation_side"] = parts.truncation_side
    if any(token["content"] not in SPECIAL.values() for token in stored["added_tokens"]):
        flags = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
        added = {str(token["id"]): {flag: token[flag] for flag in flags} for token in stored["added_tokens"]}
        table["added_tokens_decoder"] = added
    names = ["input_ids", *(["token_type_ids"] if writes_types else []), "attention_mask"]
    return table | {"model_input_names": names}
