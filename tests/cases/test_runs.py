"""Runs: what they read, how they are resumed after changes and moves, and how they become longer: folders ``d``."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from case_runner import Command, Ended
from edited import rewrite, without_name
from swissbert.config import load_config
from swissbert.training.loop import train

NO_DROPOUT = ["encoder.dropout=0", "model.dropout=0"]
PINNED = [
    "train.device=cpu",
    "train.precision=fp32",
    "train.threads=1",
    "train.tensorboard=false",
    "train.baseline=false",
    "train.batch_size=32",
    "train.lr=1e-5",
    "train.epochs=3",
]


def words(*settings: str) -> list[str]:
    """Return settings, and those that hardware would decide, as options."""
    return [part for setting in (*PINNED, "encoder.max_length=16", *settings) for part in ("--set", setting)]


def losses(run: Path) -> list[dict[str, float]]:
    """Return the losses of all steps."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def record(run: Path) -> dict[str, Any]:
    table: dict[str, Any] = json.loads((run / "run.json").read_text(encoding="utf-8"))
    return table


def contents(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}


class Interrupted(Exception):  # noqa: N818 (stands for a kill)
    pass


class StopAfter:
    """A callback that ends a run after a step, as a kill would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, step: int, record: object) -> None:
        if step == self.step:
            raise Interrupted


@pytest.fixture
def tiny_case(tiny: Path) -> Callable[[Path], Path]:
    """Return a function that puts the tiny encoder into a case's folder and names it in its recipe."""

    def prepare(case: Path) -> Path:
        shutil.copytree(tiny, case / "encoder")
        recipe = case / "task.toml"
        recipe.write_text(recipe.read_text(encoding="utf-8").replace('"minilm"', '"encoder"'), encoding="utf-8")
        return recipe

    return prepare


def interrupted(case: Path, *settings: str, step: int = 3) -> None:
    """Train ``task.toml`` into ``RUN`` until a step; there is a checkpoint after every second one."""
    every = ["encoder.max_length=16", "train.checkpoint_every=2"]
    config = load_config(case / "task.toml", [*PINNED, *every, *settings], str(case))
    with pytest.raises(Interrupted):
        train(config, case / "RUN", callbacks=[StopAfter(step)])


# --- d01: what an epoch reads


@pytest.mark.parametrize("case", ["d01-sizes"], indirect=True)
def test_a_dry_run_says_how_many_rows_of_each_task_are_read(case: Path, swissbert: Command) -> None:
    shortest = swissbert("train", "recipe.toml", "--data", ".", "--out", "RUN", "--dry-run")
    assert shortest.status == 0, shortest.stderr
    (reads,) = [line for line in shortest.lines if line.startswith("an epoch reads")]
    assert "32 of 3,200 rows of big (1 %) and all 32 rows of small; the whole run reads " in reads
    run = re.search(r"reads (\d+) of 3,200 rows of big \(\d+ %\)$", reads)
    assert run is not None
    assert 32 <= int(run[1]) < 1600
    (advice,) = [line for line in shortest.lines if "are never read" in line]
    assert advice.startswith("most rows of big are never read")
    assert "train.epoch_ends = 'longest'" in advice

    longest = swissbert("train", "recipe.toml", "--data", ".", "--dry-run", *words("train.epoch_ends=longest"))
    assert "an epoch reads all 3,200 rows of big and all 32 rows of small 100 times" in longest.lines
    assert not (case / "RUN").exists()


@pytest.mark.parametrize("case", ["d01-sizes"], indirect=True)
def test_training_says_the_same_before_its_first_step(case: Path, swissbert: Command) -> None:
    ended = swissbert("train", "recipe.toml", "--data", ".", "--out", "RUN", *words("train.epochs=1"))
    assert ended.status == 0, ended.stderr
    reads, dev = (ended.stderr.index(text) for text in ("an epoch reads 32 of 3,200 rows of big (1 %)", "dev after"))
    assert reads < ended.stderr.index("most rows of big are never read") < dev


# --- d03: the last batches of an epoch


@pytest.mark.parametrize("case", ["d03-accumulation"], indirect=True)
def test_an_epoch_reads_all_rows_whatever_the_accumulation(case: Path, swissbert: Command) -> None:
    for accumulation, steps in ((3, 2), (4, 1), (5, 1), (8, 1)):
        for ends in ("shortest", "longest"):
            settings = words("train.epochs=1", f"train.accumulation={accumulation}", f"train.epoch_ends={ends}")
            ended = swissbert("train", "task.toml", "--data", ".", "--dry-run", *settings)
            assert ended.status == 0, ended.stderr
            assert f"{steps} step{'s' if steps > 1 else ''} in 1 epoch;" in ended.stdout
            assert "an epoch reads all 100 rows of mood" in ended.lines


