"""Texts given in Python: which inputs are one, a list or a stream, and which are refused."""

from collections import deque
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swissbert.errors import SwissbertError
from swissbert.inference.loading import load
from swissbert.inference.model import Model
from swissbert.inference.texts import check_threshold, given_texts
from swissbert.kinds import Answer

pytestmark = pytest.mark.usefixtures("one_thread")

TEXTS = ["a good film", "a bad film", "the dog sleeps"]


@pytest.fixture(scope="module")
def model(tiny_run: Path) -> Model:
    return load(tiny_run, device="cpu")


SEVERAL = {
    "tuple": tuple,
    "array": np.array,
    "array of objects": lambda texts: np.array(texts, object),
    "Series": lambda texts: pd.Series(texts, index=range(5, 5 + len(texts))),
    "Arrow": pa.array,
    "deque": deque,
    "values": lambda texts: dict(enumerate(texts)).values(),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_everything_with_a_length_gives_a_list(model: Model, name: str) -> None:
    texts: Any = SEVERAL[name](TEXTS)
    expected = model.predict("sst", TEXTS)
    answers = model.predict("sst", texts)
    assert isinstance(answers, list)
    assert answers == expected
    assert model.numbers("sst", texts).shape == (3, 5)
    assert model.predict_all(texts, tasks=["sst"]) == [{"sst": answer} for answer in expected]


@pytest.mark.parametrize("name", SEVERAL)
def test_two_columns_are_pairs(model: Model, name: str) -> None:
    expected = model.predict("sts", list(zip(TEXTS, TEXTS[::-1], strict=True)))
    first, second = SEVERAL[name](TEXTS), SEVERAL[name](TEXTS[::-1])
    assert model.predict("sts", first, second) == expected
    assert model.numbers("sts", first, second).shape == (3,)
    assert [answers["sts"] for answers in model.predict_all(first, second)] == expected


def test_two_texts_are_a_pair_where_pairs_are_read_and_else_a_list(model: Model) -> None:
    pair = model.predict("sts", ("a dog", "a cat"))
    assert isinstance(pair, Answer)
    assert model.predict("sts", "a dog", "a cat") == pair
    assert model.numbers("sts", "a dog", "a cat").tolist() == pytest.approx([pair.score], abs=1e-4)
    assert model.predict_all("a dog", "a cat")["sts"] == pair
    several: Any = ("a dog", "a cat")
    assert model.predict("sst", several) == model.predict("sst", list(several))
    assert model.predict("sts", np.array([["a dog", "a cat"]])) == [pair]


def test_numpy_scalars_are_taken_as_what_they_hold(model: Model) -> None:
    expected = model.predict("sst", "a dog", threshold=None)
    for text in (np.str_("a dog"), np.array("a dog"), np.array("a dog", object)):
        assert model.predict("sst", text) == expected
    pair = model.predict("sts", "a dog", "a cat")
    assert model.predict("sts", np.array("a dog"), np.array("a cat")) == pair
    half, names = cast(Any, np.float32(0.5)), cast(Any, ["sst", "para"])
    check_threshold([], half)
    with pytest.raises(
        SwissbertError, match=r"has no task \['sst', 'para'\].*predict takes one task, predict_all several"
    ):
        model.predict(names, "a dog")
    with pytest.raises(SwissbertError, match=r"has no task 'sst,para'.*name one at a time"):
        model.predict("sst,para", "a dog")


def test_generators_stay_lazy(model: Model) -> None:
    taken: list[int] = []

    def endless() -> Iterator[str]:
        for number in count():
            taken.append(number)
            yield "a good film"

    answers = model.predict("sst", endless())
    assert taken == []
    assert next(answers) == model.predict("sst", "a good film")
    assert len(taken) <= 1024
    assert next(model.predict("sts", endless(), endless())) == model.predict("sts", "a good film", "a good film")


FRAME = pd.DataFrame({"text": TEXTS, "other": TEXTS})


@pytest.mark.parametrize("task", ["sst", "sts"])
@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (FRAME, "a table; pass one column"),
        (pa.table({"text": TEXTS}), "a table; pass one column"),
        ({"text": TEXTS}, "whose keys are no texts"),
        (set(TEXTS), "has no order; pass a list"),
        (b"a good film", "decode it first"),
        (3, "texts is 3, but it must be a text, a pair, or an iterable"),
        (None, "texts is None"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_texts_in_order_is_refused(model: Model, task: str, texts: Any, message: str) -> None:
    for call in (model.predict, model.numbers):
        with pytest.raises(SwissbertError, match=message):
            call(task, texts)
    with pytest.raises(SwissbertError, match=message):
        model.predict_all(texts)
    if task == "sts":
        with pytest.raises(SwissbertError, match=message if texts is not None else "texts is None"):
            model.predict(task, texts, TEXTS)


def test_columns_that_do_not_fit_together_are_refused(model: Model) -> None:
    for first, second, message in [
        (TEXTS, TEXTS[:2], "texts has 3 texts and text_pair has 2"),
        (TEXTS, "a cat", "text_pair is one text and the other argument is not"),
        ("a dog", TEXTS, "texts is one text and the other argument is not"),
    ]:
        with pytest.raises(SwissbertError, match=message):
            model.predict("sts", first, second)
    with pytest.raises(SwissbertError, match="different numbers of texts: one of them ends after 2"):
        list(model.predict("sts", iter(TEXTS), iter(TEXTS[:2])))
    with pytest.raises(SwissbertError, match="this task takes one text"):
        model.predict("sst", "a", "b")


@given(st.lists(st.tuples(st.text(), st.text()), max_size=6))
def test_two_columns_are_the_pairs_of_their_rows(pairs: list[tuple[str, str]]) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    for given_pairs in (given_texts(first, second, True), given_texts(iter(first), iter(second), True)):
        assert list(given_pairs.items) == pairs
    assert list(given_texts(pairs, None, True).items) == pairs


def test_a_threshold_decides_and_is_refused_where_there_is_none(model: Model) -> None:
    answer = model.predict("para", "a dog runs", "a cat sleeps")
    assert answer.probabilities is not None
    positive = answer.probabilities[1]
    low, high = (model.predict("para", "a dog runs", "a cat sleeps", threshold=t) for t in (0, 1))
    assert (low.label, low.label_name) == (1, "paraphrase")
    assert (high.label, high.label_name) == (0, "different")
    assert low.probabilities == high.probabilities == answer.probabilities
    assert 0 < positive < 1
    for task, threshold, message in [
        ("para", 1.01, "threshold is 1.01, but it must be a probability from 0 to 1"),
        ("para", float("nan"), "threshold is nan"),
        ("para", True, "threshold is True"),
    ]:
        with pytest.raises(SwissbertError, match=message):
            model.predict(task, "a", "b", threshold=threshold)
    with pytest.raises(SwissbertError, match="task 'sst' is a classification, whose answers have no threshold"):
        model.predict("sst", "a", threshold=0.5)


def test_a_text_that_was_cut_is_marked(model: Model) -> None:
    longest = model.description.encoder.max_length - 2  # [CLS] and [SEP]
    fits, cut = model.predict("sst", ["film " * longest, "film " * (longest + 1)])
    assert (fits.cut, cut.cut) == (False, True)
    assert "cut" not in fits.as_json()
    assert cut.as_json()["cut"] is True
    assert fits.probabilities == pytest.approx(cut.probabilities, abs=1e-5)
    first, second = model.predict("sts", [("film", "film"), ("film", "film " * 100)])
    assert (first.cut, second.cut) == (False, True)
    assert model.predict_all("film", "film " * 100)["para"].cut
