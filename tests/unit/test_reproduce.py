"""Reproduction of the paper's tables: records, resuming, errors and files."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import swissbert
from edited import rewrite
from swissbert.checksums import sealed
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.experiments import runner, trainer
from swissbert.experiments.declarations import Choices, find_table
from swissbert.experiments.records import read_record
from swissbert.experiments.runner import reproduce

STARTER = Path(swissbert.__file__).parent / "data" / "starter"
QUIET = Display(quiet=True)
SMALL = ["train.threads=1", "train.epochs=2", "train.epoch_ends=2", "train.batch_size=4", "train.tensorboard=false"]
SMALL += ["data.limit=24", "encoder.max_length=32", "train.precision=fp32", "train.device=cpu"]


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def reproduced(
    tiny: Path,
    out: Path,
    table: str,
    rows: list[str],
    *,
    seeds: int = 1,
    dry_run: bool = False,
    more: list[str] | None = None,
) -> str:
    paper_table = find_table(table)
    choices = Choices(encoder=str(tiny), overrides=[*SMALL, *(more or [])], data="starter")
    return reproduce(
        table, paper_table, paper_table.pick(rows), list(range(seeds)), choices, out, QUIET, dry_run=dry_run
    )


def test_rows_are_trained_recorded_and_kept(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = reproduced(tiny, tmp_path, "table2", ["frozen", "single-task"])
    record = read_record(tmp_path, "frozen", 0)
    assert record is not None
    (run,) = record.runs
    assert (run.steps, [evaluation.step for evaluation in run.evaluations]) == (4, [2, 4])
    assert run.config.encoder.freeze
    assert run.config.data.dir is None
    assert str(STARTER) not in (tmp_path / "rows" / "frozen.seed-0.json").read_text()
    assert run.rows.keys() == {f"{task}.{split}" for task in ("sst", "para", "sts") for split in ("train", "dev")}
    assert run.scores == next(e.scores for e in run.evaluations if e.step == run.best_step)
    assert {"commit", "machine", "torch", "date", "device"} <= run.provenance.keys()
    assert "data" not in run.provenance
    separate = read_record(tmp_path, "single-task", 0)
    assert separate is not None
    assert [[task.name for task in run.config.tasks] for run in separate.runs] == [["sst"], ["para"], ["sts"]]
    three = [separate.scores[name] for name in ("sst.accuracy", "para.accuracy", "sts.pearson")]
    assert separate.scores["overall"] == pytest.approx(sum(three) / 3)
    assert not list(tmp_path.glob("runs/**/checkpoints"))
    assert f"{record.scores['sst.accuracy']:.3f}" in text
    assert text == (tmp_path / "table2.md").read_text(encoding="utf-8")
    assert '<table role="table"' in (tmp_path / "table2.html").read_text(encoding="utf-8")

    def no_train(*_: Any, **__: Any) -> None:
        raise AssertionError("a finished row was trained again")

    monkeypatch.setattr(trainer, "train", no_train)
    assert reproduced(tiny, tmp_path, "table2", ["frozen", "single-task"]) == text


def test_a_finished_row_is_not_mixed_with_other_settings_or_rows(tiny: Path, tmp_path: Path) -> None:
    reproduced(tiny, tmp_path, "table2", ["frozen"])
    with pytest.raises(SwissbertError, match=r"finished with other settings: train\.lr \(1e-05 became 0\.5\)"):
        reproduced(tiny, tmp_path, "table2", ["frozen"], more=["train.lr=0.5"])
    reproduced(tiny, tmp_path, "table2", ["frozen"], more=["train.threads=2"])  # does not affect results
    path = tmp_path / "rows" / "frozen.seed-0.json"
    table = json.loads(path.read_text())
    table["runs"][0]["rows"]["sst.dev"] = "0" * 64
    path.write_text(json.dumps(table))
    with pytest.raises(SwissbertError, match=r"does not fit its own checksum; remove it to run the row again$"):
        reproduced(tiny, tmp_path, "table2", ["frozen"])
    path.write_text(json.dumps(sealed(table, path.name)))
    with pytest.raises(SwissbertError, match=r"finished with other rows of sst\.dev"):
        reproduced(tiny, tmp_path, "table2", ["frozen"])
    path.write_text("{")
    with pytest.raises(SwissbertError, match=r"frozen\.seed-0\.json: cannot be read"):
        reproduced(tiny, tmp_path, "table2", ["frozen"])


def test_a_record_from_before_tasks_could_be_symmetric_is_kept(tiny: Path, tmp_path: Path) -> None:
    reproduced(tiny, tmp_path, "table2", ["frozen"])
    path = tmp_path / "rows" / "frozen.seed-0.json"
    table = json.loads(path.read_text())
    for task in table["runs"][0]["config"]["tasks"]:
        task.pop("symmetric")
    path.write_text(json.dumps(sealed(table, path.name)))
    assert "finished" in reproduced(tiny, tmp_path, "table2", ["frozen"], dry_run=True)
    with pytest.raises(
        SwissbertError, match=r"finished with other settings: data\.swap_pairs .*tasks\[para\]\.symmetric"
    ):
        reproduced(tiny, tmp_path, "table2", ["frozen"], more=["data.swap_pairs=true"])


def test_seeds_give_a_mean_and_a_deviation(tiny: Path, tmp_path: Path) -> None:
    text = reproduced(tiny, tmp_path, "table2", ["frozen"], seeds=2)
    records = [read_record(tmp_path, "frozen", seed) for seed in (0, 1)]
    values = [record.scores["overall"] for record in records if record]
    assert len(set(values)) == 2, "seeds differ"
    mean, spread = sum(values) / 2, abs(values[0] - values[1]) / 2**0.5
    assert f"{mean:.3f} ± {spread:.3f}" in text.replace("−", "-")


def test_other_rows_are_trained_after_a_row_failed(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = trainer.train  # type: ignore[attr-defined]

    def fails(config: Any, *rest: Any, **more: Any) -> Any:
        if config.name == "none":
            raise SwissbertError("the loss of task 'sst' is nan at step 2")
        return train(config, *rest, **more)

    monkeypatch.setattr(trainer, "train", fails)
    with pytest.raises(
        SwissbertError, match=r"1 of 2 rows failed; the first was row 'none', seed 0: the loss of task 'sst'"
    ):
        reproduced(tiny, tmp_path, "table2", ["none", "pair"])
    assert read_record(tmp_path, "none", 0) is None
    assert read_record(tmp_path, "pair", 0) is not None
    lines = {
        line.split("|")[1].strip(): line for line in (tmp_path / "table2.md").read_text().splitlines() if "|" in line
    }
    assert lines["no extension"].count("not run") == 4
    assert "not run" not in lines["pair encoding"]


def test_a_dry_run_shows_steps_and_time_and_writes_nothing(tiny: Path, tmp_path: Path) -> None:
    text = reproduced(tiny, tmp_path / "out", "table2", ["frozen", "single-task"], dry_run=True)
    lines = {line.split()[0]: line for line in text.splitlines()[3:]}
    assert set(lines) == {"frozen", "single-task", "all"}
    assert " 4 " in lines["frozen"]
    assert " 12 " in lines["single-task"]
    assert lines["all"].split()[-1] in ("min", "h")
    assert not (tmp_path / "out").exists()


def test_all_rows_are_checked_before_the_first_is_trained(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(SwissbertError, match=r"model[.]layer_sharing=true: model[.]pair_head = 'cosine'"):
        reproduced(
            tiny, tmp_path / "out", "table2", ["none", "layer-sharing", "cosine"], more=["model.layer_sharing=true"]
        )
    assert not (tmp_path / "out").exists()


def test_the_final_model_writes_its_prediction_files(tiny: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for source in STARTER.glob("*.tsv"):
        rows = source.read_text(encoding="utf-8").splitlines(keepends=True)[:25]
        (data / source.name).write_text("".join(rows), encoding="utf-8")
    unlabelled = ["id\tsentence\n"] + [f"t{i}\ta film of sort {i}\n" for i in range(5)]
    (data / "ids-sst-test-student.csv").write_text("".join(unlabelled), encoding="utf-8")
    table = find_table("table4")
    choices = Choices(encoder=str(tiny), overrides=SMALL, data=str(data))
    text = reproduce("table4", table, table.rows, [0], choices, tmp_path / "out", QUIET)
    names = {path.name for path in (tmp_path / "out" / "predictions" / "final" / "seed-0").iterdir()}
    assert names == {"sst-dev-output.csv", "sst-test-output.csv", "para-dev-output.csv", "sts-dev-output.csv"}
    assert text.count("predictions written") == 4
    assert "0.758" in text


def test_without_test_rows_no_predictions_are_claimed(tiny: Path, tmp_path: Path) -> None:
    text = reproduced(tiny, tmp_path, "table4", ["final"])
    assert "predictions written" not in text
    assert text.count("no test rows") == 4


def test_a_task_of_one_batch_can_be_timed(tiny: Path, tmp_path: Path) -> None:
    text = reproduced(tiny, tmp_path, "table2", ["pair"], dry_run=True, more=["train.batch_size=32"])
    assert " min" in text


@pytest.mark.parametrize("setting", ["seed=5", "name=mine", 'tasks=["sst"]'])
def test_settings_that_the_table_fixes_are_refused(tiny: Path, tmp_path: Path, setting: str) -> None:
    key = setting.split("=")[0]
    with pytest.raises(SwissbertError, match=f"{key}=.*: {key} is fixed by the table; choose rows and seeds instead"):
        reproduced(tiny, tmp_path, "table2", ["pair"], more=[setting])


def test_checkpoints_can_be_set(tiny: Path) -> None:
    table = find_table("table2")
    (config,) = table.configs(
        table.pick(["pair"])[0], 0, Choices(encoder=str(tiny), overrides=["train.checkpoint_every=7"])
    )
    assert (config.train.checkpoint_every, config.train.keep) == (7, 1)


def test_a_record_of_another_row_is_refused(tiny: Path, tmp_path: Path) -> None:
    reproduced(tiny, tmp_path, "table2", ["frozen"])
    (tmp_path / "rows" / "frozen.seed-0.json").rename(tmp_path / "rows" / "none.seed-0.json")
    with pytest.raises(
        SwissbertError, match=r"frozen\.seed-0\.json: is missing, but none\.seed-0\.json has its checksum"
    ):
        reproduced(tiny, tmp_path, "table2", ["cosine"])
    rewrite(tmp_path / "rows" / "none.seed-0.json")
    with pytest.raises(SwissbertError, match=r"none\.seed-0\.json: holds row 'frozen', seed 0; rename or remove it"):
        reproduced(tiny, tmp_path, "table2", ["cosine"])
    assert not (tmp_path / "runs" / "cosine").exists()


def test_killed_before_the_record_or_before_checkpoints_are_removed(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def dies(*_: Any) -> None:
        raise Killed

    for name in ("write_record", "_remove_checkpoints"):
        with monkeypatch.context() as patch:
            patch.setattr(runner, name, dies)
            with pytest.raises(Killed):
                reproduced(tiny, tmp_path, "table2", ["frozen"])
        assert list(tmp_path.glob("runs/frozen/seed-0/checkpoints/step-*"))
    before = (tmp_path / "runs" / "frozen" / "seed-0" / "metrics.jsonl").read_bytes()
    reproduced(tiny, tmp_path, "table2", ["frozen"])
    assert not list(tmp_path.glob("runs/frozen/seed-0/checkpoints"))
    assert (tmp_path / "runs" / "frozen" / "seed-0" / "metrics.jsonl").read_bytes() == before


def test_a_row_finished_by_another_process_is_kept(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = runner.run_row

    def with_another(planned: Any, out: Path, display: Display) -> Any:
        record = run(planned, out, display)
        if planned.row.name == "frozen":
            with monkeypatch.context() as patch:
                patch.setattr(runner, "run_row", run)
                reproduced(tiny, tmp_path, "table2", ["none"])
        return record

    monkeypatch.setattr(runner, "run_row", with_another)
    table = find_table("table2")
    choices = Choices(encoder=str(tiny), overrides=SMALL, data="starter")
    lines: list[str] = []
    display = Display(quiet=True)
    monkeypatch.setattr(display, "say", lines.append)
    reproduce("table2", table, table.pick(["frozen", "none"]), [0], choices, tmp_path, display)
    assert "finished by another process meanwhile" in lines


def ended(tiny: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Train a row up to its end, as a process does that is killed before it writes the record; return the run folder."""

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(runner, "write_record", killed)
        with pytest.raises(Killed):
            reproduced(tiny, out, "table2", ["frozen"])
    return out / "runs" / "frozen" / "seed-0"


