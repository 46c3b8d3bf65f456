"""The runner of the paper's tables: what it keeps, what it refuses, what it writes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import swissbert
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.experiments import runner
from swissbert.experiments.paper import Choices, find_table
from swissbert.experiments.records import read_record
from swissbert.experiments.runner import reproduce

STARTER = Path(swissbert.__file__).parent / "data" / "starter"
QUIET = Display(quiet=True)
SMALL = ["train.threads=1", "train.epochs=2", "train.epoch_ends=2", "train.batch_size=4", "train.tensorboard=false"]
SMALL += ["data.limit=24", "encoder.max_length=32"]


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def made(
    tiny: Path,
    out: Path,
    table: str,
    rows: list[str],
    *,
    seeds: int = 1,
    dry_run: bool = False,
    more: list[str] | None = None,
) -> str:
    found = find_table(table)
    choices = Choices(encoder=str(tiny), overrides=[*SMALL, *(more or [])], data="starter")
    return reproduce(table, found, found.pick(rows), list(range(seeds)), choices, out, QUIET, dry_run=dry_run)


def test_rows_are_run_recorded_and_kept(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = made(tiny, tmp_path, "table2", ["frozen", "single-task"])
    record = read_record(tmp_path, "frozen", 0)
    assert record is not None
    (run,) = record.runs
    assert (run.steps, [each.step for each in run.evaluations]) == (4, [2, 4])
    assert run.config.encoder.freeze
    assert run.config.data.dir is None
    assert str(STARTER) not in (tmp_path / "rows" / "frozen.seed-0.json").read_text()
    assert run.rows.keys() == {f"{task}.{split}" for task in ("sst", "para", "sts") for split in ("train", "dev")}
    assert run.scores == next(each.scores for each in run.evaluations if each.step == run.best_step)
    assert {"commit", "machine", "torch", "date", "device"} <= run.provenance.keys()
    assert "data" not in run.provenance
    alone = read_record(tmp_path, "single-task", 0)
    assert alone is not None
    assert [[task.name for task in run.config.tasks] for run in alone.runs] == [["sst"], ["para"], ["sts"]]
    three = [alone.scores[name] for name in ("sst.accuracy", "para.accuracy", "sts.pearson")]
    assert alone.scores["overall"] == pytest.approx(sum(three) / 3)
    assert not list(tmp_path.glob("runs/**/checkpoints"))
    assert f"{record.scores['sst.accuracy']:.3f}" in text
    assert text == (tmp_path / "table2.md").read_text(encoding="utf-8")
    assert "<table>" in (tmp_path / "table2.html").read_text(encoding="utf-8")

    def no_train(*_: Any, **__: Any) -> None:
        raise AssertionError("a finished row was run again")

    monkeypatch.setattr(runner, "train", no_train)
    assert made(tiny, tmp_path, "table2", ["frozen", "single-task"]) == text


def test_a_finished_row_is_not_mixed_with_other_settings_or_rows(tiny: Path, tmp_path: Path) -> None:
    made(tiny, tmp_path, "table2", ["frozen"])
    with pytest.raises(SwissbertError, match=r"finished with other settings: train\.lr \(1e-05 became 0\.5\)"):
        made(tiny, tmp_path, "table2", ["frozen"], more=["train.lr=0.5"])
    made(tiny, tmp_path, "table2", ["frozen"], more=["train.threads=2"])  # changes no result that is meant
    path = tmp_path / "rows" / "frozen.seed-0.json"
    table = json.loads(path.read_text())
    table["runs"][0]["rows"]["sst.dev"] = "0" * 64
    path.write_text(json.dumps(table))
    with pytest.raises(SwissbertError, match=r"finished with other rows of sst\.dev"):
        made(tiny, tmp_path, "table2", ["frozen"])
    path.write_text("{")
    with pytest.raises(SwissbertError, match=r"frozen\.seed-0\.json: cannot be read"):
        made(tiny, tmp_path, "table2", ["frozen"])


def test_seeds_give_a_mean_and_a_deviation(tiny: Path, tmp_path: Path) -> None:
    text = made(tiny, tmp_path, "table2", ["frozen"], seeds=2)
    records = [read_record(tmp_path, "frozen", seed) for seed in (0, 1)]
    values = [record.scores["overall"] for record in records if record]
    assert len(set(values)) == 2, "another seed is another run"
    mean, spread = sum(values) / 2, abs(values[0] - values[1]) / 2**0.5
    assert f"{mean:.3f} ± {spread:.3f}" in text.replace("−", "-")


def test_a_row_that_fails_leaves_the_others_to_run(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = runner.train  # type: ignore[attr-defined]

    def fails(config: Any, *rest: Any, **more: Any) -> Any:
        if config.name == "none":
            raise SwissbertError("the loss of task 'sst' is nan at step 2")
        return run(config, *rest, **more)

    monkeypatch.setattr(runner, "train", fails)
    with pytest.raises(
        SwissbertError, match=r"1 of 2 rows failed, the first: row 'none', seed 0: the loss of task 'sst'"
    ):
        made(tiny, tmp_path, "table2", ["none", "pair"])
    assert read_record(tmp_path, "none", 0) is None
    assert read_record(tmp_path, "pair", 0) is not None
    lines = {
        line.split("|")[1].strip(): line for line in (tmp_path / "table2.md").read_text().splitlines() if "|" in line
    }
    assert lines["no extension"].count("not run") == 4
    assert "not run" not in lines["pair encoding"]


def test_a_dry_run_shows_steps_and_time_and_writes_nothing(tiny: Path, tmp_path: Path) -> None:
    text = made(tiny, tmp_path / "out", "table2", ["frozen", "single-task"], dry_run=True)
    lines = {line.split()[0]: line for line in text.splitlines()[3:]}
    assert set(lines) == {"frozen", "single-task", "all"}
    assert " 4 " in lines["frozen"]
    assert " 12 " in lines["single-task"]
    assert lines["all"].split()[-1] in ("min", "h")
    assert not (tmp_path / "out").exists()


def test_all_rows_are_checked_before_the_first_runs(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(SwissbertError, match=r"override model[.]layer_sharing=true: model[.]pair_head = 'cosine'"):
        made(tiny, tmp_path / "out", "table2", ["none", "layer-sharing", "cosine"], more=["model.layer_sharing=true"])
    assert not (tmp_path / "out").exists()


def test_the_final_model_writes_its_prediction_files(tiny: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for source in STARTER.glob("*.tsv"):
        rows = source.read_text(encoding="utf-8").splitlines(keepends=True)[:25]
        (data / source.name).write_text("".join(rows), encoding="utf-8")
    unlabelled = ["id\tsentence\n"] + [f"t{i}\ta film of sort {i}\n" for i in range(5)]
    (data / "ids-sst-test-student.csv").write_text("".join(unlabelled), encoding="utf-8")
    found = find_table("table4")
    choices = Choices(encoder=str(tiny), overrides=SMALL, data=str(data))
    text = reproduce("table4", found, found.rows, [0], choices, tmp_path / "out", QUIET)
    names = {path.name for path in (tmp_path / "out" / "predictions" / "final" / "seed-0").iterdir()}
    assert names == {"sst-dev-output.csv", "sst-test-output.csv", "para-dev-output.csv", "sts-dev-output.csv"}
    assert text.count("predictions written") == 4
    assert "0.758" in text


def test_without_test_rows_no_predictions_are_claimed(tiny: Path, tmp_path: Path) -> None:
    text = made(tiny, tmp_path, "table4", ["final"])
    assert "predictions written" not in text
    assert text.count("no test rows") == 4


def test_a_task_of_one_batch_is_timed_too(tiny: Path, tmp_path: Path) -> None:
    text = made(tiny, tmp_path, "table2", ["pair"], dry_run=True, more=["train.batch_size=32"])
    assert " min" in text


@pytest.mark.parametrize("setting", ["seed=5", "name=mine", 'tasks=["sst"]'])
def test_what_makes_a_row_that_row_is_not_to_be_set(tiny: Path, tmp_path: Path, setting: str) -> None:
    key = setting.split("=")[0]
    with pytest.raises(SwissbertError, match=f"override {key}=.*: {key} is what the table decides"):
        made(tiny, tmp_path, "table2", ["pair"], more=[setting])


def test_settings_of_checkpoints_are_the_persons(tiny: Path) -> None:
    table = find_table("table2")
    (config,) = table.configs(
        table.pick(["pair"])[0], 0, Choices(encoder=str(tiny), overrides=["train.checkpoint_every=7"])
    )
    assert (config.train.checkpoint_every, config.train.keep) == (7, 1)


def test_a_record_of_another_row_is_not_taken(tiny: Path, tmp_path: Path) -> None:
    made(tiny, tmp_path, "table2", ["frozen"])
    (tmp_path / "rows" / "frozen.seed-0.json").rename(tmp_path / "rows" / "none.seed-0.json")
    with pytest.raises(
        SwissbertError, match=r"none\.seed-0\.json: is of row 'frozen', seed 0, and does not belong here"
    ):
        made(tiny, tmp_path, "table2", ["cosine"])
    assert not (tmp_path / "runs" / "cosine").exists()


def test_killed_between_training_and_record_or_before_clearing_up(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def dies(*_: Any) -> None:
        raise Killed

    for name in ("write_record", "_clear"):
        with monkeypatch.context() as patch:
            patch.setattr(runner, name, dies)
            with pytest.raises(Killed):
                made(tiny, tmp_path, "table2", ["frozen"])
        assert list(tmp_path.glob("runs/frozen/seed-0/checkpoints/step-*"))
    before = (tmp_path / "runs" / "frozen" / "seed-0" / "metrics.jsonl").read_bytes()
    made(tiny, tmp_path, "table2", ["frozen"])
    assert not list(tmp_path.glob("runs/frozen/seed-0/checkpoints"))
    assert (tmp_path / "runs" / "frozen" / "seed-0" / "metrics.jsonl").read_bytes() == before


def test_a_row_that_another_process_finished_meanwhile_is_kept(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runner.run_row

    def with_another(planned: Any, out: Path, display: Display) -> Any:
        record = run(planned, out, display)
        if planned.row.name == "frozen":
            with monkeypatch.context() as patch:
                patch.setattr(runner, "run_row", run)
                made(tiny, tmp_path, "table2", ["none"])
        return record

    monkeypatch.setattr(runner, "run_row", with_another)
    found = find_table("table2")
    choices = Choices(encoder=str(tiny), overrides=SMALL, data="starter")
    said: list[str] = []
    display = Display(quiet=True)
    monkeypatch.setattr(display, "say", said.append)
    reproduce("table2", found, found.pick(["frozen", "none"]), [0], choices, tmp_path, display)
    assert "finished by another process meanwhile" in said
