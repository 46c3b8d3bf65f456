"""Effects of words: one pass over all variants gives what a loop over texts without each word gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swissbert.data.token_table import TokenTable
from swissbert.errors import SwissbertError
from swissbert.inference.explanation import MAX_TOKENS, WORD, Variants, leave_out
from swissbert.inference.loading import load
from swissbert.inference.model import Model

pytestmark = pytest.mark.usefixtures("one_thread")

TEXT, PAIR = "The film isn't very good, but the man is great!", "It isn't a very well-made film, but the man is great."


@pytest.fixture(scope="module")
def model(tiny_run: Path) -> Model:
    return load(tiny_run, device="cpu")


def without(text: str, start: int, end: int) -> str:
    return f"{text[:start]} {text[end:]}"


def slow_effects(model: Model, task: str, texts: list[str]) -> list[tuple[str, float]]:
    """Answer the texts again without each word, one at a time."""

    def number(parts: list[str]) -> float:
        answer = model.predict(task, parts[0], parts[1] if len(parts) > 1 else None)
        return answer.score if answer.probabilities is None else answer.probabilities[label]  # type: ignore[return-value]

    whole = model.predict(task, texts[0], texts[1] if len(texts) > 1 else None)
    label = whole.label if whole.label is not None else 0
    effects = []
    for part, text in enumerate(texts):
        for word in WORD.finditer(text):
            changed = [*texts]
            changed[part] = without(text, *word.span())
            effects.append((word[0], number(texts) - number(changed)))
    return effects


@pytest.mark.parametrize(("task", "texts"), [("sst", [TEXT]), ("para", [TEXT, PAIR]), ("sts", [TEXT, PAIR])])
def test_effects_are_those_of_a_slow_loop(task: str, texts: list[str]) -> None:
    model = load("mini", device="cpu")  # answers of the tiny model hardly depend on its texts
    explained = model.explain(task, texts[0], texts[1] if len(texts) > 1 else None)
    expected = slow_effects(model, task, texts)
    assert explained.words == [word for word, _ in expected]
    assert "isn't" in explained.words
    np.testing.assert_allclose(explained.effects, [effect for _, effect in expected], atol=2e-4)
    assert np.abs(explained.effects).max() > 0.05
    assert explained.answer == model.predict(task, *texts)


ALPHABET = st.sampled_from(
    ["film", "dog", "xq", "isn't", "a-b", "é", "漢字", "🎈", "…", ",", ".", " ", "\u200b", "\u00ad", "'", "-"]
)

LONGEST = 512
"""More tokens than any of these texts has: where a text is cut, the words behind the cut do not come in."""


@settings(max_examples=60)
@given(st.lists(ALPHABET, max_size=12), st.lists(ALPHABET, max_size=12), st.booleans())
def test_removed_tokens_are_those_of_the_text_without_the_word(
    model: Model, first: list[str], second: list[str], separate: bool
) -> None:
    texts = ["".join(["a ", *first]).strip(), "".join(["b ", *second]).strip()]
    variants = left_out(model, texts, separate)
    for span, table in zip(variants.spans, variants.without, strict=True):
        changed = [*texts]
        changed[span.part] = without(texts[span.part], span.start, span.end)
        expected = model.tokenizer.encode([changed[0]], [changed[1]], together=not separate, max_length=LONGEST)
        same_table(table, expected)
    same_table(
        variants.whole, model.tokenizer.encode([texts[0]], [texts[1]], together=not separate, max_length=LONGEST)
    )


def left_out(model: Model, texts: list[str], separate: bool) -> Variants:
    class Encoded:
        tokenizer = model.tokenizer

        def token_options(self, task: Any) -> dict[str, Any]:
            return {"separate": separate, "max_length": LONGEST}

    return leave_out(Encoded(), model.tasks["sts"], *texts)  # type: ignore[arg-type]


def same_table(table: TokenTable, expected: TokenTable) -> None:
    assert table.ids.tolist() == expected.ids.tolist()
    assert table.first.tolist() == expected.first.tolist()
    assert table.offsets.tolist() == expected.offsets.tolist()


def test_words_that_were_cut_off_are_not_left_out(model: Model) -> None:
    variants = leave_out(model, model.tasks["sst"], " ".join(["film"] * 60))
    assert variants.whole.cut_rows.all()
    assert len(variants.spans) == 46
    assert variants.spans[-1].end == len(" ".join(["film"] * 46))


@pytest.mark.parametrize("most", [48 * 5, 48 * 11, 10, MAX_TOKENS])
def test_all_passes_together_stay_below_a_bound(model: Model, most: int) -> None:
    text = " ".join(["good", "film"] * 30)
    variants = leave_out(model, model.tasks["sst"], text, max_tokens=most)
    tables = [variants.whole, *variants.without]
    assert sum(len(table.ids) for table in tables) <= max(most, 2 * 48)
    assert len(variants.spans) == {48 * 5: 4, 48 * 11: 10, 10: 1, MAX_TOKENS: 46}[most]
    assert "".join(text[span.start : span.end].replace(" ", "") for span in variants.spans) == "goodfilm" * 23


def test_explain_takes_one_input(model: Model) -> None:
    with pytest.raises(SwissbertError, match="explain takes one text or pair at a time"):
        model.explain("sst", ["a", "b"])  # type: ignore[arg-type]
    with pytest.raises(SwissbertError, match="this task takes one text"):
        model.explain("sst", "a", "b")
    assert model.explain("sts", ("a dog", "a cat")).label is None