@pytest.mark.parametrize("case", ["d03-accumulation"], indirect=True)
def test_a_step_of_the_last_batch_has_the_gradient_of_that_batch(
    case: Path, swissbert: Command, tiny_case: Callable[[Path], Path]
) -> None:
    """With a rate of nearly 0, four steps of one batch have the same losses as a step of three and a step of one."""
    tiny_case(case)
    for accumulation in (1, 3):
        settings = words("train.epochs=1", f"train.accumulation={accumulation}", "train.lr=1e-9", *NO_DROPOUT)
        out = f"RUN{accumulation}"
        assert swissbert("train", "task.toml", "--data", ".", "--out", out, *settings).status == 0
    single, joined = losses(case / "RUN1"), losses(case / "RUN3")
    assert [len(single), len(joined)] == [4, 2]
    assert joined[1]["mood"] == pytest.approx(single[3]["mood"], rel=1e-5)
    assert joined[0]["mood"] == pytest.approx(sum(step["mood"] for step in single[:3]) / 3, rel=1e-5)


@pytest.mark.parametrize("case", ["d03-accumulation"], indirect=True)
def test_a_run_of_the_first_release_keeps_its_plan(
    case: Path, swissbert: Command, tiny_case: Callable[[Path], Path]
) -> None:
    tiny_case(case)
    interrupted(case, "train.epochs=3", "train.accumulation=3", "train.checkpoint_every=1", step=2)
    table = record(case / "RUN")
    newer = (
        "checksums",
        "run",
        "settings",
        "encoder_config",
        "tokenizer",
        "tokenizers",
        "variables",
        "torch_settings",
        "code",
    )
    for key in ("format", "counts", "encoder_weights", "folder", "numpy", "callbacks", "first_step", *newer):
        table.pop(key, None)
    (case / "RUN" / "run.json").write_text(json.dumps(table), encoding="utf-8")
    without_name(case / "RUN")
    ended = swissbert("train", "--resume", "--out", "RUN")
    assert ended.status == 0, ended.stderr
    assert "3 steps in 3 epochs" in ended.stderr  # one batch of four was left out
    assert "an epoch reads 9" in ended.stderr or "an epoch reads 6" in ended.stderr


# --- d04: rows that changed


@pytest.mark.parametrize("case", ["d04-data-changed"], indirect=True)
def test_rows_that_changed_are_named_with_what_can_be_done(
    case: Path, swissbert: Command, tiny_case: Callable[[Path], Path]
) -> None:
    tiny_case(case)
    interrupted(case, "train.epochs=4")
    original = (case / "train.csv").read_bytes()
    shutil.copy("train_more.csv", "train.csv")
    before = contents(case / "RUN")
    ended = swissbert("train", "--resume", "--out", "RUN")
    assert ended.status == 2
    message = ended.stderr.splitlines()[-1]
    assert message.startswith(
        "error: RUN: the rows of mood.train differ from those the run began with (train.csv: 120 rows now, 96 before); "
    )
    assert "put the earlier rows back" in message
    assert "a new run in another folder, where encoder.name = 'RUN'" in message
    assert contents(case / "RUN") == before
    (case / "train.csv").write_bytes(original)
    ended = swissbert("train", "--resume", "--out", "RUN")
    assert ended.status == 0, ended.stderr
    assert "going on after step 2" in ended.stderr


# --- d07: folders that moved


