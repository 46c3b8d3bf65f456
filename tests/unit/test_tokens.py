"""The tokenizer, against transformers, and token tables."""

import json
from pathlib import Path
from typing import Any

import pytest

from swissbert.data.dataset import tokenize
from swissbert.data.rows import Row
from swissbert.data.token_table import TokenTable
from swissbert.data.tokens import Tokenizer
from swissbert.errors import SwissbertError
from swissbert.tasks import find_task

SENTENCES = [
    "A fine film .",
    "I 'd say it's dull, isn't it?",
    "unbelievability of antidisestablishmentarianism",
    "",
    "   spaces \t tabs \n and lines  ",
    "Crème brûlée à la façon de l'ÎLE, cafe\u0301",
    "Straße und Fuß, ﬁn, \u0130stanbul, ΣΊΣΥΦΟΣ",
    "你好 world 日本語 テスト 한국어",
    "\U0001f600 \U0001f44d\U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467 flags \U0001f1e8\U0001f1ed",
    "zero\u200bwidth, soft\u00adhyphen, no\u00a0break, \ufeffmark, \u2028separator, bell\x07, \ufffd",
    "مرحبا بالعالم שלום עולם नमस्ते दुनिया สวัสดี",
    "[CLS] injected [SEP] and [MASK] [PAD] [UNK] [sep]",
    "http://example.com/a?b=c&d=1#e $3.50 50% «quoted» “curly” — dash…",
    "x" * 150,
    "word " * 40,
]
LONG = "the long road goes ever on and on down from the door where it began " * 12


@pytest.fixture(scope="module")
def ours(minilm: Path) -> Tokenizer:
    return Tokenizer(minilm, 30522)


@pytest.fixture(scope="module")
def oracle(minilm: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(minilm))


def sequences(table: TokenTable) -> list[tuple[list[int], list[int]]]:
    """Return ids and token types of every sequence of a table."""
    result = []
    for s in range(len(table.offsets) - 1):
        ids = table.ids[table.offsets[s] : table.offsets[s + 1]].tolist()
        result.append((ids, [0] * int(table.first[s]) + [1] * (len(ids) - int(table.first[s]))))
    return result


def expected(oracle: Any, texts: list[str], pairs: list[str] | None, length: int) -> list[tuple[list[int], list[int]]]:
    encoded = oracle(texts, pairs, truncation="longest_first", max_length=length)
    return list(zip(encoded["input_ids"], encoded["token_type_ids"], strict=True))


def write_vocabulary(folder: Path, words: list[str], **settings: object) -> Path:
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    if settings:
        table = {"tokenizer_class": "BertTokenizer", **settings}
        (folder / "tokenizer_config.json").write_text(json.dumps(table), encoding="utf-8")
    return folder


SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


# The same tokens as transformers


def test_the_oracle_is_the_fast_bert_tokenizer(oracle: Any) -> None:
    from transformers import BertTokenizer

    assert isinstance(oracle, BertTokenizer)  # BertTokenizerFast is another name of it
    assert oracle.is_fast


@pytest.mark.parametrize("length", [8, 16, 64, 512])
def test_sentences_have_the_tokens_of_transformers(ours: Tokenizer, oracle: Any, length: int) -> None:
    texts = [*SENTENCES, LONG]
    table = ours.encode(texts, None, together=True, max_length=length)
    assert sequences(table) == expected(oracle, texts, None, length)
    assert table.lengths.max() <= length


@pytest.mark.parametrize("length", [8, 9, 16, 64, 512])
def test_pairs_have_the_tokens_of_transformers_and_are_truncated_at_the_longer_text(
    ours: Tokenizer, oracle: Any, length: int
) -> None:
    firsts = [*SENTENCES, LONG, "short", LONG, "one two three four five six seven"]
    seconds = [*reversed(SENTENCES), "short", LONG, LONG + "end", "one two three four"]
    table = ours.encode(firsts, seconds, together=True, max_length=length)
    assert sequences(table) == expected(oracle, firsts, seconds, length)
    assert table.lengths.max() <= length
    assert len(table) == len(firsts)


def test_truncating_a_long_first_text_keeps_a_short_second_one(ours: Tokenizer) -> None:
    [(ids, types)] = sequences(ours.encode([LONG], ["short one"], together=True, max_length=16))
    assert ours.words(ids)[-3:] == ["short", "one", "[SEP]"]
    assert types == [0] * 13 + [1] * 3


def test_separate_texts_have_the_tokens_of_single_texts(ours: Tokenizer, oracle: Any) -> None:
    firsts, seconds = [*SENTENCES, LONG], [LONG, *SENTENCES]
    table = ours.encode(firsts, seconds, together=False, max_length=16)
    in_turn = [text for both in zip(firsts, seconds, strict=True) for text in both]
    assert sequences(table) == expected(oracle, in_turn, None, 16)
    assert table.per_row == 2
    assert len(table) == len(firsts)
    alone = [ours.encode(texts, None, together=False, max_length=16).lengths for texts in (firsts, seconds)]
    assert table.lengths.tolist() == (alone[0] + alone[1]).tolist()


