"""The moving average of the weights: its recursion, what is scored and saved, and exact resume of all copies of weights."""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from swissbert.config import RunConfig, make_config
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.evaluation import evaluate
from swissbert.inference.loading import load
from swissbert.training.loop import train
from swissbert.training.moving_average import average_decay
from swissbert.training.preparation import prepare
from swissbert.training.record import read_record, write_record
from swissbert.training.resume import Changes, longer_lines
from swissbert.training.run import Run
from swissbert.training.step_record import StepRecord


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Restore the number of threads, which a run sets."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def config(tiny: Path, regularisation: dict[str, Any] | None = None, **changes: Any) -> RunConfig:
    """Settings of two epochs of six steps; `changes` are of ``[train]``."""
    return make_config(
        {
            "tasks": ["sst", "para", "sts"],
            "data": {"dir": "starter", "limit": 24},
            "encoder": {"name": str(tiny), "dropout": 0.1, "max_length": 16},
            "loss": {"weighting": "automatic", "lr": 0.05},
            "regularisation": regularisation or {},
            "train": {
                "epochs": 2,
                "batch_size": 4,
                "lr": 1e-2,
                "device": "cpu",
                "precision": "fp32",
                "threads": 1,
                "tensorboard": False,
                "baseline": False,
                **changes,
            },
        },
        "here",
    )


def test_the_decay_rises_to_its_limit() -> None:
    assert [average_decay(0.9, step) for step in (0, 1, 8)] == [0.1, 2 / 11, 0.5]
    assert average_decay(0.9, 79) == pytest.approx(80 / 89)
    assert average_decay(0.9, 80) == average_decay(0.9, 10**6) == 0.9


def test_it_follows_its_recursion_exactly_and_changes_no_step(tiny: Path) -> None:
    one, two = prepare(config(tiny, ema=0.4)), prepare(config(tiny))
    step, plain = one.training_step(), two.training_step()
    assert plain.average is None
    assert step.average is not None
    assert step.modules.state_dict().keys() > plain.modules.state_dict().keys()
    expected = {name: p.detach().clone() for name, p in one.network.named_parameters()}
    for number in range(8):
        assert step(number, one.batches()(number)).loss == plain(number, two.batches()(number)).loss
        for name, weight in one.network.named_parameters():
            expected[name].lerp_(weight.detach(), 1 - min(0.4, (1 + number) / (10 + number)))
    for name, weight in step.average.network.named_parameters():
        assert torch.equal(weight, expected[name]), name
        assert not weight.requires_grad
    assert not step.average.network.training
    assert one.network.training


class Watch:
    """Keeps the run, and what a test asks of it at its evaluations."""

    run: Run

    def __init__(self) -> None:
        self.scores: list[tuple[Any, Any]] = []

    def on_start(self, run: Run) -> None:
        self.run = run

    def on_evaluation(self, step: int, scores: Any) -> None:
        raw = evaluate(self.run.network, self.run.prepared.dev)
        average = evaluate(self.run.scored_network, self.run.prepared.dev)
        self.scores.append((scores.flat() == average.flat(), scores.flat() == raw.flat()))


def test_the_average_is_what_is_scored_and_saved(tiny: Path, tmp_path: Path) -> None:
    watch, stream = Watch(), io.StringIO()
    result = train(config(tiny, ema=0.99, epochs=1), tmp_path, callbacks=[watch], display=Display(stream=stream))
    assert watch.scores == [(True, False)]
    average, raw = watch.run.scored_network, watch.run.network
    assert average is not raw
    saved = load(tmp_path).network
    for (name, weight), kept, other in zip(
        saved.named_parameters(), average.parameters(), raw.parameters(), strict=True
    ):
        assert torch.equal(weight, kept), name
        assert not torch.equal(weight, other) or "token_type" in name or "position" in name, name
    state = load_file(next((tmp_path / "checkpoints").iterdir()) / "parameters.safetensors")
    for prefix, network in (("model", raw), ("average.network", average)):
        for name, weight in network.named_parameters():
            assert torch.equal(state[f"{prefix}.{name}"], weight), (prefix, name)
    (line,) = [line for line in stream.getvalue().splitlines() if "train.ema" in line]
    assert line.endswith(
        "train.ema 0.99: dev scores and the model that is saved are those of a moving average of the weights"
    )
    assert result.scores == evaluate(average, watch.run.prepared.dev).flat()


