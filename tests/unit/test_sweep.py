"""Sweeps in this process: first trial, pruning, failed trials, repeatability, the best recipe and the page."""

import json
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import optuna
import pytest
from safetensors.torch import load_file, save_file

import swissbert
from swissbert.config import RunConfig, make_config
from swissbert.display import Display
from swissbert.errors import SettingsError, SwissbertError
from swissbert.sweeps import Sweep, plan_sweep
from swissbert.sweeps import study as module
from swissbert.sweeps.journal import open_journal
from swissbert.sweeps.running import Watch, is_failure
from swissbert.sweeps.study import Study
from swissbert.sweeps.trials import best_of, short_names
from swissbert.tracking import TRACKERS, Status, TrackedRun, Tracker

pytestmark = pytest.mark.usefixtures("one_thread")

RATES = {"train.lr": {"choices": [1e-9, 0.5]}}
SPACE = {
    "train.lr": {"low": 1e-4, "high": 1e-2, "log": True},
    "encoder.dropout": {"low": 0.0, "high": 0.2, "step": 0.1},
}


def config_of(tiny: Path, **train: Any) -> RunConfig:
    settings = {
        "epochs": 2,
        "epoch_ends": 2,
        "batch_size": 8,
        "lr": 1e-3,
        "device": "cpu",
        "precision": "fp32",
        "threads": 1,
    }
    table = {"name": "small", "tasks": ["sst", "sts"], "data": {"dir": "starter", "limit": 24}}
    encoder = {"name": str(tiny), "max_length": 32, "dropout": 0.1}
    return make_config({**table, "encoder": encoder, "train": {**settings, "tensorboard": False, **train}})


