"""A job whose rows are answered by an engine: the same files, whatever process answers which chunk."""

import pickle
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import util
from pathlib import Path

import pytest

from random_models import save_random
from swissbert.cli import main
from swissbert.data.rows import Row
from swissbert.errors import SwissbertError
from swissbert.inference import stream
from swissbert.inference.bulk import answer_file
from swissbert.inference.input_rows import InputRow
from swissbert.inference.job_chunks import Answers, Chunk, Work, chunks_of, in_this_process
from swissbert.inference.job_folder import Done
from swissbert.inference.loading import load
from swissbert.inference.model import Model

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load(save_random(tmp_path_factory.mktemp("engines") / "model", tiny, "sst", "para", "sts"), "cpu")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of several chunks a shard, and a shard that ends with a full chunk."""
    monkeypatch.setattr(stream, "CHUNK", 4)
    path = tmp_path / "rows.csv"
    lines = [f"r{n},{'' if n % 7 == 3 else 'a very good film ' * (n % 5 + 1)},number {n}\n" for n in range(26)]
    path.write_text("id,text,text_pair\n" + "".join(lines))
    return path


def threads(model: Model, work: Work, chunks: Iterable[Chunk]) -> Answers:
    """An engine that sends everything through a pickle, and reads all chunks before the first answer is written."""
    work = pickle.loads(pickle.dumps(work))
    with ThreadPoolExecutor(2) as pool:
        for answered in pool.map(lambda chunk: work.answer(model, pickle.loads(pickle.dumps(chunk))), chunks):
            yield pickle.loads(pickle.dumps(answered))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("tasks", [["sst"], ["sst", "para", "sts"]])
def test_the_files_are_the_same_with_every_engine(model: Model, source: Path, tasks: list[str]) -> None:
    for name, engine in (("here", in_this_process), ("threads", threads)):
        given = [model.task(task) for task in tasks]
        done = answer_file(model, given, source, source.parent / name, shard_rows=12, engine=engine)
        assert done == Done(26, 4, 3)
    assert contents(source.parent / "here") == contents(source.parent / "threads")


def test_chunks_of_a_shard_know_the_last() -> None:
    rows = [InputRow(n, None, {"text": "a"}, (Row(n, str(n), "a", None, None),)) for n in range(2050)]
    assert [(len(chunk.rows), chunk.is_last) for chunk in chunks_of(0, rows)] == [
        (1024, False),
        (1024, False),
        (2, True),
    ]
    assert all(row.cells is None for chunk in chunks_of(0, rows) for row in chunk.rows)
    assert [chunk.is_last for chunk in chunks_of(0, rows[:1024])] == [True]


def test_an_engine_that_fails_is_closed_and_another_goes_on(
    model: Model, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended: list[int] = []

    def failing(model: Model, work: Work, chunks: Iterable[Chunk]) -> Answers:
        try:
            for number, answered in enumerate(threads(model, work, chunks)):
                if number == 4:  # the second chunk of the second shard
                    raise SwissbertError("a machine is gone")
                yield answered
        finally:
            ended.append(1)

    out, sst = source.parent / "out", model.task("sst")
    with pytest.raises(SwissbertError, match="a machine is gone"):
        answer_file(model, sst, source, out, shard_rows=12, engine=failing)
    assert ended == [1]
    assert sorted(contents(out)) == ["job.json", "part-00000.jsonl", "shards.json"]
    assert answer_file(model, sst, source, out, shard_rows=12, engine=threads) == Done(26, 4, 3)
    answer_file(model, sst, source, source.parent / "whole", shard_rows=12)
    assert contents(out) == contents(source.parent / "whole")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "ray", "good"], "--engine is ray, but only a job with --output-dir runs on an engine"),
        (["--workers", "2", "good"], "--workers is given, but only --engine has workers"),
        (["--workers", "2", "--input", "a.csv", "--output-dir", "d"], "--workers is 2, but only --engine has workers"),
        (
            ["--engine", "ray", "--input", "a.csv", "--output-dir", "d"],
            "this needs ray, which is not installed: pip install 'swissbert[ray]'",
        ),
    ],
)
def test_options_without_what_they_need_are_refused(
    model: Model,
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "ray" else real(name))
    monkeypatch.setattr("sys.argv", ["swissbert", "predict", str(model.folder), *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_a_job_on_an_address_is_that_on_the_file(
    model: Model, source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(model.folder), "--task", "sst", "--shard-rows", "12"]
    for name, given in (("path", str(source)), ("address", f"file://{source}"), ("path", f"file://{source}")):
        monkeypatch.setattr(
            "sys.argv", ["swissbert", *words, "--input", given, "--output-dir", str(source.parent / name)]
        )
        with pytest.raises(SystemExit, match=r"^0$"):
            main()
    assert contents(source.parent / "path") == contents(source.parent / "address")
    assert "this job is finished already" in capsys.readouterr().err
