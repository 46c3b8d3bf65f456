"""Parts of ``tokenizer.json`` of byte-level BPE and Unigram that are read, and those that are refused."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import normalizers

import family
from swissbert.data.charsmap import check_charsmap
from swissbert.data.tokens import Tokenizer
from swissbert.errors import SwissbertError


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for member in ("roberta", "xlm-roberta"):
        folders[member] = tmp_path_factory.mktemp(member)
        family.TOKENIZERS[member]().save_pretrained(folders[member])
    folders["spm"] = tmp_path_factory.mktemp("spm")
    table = json.loads((folders["xlm-roberta"] / "tokenizer.json").read_text(encoding="utf-8")) | {
        "normalizer": SPM,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
    }
    (folders["spm"] / "tokenizer.json").write_text(json.dumps(table), encoding="utf-8")
    return folders


def charsmap(
    *, text: bytes = b"b\0", value: int = 0, offset: int = 0xE1, size: int = 512, leaf: int = 1 << 31, root: int = 0
) -> str:
    """A table that replaces ``a``, by default with ``b``."""
    units = np.zeros(size, "<u4")
    units[0] = 256 << 10 | root
    units[256 ^ 0x61] = 0x61 | 1 << 8 | offset << 10
    units[256 ^ 0x61 ^ 0xE1] = leaf | value
    return base64.b64encode((4 * size).to_bytes(4, "little") + units.tobytes() + text).decode()


def test_a_table_of_replacements_is_read_as_the_library_reads_it() -> None:
    assert check_charsmap(charsmap()) is None
    assert normalizers.Precompiled(base64.b64decode(charsmap())).normalize_str("banal") == "bbnbl"


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (charsmap(value=2), "leads outside of its replacements"),
        (charsmap(text="é\0".encode(), value=1), "leads outside of its replacements"),
        (charsmap(leaf=0, value=100 << 10), "leads outside of its replacements"),
        (charsmap(root=1 << 31), "leads outside of its trie"),
        (charsmap(offset=0x1000), "leads outside of its trie"),
        (charsmap(text=b"b" * 65 + b"\0"), "has a replacement of more than 64 bytes"),
        (charsmap(text=b"b"), "has no trie and replacements of the stated size"),
        (charsmap(text=b"\xff\0"), "has replacements that are not UTF-8"),
        (charsmap(size=500), "has no trie and replacements of the stated size"),
        ("%%%", "is not base64"),
        ("", "has no trie and replacements of the stated size"),
        (None, "is no text of up to 2,796,202 characters"),
    ],
)
def test_a_damaged_table_of_replacements_is_refused(table: str | None, problem: str) -> None:
    assert check_charsmap(table) == problem


def replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": [*steps]}


SPM = sequence(
    {"type": "Precompiled", "precompiled_charsmap": charsmap()},
    {"type": "Strip", "strip_left": False, "strip_right": True},
    replace({"Regex": " {2,}"}, "▁"),
)
"""As transformers writes it for a model of SentencePiece."""


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("normalizer", {"type": "NFC"}),
        ("normalizer", sequence({"type": "NFKC"}, {"type": "Lowercase"}, {"type": "StripAccents"})),
        ("normalizer", sequence({"type": "Precompiled", "precompiled_charsmap": charsmap()})),
        ("normalizer", sequence(replace({"String": "``"}, '"'), replace({"Regex": " {2,}"}, " "))),
        ("normalizer", SPM),
        ("decoder", None),
    ],
)
def test_parts_of_the_family_are_read(stored: dict[str, Path], tmp_path: Path, part: str, value: Any) -> None:
    table = json.loads((stored["xlm-roberta"] / "tokenizer.json").read_text(encoding="utf-8"))
    (tmp_path / "tokenizer.json").write_text(json.dumps(table | {part: value}), encoding="utf-8")
    assert Tokenizer(tmp_path).separators == 2


MANY = sequence(*[{"type": "NFC"}] * 17)
TWO_TABLES = sequence(*[{"type": "Precompiled", "precompiled_charsmap": charsmap()}] * 2)
SPLIT = {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "(a+)+$"}}]}


@pytest.mark.parametrize(
    ("member", "part", "value", "sentence"),
    [
        ("roberta", "normalizer", replace({"Regex": "(?:a+)+$"}, ""), "has the normalizer {'type': 'Replace'"),
        ("roberta", "normalizer", replace({"String": "a"}, "aa"), "has the normalizer {'type': 'Replace'"),
        ("roberta", "normalizer", replace({"String": ""}, ""), "has the normalizer {'type': 'Replace'"),
        ("roberta", "normalizer", replace({"Regex": " {2,}"}, "xx"), "has the normalizer {'type': 'Replace'"),
        ("roberta", "normalizer", {"type": "Strip", "strip_left": 1}, "has the normalizer {'type': 'Strip'"),
        ("roberta", "normalizer", {"type": "Prepend", "prepend": "x"}, "has the normalizer Prepend, which"),
        ("roberta", "normalizer", sequence(sequence()), "has the normalizer Sequence, which"),
        ("roberta", "normalizer", MANY, "has the normalizer {'type': 'Sequence'"),
        ("roberta", "normalizer", TWO_TABLES, "its normalizer has two tables precompiled_charsmap"),
        ("roberta", "pre_tokenizer.use_regex", False, "has the pre_tokenizer {'type': 'ByteLevel'"),
        ("roberta", "pre_tokenizer", {"type": "BertPreTokenizer"}, "has the pre_tokenizer BertPreTokenizer, which"),
        ("roberta", "decoder", {"type": "WordPiece"}, "has the decoder WordPiece, which"),
        ("roberta", "model.dropout", 0.1, "model.dropout is 0.1, but only None is supported"),
        ("roberta", "model.merges", [["a", "b", "c"]], "an entry of model.merges is ['a', 'b', 'c'], but two pieces"),
        ("roberta", "model.merges", [["a", "~~~"]], "model.merges has '~~~', which is not in the vocabulary"),
        ("roberta", "model.byte_fallback", True, "model.byte_fallback is True, but only False is supported"),
        ("xlm-roberta", "model.unk_id", 10**6, "model.unk_id is 1000000, but a whole number below the"),
        ("xlm-roberta", "model.vocab", [["a", float("nan")]], "an entry of model.vocab is ['a', nan], but a text"),
        ("xlm-roberta", "model.vocab", [["a" * 201, 0.0]], "an entry of model.vocab is ['aaa"),
        ("xlm-roberta", "model.vocab", [["a", 10**400]], "score between -1,000,000 and 1,000,000 are expected"),
        ("xlm-roberta", "model.vocab", [], "model.vocab is [], but a list of up to 2,000,000 pieces"),
        ("xlm-roberta", "pre_tokenizer", SPLIT, "has the pre_tokenizer {'type': 'Sequence'"),
        ("xlm-roberta", "pre_tokenizer", {"type": "Metaspace", "replacement": "_"}, "has the pre_tokenizer {'type'"),
        ("xlm-roberta", "post_processor.pair", [], "has the post_processor {'type': 'TemplateProcessing'"),
    ],
)
def test_other_parts_are_refused_by_name(
    stored: dict[str, Path], tmp_path: Path, member: str, part: str, value: Any, sentence: str
) -> None:
    table = json.loads((stored[member] / "tokenizer.json").read_text(encoding="utf-8"))
    owner, _, key = part.rpartition(".")
    (table[owner] if owner else table)[key] = value
    (tmp_path / "tokenizer.json").write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(SwissbertError) as caught:
        Tokenizer(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/tokenizer.json: ")
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 700


def test_settings_that_contradict_the_file_are_refused(stored: dict[str, Path], tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((stored["roberta"] / name).read_bytes())
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings | {"add_prefix_space": True}), encoding="utf-8")
    with pytest.raises(SwissbertError, match="add_prefix_space is True, but tokenizer"):
        Tokenizer(tmp_path)


def test_vocabularies_without_tokenizer_file_lead_to_one(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SwissbertError, match=r"vocab\.json is not read: AutoTokenizer\.from_pretrained"):
        Tokenizer(tmp_path)


def test_a_template_with_two_separators_and_types_is_that_of_two_separators(
    stored: dict[str, Path], tmp_path: Path
) -> None:
    """As transformers converts MPNet."""
    table = json.loads((stored["xlm-roberta"] / "tokenizer.json").read_text(encoding="utf-8"))
    for piece in table["post_processor"]["pair"][4:]:
        next(iter(piece.values()))["type_id"] = 1
    (tmp_path / "tokenizer.json").write_text(json.dumps(table), encoding="utf-8")
    tokens, usual = (
        Tokenizer(folder).encode(["a film"], ["it is"], together=True, max_length=20)
        for folder in (tmp_path, stored["xlm-roberta"])
    )
    assert tokens.separators == usual.separators == 2
    assert (tokens.ids.tolist(), tokens.first.tolist()) == (usual.ids.tolist(), usual.first.tolist())


def test_places_are_those_of_tokens_without_the_spaces_before_them(stored: dict[str, Path]) -> None:
    text = " no  film 你好世界"
    table, places = Tokenizer(stored["spm"]).encode_with_places(
        [text, text], [text, "no"], together=False, max_length=30
    )
    assert len(table) == 2
    assert places[places[:, 0] < 0].tolist() == [[-1, 0, 0]] * 8
    assert [text[a:b] for part, a, b in places.tolist() if part == 0][-4:] == ["你", "好", "世", "界"]
    assert not any(mark.isspace() for part, a, b in places.tolist() for mark in text[a:b] if part == 0)
    assert all(b > a for part, a, b in places.tolist() if part >= 0)


@pytest.mark.parametrize("member", ["roberta", "xlm-roberta", "spm"])
def test_very_long_texts_have_the_tokens_that_they_would_have_uncut(
    stored: dict[str, Path], member: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swissbert.data import tokens

    tokenizer = Tokenizer(stored[member])
    pieces = ["a film", "  ", " ", "\n", "你好世界", "。", "'s", "!", "\u3000", "e\u0301", "<s>", "🎉", "good ", "'"]
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(pieces, 400)) for _ in range(60)]
    cut = tokenizer.encode(texts, None, together=False, max_length=12)
    monkeypatch.setattr(tokens, "CHARACTERS", 10**9)
    whole = tokenizer.encode(texts, None, together=False, max_length=12)
    assert cut.ids.tolist() == whole.ids.tolist()