def test_max_length_applies_to_its_own_call_only(ours: Tokenizer) -> None:
    ours.encode([LONG], None, together=True, max_length=8)
    assert ours.encode([LONG], None, together=True, max_length=2**20).lengths[0] > 128


# The table


def test_a_table_holds_ids_end_to_end_in_small_types(ours: Tokenizer) -> None:
    table = ours.encode(["a film", "the"], ["a", "film the"], together=True, max_length=64)
    cls, sep = ours.cls, ours.sep
    a, film, the = (ours.encode([word], None, together=True, max_length=8).ids[1] for word in ("a", "film", "the"))
    assert table.ids.tolist() == [cls, a, film, sep, a, sep, cls, the, sep, film, the, sep]
    assert table.offsets.tolist() == [0, 6, 12]
    assert table.first.tolist() == [4, 3]
    assert table.lengths.tolist() == [6, 6]
    assert [str(array.dtype) for array in (table.ids, table.offsets, table.first)] == ["int32", "int64", "int32"]
    assert ours.words(table.ids[:6].tolist()) == ["[CLS]", "a", "film", "[SEP]", "a", "[SEP]"]


@pytest.mark.parametrize(("pairs", "together"), [(None, True), ([], True), ([], False)])
def test_no_texts_make_an_empty_table(ours: Tokenizer, pairs: list[str] | None, together: bool) -> None:
    table = ours.encode([], pairs, together=together, max_length=64)
    assert len(table) == 0
    assert table.lengths.tolist() == []


def test_different_numbers_of_first_and_second_texts_are_an_error(ours: Tokenizer) -> None:
    with pytest.raises(ValueError, match="shorter"):
        ours.encode(["a", "b"], ["c"], together=True, max_length=64)


def test_rows_of_a_task_are_encoded_as_single_texts_or_pairs(ours: Tokenizer) -> None:
    row = Row(1, "1", "a film", "the end", None)
    alone = tokenize(ours, find_task("sst"), [row], separate=False, max_length=64)
    joined = tokenize(ours, find_task("sts"), [row], separate=False, max_length=64)
    apart = tokenize(ours, find_task("sts"), [row], separate=True, max_length=64)
    assert [len(sequences(table)) for table in (alone, joined, apart)] == [1, 1, 2]
    assert [table.lengths.tolist() for table in (alone, joined, apart)] == [[4], [7], [8]]


# Folders


@pytest.mark.parametrize(
    "settings",
    [
        {"do_lower_case": True},
        {"do_lower_case": False},
        {"do_lower_case": True, "strip_accents": False},
        {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False},
    ],
)
def test_a_vocabulary_without_tokenizer_file_is_read_and_saved_as_transformers_does(
    minilm: Path, tmp_path: Path, settings: dict[str, bool]
) -> None:
    from transformers import AutoTokenizer

    words = (minilm / "vocab.txt").read_text(encoding="utf-8").splitlines()
    (tmp_path / "plain").mkdir()
    folder = write_vocabulary(tmp_path / "plain", [*words, "Film", "Crème", "creme", "crème", "Creme"], **settings)
    mine = Tokenizer(folder)
    (tmp_path / "saved").mkdir()
    mine.save(tmp_path / "saved")
    texts = ["A Film film Crème crème", *SENTENCES]
    table = sequences(mine.encode(texts, None, together=True, max_length=32))
    assert table == expected(AutoTokenizer.from_pretrained(str(folder)), texts, None, 32)
    assert table == expected(AutoTokenizer.from_pretrained(str(tmp_path / "saved")), texts, None, 32)
    assert table == sequences(Tokenizer(tmp_path / "saved").encode(texts, None, together=True, max_length=32))


