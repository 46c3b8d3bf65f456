"""Which settings a resumed run may change."""

from pathlib import Path
from typing import Any

import pytest

from swissbert.config import RunConfig, dump_config, make_config
from swissbert.errors import SwissbertError
from swissbert.training.resume import Changes, check_settings, longer_lines
from swissbert.training.stored_settings import with_stored_data

TASK = {
    "name": "mood",
    "kind": "binary",
    "labels": ["0", "1"],
    "loss": "binary_cross_entropy",
    "metric": "accuracy",
    "columns": {"text": "text", "label": "label"},
}


def settings(
    train: dict[str, Any] | None = None,
    data: str | None = "/a",
    encoder: str = "minilm",
    file: str = "train.csv",
    **more: Any,
) -> RunConfig:
    table = {
        "tasks": [{**TASK, "files": {"train": file}}],
        "data": {} if data is None else {"dir": data},
        "encoder": {"name": encoder},
        "model": {"pooling": "pooler"},
        "train": train or {},
        **more,
    }
    return make_config(table, "here")


def resumed(run: Path, before: RunConfig, now: RunConfig, *, may_change: bool = True) -> Changes:
    (run / "config.toml").write_text(dump_config(before), encoding="utf-8")
    return check_settings(now, run, resume=True, may_change=may_change)


def test_places_and_what_no_loss_depends_on_may_change(tmp_path: Path) -> None:
    now = settings({"keep": 5, "tensorboard": False, "checkpoint_every": 7}, "/b", "owner/copy", "rows/train.csv")
    changes = resumed(tmp_path, settings(), now)
    assert changes == Changes(
        moved={
            "data.dir": ("/a", "/b"),
            "encoder.name": ("minilm", "owner/copy"),
            "tasks[mood].files.train": ("train.csv", "rows/train.csv"),
        }
    )


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"epochs": 2}, {"epochs": 3}),
        ({"max_steps": 2}, {"max_steps": 3}),
        ({"max_steps": 2}, {}),
        ({"patience": 1}, {"patience": 4}),
        ({"patience": 1}, {}),
    ],
)
def test_a_run_may_become_longer_and_not_shorter(tmp_path: Path, before: dict[str, int], now: dict[str, int]) -> None:
    (key,) = before
    changes = resumed(tmp_path, settings(before), settings(now))
    assert changes.longer == {f"train.{key}": (before[key], now.get(key))}
    with pytest.raises(SwissbertError, match=rf"train\.{key} .*; a run that goes on can only become longer$"):
        resumed(tmp_path, settings(now), settings(before))
    with pytest.raises(SwissbertError, match=rf"settings differ .*: train\.{key} \("):
        resumed(tmp_path, settings(before), settings(now), may_change=False)


@pytest.mark.parametrize(
    "now",
    [
        settings({"batch_size": 8}),
        settings({"epoch_ends": "longest"}),
        settings({"accumulation": 2}),
        settings({"lr": 1e-4, "epochs": 9}),
        settings(seed=1),
        settings(encoder="minilm", model={"dropout": 0.1}),
    ],
)
def test_what_losses_depend_on_must_stay(tmp_path: Path, now: RunConfig) -> None:
    with pytest.raises(
        SwissbertError, match=r"settings differ from those the run began with: [a-z._]+ \([^;]*\)(; |$)"
    ):
        resumed(tmp_path, settings(), now)


def test_a_setting_that_checkpoints_fit_with_may_be_changed_by_name(tmp_path: Path) -> None:
    before = settings({"epochs": 2, "lr": 1e-4}, loss={"scale": {"mood": 1.0}})
    now = settings({"epochs": 2, "lr": 1e-3}, loss={"scale": {"mood": 2.0}})
    with pytest.raises(SwissbertError) as caught:
        resumed(tmp_path, before, now)
    assert str(caught.value) == (
        f"{tmp_path}: settings differ from those the run began with: loss.scale.mood (1.0 became 2.0); "
        "train.lr (0.0001 became 0.001); train.may_change = ['loss.scale', 'train.lr'] allows that"
    )
    names = ["loss.scale", "train.lr"]
    allowed = settings({"epochs": 2, "lr": 1e-3, "may_change": names}, loss={"scale": {"mood": 2.0}})
    changes = resumed(tmp_path, before, allowed)
    assert changes.allowed == {"train.lr": (1e-4, 1e-3), "loss.scale.mood": (1.0, 2.0)}
    half = settings({"epochs": 2, "lr": 1e-3, "may_change": ["train.lr"]}, loss={"scale": {"mood": 2.0}})
    with pytest.raises(SwissbertError, match=r"with: loss\.scale\.mood \(1\.0 became 2\.0\); train\.may_change = "):
        resumed(tmp_path, before, half)


def test_a_setting_that_checkpoints_do_not_fit_with_cannot_be_allowed() -> None:
    with pytest.raises(SwissbertError, match=r"train\.may_change\.0' is 'train\.batch_size'; input should be 'seed', "):
        settings({"may_change": ["train.batch_size"]})


def test_probabilities_that_follow_the_number_of_epochs_forbid_more_epochs(tmp_path: Path) -> None:
    before, now = (settings({"epochs": n}, sampling={"method": "annealed"}) for n in (2, 3))
    with pytest.raises(SwissbertError, match=r"train\.epochs cannot change, because sampling\.method = 'annealed'"):
        resumed(tmp_path, before, now)


def test_settings_without_a_data_folder_take_that_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(dump_config(settings()), encoding="utf-8")
    assert with_stored_data(settings(data=None), tmp_path).data.dir == "/a"
    assert with_stored_data(settings(data="/b"), tmp_path).data.dir == "/b"
    assert with_stored_data(settings(data=None), tmp_path / "new").data.dir is None


@pytest.mark.parametrize(
    ("train", "text"),
    [
        ({}, "and with a constant learning rate its losses are those of a run of that length"),
        ({"schedule": "cosine"}, "its learning rates follow the cosine schedule over all of them, so it differs"),
        ({"warmup": 0.1}, "its learning rates follow the warm-up over all of them, so it differs"),
    ],
)
def test_a_longer_run_says_what_that_means_for_its_losses(train: dict[str, Any], text: str) -> None:
    (line,) = longer_lines(Changes(longer={"train.epochs": (3, 6)}), settings(train), 24)
    assert line.startswith("this run becomes longer: train.epochs 3 became 6; it has 24 steps in all, and ")
    assert text in line


def test_epochs_that_stages_do_not_look_at_make_no_run_longer() -> None:
    config = settings(stages=[{"name": "one", "steps": 9}])
    (line,) = longer_lines(Changes(longer={"train.epochs": (3, 6)}), config, 9)
    assert line == "train.epochs 3 became 6, which changes nothing: the stages say how long this run is"
    _, line = longer_lines(Changes(longer={"train.epochs": (3, 6), "train.patience": (1, 2)}), config, 9)
    assert line == "this run becomes longer: train.patience 1 became 2; it has 9 steps in all"
