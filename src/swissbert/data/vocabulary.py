"""Read a tokenizer from the files of an encoder folder; whatever changes tokens is honoured or refused.

``tokenizer.json`` is complete, and the files beside it must agree with it. Without it, WordPiece is put together from
``vocab.txt``, ``tokenizer_config.json``, ``special_tokens_map.json`` and ``added_tokens.json``, as transformers does.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as FastTokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import ByteLevel

from swissbert.data.tokenizer_file import check_added, check_size, read_tokenizer_file
from swissbert.data.word_piece import (
    NORMALIZER,
    OTHER_SPECIAL,
    SPECIAL,
    TokenizerParts,
    added_token,
    engine_errors,
    part_of,
    word_piece,
)
from swissbert.errors import SwissbertError
from swissbert.family import MEMBERS
from swissbert.reading import JSON_BYTES, JSON_VALUES, read_object, regular_bytes
from swissbert.settings import shown

FILE, VOCABULARY, CONFIG = "tokenizer.json", "vocab.txt", "tokenizer_config.json"
SPECIAL_MAP, ADDED = "special_tokens_map.json", "added_tokens.json"

_CLASSES = {name for member in MEMBERS.values() for name in member.tokenizers}
_WORD_PIECE = {
    name for member in MEMBERS.values() if "BertTokenizer" in member.tokenizers for name in member.tokenizers
}
"""Classes, without the ending ``Fast``, and those among them that are read from ``vocab.txt``, as BERT's."""
OTHER_FILES = ("vocab.json", "sentencepiece.bpe.model", "spiece.model")
"""Vocabularies of BPE and Unigram that are not read."""
_ADVICE = f"AutoTokenizer.from_pretrained(THIS_FOLDER).save_pretrained(THIS_FOLDER) of transformers writes {FILE}"
_GENERAL_CLASSES = ("PreTrainedTokenizer", "TokenizersBackend")
"""Classes that take everything from ``tokenizer.json``, without the ending ``Fast``."""
# Settings that no fast tokenizer of transformers has, and the values that change nothing
_FIXED: dict[str, tuple[object, ...]] = {
    "do_basic_tokenize": (True, None),
    "never_split": (None, []),
    "split_special_tokens": (False, None),
    "wordpieces_prefix": ("##", None),
}


def read_tokenizer(folder: Path, vocab_size: int | None = None) -> TokenizerParts:
    """Read the tokenizer of a folder.

    Args:
        folder: The folder.
        vocab_size: Vocabulary size of the encoder, if it is known.

    Raises:
        SwissbertError: If there is none, its files contradict each other, or it is not BERT's.
    """
    config = _settings(folder)
    _check_settings(folder, config)
    if (folder / FILE).is_file():
        parts = _from_file(folder, config, vocab_size)
        _check_agreement(folder, parts, config)
    else:
        parts = _from_vocabulary(folder, config, _special(config, SPECIAL), vocab_size)
    longest = config.get("model_max_length")
    if type(longest) is int and 0 < longest < 10**9:  # transformers writes 1e30 for "no limit"
        parts.longest = longest
    truncation = parts.fast.truncation or {}
    parts.truncation_side = _truncation_side(folder, config.get("truncation_side") or truncation.get("direction"))
    return parts