def test_a_saved_folder_loads_elsewhere_with_the_same_tokens(ours: Tokenizer, minilm: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    ours.encode([LONG], None, together=True, max_length=8)
    ours.save(tmp_path)
    saved = AutoTokenizer.from_pretrained(str(tmp_path))
    pairs = list(reversed(SENTENCES))
    whole = ours.encode(SENTENCES, pairs, together=True, max_length=512)
    assert sequences(whole) == expected(saved, SENTENCES, pairs, 512)
    stored = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    assert (stored["truncation"], stored["padding"]) == (None, None)  # the length of one call is not saved
    assert (tmp_path / "vocab.txt").read_bytes() == (minilm / "vocab.txt").read_bytes()


@pytest.mark.parametrize(
    ("entry", "words"), [("[unused1]", ["the", "film"]), ("Film", ["The", "[UNK]"]), ("##É", ["The", "[UNK]"])]
)
def test_without_settings_capitals_are_kept_where_the_vocabulary_has_some(
    tmp_path: Path, entry: str, words: list[str]
) -> None:
    vocabulary = [*SPECIAL, "[MASK2]", "<S>", "the", "The", "film", entry]
    if entry == "[unused1]":
        vocabulary.remove("The")
    tokenizer = Tokenizer(write_vocabulary(tmp_path, vocabulary))
    table = tokenizer.encode(["The FILM"], None, together=True, max_length=8)
    assert tokenizer.words(table.ids.tolist()) == ["[CLS]", *words, "[SEP]"]
    assert ["capitals of texts are kept" in note for note in tokenizer.notes] == [True] * (entry != "[unused1]")
    write_vocabulary(tmp_path, vocabulary, do_lower_case=True)
    tokenizer = Tokenizer(tmp_path)
    assert tokenizer.words(tokenizer.encode(["THE"], None, together=True, max_length=8).ids.tolist())[1] == "the"
    assert tokenizer.notes == []


def test_a_folder_without_vocabulary_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SwissbertError, match=r"no tokenizer\.json or vocab\.txt, so texts cannot be tokenized"):
        Tokenizer(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"model": 3}', b"\xff\xfe", b'{"version": "1.0", "model": {}}']
)
def test_a_broken_tokenizer_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(SwissbertError, match=f"^{tmp_path}/tokenizer.json: "):
        Tokenizer(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", "3"])
def test_broken_settings_beside_a_vocabulary_are_an_error(tmp_path: Path, content: str) -> None:
    write_vocabulary(tmp_path, SPECIAL)
    (tmp_path / "tokenizer_config.json").write_text(content, encoding="utf-8")
    with pytest.raises(SwissbertError, match=r"tokenizer_config\.json: (cannot be read|a JSON object is expected)"):
        Tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("[CLS]", "the vocabulary lacks [CLS]"),
        ("[SEP]", "the vocabulary lacks [SEP]"),
        ("[UNK]", "the vocabulary lacks [UNK]"),
    ],
)
def test_a_vocabulary_that_lacks_a_special_token_is_an_error(tmp_path: Path, missing: str, message: str) -> None:
    write_vocabulary(tmp_path, [word for word in [*SPECIAL, "film"] if word != missing])
    with pytest.raises(SwissbertError) as caught:
        Tokenizer(tmp_path)
    assert str(caught.value) == f"{tmp_path}: {message}"


def without(minilm: Path, folder: Path, **changes: object) -> Path:
    """A folder with MiniLM's tokenizer.json, changed."""
    table = json.loads((minilm / "tokenizer.json").read_text(encoding="utf-8"))
    (folder / "tokenizer.json").write_text(json.dumps({**table, **changes}), encoding="utf-8")
    return folder


def test_a_tokenizer_file_without_cls_and_sep_is_an_error(minilm: Path, tmp_path: Path) -> None:
    model = {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 9,
    }
    words = {"[UNK]": 0, "film": 1}
    without(minilm, tmp_path, model={**model, "vocab": words}, added_tokens=[], post_processor=None)
    with pytest.raises(SwissbertError, match=r"the vocabulary lacks \[CLS\] and \[SEP\]$"):
        Tokenizer(tmp_path)


def test_a_tokenizer_that_adds_no_cls_and_sep_is_an_error(minilm: Path, tmp_path: Path) -> None:
    with pytest.raises(SwissbertError, match=r"does not put \[CLS\] before and \[SEP\] after a text"):
        Tokenizer(without(minilm, tmp_path, post_processor=None))


def test_length_and_padding_of_a_tokenizer_file_are_ignored(minilm: Path, tmp_path: Path) -> None:
    padding = {"strategy": {"Fixed": 20}, "direction": "Right", "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
    truncation = {"direction": "Right", "max_length": 4, "strategy": "OnlyFirst", "stride": 0}
    changed = Tokenizer(
        without(minilm, tmp_path, padding={**padding, "pad_to_multiple_of": None}, truncation=truncation)
    )
    plain = Tokenizer(minilm)
    for length in (8, 64):
        encoded = changed.encode(["a film", LONG], None, together=True, max_length=length)
        assert sequences(encoded) == sequences(plain.encode(["a film", LONG], None, together=True, max_length=length))


def test_a_vocabulary_larger_than_the_encoder_is_an_error(tmp_path: Path) -> None:
    write_vocabulary(tmp_path, [*SPECIAL, "film", "plot"])
    assert Tokenizer(tmp_path, 7).cls == 2
    assert Tokenizer(tmp_path, 100).sep == 3
    with pytest.raises(SwissbertError, match="the vocabulary has 7 entries, but the encoder has 6"):
        Tokenizer(tmp_path, 6)


def test_a_vocabulary_with_a_repeated_word_counts_its_highest_id(tmp_path: Path) -> None:
    write_vocabulary(tmp_path, [*SPECIAL, "film", "film"])
    with pytest.raises(SwissbertError, match="the vocabulary has 7 entries, but the encoder has 6"):
        Tokenizer(tmp_path, 6)