@pytest.fixture(scope="module")
def finished(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return swissbert.sweep(config_of(tiny), SPACE, tmp_path_factory.mktemp("sweep") / "out", trials=4)


def test_the_first_trial_is_the_recipe_and_all_are_runs(finished: Sweep, tiny: Path, tmp_path: Path) -> None:
    assert [trial.number for trial in finished.trials] == [0, 1, 2, 3]
    first = finished.trials[0]
    assert first.is_recipe
    assert first.values == {"train.lr": 1e-3, "encoder.dropout": 0.1}
    result = swissbert.train(config_of(tiny), tmp_path / "alone")
    assert first.score == pytest.approx(result.scores["overall"], abs=1e-9)
    for trial in finished.trials:
        assert (trial.folder / "metrics.jsonl").is_file()
        assert not (trial.folder / "checkpoints").exists()
        assert trial.seconds is not None
        assert len(trial.evaluations) == 2


def test_the_best_recipe_trains_to_the_same_score(finished: Sweep, tmp_path: Path) -> None:
    assert finished.best is not None
    assert finished.recipe is not None
    assert finished.best.score == max(trial.score or 0 for trial in finished.trials)
    assert finished.recipe.read_text().startswith(
        f"# The best of 4 complete trials: trial {finished.best.number}, overall"
    )
    result = swissbert.train(finished.recipe, tmp_path / "again")
    assert result.scores["overall"] == pytest.approx(finished.best.score, abs=1e-9)


def test_the_study_opens_with_plain_optuna(finished: Sweep) -> None:
    backend = optuna.storages.journal.JournalFileBackend(str(finished.out / "study.log"))
    study = optuna.load_study(study_name="small", storage=optuna.storages.JournalStorage(backend))
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4
    assert finished.best is not None
    assert study.best_trial.number == finished.best.number
    assert study.best_value == max(trial.score or 0 for trial in finished.trials)


def test_the_same_seed_gives_the_same_trials_also_after_a_pause(finished: Sweep, tiny: Path, tmp_path: Path) -> None:
    parts = [swissbert.sweep(config_of(tiny), SPACE, tmp_path / "parts", trials=count) for count in (2, 4)]
    assert [len(part.trials) for part in parts] == [2, 4]
    assert [(one.values, one.score) for one in parts[1].trials] == [(one.values, one.score) for one in finished.trials]
    plan = plan_sweep(config_of(tiny), SPACE, trials=4)
    assert plan.first == [trial.values for trial in finished.trials]
    assert len({str(values) for values in plan.first}) > 2


def test_a_finished_sweep_trains_nothing_and_another_one_is_refused(
    finished: Sweep, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_train(*_: Any, **__: Any) -> None:
        raise AssertionError("a finished trial was trained again")

    monkeypatch.setattr("swissbert.sweeps.running.train", no_train)
    assert swissbert.sweep(config_of(tiny), SPACE, finished.out, trials=3).trials == finished.trials
    with pytest.raises(SwissbertError, match=r"holds a sweep of another search space: encoder.dropout differ"):
        swissbert.sweep(config_of(tiny), {"train.lr": SPACE["train.lr"]}, finished.out)
    with pytest.raises(
        SwissbertError, match=r"other settings: train\.clip \(None became 1\.0\); choose another folder"
    ):
        swissbert.sweep(config_of(tiny, clip=1.0), SPACE, finished.out)
    config = config_of(tiny)
    data = config.data.model_copy(update={"dir": str(_fewer_rows(finished.out.parent / "rows"))})
    with pytest.raises(SwissbertError, match=r"a sweep of other rows of sst\.dev"):
        swissbert.sweep(config.model_copy(update={"data": data}), SPACE, finished.out)
    other = _other_encoder(tiny, finished.out.parent / "encoder")
    with pytest.raises(SwissbertError, match=r"a sweep of another encoder; choose another folder"):
        swissbert.sweep(config_of(other), SPACE, finished.out)
    same = shutil.copytree(tiny, finished.out.parent / "copy")
    assert swissbert.sweep(config_of(same), SPACE, finished.out, trials=3).trials == finished.trials
    assert finished.recipe is not None


def _other_encoder(tiny: Path, folder: Path) -> Path:
    """Copy an encoder folder with another value of one weight."""
    shutil.copytree(tiny, folder)
    file = folder / "model.safetensors"
    weights = load_file(file)
    next(iter(weights.values())).view(-1)[0] += 1
    save_file(weights, file)
    return folder


def _fewer_rows(folder: Path) -> Path:
    """Copy the starter corpus with another first dev row of one task."""
    from conftest import STARTER

    folder.mkdir()
    for file in STARTER.glob("*.tsv"):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / file.name).write_text("".join(lines[:1] + lines[1 + (file.name == "sst-dev.tsv") :]))
    return folder


class Statuses(Tracker):
    """Keeps how runs end."""

    ends: ClassVar[list[Status]] = []

    def start(self, run: TrackedRun) -> dict[str, str]:
        return {}

    def log(self, step: int, values: Mapping[str, float]) -> None:
        pass

    def end(self, status: Status) -> None:
        self.ends.append(status)


def test_a_trial_that_falls_behind_is_pruned(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STARTUP", 1)
    monkeypatch.setitem(TRACKERS, "statuses", f"{__name__}:Statuses")
    monkeypatch.setattr(Statuses, "ends", [])
    config = config_of(tiny, epochs=3, best_by="loss", lr=1e-9).model_copy(update={"seed": 3})  # draws 0.5
    config = config.model_copy(update={"train": config.train.model_copy(update={"trackers": ["statuses"]})})
    first, second = swissbert.sweep(config, RATES, tmp_path / "out", trials=2).trials
    assert (first.state, len(first.evaluations)) == ("complete", 3)
    assert (second.state, len(second.evaluations)) == ("pruned", 2)
    assert second.values == {"train.lr": 0.5}
    assert second.score == second.evaluations[-1]
    assert not (second.folder / "model").exists()
    assert Statuses.ends == ["finished", "finished"]


def test_a_trial_that_diverges_fails_with_its_reason_and_the_sweep_goes_on(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = {
        "loss.scale.sst": {"choices": [1.0, 1e39]},
        "encoder.freeze": {"choices": [False, True]},
        "loss.surgery": {"choices": [False, True]},
    }
    table = config_of(tiny, max_steps=2).model_dump(mode="json", exclude_none=True)
    config = make_config({**table, "loss": {"scale": {"sst": 1.0}}, "seed": 5})  # draws one of each
    result = swissbert.sweep(config, space, tmp_path / "out", trials=4, display=Display())
    failed = {trial.reason for trial in result.trials if trial.state == "failed"}
    assert any("the loss of task 'sst' is inf at step 1" in reason for reason in failed)
    assert any("encoder.freeze = true exclude each other" in reason for reason in failed)
    assert result.trials[0].state == "complete"
    messages = capsys.readouterr().err
    assert "trial 0 of 4: the recipe as it is" in messages
    assert re.search(
        r"trial 0: complete, overall 0\.\d+, the best so far; 1 of 4 trials finished, about 0:\d\d left", messages
    )
    assert all(reason in messages for reason in failed)


def test_only_settings_and_memory_fail_a_trial() -> None:
    assert not is_failure(SwissbertError("model: cannot be written (No space left on device)"))
    assert is_failure(SettingsError("the loss of task 'sst' is nan at step 3"))
    assert is_failure(MemoryError())
    assert not is_failure(RuntimeError("a fault of the program"))


def test_a_trial_that_must_not_be_resumed_here_stays_as_it_is(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    config = config_of(tiny, on_hardware_change="refuse", checkpoint_every=1, baseline=False)
    monkeypatch.setattr(Watch, "on_checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        swissbert.sweep(config, SPACE, tmp_path / "out", trials=1)
    monkeypatch.undo()
    run = tmp_path / "out" / "trials" / "000"
    record = json.loads((run / "run.json").read_text())
    checkpoints = sorted((run / "checkpoints").iterdir())
    assert checkpoints
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    with pytest.raises(SwissbertError, match="this run would not go on as the same run"):
        swissbert.sweep(config, SPACE, tmp_path / "out", trials=1)
    assert sorted((run / "checkpoints").iterdir()) == checkpoints
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE")
    (trial,) = swissbert.sweep(config, SPACE, tmp_path / "out", trials=1).trials
    assert trial.state == "complete"
    assert json.loads((run / "run.json").read_text())["run"] == record["run"]


def test_a_recipe_outside_of_the_space_is_said(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = {"train.lr": {"low": 1e-2, "high": 1e-1}}
    result = swissbert.sweep(config_of(tiny, max_steps=1), space, tmp_path / "out", trials=1, display=Display())
    assert not result.trials[0].is_recipe
    assert (
        "the recipe itself is not tried: its train.lr is 0.001, but the space has 0.01 to 0.1"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("content", ["no journal\n", '{"op_code": 4}\n', "[]\n"])
def test_a_journal_that_cannot_be_read_is_named(tiny: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "study.log").write_text(content)
    with pytest.raises(SwissbertError, match=r"study\.log: is not a journal of Optuna, or damaged"):
        swissbert.sweep(config_of(tiny), SPACE, tmp_path)


def test_a_line_that_was_written_in_part_is_removed(finished: Sweep, tiny: Path, tmp_path: Path) -> None:
    whole = (finished.out / "study.log").read_bytes()
    (tmp_path / "study.log").write_bytes(whole + whole.splitlines()[-1][:9])
    assert [one.score for one in swissbert.sweep(config_of(tiny), SPACE, tmp_path, trials=4).trials] == [
        one.score for one in finished.trials
    ]
    assert (tmp_path / "study.log").read_bytes() == whole


def test_a_partial_line_of_a_killed_process_damages_no_later_entry(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    study = optuna.create_study(study_name="one", storage=open_journal(path))
    with path.open("ab") as file:
        file.write(b'{"op_code":')
    study.set_user_attr("key", "value")
    assert optuna.load_study(study_name="one", storage=open_journal(path)).user_attrs == {"key": "value"}


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    study = optuna.create_study(study_name="one", storage=open_journal(path))
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limits[1]))
    try:
        with pytest.raises(SwissbertError, match=r"study\.log: cannot be written \(File too large\)"):
            study.set_user_attr("key", "value" * 99)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    study.set_user_attr("key", "value")
    assert optuna.load_study(study_name="one", storage=open_journal(path)).user_attrs == {"key": "value"}


def test_a_reason_stays_with_trials_that_failed(tmp_path: Path) -> None:
    study = Study(tmp_path, "one", [], 1, is_higher_better=True)
    study.begin({}, None)
    with ExitStack() as stack:
        claim = study.claim(1, stack)
        assert claim is not None
        claim.trial.set_user_attr("reason", "out of memory")  # and the process is killed
    with ExitStack() as stack:
        claim = study.claim(1, stack)
        assert claim is not None
        study.complete(claim, 0.5)
    (trial,) = study.trials()
    assert (trial.state, trial.reason) == ("complete", "")


def test_the_page_holds_trials_and_figures_and_loads_nothing(finished: Sweep) -> None:
    page = finished.page.read_text(encoding="utf-8")
    assert page.count("<svg ") == 2
    assert "the recipe as it was" in page
    assert "0.0001 to 0.01, logarithmic" in page
    assert "estimated from 10 complete trials on" in page
    assert not re.search(r"(src|href)=\"(?!#)", page)


def test_names_are_as_short_as_they_can_be() -> None:
    names = ["train.lr", "loss.lr", "train.clip", "loss.scale.sst"]
    assert short_names(names) == dict(zip(names, ["train.lr", "loss.lr", "clip", "scale.sst"], strict=True))


def test_of_errors_the_lowest_is_best(finished: Sweep) -> None:
    scores = [trial.score or 0 for trial in finished.trials]
    worst = best_of(finished.trials, is_higher_better=False)
    assert worst is not None
    assert worst.score == min(scores)
    assert best_of([], is_higher_better=True) is None


def test_without_optuna_the_extra_is_named() -> None:
    code = "import sys; sys.modules['optuna'] = None; import swissbert; swissbert.sweep"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.endswith("a sweep needs optuna, which is not installed: pip install 'swissbert[sweep]'\n")


def test_attributes_of_the_study_are_plain(finished: Sweep) -> None:
    lines = [json.loads(line) for line in (finished.out / "study.log").read_text().splitlines()]
    attributes = {key for line in lines if line["op_code"] == 2 for key in line["user_attr"]}
    assert attributes == {"settings", "space", "rows", "models"}
