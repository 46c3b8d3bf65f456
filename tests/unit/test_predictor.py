"""The callable for engines: the columns of `swissbert predict --output`, in every type of table, from a pickle."""

import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from random_models import save_random
from swissbert.batch import Predictor, predictor
from swissbert.cli import main
from swissbert.errors import SwissbertError
from swissbert.inference.loading import load as load_model
from swissbert.inference.stream import stream as stream_rows

pytestmark = pytest.mark.usefixtures("one_thread")

LONG = "the movie is very good " * 40
ROWS = pa.table(
    {
        "number": pa.array([7, None, 9, 10, 11], pa.int32()),
        "text": ["a very good film", "", "dull", None, LONG],
        "text_pair": ["a great film", "b", "an awful plot", "c", "fine"],
        "tags": pa.array([["x"], [], None, ["y", "z"], ["x"]], pa.list_(pa.string())),
    }
)


@pytest.fixture(scope="module")
def model(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random(tmp_path_factory.mktemp("batch") / "model", tiny, "sst", "para", "sts")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tasks": ["sst"]}, ["--task", "sst"]),
        ({}, []),
        ({"tasks": ["sst", "sts"], "probabilities": True}, ["--task", "sst", "--task", "sts", "--probabilities"]),
        (
            {"tasks": ["para"], "threshold": 0.9, "text_column": "text_pair", "text_pair_column": "text"},
            ["--task", "para", "--threshold", "0.9", "--text-column", "text_pair", "--text-pair-column", "text"],
        ),
    ],
)
def test_the_columns_are_those_that_predict_writes(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], words: list[str]
) -> None:
    pq.write_table(ROWS, tmp_path / "rows.parquet")
    command = ["predict", model, "--input", tmp_path / "rows.parquet", "--output", tmp_path / "out.parquet", *words]
    monkeypatch.setattr(sys, "argv", ["swissbert", *map(str, command)])
    with pytest.raises(SystemExit, match=r"^0$"):
        main()
    expected = pq.read_table(tmp_path / "out.parquet")
    answers = Predictor(model, **options)(ROWS)
    assert answers.column_names == expected.column_names
    assert answers.select(ROWS.column_names).equals(ROWS)
    added = expected.column_names[ROWS.num_columns :]
    assert answers.select(added).equals(expected.select(added))
    assert answers["error"].to_pylist()[1::2] == ["column 'text' is empty"] * 2
    assert answers["cut"].to_pylist() == [False, None, False, None, True]


def test_a_row_that_cannot_be_decoded_keeps_its_cells(model: Path) -> None:
    offsets, data = pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")
    texts = pa.StringArray.from_buffers(2, offsets, data)
    rows = pa.table({"text": texts, "id": ["x", "y"]})
    answers = Predictor(model, ["sst"])(rows)
    assert answers["text"].combine_chunks().equals(texts)
    good, bad = answers["error"].to_pylist()
    assert good is None
    assert "UTF-8" in bad
    assert "row" not in bad