@pytest.mark.parametrize("damage", ["gone", "nested", "no evaluation"])
def test_a_run_without_its_log_is_recorded_with_the_scores_of_its_model(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    reproduced(tiny, tmp_path / "whole", "table2", ["frozen"])
    whole = read_record(tmp_path / "whole", "frozen", 0)
    log = ended(tiny, tmp_path / "out", monkeypatch) / "metrics.jsonl"
    if damage == "gone":
        log.unlink()
    elif damage == "nested":
        log.write_text("[" * 100_000 + "\n")
    else:
        log.write_text("".join(line for line in log.read_text().splitlines(keepends=True) if "dev" not in line))
    reproduced(tiny, tmp_path / "out", "table2", ["frozen"])
    record = read_record(tmp_path / "out", "frozen", 0)
    assert record is not None
    assert whole is not None
    assert record.scores == whole.scores
    assert [evaluation.step for evaluation in record.runs[0].evaluations] == [record.runs[0].best_step]


@pytest.mark.parametrize("damage", ["gone", "one bit"])
def test_a_run_without_its_model_is_one_sentence_with_a_way_that_finishes(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    reproduced(tiny, tmp_path / "whole", "table2", ["frozen"])
    run = ended(tiny, tmp_path / "out", monkeypatch)
    if damage == "gone":
        shutil.rmtree(run / "model")
    else:
        data = bytearray((run / "model" / "model.safetensors").read_bytes())
        data[-9] ^= 4
        (run / "model" / "model.safetensors").write_bytes(data)
    with pytest.raises(
        SwissbertError, match=rf"model: the best model so far, of step \d, .* or remove {run}/checkpoints"
    ):
        reproduced(tiny, tmp_path / "out", "table2", ["frozen"])
    shutil.rmtree(run / "checkpoints")
    reproduced(tiny, tmp_path / "out", "table2", ["frozen"])
    records = [read_record(tmp_path / name, "frozen", 0) for name in ("whole", "out")]
    assert records[0] is not None
    assert records[1] is not None
    assert records[0].scores == records[1].scores
