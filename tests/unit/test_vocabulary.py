"""Tokenizers put together from the files of encoder folders, against transformers, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from swissbert.data.tokens import Tokenizer
from swissbert.data.word_piece import engine_errors
from swissbert.errors import SwissbertError

USUAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ODD = ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
LETTERS = "abcdefABCDEFéÉüß!,.-<>[]你好"
WORDS = ["the", "film", "Film", "creme", "Crème", "##s", "##ing", "fin", "cafe", "CAFE"]
NAMES = dict(zip(["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"], ODD, strict=True))
DECODER = {"content": "<place>", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
TEXTS = [
    "The FILM's Crème, cafés fing <place>here <e1> <E1>X",
    "[CLS] [SEP] <s></s> [MASK] <mask> [unused1]",
    "你好 Film ÉÜ\u0301 naïve ﬁn\u200b\u00a0 e\u0301 \x07 \ufffd",
    "",
    "a" * 150,
]


def write(
    folder: Path,
    words: list[str] | None = None,
    *,
    special: list[str] = USUAL,
    ending: str = "\n",
    **files: object,
) -> Path:
    """Write a folder: a vocabulary, and each further file as JSON, by its name without ``.json``."""
    folder.mkdir(exist_ok=True)
    entries = [*special, "[unused1]", *LETTERS, *(f"##{letter}" for letter in LETTERS), *(words or WORDS)]
    (folder / "vocab.txt").write_bytes("".join(entry + ending for entry in entries).encode())
    (folder / "config.json").write_text('{"model_type": "bert"}')
    for name, table in files.items():
        (folder / f"{name}.json").write_text(json.dumps(table))
    return folder


def count(folder: Path) -> int:
    return len((folder / "vocab.txt").read_text(encoding="utf-8").splitlines())


def ids(tokenizer: Tokenizer, texts: list[str], length: int = 64) -> list[list[int]]:
    table = tokenizer.encode(texts, None, together=True, max_length=length)
    return [table.ids[a:b].tolist() for a, b in zip(table.offsets, table.offsets[1:], strict=False)]


def assert_as_transformers(folder: Path, texts: list[str], length: int = 64) -> None:
    """Compare tokens of a folder, and of the folder that is saved from it, with those of transformers."""
    ours = Tokenizer(folder)
    oracle: Any = AutoTokenizer.from_pretrained(str(folder))
    expected = oracle(texts, truncation=True, max_length=length)["input_ids"]
    assert ids(ours, texts, length) == expected
    saved = folder / "saved"
    shutil.rmtree(saved, ignore_errors=True)
    saved.mkdir()
    ours.save(saved, length)
    again: Any = AutoTokenizer.from_pretrained(str(saved))
    assert again.model_max_length == length
    assert again(texts, truncation=True)["input_ids"] == expected
    for read_as_stored in (True, False):
        assert ids(Tokenizer(saved, as_stored=read_as_stored), texts, length) == expected
    (saved / "tokenizer.json").unlink()
    assert ids(Tokenizer(saved), texts, length) == expected


FOLDERS: dict[str, dict[str, Any]] = {
    "uncased": {"tokenizer_config": {"do_lower_case": True}},
    "cased": {"tokenizer_config": {"do_lower_case": False, "tokenizer_class": "BertTokenizerFast"}},
    "accents": {"tokenizer_config": {"do_lower_case": True, "strip_accents": False}},
    "chinese": {"tokenizer_config": {"do_lower_case": True, "tokenize_chinese_chars": False}},
    "left": {"tokenizer_config": {"do_lower_case": True, "truncation_side": "left"}},
    "names": {"special": ODD, "tokenizer_config": {"do_lower_case": True, **NAMES}},
    "names in the old file": {"special": ODD, "tokenizer_config": {"do_lower_case": True}, "special_tokens_map": NAMES},
    "names as tables": {
        "special": ODD,
        "tokenizer_config": {"do_lower_case": False},
        "special_tokens_map": {key: {**DECODER, "content": name, "lstrip": True} for key, name in NAMES.items()},
    },
    "windows": {"ending": "\r\n", "tokenizer_config": {"do_lower_case": True}},
    "blank line": {"words": [*WORDS, ""], "tokenizer_config": {"do_lower_case": True}},
    "repeated": {"words": ["film", "the", "film", "fin"], "tokenizer_config": {"do_lower_case": True}},
    "old": {
        "tokenizer_config": {"do_lower_case": True, "do_basic_tokenize": True, "never_split": None, "name_or_path": "x"}
    },
}


@pytest.mark.parametrize("name", FOLDERS)
def test_tokens_are_those_of_transformers(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "folder", **FOLDERS[name])
    assert_as_transformers(folder, TEXTS)
    assert_as_transformers(folder, [" ".join(TEXTS)], length=16)


@pytest.mark.parametrize("kind", ["added_tokens", "decoder", "special", "both"])
def test_added_tokens_are_those_of_transformers(tmp_path: Path, kind: str) -> None:
    folder = write(tmp_path / "folder")
    first = count(folder)
    table: dict[str, Any] = {"do_lower_case": True}
    if kind in ("added_tokens", "both"):
        (folder / "added_tokens.json").write_text(json.dumps({"<e1>": first + 1, "<place>": first}))
    if kind == "decoder":
        flags = {"lstrip": True, "rstrip": True, "special": True}
        table["added_tokens_decoder"] = {
            str(first): DECODER | flags,
            str(first + 1): DECODER | {"content": "<e1>", "normalized": True, "special": False},
        }
    if kind in ("special", "both"):
        table["additional_special_tokens"] = ["<place>", "<e1>"]
    (folder / "tokenizer_config.json").write_text(json.dumps(table))
    assert_as_transformers(folder, TEXTS)
    words = Tokenizer(folder).words(ids(Tokenizer(folder), ["a <place> b"])[0])
    assert words == ["[CLS]", "a", "<place>", "b", "[SEP]"]
    with pytest.raises(SwissbertError, match=f"the vocabulary has {first + 2} entries, but the encoder has {first}"):
        Tokenizer(folder, first)


ALPHABET = st.sampled_from(
    [*LETTERS, " ", "\t", "\n", "İ", "ς", "\u0301", "\u200d", "😀", "<e1>", "[MASK]", "[CLS]", "ing"]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(ALPHABET, max_size=30).map("".join) | st.text(max_size=30), min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from([None, True, False]),
    st.booleans(),
)
def test_any_text_has_the_tokens_of_transformers(
    tmp_path: Path, texts: list[str], lower: bool, accents: bool | None, chinese: bool
) -> None:
    table = {"do_lower_case": lower, "strip_accents": accents, "tokenize_chinese_chars": chinese}
    folder = write(tmp_path / "folder", tokenizer_config=table)
    (folder / "added_tokens.json").write_text(json.dumps({"<e1>": count(folder)}))
    oracle: Any = AutoTokenizer.from_pretrained(str(folder))
    assert ids(Tokenizer(folder), texts) == oracle(texts, truncation=True, max_length=64)["input_ids"]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            {"tokenizer_class": "RobertaTokenizer"},
            "is 'RobertaTokenizer', which is read from tokenizer.json only; Auto",
        ),
        ({"tokenizer_class": "GPT2Tokenizer"}, "tokenizer_class is 'GPT2Tokenizer', but only AlbertTokenizer, Bert"),
        (
            {"tokenizer_class": "PreTrainedTokenizerFast"},
            "tokenizer_class is 'PreTrainedTokenizerFast', but only Albert",
        ),
        ({"tokenizer_class": ["x"]}, "tokenizer_class is ['x'], but only"),
        ({"never_split": ["new york"]}, "never_split is ['new york'], but only None is supported"),
        ({"do_basic_tokenize": False}, "do_basic_tokenize is False, but only True is supported"),
        ({"split_special_tokens": True}, "split_special_tokens is True, but only False is supported"),
        ({"do_lower_case": "false"}, "do_lower_case is 'false', but it must be true or false"),
        ({"truncation_side": "middle"}, "truncation_side is 'middle', but it must be 'right' or 'left'"),
        ({"cls_token": "<s>"}, "the vocabulary lacks <s>"),
        ({"added_tokens_decoder": [1]}, "added_tokens_decoder is [1], but a table is expected"),
        (
            {"added_tokens_decoder": {"x": DECODER}},
            "the number of an added token is 'x', but a whole number is expected",
        ),
        (
            {"added_tokens_decoder": {"9000": DECODER}},
            "the added token '<place>' has the number 9000, but the vocabulary",
        ),
        ({"added_tokens_decoder": {"9000": {"a": 1}}}, "the added token 9000 has no text"),
    ],
)
def test_settings_that_would_change_tokens_are_refused(tmp_path: Path, table: dict[str, Any], sentence: str) -> None:
    folder = write(tmp_path / "folder", tokenizer_config=table)
    with pytest.raises(SwissbertError) as caught:
        Tokenizer(folder)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(str(folder))


def test_a_blank_line_at_the_end_of_a_vocabulary_is_no_entry(tmp_path: Path) -> None:
    folder = write(tmp_path / "folder", [*WORDS, ""], tokenizer_config={"do_lower_case": True})
    Tokenizer(folder, count(folder) - 1)
    with pytest.raises(SwissbertError, match=f"the vocabulary has {count(folder) - 1} entries, but the encoder has 5"):
        Tokenizer(folder, 5)


def complete(folder: Path, **options: Any) -> Path:
    """Write a folder with ``tokenizer.json``, as swissbert saves it."""
    source = write(folder, **options)
    Tokenizer(source).save(source)
    return source


@pytest.mark.parametrize(
    ("file", "change", "sentence"),
    [
        (
            "vocab.txt",
            ("film", "movie"),
            "vocab.txt: 'movie' is entry 59, but tokenizer.json beside it does not have it",
        ),
        (
            "vocab.txt",
            ("film\nFilm", "Film\nfilm"),
            "vocab.txt: 'Film' is entry 59, but tokenizer.json beside it has it as entry 60",
        ),
        (
            "vocab.txt",
            ("cafe\nCAFE\n", ""),
            "vocab.txt: 'cafe' is missing, but tokenizer.json beside it has it as entry 66",
        ),
        (
            "tokenizer_config.json",
            ('"do_lower_case": true', '"do_lower_case": false'),
            "do_lower_case is False, but tokenizer",
        ),
        (
            "tokenizer_config.json",
            ('"strip_accents": null', '"strip_accents": false'),
            "strip_accents is False, but tokenizer",
        ),
    ],
)
def test_files_that_contradict_each_other_are_refused(
    tmp_path: Path, file: str, change: tuple[str, str], sentence: str
) -> None:
    folder = complete(tmp_path / "folder", tokenizer_config={"do_lower_case": True})
    text = (folder / file).read_text(encoding="utf-8")
    assert change[0] in text
    (folder / file).write_text(text.replace(change[0], change[1], 1), encoding="utf-8")
    with pytest.raises(SwissbertError) as caught:
        Tokenizer(folder)
    assert sentence in str(caught.value)
    Tokenizer(folder, as_stored=True)  # a model folder is read by tokenizer.json alone


def test_added_tokens_beside_a_complete_tokenizer_must_be_in_it(tmp_path: Path) -> None:
    folder = complete(tmp_path / "folder", tokenizer_config={"do_lower_case": True})
    (folder / "added_tokens.json").write_text(json.dumps({"<place>": count(folder)}))
    with pytest.raises(
        SwissbertError, match=r"added_tokens\.json: '<place>' is entry \d+, but tokenizer\.json .* does not have it"
    ):
        Tokenizer(folder)
    (folder / "added_tokens.json").write_text("{}")
    (folder / "special_tokens_map.json").write_text(json.dumps({"additional_special_tokens": ["<place>"]}))
    with pytest.raises(SwissbertError, match=r"'<place>' is a special token, but tokenizer\.json .* does not list it"):
        Tokenizer(folder)


def test_a_complete_tokenizer_alone_is_enough(tmp_path: Path) -> None:
    folder = complete(tmp_path / "folder", tokenizer_config={"do_lower_case": False})
    expected = ids(Tokenizer(folder), TEXTS)
    for name in ("vocab.txt", "tokenizer_config.json"):
        (folder / name).unlink()
    assert ids(Tokenizer(folder), TEXTS) == expected


def test_other_models_of_tokens_are_refused(tmp_path: Path) -> None:
    from tokenizers import Tokenizer as FastTokenizer
    from tokenizers.models import WordLevel

    folder = write(tmp_path / "folder")
    FastTokenizer(WordLevel()).save(str(folder / "tokenizer.json"))
    with pytest.raises(
        SwissbertError, match=r"a tokenizer of the type WordLevel, but only WordPiece, BPE, Unigram are read$"
    ):
        Tokenizer(folder)


NFC = {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}
PANICS = {"type": "Replace", "pattern": {"Regex": "(?:a+)+$"}, "content": ""}
HUGE = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10**6}
TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [{"Sequence": {"id": "A", "type_id": 7}}],
    "pair": [],
    "special_tokens": {},
}


@pytest.mark.parametrize(
    ("part", "value", "sentence"),
    [
        ("normalizer", NFC, "has the normalizer Sequence, which the tokenizers of the BERT family do not have"),
        ("normalizer", PANICS, "has the normalizer Replace, which"),
        ("normalizer", HUGE, "has the normalizer Replace, which"),
        ("pre_tokenizer", {"type": "Split"}, "has the pre_tokenizer Split, which"),
        ("pre_tokenizer", None, "has the pre_tokenizer None, which"),
        ("decoder", {**PANICS}, "has the decoder Replace, which"),
        ("post_processor", TEMPLATE, "has the post_processor {'type': 'TemplateProcessing', 'single'"),
        ("post_processor", {"type": "BertProcessing", "cls": 1, "sep": 2}, "has the post_processor {'type': 'Bert"),
        ("added_tokens", [{"id": 0, "content": "x" * 1001}], "an added token is {'id': 0, 'content': 'xxxx"),
        ("added_tokens", [{"id": 0, "content": "x"}] * 10_001, "a list of up to 10,000 added tokens is expected"),
        ("plugin", {}, "has the part plugin, which"),
        ("model.unk_token", "<unk>", "model.unk_token is '<unk>', which is not in the vocabulary"),
        ("model.max_input_chars_per_word", 10**6, "model.max_input_chars_per_word is 1000000; a whole number from 1"),
        ("model.continuing_subword_prefix", "#" * 10**6, "model.continuing_subword_prefix is '####"),
        ("model.vocab", {"a": 2**31}, "model.vocab is {'a': 2147483648}, but a table"),
        ("model.type", "WordLevel", "a tokenizer of the type WordLevel, but only WordPiece, BPE"),
    ],
)
def test_parts_that_bert_does_not_have_are_refused_by_name(
    tmp_path: Path, part: str, value: Any, sentence: str
) -> None:
    folder = complete(tmp_path / "folder", tokenizer_config={"do_lower_case": True})
    table = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    owner, _, key = part.rpartition(".")
    (table[owner] if owner else table)[key] = value
    (folder / "tokenizer.json").write_text(json.dumps(table), encoding="utf-8")
    for as_stored in (True, False):
        with pytest.raises(SwissbertError) as caught:
            Tokenizer(folder, as_stored=as_stored)
        assert str(caught.value).startswith(f"{folder}/tokenizer.json: ")
        assert sentence in str(caught.value)
        assert len(str(caught.value)) < 700


def test_a_key_that_stands_twice_in_a_tokenizer_file_is_refused(tmp_path: Path) -> None:
    folder = complete(tmp_path / "folder", tokenizer_config={"do_lower_case": True})
    text = (folder / "tokenizer.json").read_text(encoding="utf-8")
    hidden = json.dumps(HUGE)
    (folder / "tokenizer.json").write_text(text.replace('"normalizer":', f'"normalizer":{hidden},"normalizer":', 1))
    with pytest.raises(SwissbertError, match="a key stands twice in one table"):
        Tokenizer(folder)


def test_a_panic_of_the_library_is_an_error_with_a_sentence() -> None:
    class PanicException(BaseException):
        """As the library raises it, which is no Exception."""

    for error in (PanicException("called `Option::unwrap()`"), Exception("Missing [UNK]")):
        with pytest.raises(SwissbertError, match=r"^x: the tokenizer failed \((called|Missing)"), engine_errors("x"):
            raise error
    with pytest.raises(KeyboardInterrupt), engine_errors("x"):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("file", "table"),
    [
        ("added_tokens.json", {"<e1>": [1]}),
        ("added_tokens.json", {"<e1>": 10**30}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"9" * 5000: DECODER}}),
        ("tokenizer_config.json", {"additional_special_tokens": ["<e1>"] * 10_001}),
        ("tokenizer_config.json", {"do_lower_case": "x"}),
    ],
)
def test_odd_values_beside_a_vocabulary_are_refused(tmp_path: Path, file: str, table: dict[str, Any]) -> None:
    folder = write(tmp_path / "folder")
    (folder / file).write_text(json.dumps(table))
    with pytest.raises(SwissbertError) as caught:
        Tokenizer(folder)
    assert len(str(caught.value)) < 700


def test_a_vocabulary_of_too_many_lines_is_refused_before_it_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "folder")
    with (folder / "vocab.txt").open("a") as file:
        file.write("".join(f"{number}\n" for number in range(700_000)))
    with pytest.raises(SwissbertError, match="lines; a vocabulary of up to 700,000 is read"):
        Tokenizer(folder)