@pytest.mark.parametrize("how", ["without a recipe", "with its recipe"])
@pytest.mark.parametrize("case", ["d07-folder-moved"], indirect=True)
def test_a_folder_that_was_renamed_goes_on_where_it_stopped(
    case: Path,
    swissbert: Command,
    tiny_case: Callable[[Path], Path],
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    tiny_case(case)
    settings = ["train.epochs=2", "train.checkpoint_every=2"]
    assert swissbert("train", "task.toml", "--data", ".", "--out", "WHOLE", *words(*settings)).status == 0
    interrupted(case, *settings)
    moved = case.rename(case.parent / "B")
    monkeypatch.chdir(moved)
    recipe = ["task.toml", "--data", ".", *words(*settings)] if how == "with its recipe" else []
    ended = swissbert("train", *recipe, "--resume", "--out", "RUN")
    assert ended.status == 0, ended.stderr
    assert f"data.dir is '{moved}' now and was '{case}'; the rows are compared" in ended.stderr
    assert f"encoder.name is '{moved / 'encoder'}' now" in ended.stderr
    assert "going on after step 2" in ended.stderr
    assert losses(moved / "RUN") == losses(moved / "WHOLE")
    config = (moved / "RUN" / "config.toml").read_text(encoding="utf-8")
    assert str(moved) in config
    assert f'"{case}' not in config
    assert record(moved / "RUN")["folder"] == str(moved / "RUN")
    again = swissbert("train", "--resume", "--out", "RUN")
    assert (again.status, " now and was " in again.stderr) == (0, False)


@pytest.mark.parametrize("case", ["d07-folder-moved"], indirect=True)
def test_a_moved_run_is_evaluated_on_the_rows_that_moved_with_it(
    case: Path, swissbert: Command, tiny_case: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_case(case)
    assert swissbert("train", "task.toml", "--data", ".", "--out", "RUN", *words("train.max_steps=1")).status == 0
    moved = case.rename(case.parent / "B")
    monkeypatch.chdir(moved)
    ended = swissbert("evaluate", "RUN", "--json")
    assert ended.status == 0, ended.stderr
    assert json.loads(ended.stdout)["tasks"]["mood"]["rows"] == 40


@pytest.mark.parametrize("case", ["d07-folder-moved"], indirect=True)
def test_a_run_folder_that_moved_alone_is_told_where_data_and_encoder_are(
    case: Path, swissbert: Command, tiny_case: Callable[[Path], Path], tmp_path: Path
) -> None:
    tiny_case(case)
    interrupted(case, "train.epochs=2")
    run = (case / "RUN").rename(tmp_path / "elsewhere")
    for name in ("rows", "weights"):
        (tmp_path / name).mkdir()
    for name in ("train.csv", "dev.csv"):
        (case / name).rename(tmp_path / "rows" / name)
    (case / "encoder").rename(tmp_path / "weights" / "encoder")
    case.rename(tmp_path / "gone")

    def resumed(*options: str) -> Ended:
        return swissbert("train", "--resume", "--out", run, *options)

    missing = resumed()
    assert missing.status == 2
    assert missing.stderr.splitlines()[-1] == (
        f"error: {run}: the data of this run were in {case}, which does not exist here; data.dir names the folder where "
        "they are now (on the command line: --data)"
    )
    data = ["--data", str(tmp_path / "rows")]
    missing = resumed(*data)
    assert missing.status == 2
    assert f"the encoder of this run was the folder {case / 'encoder'}, which does not exist here" in missing.stderr
    assert missing.stderr.rstrip().endswith("(on the command line: --set)")

    other = tmp_path / "other"
    shutil.copytree(tmp_path / "weights" / "encoder", other)
    tensors = load_file(other / "model.safetensors")
    name = next(name for name in tensors if name.endswith("word_embeddings.weight"))
    tensors[name] = tensors[name] + 1

    save_file(tensors, other / "model.safetensors")
    refused = resumed(*data, "--set", f"encoder.name={other}")
    assert refused.status == 2
    assert f"encoder.name is '{other}' now and was " in refused.stderr
    assert "this run began otherwise: the checksum of the encoder's weights differs" in refused.stderr

    ended = resumed(*data, "--set", f"encoder.name={tmp_path / 'weights' / 'encoder'}")
    assert ended.status == 0, ended.stderr
    assert resumed().status == 0  # what was said is stored


@pytest.mark.parametrize("case", ["d07-folder-moved"], indirect=True)
def test_a_setting_that_must_stay_is_still_refused(
    case: Path, swissbert: Command, tiny_case: Callable[[Path], Path]
) -> None:
    tiny_case(case)
    interrupted(case, "train.epochs=2")
    for setting, shown in (
        ("train.lr=0.002", "train.lr (1e-05 became 0.002); train.may_change = ['train.lr'] allows that"),
        ("train.epochs=1", "train.epochs (2 became 1); a run that goes on can only become longer"),
        ("train.max_steps=5", "train.max_steps (None became 5); a run that goes on can only become longer"),
    ):
        ended = swissbert("train", "--resume", "--out", "RUN", "--set", setting)
        assert ended.status == 2
        assert ended.stderr.splitlines()[-1].endswith(f"settings differ from those the run began with: {shown}")
    assert swissbert("train", "--resume", "--out", "RUN", "--set", "train.keep=1").status == 0


# --- more epochs


@pytest.mark.parametrize("case", ["d07-folder-moved"], indirect=True)
def test_more_epochs_of_a_finished_run_are_those_of_the_longer_run(
    case: Path, swissbert: Command, tiny_case: Callable[[Path], Path]
) -> None:
    tiny_case(case)
    for epochs, out in ((4, "LONG"), (2, "RUN")):
        command = ["train", "task.toml", "--data", ".", "--out", out, "--epochs", epochs, *words("train.batch_size=40")]
        assert swissbert(*command).status == 0
    more = swissbert("train", "--resume", "--out", "RUN", "--epochs", 4)
    assert more.status == 0, more.stderr
    assert (
        "this run becomes longer: train.epochs 2 became 4; it has 12 steps in all, and with a constant learning rate its "
        "losses are those of a run of that length"
    ) in more.stderr
    assert len(losses(case / "RUN")) == 12
    assert losses(case / "RUN") == losses(case / "LONG")
    one, two = (load_file(case / run / "checkpoints/step-12/parameters.safetensors") for run in ("RUN", "LONG"))
    assert all(torch.equal(one[name], two[name]) for name in two)
    assert "epochs = 4" in (case / "RUN" / "config.toml").read_text(encoding="utf-8")
    assert record(case / "RUN")["longer"] == [{"after_step": 6, "settings": {"train.epochs": [2, 4]}}]


@pytest.mark.parametrize("case", ["d07-folder-moved"], indirect=True)
def test_more_epochs_under_a_schedule_say_what_differs(
    case: Path, swissbert: Command, tiny_case: Callable[[Path], Path]
) -> None:
    tiny_case(case)
    settings = words("train.epochs=1", "train.schedule=linear", "train.max_steps=2")
    assert swissbert("train", "task.toml", "--data", ".", "--out", "RUN", *settings).status == 0
    longer = words("train.epochs=2", "train.schedule=linear", "train.max_steps=5")
    more = swissbert("train", "task.toml", "--data", ".", "--out", "RUN", "--resume", *longer)
    assert more.status == 0, more.stderr
    assert "train.epochs 1 became 2, train.max_steps 2 became 5; it has 5 steps in all" in more.stderr
    assert "from here on its learning rates follow the linear schedule over all of them, so it differs" in more.stderr
    assert len(losses(case / "RUN")) == 5


@pytest.mark.parametrize("case", ["d07-folder-moved"], indirect=True)
def test_a_run_that_patience_ended_goes_on_with_more_patience(
    case: Path, swissbert: Command, tiny_case: Callable[[Path], Path]
) -> None:
    tiny_case(case)
    settings = words("train.epochs=5", "train.batch_size=96", "train.patience=1", "train.lr=1e-9")
    assert swissbert("train", "task.toml", "--data", ".", "--out", "RUN", *settings).status == 0
    assert len(losses(case / "RUN")) == 2
    more = swissbert("train", "--resume", "--out", "RUN", "--epochs", 9)
    assert more.status == 0
    assert "this run ended at step 2, after 1 evaluations without a new best; train.patience is 1" in more.stderr
    assert len(losses(case / "RUN")) == 2
    assert swissbert("train", "--resume", "--out", "RUN", "--set", "train.patience=3").status == 0
    assert len(losses(case / "RUN")) == 4


# --- folders of other layouts


@pytest.mark.parametrize("case", ["d07-folder-moved"], indirect=True)
def test_a_folder_that_is_no_run_of_this_version_says_what_it_is(
    case: Path, swissbert: Command, tiny_case: Callable[[Path], Path]
) -> None:
    tiny_case(case)
    assert swissbert("train", "task.toml", "--data", ".", "--out", "RUN", *words("train.max_steps=1")).status == 0

    def message(out: str) -> str:
        ended = swissbert("train", "--resume", "--out", out)
        assert ended.status == 2
        (line,) = ended.stderr.splitlines()
        return line

    assert "there is no such folder" in message("nowhere")
    assert "this is the model of the run" in message("RUN/model")
    shutil.copytree("RUN/model", "copied")
    assert "encoder.name = 'copied' begins a new run with its encoder" in message("copied")
    config = case / "RUN" / "config.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("[train]\n", "[train]\nearly_stop = 3\n"), encoding="utf-8")
    line = message("RUN")
    assert line.startswith("error: RUN/config.toml: unknown key 'train.early_stop'")
    assert "this run was written by swissbert 0.1.0 or edited: resume it with that version, or start a new run" in line
    config.write_text(text, encoding="utf-8")
    rewrite(case / "RUN" / "run.json", format=9, swissbert="7.0")
    assert "its format is 9, and this version of swissbert reads formats up to 3" in message("RUN")
    assert "(swissbert 7.0)" in message("RUN")
