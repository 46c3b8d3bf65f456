"""Predictions in Python: one text, a list, a stream; several tasks at once; many threads."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import swissbert
from swissbert.errors import SwissbertError
from swissbert.inference.model import CHUNK, Model
from swissbert.kinds import Answer

pytestmark = pytest.mark.usefixtures("one_thread")

TEXTS = ["a good film", "a dull and very bad plot", "the dog runs in the park", "it is not bad"]
PAIRS = [("a dog runs", "the dog runs in the park"), ("is it good", "a cat sleeps")]


@pytest.fixture(scope="module")
def model(tiny_run: Path) -> Model:
    return swissbert.load(tiny_run)


def test_a_text_gives_an_answer_a_list_a_list_and_an_iterator_an_iterator(model: Model) -> None:
    one = model.predict("sst", TEXTS[0])
    assert isinstance(one, Answer)
    every = model.predict("sst", TEXTS)
    assert isinstance(every, list)
    stream = model.predict("sst", iter(TEXTS))
    assert isinstance(stream, Iterator)
    for a, b in zip(every, stream, strict=True):
        assert a == b
    assert one.label_name == every[0].label_name
    assert one.probabilities == pytest.approx(every[0].probabilities, abs=2e-5)
    assert model.predict("sst", []) == []
    assert model.predict("sts", PAIRS[0]).score == pytest.approx(model.predict("sts", PAIRS)[0].score, abs=1e-4)
    json.dumps([answer.as_json() for answer in every])


def test_numbers_are_an_array_of_the_same_answers(model: Model) -> None:
    numbers = model.numbers("sst", TEXTS)
    assert numbers.shape == (4, 5)
    assert numbers.dtype == np.float32
    assert numbers.sum(1) == pytest.approx(1)
    assert numbers == pytest.approx(np.array([a.probabilities for a in model.predict("sst", TEXTS)]), abs=1e-5)
    assert model.numbers("sts", PAIRS).shape == (2,)
    assert model.numbers("sst", []).shape == (0, 5)
    assert model.numbers("sts", iter([])).shape == (0,)


def test_an_iterator_is_read_at_most_a_chunk_ahead(model: Model) -> None:
    taken = 0

    def texts() -> Iterator[str]:
        nonlocal taken
        for taken in range(1, 10 * CHUNK):  # noqa: B007 (counted for the test)
            yield "a good film"

    answers = model.predict("sst", texts())
    assert taken == 0
    next(answers)
    assert taken <= CHUNK


def test_all_tasks_on_one_input_take_one_encoder_pass(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = 0
    pool = model.network.pool

    def counted(batch: object) -> torch.Tensor:
        nonlocal passes
        passes += 1
        return pool(batch)  # type: ignore[arg-type]

    monkeypatch.setattr(model.network, "pool", counted)
    both = model.predict_all(*PAIRS[0])
    assert passes == 1
    assert set(both) == {"para", "sts"}
    assert both["sts"].score == pytest.approx(model.predict("sts", PAIRS[0]).score, abs=1e-4)
    assert both["para"].label == model.predict("para", PAIRS[0]).label
    assert set(model.predict_all(TEXTS[0])) == {"sst"}
    assert set(model.predict_all(*PAIRS[0], tasks=["sts"])) == {"sts"}


def test_inputs_that_do_not_fit_are_refused(model: Model) -> None:
    with pytest.raises(SwissbertError, match="has no task 'x'; its tasks are sst, para, sts"):
        model.predict("x", "a")
    with pytest.raises(SwissbertError, match="task 'sst' takes one text, not a pair"):
        model.predict_all(*PAIRS[0], tasks=["para", "sst"])
    with pytest.raises(SwissbertError, match="input 1: task 'sst' takes one text, not"):
        model.predict("sst", [PAIRS[0]])
    with pytest.raises(SwissbertError, match="input 2: the text is empty"):
        model.predict("sst", ["a", " "])
    with pytest.raises(SwissbertError, match="tasks is 'sst', but it must be a list of names"):
        model.predict_all("a good film", tasks="sst")
    with pytest.raises(SwissbertError, match="has no task 'nope'"):
        model.predict("nope", iter(TEXTS))
    with pytest.raises(SwissbertError, match="texts is None, but it must be a text, a pair, or an iterable of them"):
        model.predict("sst", None)  # type: ignore[call-overload]
    with pytest.raises(SwissbertError, match="input 1: the text has half of a surrogate pair"):
        model.predict_all("\ud800")


def test_threads_can_share_a_model(model: Model) -> None:
    expected = model.numbers("sst", TEXTS * 8)
    wrong: list[int] = []

    def ask(number: int) -> None:
        for _ in range(6):
            if not np.array_equal(model.numbers("sst", TEXTS * 8), expected):
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_evaluation_gives_the_scores_of_training(model: Model) -> None:
    scores = model.evaluate("starter")
    stored = model.description.scores
    assert {name: scores.flat()[name] for name in stored} == pytest.approx(stored, abs=1e-6)
    assert scores.tasks["sst"].intervals


def test_the_repr_names_tasks_and_folder(model: Model, tiny_run: Path) -> None:
    assert repr(model) == f"<swissbert.Model of sst, para, sts from {tiny_run / 'model'}>"
