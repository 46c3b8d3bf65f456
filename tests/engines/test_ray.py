"""The job and the predictor on Ray: one session of two workers for all tests of this file."""

import csv
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from random_models import save_random
from swissbert.batch import Predictor, ray_engine
from swissbert.cli import main
from swissbert.errors import SwissbertError
from swissbert.inference.bulk import answer_file
from swissbert.inference.loading import load

ray = pytest.importorskip("ray", reason="ray is not installed")
pytestmark = [pytest.mark.engines, pytest.mark.usefixtures("session", "one_thread")]

ROWS, SHARD = 5000, 2100


@pytest.fixture(scope="module")
def session() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield
        ray.shutdown()


@pytest.fixture(scope="module")
def model(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random(tmp_path_factory.mktemp("ray") / "model", tiny, "sst", "sts")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of three shards of one to three chunks; one text in forty is empty."""
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        writer.writerows((f"r{n}", "a very good film " * (n % 1000 % 40)) for n in range(ROWS))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def predict(patch: pytest.MonkeyPatch, *words: object) -> None:
    patch.setattr(sys, "argv", ["swissbert", "predict", *map(str, words)])
    with pytest.raises(SystemExit, match=r"^0$"):
        main()


def test_the_files_are_those_of_the_job_without_an_engine_and_one_goes_on_with_the_other(
    model: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [model, "--task", "sst", "--input", source, "--shard-rows", SHARD]
    predict(monkeypatch, *words, "--output-dir", tmp_path / "here")
    predict(monkeypatch, *words, "--output-dir", tmp_path / "ray", "--engine", "ray", "--workers", "2")
    here = contents(tmp_path / "here")
    assert contents(tmp_path / "ray") == here
    assert sorted(here)[2:5] == ["part-00000.jsonl", "part-00001.jsonl", "part-00002.jsonl"]
    ids = [json.loads(line)["id"] for name in sorted(here) if "part" in name for line in here[name].splitlines()]
    assert ids == [f"r{n}" for n in range(ROWS)]
    for folder, engine in (("here", ["--engine", "ray"]), ("ray", [])):
        for name in ("done.json", "part-00001.jsonl"):
            (tmp_path / folder / name).unlink()
        predict(monkeypatch, *words, "--output-dir", tmp_path / folder, *engine)
        assert contents(tmp_path / folder) == here
    assert capsys.readouterr().err.count("resuming; 2 shards exist") == 2


def test_a_worker_that_ends_is_started_again(
    model: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = tmp_path / "once"

    class Fragile(ray_engine.Worker):
        def answer(self, chunk: Any) -> Any:
            if not once.exists():
                once.touch()
                os._exit(1)
            return super().answer(chunk)

    monkeypatch.setattr(ray_engine, "Worker", Fragile)
    trained = load(model, "cpu")
    engine = ray_engine.RayEngine(model, 1)
    done = answer_file(trained, trained.task("sst"), source, tmp_path / "ray", shard_rows=SHARD, engine=engine)
    assert once.exists()
    answer_file(trained, trained.task("sst"), source, tmp_path / "here", shard_rows=SHARD)
    assert (done.rows, done.bad_rows) == (ROWS, ROWS // 40)
    assert contents(tmp_path / "ray") == contents(tmp_path / "here")


def test_a_fault_in_a_worker_is_named(
    model: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Faulty(ray_engine.Worker):
        def answer(self, chunk: Any) -> Any:
            raise ZeroDivisionError("a fault of the program")

    monkeypatch.setattr(ray_engine, "Worker", Faulty)
    trained = load(model, "cpu")
    message = r"^a worker of Ray failed \(ZeroDivisionError: a fault of the program\)$"
    with pytest.raises(SwissbertError, match=message):
        answer_file(trained, trained.task("sst"), source, tmp_path / "out", engine=ray_engine.RayEngine(model, 1))


def test_a_worker_that_cannot_answer_ends_the_job_with_one_sentence(
    model: Path, tiny: Path, source: Path, tmp_path: Path
) -> None:
    trained = load(model, "cpu")
    other = save_random(tmp_path / "other", tiny, "sst")
    for name, message in ((other, "this is another model than on the machine"), ("/none", "no such model folder")):
        with pytest.raises(SwissbertError, match=message):
            answer_file(trained, trained.task("sst"), source, tmp_path / "out", engine=ray_engine.RayEngine(name, 1))
    assert not list((tmp_path / "out").glob("part-*"))
    assert ray.is_initialized()  # a session of the caller stays


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray about its own settings
def test_a_pool_of_actors_adds_the_columns(model: Path, source: Path) -> None:
    with source.open(newline="") as file:
        rows = pa.Table.from_pylist(list(csv.DictReader(file))).slice(0, 3000)
    ray.data.DataContext.get_current().enable_progress_bars = False
    answers = ray.data.from_arrow([rows.slice(0, 1000), rows.slice(1000)]).map_batches(
        Predictor,
        fn_constructor_kwargs={"model": model, "tasks": ["sst"]},
        batch_format="pyarrow",
        batch_size=1024,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=2),
    )
    got = pa.concat_tables(ray.get(answers.to_arrow_refs())).sort_by("id")
    expected = Predictor(model, ["sst"])(rows).sort_by("id")
    assert got.column_names == expected.column_names
    assert got.drop_columns(["probability"]).equals(expected.drop_columns(["probability"]))
