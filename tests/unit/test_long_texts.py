"""Very long texts are cut before they are tokenized, and have the tokens that they would have otherwise."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swissbert.data import long_texts, tokens
from swissbert.data.long_texts import LongTexts
from swissbert.data.tokens import Tokenizer

PIECES = st.sampled_from(
    [
        *(
            "中",
            "国",
            "。",
            ".",
            "!",
            "...",
            "a",
            "b",
            "film",
            "é",
            "e\u0301",
            "\u0301",
            "ﬁ",
            "İ",
            "ς",
            "Σ",
            "한",
            "か",
            "ガ",
        ),
        *(" ", "\n", "\t", "\u00a0", "\u3000", "\u2028", "\x0b", "\x85", "\x00", "\u200b", "\u202e", "\ufeff", "  "),
        *(
            "😀",
            "\U0010ffff",
            "[MASK]",
            "[",
            "MASK",
            "]",
            "<e1>",
            "new york",
            "new",
            "york",
            "≠",
            "\u037e",
            "·",
            "$",
            "豈",
            "a" * 101,
        ),
    ]
)
ADDED: list[dict[str, Any]] = [
    {},
    {"<e1>": {}, "new york": {}},
    {"中国": {"normalized": True}, "..": {}, "É": {"normalized": True}},
    {"中": {"single_word": True}, "a": {"lstrip": True, "rstrip": True}},
    {"! ": {"normalized": True}, "]": {"rstrip": True}},
]


def tokenizer(folder: Path, added: dict[str, Any], **options: bool) -> Tokenizer:
    """A tokenizer with a few words, and added tokens."""
    from tokenizers import AddedToken

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abc.!中国。", "film", "##a", "##b", "new", "york"]
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    made = Tokenizer(folder, as_stored=True)
    made._fast.add_tokens([AddedToken(text, **flags) for text, flags in added.items()])
    return made


def encoded(
    made: Tokenizer, texts: list[str], pairs: list[str] | None, length: int, *, together: bool = True
) -> list[Any]:
    table = made.encode(texts, pairs, together=together, max_length=length)
    parts = (table.ids, table.first, table.offsets, table.cut)
    return [part.tolist() for part in parts if isinstance(part, np.ndarray)]


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(PIECES, max_size=60).map("".join), min_size=2, max_size=2),
    st.sampled_from(ADDED),
    st.integers(8, 13),
    st.sampled_from(["single", "together", "apart"]),
)
def test_cut_texts_have_the_same_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, texts: list[str], added: dict[str, Any], length: int, form: str
) -> None:
    made = tokenizer(tmp_path / "folder", added)
    pairs = None if form == "single" else texts[::-1]
    results = []
    for characters in (10**9, 1):  # never, and nearly always
        monkeypatch.setattr(long_texts, "CHARACTERS", characters)
        monkeypatch.setattr(tokens, "CHARACTERS", characters)
        results.append(encoded(made, texts, pairs, length, together=form == "together"))
    assert results[0] == results[1]


@pytest.mark.parametrize("text", ["中" * 10**6, ". " * 500_000, "word " * 200_000, "中。" * 500_000])
def test_a_megabyte_is_not_tokenized_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    made = tokenizer(tmp_path / "folder", {})
    seen: list[int] = []
    whole = made._fast

    class Counting:
        """Counts the characters that reach the library."""

        def __getattr__(self, name: str) -> Any:
            return getattr(whole, name)

        def encode(self, text: str, **options: Any) -> Any:
            seen.append(len(text))
            return whole.encode(text, **options)

        def encode_batch_fast(self, items: list[Any]) -> Any:
            seen.extend(len(text) for item in items for text in ([item] if isinstance(item, str) else item))
            return whole.encode_batch_fast(items)

    monkeypatch.setattr(made, "_fast", Counting())
    for pairs in (None, ["other"]):
        table = made.encode([text], pairs, together=True, max_length=512)
        assert table.lengths.tolist() == [512]
        assert table.cut_rows.tolist() == [True]
    assert sum(seen) < 200_000


def test_texts_of_usual_length_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise AssertionError

    monkeypatch.setattr(LongTexts, "cut", refuse)
    made = tokenizer(tmp_path / "folder", {})
    assert made.encode(["a film " * 1000], None, together=True, max_length=512).lengths.tolist() == [512]