def test_thresholds_are_fitted_to_the_answers_of_the_average(tiny: Path, tmp_path: Path) -> None:
    settings = config(tiny, ema=0.99, epochs=1)
    model = settings.model.model_copy(update={"pair_encoding": False, "pair_head": "cosine"})
    watch = Watch()
    train(settings.model_copy(update={"model": model}), tmp_path, callbacks=[watch])
    assert watch.run.scored_network.head("para").threshold != 0
    assert watch.run.network.head("para").threshold == 0
    assert load(tmp_path).network.head("para").threshold == watch.run.scored_network.head("para").threshold


ALL = {"smoothness": 2.0, "epsilon": 0.05, "noise": 0.03, "step_size": 0.04, "proximal": 1.0, "proximal_start": 0.25}


class Crash:
    """Ends a run in the middle of a step."""

    def on_step(self, step: int, record: StepRecord) -> None:
        if step == 8:
            raise RuntimeError("out of memory")


def entries(out: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


@pytest.fixture(scope="module")
def whole(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a run with smoothness, an anchor and an average that nothing interrupts."""
    out = tmp_path_factory.mktemp("whole") / "run"
    train(config(tiny, ALL, ema=0.9, checkpoint_every=1, keep=12), out)
    return out


@pytest.mark.parametrize("last", [2, 7], ids=["before the anchor starts", "after an evaluation"])
def test_a_resumed_run_with_all_of_it_ends_as_the_whole_one(tiny: Path, tmp_path: Path, whole: Path, last: int) -> None:
    settings, out = config(tiny, ALL, ema=0.9, checkpoint_every=1, keep=12), tmp_path / "run"
    with pytest.raises(RuntimeError, match="out of memory"):
        train(settings, out, callbacks=[Crash()])
    for step in range(last + 1, 8):
        shutil.rmtree(out / "checkpoints" / f"step-{step}")
    if last < 6:
        shutil.rmtree(out / "model")
    stream = io.StringIO()
    train(settings, out, resume=True, display=Display(stream=stream))
    assert "gradient of the first step" not in stream.getvalue()
    assert entries(out) == entries(whole)
    assert any("proximal" in line and "smoothness" in line for line in entries(out))
    for name in ("checkpoints/step-12/parameters", "checkpoints/step-12/optimizer", "model/model", "model/heads"):
        ours, theirs = (load_file(folder / f"{name}.safetensors") for folder in (out, whole))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), name
    kept = load_file(out / "checkpoints/step-12/parameters.safetensors")
    parts = {key.split(".")[0] for key in kept}
    assert parts == {"model", "weighting", "anchor", "average"}


def test_an_earlier_record_without_these_settings_is_no_change(tiny: Path, tmp_path: Path) -> None:
    settings = config(tiny, epochs=1)
    train(settings, tmp_path)
    path = tmp_path / "config.toml"
    text = path.read_text(encoding="utf-8")
    start = text.index("[regularisation]")
    end = text.index("[", start + 1)
    path.write_text(text[:start] + text[end:], encoding="utf-8")
    record = read_record(tmp_path)
    assert record is not None
    del record["settings"]["regularisation"]
    write_record(tmp_path, record)
    stream = io.StringIO()
    assert train(settings, tmp_path, resume=True, display=Display(stream=stream)).progress.step == 6
    assert "not the same run" not in stream.getvalue()
    longer = settings.model_copy(update={"regularisation": config(tiny, ALL).regularisation})
    with pytest.raises(SwissbertError, match=r"settings differ from those the run began with: regularisation\.epsilon"):
        train(longer, tmp_path, resume=True)


@pytest.mark.parametrize(
    ("regularisation", "schedule", "phrase"),
    [
        ({}, "constant", "with a constant learning rate its losses are those of a run of that length"),
        (ALL, "constant", "from here on the anchor of regularisation.proximal follows their number, so it differs"),
        (
            ALL,
            "linear",
            "rates follow the linear schedule over all of them and the anchor of regularisation.proximal f",
        ),
        ({"proximal": 1, "proximal_start": 0, "proximal_decay": 0.9}, "constant", "are those of a run of that length"),
    ],
)
def test_a_longer_run_says_what_follows_its_length(
    tiny: Path, regularisation: dict[str, Any], schedule: str, phrase: str
) -> None:
    settings = config(tiny, regularisation, schedule=schedule)
    (line,) = longer_lines(Changes(longer={"train.epochs": (2, 4)}), settings, 24)
    assert phrase in line
