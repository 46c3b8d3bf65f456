"""Settings that are chosen from encoder and rows where a recipe leaves them out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import swissbert
from swissbert.config import RunConfig, make_config, shipped_recipes
from swissbert.settings import read_toml
from swissbert.training.automatic import adopt_choices, choose_settings
from swissbert.training.state import Progress

MOOD = {"name": "mood", "kind": "binary", "labels": ["low", "high"], "columns": {"text": "text", "label": "label"}}


def config(**train: Any) -> RunConfig:
    return make_config({"tasks": [MOOD], "train": train})


@pytest.mark.parametrize(("hidden", "rate"), [(32, 2e-4), (384, 2e-4), (768, 3e-5), (1024, 1e-5)])
def test_large_encoders_get_small_rates_and_heads_ten_times_as_much(hidden: int, rate: float) -> None:
    train = choose_settings(config(), {"mood": 300}, 50, hidden)[0].train
    assert train.lr == rate
    assert train.head_lr == pytest.approx(10 * rate)
    assert (train.schedule, train.warmup) == ("linear", 0.1)


def test_a_rate_that_is_given_keeps_the_schedule_of_the_paper() -> None:
    train = choose_settings(config(lr=1e-5), {"mood": 300}, 50, 384)[0].train
    assert (train.lr, train.head_lr, train.schedule, train.warmup) == (1e-5, None, "constant", 0.0)


@pytest.mark.parametrize("rows", [1, 20, 100, 300, 1000, 3000, 50_000, 10**7])
def test_few_rows_are_read_more_often(rows: int) -> None:
    train = choose_settings(config(), {"mood": rows}, 50, 384)[0].train
    more = choose_settings(config(), {"mood": 2 * rows}, 50, 384)[0].train
    assert 3 <= more.epochs <= train.epochs <= 25
    assert train.patience is not None
    assert train.patience <= train.epochs


def test_what_is_given_is_kept_and_nothing_is_said_about_it() -> None:
    given = {"lr": 1e-3, "batch_size": 4, "epochs": 2}
    chosen, line = choose_settings(config(**given), {"mood": 300}, 50, 384)
    assert line == ""
    assert {key: getattr(chosen.train, key) for key in given} == given
    assert chosen.train.patience is None


def test_stages_are_not_cut_short_by_an_automatic_patience() -> None:
    for length, has_epochs in (({"steps": 9}, False), ({"share": 0.5}, True)):
        table = {"tasks": [MOOD], "stages": [{"name": "one", **length}]}
        chosen, line = choose_settings(make_config(table), {"mood": 300}, 50, 384)
        assert chosen.train.patience is None
        assert (", epochs " in line) == has_epochs
    given = make_config({"tasks": [MOOD], "stages": [{"name": "one", "share": 0.5}], "train": {"patience": 2}})
    assert choose_settings(given, {"mood": 300}, 50, 384)[0].train.patience == 2


def test_every_shipped_recipe_is_complete() -> None:
    for name in shipped_recipes():
        assert choose_settings(swissbert.load_config(name), {"sst": 300}, 50, 384)[1] == "", name


def test_a_resumed_run_keeps_what_was_chosen() -> None:
    stored = choose_settings(config(clip=1.0), {"mood": 300}, 50, 384)[0]
    again = adopt_choices(config(clip=2.0), stored)
    assert again.train.lr == stored.train.lr
    assert again.train.epochs == stored.train.epochs
    assert again.train.clip == 2.0


def test_a_run_writes_what_was_chosen_and_resumes_from_a_recipe_that_leaves_it_out(tiny: Path, tmp_path: Path) -> None:
    rows = [{"text": f"a {word} film {n}", "label": word} for n in range(12) for word in ("good", "bad")]
    table = {
        "tasks": [{key: value for key, value in MOOD.items() if key != "labels"}],
        "encoder": {"name": str(tiny), "max_length": 64},
        "train": {"max_steps": 4, "device": "cpu", "precision": "fp32", "threads": 1, "tensorboard": False},
    }
    out = tmp_path / "run"
    first = swissbert.train(make_config(table), out, data={"mood": (rows, rows)})
    stored = make_config(read_toml(out / "config.toml"))
    assert (stored.train.epochs, stored.train.batch_size, stored.train.lr) == (25, 16, 2e-4)
    assert stored.tasks[0].labels == ["bad", "good"]
    again = swissbert.train(make_config(table), out, resume=True, data={"mood": (rows, rows)})
    assert again.progress.step == first.progress.step == 4


@pytest.mark.parametrize(
    ("values", "kept"), [([0.5, 0.9, 0.85, 0.7], 3), ([0.5, 0.9, 0.7, 0.95], 4), ([0.9, 0.84, 0.8], 2)]
)
def test_of_scores_within_a_standard_error_the_latest_model_is_kept(values: list[float], kept: int) -> None:
    progress = Progress()
    for step, value in enumerate(values, 1):
        progress = replace(progress, step=step).judged(value, tie=0.07)
    assert (progress.best, progress.best_step) == (max(values), kept)