def read_stored(folder: Path, vocab_size: int | None = None) -> TokenizerParts:
    """Read the tokenizer of a model folder: ``tokenizer.json`` alone, or ``vocab.txt`` in small letters unless told otherwise.

    This is how swissbert 0.1.0 read every folder, so models that it trained keep their tokens.

    Args:
        folder: The folder.
        vocab_size: Vocabulary size of the encoder, if it is known.

    Raises:
        SwissbertError: If there is none, or it is not BERT's.
    """
    config = read_object(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    if (folder / FILE).is_file():
        parts = _from_file(folder, config, vocab_size)
    else:
        _check_flags(folder, config)
        names = {theirs: config.get(theirs) for theirs in NORMALIZER.values() if theirs != "clean_text"}
        usual = {"do_lower_case": True, "added_tokens_decoder": {}}
        parts = _from_vocabulary(folder, usual | _stated(names), _special(config, SPECIAL), vocab_size)
    parts.truncation_side = _truncation_side(folder, config.get("truncation_side"))
    return parts


def _from_file(folder: Path, config: Mapping[str, Any], vocab_size: int | None) -> TokenizerParts:
    """Read ``tokenizer.json``. Special tokens that no file names are those that it puts around a text."""
    fast, vocabulary = read_tokenizer_file(folder / FILE, vocab_size)
    fast.no_padding()
    with engine_errors(folder / FILE):
        around = fast.encode("").tokens
    usual = SPECIAL
    if len(around) == 2 and not (isinstance(fast.model, WordPiece) and around[0] == SPECIAL["cls_token"]):
        usual = {
            key: name if fast.token_to_id(name) is not None else OTHER_SPECIAL[key] for key, name in SPECIAL.items()
        }
        usual |= {"cls_token": around[0], "sep_token": around[1]}
    return TokenizerParts(fast, vocabulary, _special(config, usual))


def _special(config: Mapping[str, Any], usual: Mapping[str, str]) -> dict[str, str]:
    """Return the names of the special tokens by their keys."""
    return {key: _content(config.get(key)) or name for key, name in usual.items()}


def _truncation_side(folder: Path, stated: object) -> str:
    side = stated.lower() if isinstance(stated, str) and stated else stated or "right"
    if side not in ("left", "right"):
        raise SwissbertError(f"{folder / CONFIG}: truncation_side is {shown(side)}, but it must be 'right' or 'left'")
    return str(side)


def _stated(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that have a value."""
    return {key: value for key, value in settings.items() if value is not None}


def _settings(folder: Path) -> dict[str, Any]:
    """Return ``tokenizer_config.json``; files of older versions count where it lists no added tokens, as in transformers."""
    config = read_object(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    decoder = config.get("added_tokens_decoder")
    if decoder is None:
        if (folder / SPECIAL_MAP).is_file():
            config |= read_object(folder / SPECIAL_MAP)
        added = read_object(folder / ADDED) if (folder / ADDED).is_file() else {}
        known = {_content(config.get(key)) for key in SPECIAL} | set(_extra(config))
        decoder = {
            str(number): {"content": token, "normalized": token not in known, "special": token in known}
            for token, number in added.items()
        }
    return config | {"added_tokens_decoder": _numbered(decoder, folder)}


def _numbered(decoder: object, folder: Path) -> dict[int, dict[str, Any]]:
    """Return the added tokens of a folder by number, checked and in order."""
    where = folder / (CONFIG if (folder / CONFIG).is_file() else ADDED)
    if not isinstance(decoder, dict):
        raise SwissbertError(f"{where}: added_tokens_decoder is {shown(decoder)}, but a table is expected")
    tokens = {}
    for number, token in decoder.items():
        if not number.isdecimal() or len(number) > 9:
            raise SwissbertError(
                f"{where}: the number of an added token is {shown(number)}, but a whole number is expected"
            )
        if not isinstance(token, dict) or not _content(token):
            raise SwissbertError(f"{where}: the added token {number} has no text")
        tokens[int(number)] = token
    check_added(where, [{"content": _content(token), "id": number} for number, token in tokens.items()])
    return dict(sorted(tokens.items()))


def _check_settings(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse settings that this tokenizer does not have."""
    where = folder / CONFIG
    name, has_file = config.get("tokenizer_class"), (folder / FILE).is_file()
    plain = name.removesuffix("Fast") if isinstance(name, str) else name
    if plain is not None and plain not in [*_WORD_PIECE, *((*_CLASSES, *_GENERAL_CLASSES) if has_file else ())]:
        if plain in [*_CLASSES]:
            raise SwissbertError(
                f"{where}: tokenizer_class is {shown(name)}, which is read from {FILE} only; {_ADVICE}"
            )
        raise SwissbertError(
            f"{where}: tokenizer_class is {shown(name)}, but only {', '.join(sorted(_CLASSES))} and the same with Fast are read"
        )
    for key, allowed in _FIXED.items():
        if config.get(key) not in allowed:
            value = shown(config[key])
            raise SwissbertError(f"{where}: {key} is {value}, but only {allowed[0]!r} is supported")
    _check_flags(folder, config)
    check_added(where, [{"content": token, "id": 0} for token in _extra(config)])


def _check_flags(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse settings of the normalization that are neither true nor false."""
    where = folder / CONFIG
    for key in NORMALIZER.values():
        if not isinstance(config.get(key), bool | None):
            raise SwissbertError(f"{where}: {key} is {shown(config[key])}, but it must be true or false")


def _check_agreement(folder: Path, parts: TokenizerParts, config: Mapping[str, Any]) -> None:
    """Compare ``tokenizer.json`` with the files beside it."""
    fast = parts.fast
    if (folder / VOCABULARY).is_file():
        _check_entries(folder, fast, parts.vocabulary)
    normalizer = part_of(fast, "normalizer")
    if normalizer.get("type") == "BertNormalizer":
        if normalizer.get("strip_accents") is None:  # then accents go by letter case
            normalizer["strip_accents"] = normalizer.get("lowercase")
        for ours, theirs in NORMALIZER.items():
            if config.get(theirs) not in (None, normalizer.get(ours)):
                _contradiction(folder, CONFIG, f"{theirs} is {config[theirs]}", f"has {ours} = {normalizer.get(ours)}")
    prefix = _prefix_space(fast)
    if prefix is not None and config.get("add_prefix_space") not in (None, prefix):
        here = f"add_prefix_space is {config['add_prefix_space']}"
        _contradiction(folder, CONFIG, here, f"has add_prefix_space = {prefix}")
    for number, token in config["added_tokens_decoder"].items():
        if fast.token_to_id(token["content"]) != number:
            name = ADDED if (folder / ADDED).is_file() else CONFIG
            _contradiction(folder, name, *_numbers(fast, token["content"], number))
    known = {str(token.content) for token in fast.get_added_tokens_decoder().values()}
    for token in _extra(config):
        if token not in known:
            _contradiction(folder, CONFIG, f"'{token}' is a special token", "does not list it as an added token")


def _prefix_space(fast: FastTokenizer) -> bool | None:
    """Whether byte-level BPE puts a space before a text; None for other tokenizers."""
    splitter = fast.pre_tokenizer
    return bool(splitter.add_prefix_space) if isinstance(splitter, ByteLevel) else None


def _check_entries(folder: Path, fast: FastTokenizer, plain: Mapping[str, int]) -> None:
    """Compare ``tokenizer.json`` with ``vocab.txt``, which may list added tokens or not."""
    lines = _entries(folder / VOCABULARY)
    if lines == plain or lines == (whole := fast.get_vocab(with_added_tokens=True)):
        return
    for token, number in lines.items():
        if whole.get(token) != number:
            _contradiction(folder, VOCABULARY, *_numbers(fast, token, number))
    for token, number in sorted(plain.items(), key=lambda item: item[1]):
        if token and token not in lines:
            _contradiction(folder, VOCABULARY, f"'{token}' is missing", f"has it as entry {number}")


def _numbers(fast: FastTokenizer, token: str, number: int) -> tuple[str, str]:
    """Return two clauses: the number of a token in a file, and in ``tokenizer.json``."""
    actual = fast.token_to_id(token)
    return f"'{token}' is entry {number}", "does not have it" if actual is None else f"has it as entry {actual}"


def _contradiction(folder: Path, name: str, here: str, there: str) -> None:
    raise SwissbertError(f"{folder / name}: {here}, but {FILE} beside it {there}; delete the file that is wrong")


def _from_vocabulary(
    folder: Path, config: Mapping[str, Any], special: dict[str, str], vocab_size: int | None
) -> TokenizerParts:
    """Put the tokenizer together from ``vocab.txt`` and settings."""
    if not (folder / VOCABULARY).is_file():
        others = [name for name in OTHER_FILES if (folder / name).is_file()]
        advice = f"; {others[0]} is not read: {_ADVICE} from it" if others else ""
        raise SwissbertError(f"{folder}: no {FILE} or {VOCABULARY}, so texts cannot be tokenized{advice}")
    vocabulary = _entries(folder / VOCABULARY)
    check_size(vocabulary.values(), vocab_size, folder)
    lacking = [special[key] for key in ("cls_token", "sep_token", "unk_token") if special[key] not in vocabulary]
    if lacking:
        raise SwissbertError(f"{folder}: the vocabulary lacks {' and '.join(lacking)}")
    stated = _stated(config)
    options = {ours: stated[theirs] for ours, theirs in NORMALIZER.items() if theirs in stated}
    notes = []
    if "lowercase" not in options:
        capital = next((token for token in vocabulary if _has_capital(token, special)), None)
        if capital is not None:
            options["lowercase"] = False
            notes.append(
                f"{folder / VOCABULARY}: has entries with capitals, such as '{capital}', and do_lower_case is not stated "
                f"in {CONFIG}, so capitals of texts are kept"
            )
    fast = word_piece(vocabulary, special, options)
    tokens: dict[int, dict[str, Any]] = config["added_tokens_decoder"]
    fast.add_tokens([added_token(token) for token in tokens.values()])
    fast.add_special_tokens([token for token in special.values() if token in vocabulary])
    fast.add_special_tokens(_extra(config))
    for number, token in tokens.items():
        if fast.token_to_id(token["content"]) != number:
            raise SwissbertError(
                f"{folder}: the added token '{token['content']}' has the number {number}, but the vocabulary leads to "
                f"{fast.token_to_id(token['content'])}; {VOCABULARY} and the added tokens are of different encoders"
            )
    return TokenizerParts(fast, vocabulary, special, notes=notes)


def _entries(path: Path) -> dict[str, int]:
    """Return the entries of ``vocab.txt`` with their numbers; of equal lines the last one counts, as in transformers."""
    try:
        lines = regular_bytes(path, JSON_BYTES).count(b"\n")
    except OSError as error:
        raise SwissbertError(f"{path}: cannot be read ({error.strerror or error})") from error
    if lines > JSON_VALUES:
        raise SwissbertError(f"{path}: has {lines:,} lines; a vocabulary of up to {JSON_VALUES:,} is read")
    with engine_errors(path):
        entries: dict[str, int] = WordPiece.read_file(str(path))
    entries.pop("", None)  # a blank line, often the last one, stands for no word
    return dict(sorted(entries.items(), key=lambda item: item[1]))


def _has_capital(token: str, special: Mapping[str, str]) -> bool:
    """Whether an entry has a capital letter and is no special token such as ``[unused1]`` or ``<S>``."""
    is_special = token in special.values() or (len(token) > 2 and token[0] + token[-1] in ("[]", "<>"))
    return not is_special and token.lower() != token


def _content(token: object) -> str | None:
    """Return the text of a token that is stored as a text or as a table."""
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None


def _extra(config: Mapping[str, Any]) -> list[str]:
    """Return additional special tokens, under both names that transformers had for them."""
    tokens = config.get("extra_special_tokens") or config.get("additional_special_tokens") or []
    listed = list(tokens.values()) if isinstance(tokens, dict) else tokens if isinstance(tokens, list) else []
    return [text for token in listed if (text := _content(token))]
