"""Check the steps of a ``tokenizer.json`` around its model: normalizer, pre-tokenizer, post-processor and decoder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from swissbert.data.charsmap import check_charsmap
from swissbert.errors import SwissbertError
from swissbert.settings import shown

MOST_STEPS = 16
"""Most steps of a sequence of normalizers."""
LONGEST_PATTERN = 100
"""Most characters of a text that a normalizer replaces."""

_PLAIN = ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents")
"""Normalizers without settings."""
_SPACES = {"Regex": " {2,}"}
"""The one regular expression that is read: XLM-R's. What replaces it is a space or, as transformers writes it, ``▁``."""
_NORMALIZERS = (None, "Sequence", "Replace", "Precompiled", "Strip", *_PLAIN)
_PROCESSORS = ("TemplateProcessing", "BertProcessing", "RobertaProcessing", None)
_TYPES: dict[str, dict[str, tuple[str | None, ...]]] = {
    "WordPiece": {
        "normalizer": ("BertNormalizer", None),
        "pre_tokenizer": ("BertPreTokenizer",),
        "post_processor": _PROCESSORS,
        "decoder": ("WordPiece", None),
    },
    "BPE": {
        "normalizer": _NORMALIZERS,
        "pre_tokenizer": ("ByteLevel",),
        "post_processor": _PROCESSORS,
        "decoder": ("ByteLevel", None),
    },
    "Unigram": {
        "normalizer": _NORMALIZERS,
        "pre_tokenizer": ("Metaspace", "Sequence"),
        "post_processor": _PROCESSORS,
        "decoder": ("Metaspace", None),
    },
}
"""Types of steps by type of the model; None where the step may be missing."""


def check_steps(table: Mapping[str, Any], model: str, path: Path) -> None:
    """Check the steps around a model.

    Args:
        table: The file.
        model: Type of its model, a key of `_TYPES`.
        path: The file, for messages.

    Raises:
        SwissbertError: If a step is not on the list, or has other settings than the tokenizers of the BERT family.
    """
    for name, types in _TYPES[model].items():
        _check_type(path, name, table.get(name), types)
    normalizer, splitter = table.get("normalizer"), table["pre_tokenizer"]
    if normalizer is not None and model != "WordPiece":
        _check_normalizers(path, normalizer)
    if model == "BPE" and splitter.get("use_regex", True) is not True:
        refuse(path, "pre_tokenizer", splitter)
    if model == "Unigram":
        _check_metaspace(path, splitter)
    _check_processor(path, table.get("post_processor"))


def refuse(path: Path, name: str, value: object) -> NoReturn:
    """Refuse a part of the file."""
    text = value if isinstance(value, str) and value.isidentifier() else shown(value)
    raise SwissbertError(
        f"{path}: has the {name} {text}, which the tokenizers of the BERT family do not have, so it is not read"
    )


def _check_type(path: Path, name: str, part: object, types: tuple[str | None, ...]) -> None:
    """Refuse a part of a type that is not on the list."""
    if part is None and None in types:
        return
    kind = part.get("type") if isinstance(part, dict) else part
    if not isinstance(kind, str) or kind not in types:
        refuse(path, name, kind)


def _check_normalizers(path: Path, normalizer: Mapping[str, Any]) -> None:
    """Check a normalizer, or the steps of a sequence. No step lets a text grow more than NFKC or one table does."""
    steps = normalizer.get("normalizers") if normalizer["type"] == "Sequence" else [normalizer]
    if not isinstance(steps, list) or len(steps) > MOST_STEPS:
        refuse(path, "normalizer", normalizer)
    for step in steps:
        _check_type(path, "normalizer", step, ("Replace", "Precompiled", "Strip", *_PLAIN))
        if step["type"] == "Replace":
            pattern, content = step.get("pattern"), step.get("content")
            text = pattern.get("String") if isinstance(pattern, dict) and len(pattern) == 1 else None
            if isinstance(text, str) and isinstance(content, str):
                least = len(text.encode("utf-8", "replace"))
                is_known = 0 < len(text) <= LONGEST_PATTERN and len(content.encode("utf-8", "replace")) <= least
            else:
                is_known = pattern == _SPACES and content in ("", " ", "▁")
            if not is_known:
                refuse(path, "normalizer", step)
        if step["type"] == "Strip" and not all(
            isinstance(step.get(f"strip_{side}"), bool) for side in ("left", "right")
        ):
            refuse(path, "normalizer", step)
        if step["type"] == "Precompiled" and (problem := check_charsmap(step.get("precompiled_charsmap"))):
            raise SwissbertError(f"{path}: the table precompiled_charsmap of its normalizer {problem}")
    if sum(step["type"] == "Precompiled" for step in steps) > 1:
        raise SwissbertError(f"{path}: its normalizer has two tables precompiled_charsmap, but only one is read")


def _check_metaspace(path: Path, splitter: Mapping[str, Any]) -> None:
    """Check the pre-tokenizer of Unigram: Metaspace, or words at whitespace and then Metaspace."""
    stated = splitter.get("pretokenizers") if splitter["type"] == "Sequence" else [splitter]
    steps = stated if isinstance(stated, list) else []
    kinds = [step.get("type") if isinstance(step, dict) else None for step in steps]
    if kinds not in (["Metaspace"], ["WhitespaceSplit", "Metaspace"]) or not _is_metaspace(steps[-1]):
        refuse(path, "pre_tokenizer", splitter)


def _is_metaspace(step: Mapping[str, Any]) -> bool:
    """Whether a step puts words apart at spaces, as SentencePiece does."""
    return step.get("replacement") == "▁" and step.get("split", True) is True


def _check_processor(path: Path, processor: Mapping[str, Any] | None) -> None:
    """Refuse a post-processor that adds other tokens than BERT's, RoBERTa's or MPNet's, or other token types."""
    if processor is None:
        return
    if processor["type"] != "TemplateProcessing":
        tokens = [processor.get("cls"), processor.get("sep")]
        if not all(isinstance(token, list) and [type(part) for part in token] == [str, int] for token in tokens):
            refuse(path, "post_processor", processor)
        return
    single, special = processor.get("single"), processor.get("special_tokens")
    try:
        cls, sep = (single[i]["SpecialToken"]["id"] for i in (0, 2))  # type: ignore[index]
        tokens = special.items()  # type: ignore[union-attr]
        known = {name: (token["id"], len(token["ids"]), len(token["tokens"])) for name, token in tokens}
        first, end = _piece("SpecialToken", cls, 0), _piece("SpecialToken", sep, 0)
        a = _piece("Sequence", "A", 0)
        as_bert = [first, a, end, _piece("Sequence", "B", 1), _piece("SpecialToken", sep, 1)]
        as_roberta = [first, a, end, end, _piece("Sequence", "B", 0), end]
        as_mpnet = [first, a, end, end, *as_bert[3:]]  # its encoder takes no token types
        is_known = single == [first, a, end] and processor.get("pair") in (as_bert, as_roberta, as_mpnet)
        is_known &= known == {name: (name, 1, 1) for name in (cls, sep)}
    except (TypeError, KeyError, IndexError, AttributeError):
        is_known = False
    if not is_known:
        refuse(path, "post_processor", processor)


def _piece(kind: str, name: object, token_type: int) -> dict[str, dict[str, object]]:
    return {kind: {"id": name, "type_id": token_type}}
