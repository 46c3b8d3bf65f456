"""Streams of rows: order, memory, neighbours and bad rows."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from swissbert.config import EncoderSettings, ModelSettings, load_config
from swissbert.data.rows import BadRow, Row
from swissbert.data.tokens import Tokenizer
from swissbert.encoder.checkpoint import read_encoder
from swissbert.errors import SwissbertError
from swissbert.inference import stream as prediction
from swissbert.inference.input_rows import InputRow
from swissbert.inference.loading import load
from swissbert.inference.model import Model
from swissbert.model.multitask import MultitaskModel
from swissbert.model_folder.description import Description
from swissbert.model_folder.save import save_model
from swissbert.tasks import find_task


@pytest.fixture(scope="module", params=[True, False], ids=["pair", "separate"])
def trained(request: pytest.FixtureRequest, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model with random weights and large heads, so that answers differ from text to text."""
    import torch

    torch.manual_seed(1)
    tasks = [find_task(name) for name in ("sst", "para", "sts")]
    encoder = read_encoder(tiny)
    model = MultitaskModel(encoder, tasks, pair_encoding=request.param, dropout=0.1)
    for parameter in model.parameters():
        parameter.data.mul_(8)
    folder = tmp_path_factory.mktemp("model") / "m"
    description = Description(
        format=1,
        tasks=tasks,
        encoder=EncoderSettings(name="tiny", max_length=64),
        model=ModelSettings(pair_encoding=request.param),
    )
    save_model(folder, model, Tokenizer(tiny), description)
    return load(folder)


def rows(count: int) -> Iterator[InputRow]:
    for n in range(count):
        row = Row(n, f"id{n}", "the movie " * (n % 7 + 1) + str(n), None, None)
        yield InputRow(n, row.id, None, (row,))


def test_a_saved_model_has_its_tasks_and_heads(trained: Model) -> None:
    assert [task.name for task in trained.description.tasks] == ["sst", "para", "sts"]
    assert not trained.network.training
    width = trained.network.heads.get_parameter("for_sts.out.weight").shape[1]
    assert width == (32 if trained.network.pair_encoding else 64)


def test_answers_come_in_order_and_do_not_depend_on_neighbours(trained: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "CHUNK", 16)
    task = trained.task("sst")
    together = [answered.answers["sst"] for answered in prediction.stream(trained, [[task]], rows(50))]
    for number in (0, 15, 16, 49):
        (answered,) = prediction.stream(trained, [[task]], [list(rows(50))[number]])
        alone, other = answered.answers["sst"], together[number]
        assert other.probabilities is not None
        assert alone.probabilities is not None
        assert alone.probabilities == pytest.approx(other.probabilities, abs=2e-5)
    assert len({answer.probabilities[0] for answer in together if answer and answer.probabilities}) > 10


def test_a_stream_is_read_at_most_a_chunk_ahead(trained: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "CHUNK", 8)
    taken = 0

    def endless() -> Iterator[InputRow]:
        nonlocal taken
        while True:
            taken += 1
            yield InputRow(taken, None, None, (Row(taken, str(taken), "good film", None, None),))

    assert len(list(islice(prediction.stream(trained, [[trained.task("sst")]], endless()), 20))) == 20
    assert taken == 24


def test_probabilities_sum_to_one_and_scores_stay_in_the_range(trained: Model) -> None:
    pairs = [("a good film", "a bad film"), ("dog", "the cat sleeps in the park .")]
    for answer in trained.predict("para", pairs):
        assert answer.probabilities is not None
        assert sum(answer.probabilities) == pytest.approx(1, abs=1e-4)
        assert answer.label_name == ["different", "paraphrase"][int(np.argmax(answer.probabilities))]
    for answer in trained.predict("sts", pairs):
        assert answer.score is not None
        assert 0 <= answer.score <= 5
        assert set(answer.as_json()) == {"score"}


@pytest.mark.parametrize(
    ("task", "item", "message"),
    [
        ("sst", ("a", "b"), "takes one text"),
        ("sts", "a", "takes a pair"),
        ("sst", "  ", "is empty"),
        ("sst", 3, "takes one text"),
        ("sst", "\ud800", "half of a surrogate pair"),
        ("sst", "a\0b", "a NUL character"),
        ("nope", "a", "has no task 'nope'; its tasks are sst, para, sts"),
    ],
)
def test_bad_input_is_refused(trained: Model, task: str, item: object, message: str) -> None:
    with pytest.raises(SwissbertError, match=message):
        list(trained.predict(task, iter([item])))  # type: ignore[arg-type]


def test_text_that_only_looks_dangerous_is_answered(trained: Model) -> None:
    texts = ["<script>alert(1)</script>", "🙂" * 50, "x" * 100_000, "\u202eright to left"]
    assert len(list(trained.predict("sst", texts))) == len(texts)


def test_a_bad_row_is_recorded_in_its_place(trained: Model) -> None:
    task = trained.task("sst")
    given = [
        InputRow(1, "a", None, (Row(1, "a", "good film", None, None),)),
        InputRow(2, "b", None, (BadRow("rows", 2, "the text is empty"),)),
        InputRow(3, None, None, (BadRow("rows", 3, "the text is empty"),)),
        InputRow(4, None, None, (Row(4, "4", "dull", None, None),)),
    ]
    tally = prediction.Tally()
    records = [
        prediction.record(answered, [task]) for answered in prediction.stream(trained, [[task]], given, tally=tally)
    ]
    assert [next(iter(record)) for record in records] == ["id", "id", "row", "row"]
    assert records[1] == {"id": "b", "error": "the text is empty"}
    assert records[2] == {"row": 3, "error": "the text is empty"}
    assert tally == prediction.Tally(rows=4, bad=2)


def test_quickstart_recipe_names_the_starter_corpus() -> None:
    config = load_config("quickstart")
    assert config.data.path is not None
    assert (config.data.path / "sst-train.tsv").is_file()