def test_batches_and_tables_without_rows_have_the_same_columns(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Predictor(model)
    whole = answer(ROWS)
    parts = list(answer.batches(iter(ROWS.to_batches(max_chunksize=2))))
    assert all(isinstance(part, pa.RecordBatch) for part in parts)
    joined = pa.Table.from_batches(parts)
    assert joined.schema == whole.schema
    assert joined.drop_columns(["para_probability", "sts_score"]).equals(
        whole.drop_columns(["para_probability", "sts_score"])
    )
    torch.testing.assert_close(
        torch.tensor(joined["sts_score"].drop_null().to_pylist()),
        torch.tensor(whole["sts_score"].drop_null().to_pylist()),
    )
    monkeypatch.setattr(predictor, "load", lambda *_: pytest.fail("the weights are not needed for this"))
    fresh = Predictor(model, device="cpu")
    assert fresh(ROWS.slice(0, 0)).schema == fresh.schema(ROWS.schema) == whole.schema
    assert (
        fresh(
            ROWS.slice(0, 0).to_batches()[0] if ROWS.slice(0, 0).to_batches() else ROWS.to_batches()[0].slice(0, 0)
        ).schema
        == whole.schema
    )


def test_texts_inside_other_cells_are_found_by_a_dotted_name(model: Path) -> None:
    answer = Predictor(model, ["sst"], text_column="data.text")
    plain = Predictor(model, ["sst"])
    nested = pa.table({"data": ROWS.select(["text"]).to_struct_array(), "n": ROWS["number"]})
    assert answer(nested)["label"].equals(plain(ROWS.select(["text"]))["label"])
    assert answer.schema(nested.schema).names == ["data", "n", "label", "probability", "cut", "error"]


def test_frames_keep_their_index_and_their_types(model: Path) -> None:
    frame = pd.DataFrame(
        {"text": ["a very good film", None, "dull"], 5: [object(), object(), object()]}, index=["x", "y", "z"]
    )
    answer = Predictor(model, ["sst"])
    answers = answer(frame)
    assert list(answers.index) == ["x", "y", "z"]
    assert list(answers.columns) == ["text", 5, "label", "probability", "cut", "error"]
    assert answers["label"].isna().tolist() == [False, True, False]
    assert answers["error"]["y"] == "column 'text' is empty"
    assert list(frame.columns) == ["text", 5]
    expected = answer(pa.table({"text": ["a very good film", None, "dull"]}))
    assert answers["label"].dropna().tolist() == expected["label"].drop_null().to_pylist()
    assert answer(frame.iloc[:0]).dtypes.equals(answers.dtypes)
    assert answer(frame.iloc[[0]]).dtypes.equals(answers.dtypes)


def test_a_pickle_has_the_arguments_alone_and_a_process_loads_the_model_once(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []

    def load(name: str, *options: Any) -> Any:
        loads.append(name)
        return load_model(name, *options)

    predictor._loaded.cache_clear()
    monkeypatch.setattr(predictor, "load", load)
    monkeypatch.chdir(model.parent)
    answer = Predictor(model.name, ["sst"])
    assert loads == []
    data = pickle.dumps(answer)
    assert len(data) < 1000
    monkeypatch.chdir("/")  # a relative path stays that of the process that made the object
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(pickle.loads(data)(ROWS))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [str(model.resolve())]
    assert len(results) == 4
    assert all(result.equals(results[0]) for result in results)
    assert len(pickle.dumps(answer)) == len(data)


def test_another_process_answers_from_the_pickle(model: Path, tmp_path: Path) -> None:
    answer = Predictor(model, ["sst", "para"])
    (tmp_path / "predictor").write_bytes(pickle.dumps(answer))
    pq.write_table(ROWS, tmp_path / "rows.parquet")
    code = (
        "import pickle, pyarrow.parquet as pq\n"
        "answer = pickle.load(open('predictor', 'rb'))\n"
        "pq.write_table(answer(pq.read_table('rows.parquet')), 'answers.parquet')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert pq.read_table(tmp_path / "answers.parquet").equals(answer(ROWS))


def test_the_number_of_threads_is_that_of_before(model: Path) -> None:
    torch.set_num_threads(2)
    seen: list[int] = []
    answer = Predictor(model, ["sst"], threads=1)

    def stream(*given: Any) -> Any:
        seen.append(torch.get_num_threads())
        return stream_rows(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictor, "stream", stream)
        answer(ROWS)
        Predictor(model, ["sst"], threads=None)(ROWS)
    assert seen == [1, 2]
    assert torch.get_num_threads() == 2


def test_calls_in_several_threads_leave_the_number_of_threads_as_it_was(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(3)
    answer, may_end = Predictor(model, ["sst"], threads=1), threading.Event()
    seen: list[int] = []

    def stream(*given: Any) -> Any:
        seen.append(torch.get_num_threads())
        if threading.current_thread() is not threading.main_thread():
            assert may_end.wait(60)
            yield from stream_rows(*given)
        else:
            other.start()  # a new thread, which begins with the number of this call
            while len(seen) < 2:
                time.sleep(0.001)
            yield from stream_rows(*given)

    def work() -> None:
        answer(ROWS)
        seen.append(torch.get_num_threads())

    other = threading.Thread(target=work)
    monkeypatch.setattr(predictor, "stream", stream)
    answer(ROWS)
    may_end.set()
    other.join()
    new = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    new.start()
    new.join()
    assert seen == [1, 1, 3, 3]
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": "sst"}, r"tasks is 'sst', but it must be a list of names"),
        ({"tasks": []}, r"tasks is \[\], but it must be a list"),
        ({"threads": 0}, "threads is 0, but it must be a whole number from 1"),
        ({"precision": "fp8"}, "precision is 'fp8', but it must be one of auto, fp32, int8"),
        ({"model": 3}, "model is 3, but it must be a text or a path"),
    ],
)
def test_a_wrong_argument_is_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SwissbertError, match=message):
        Predictor(**options)


def test_what_cannot_be_answered_is_one_sentence(model: Path) -> None:
    def refused(message: str, rows: Any, **options: Any) -> None:
        for part in (rows, rows[:0] if isinstance(rows, pa.Table) else rows):  # also without rows
            with pytest.raises(SwissbertError, match=message):
                Predictor(**{"model": model, **options})(part)

    body = pa.table({"body": ["good"]})
    refused(r"the table: no column 'sentence'.*'body'.*text_column names another", body, tasks=["sst"])
    refused("the table: no columns that a task of this model reads", body)
    refused("the table: no column 'words', which text_column names", body, tasks=["sst"], text_column="words")
    refused("this model has no task 'mood'; its tasks are sst, para, sts", ROWS, tasks=["mood"])
    refused("task 'sst' is a classification, whose answers have no threshold", ROWS, tasks=["sst"], threshold=0.5)
    twice = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    refused("the table has two columns 'text'", twice, tasks=["sst"])
    refused("there is no such model folder", ROWS, model="/none")
    refused("the rows are of type list, but a Predictor takes a pyarrow Table", ["good"])
