"""The trackers that ship, with their real packages and without a network: numbers, settings, resume, and nothing changed."""

import importlib.util
import json
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lines import Lines
from swissbert.tracking import TRACKERS, find_tracker
from swissbert.training.loop import train
from tracked import entries, tracked_settings

# warnings come from these packages and not from this one
pytestmark = pytest.mark.filterwarnings("ignore")

INSTALLED = [name for name in TRACKERS if importlib.util.find_spec(find_tracker(name).package) is not None]

Scalars = dict[str, list[tuple[int, float]]]
"""Steps and values by name."""


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Restore the number of threads, which a run sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder in which trackers store what they get; the environment is restored afterwards.

    trackio reads its folder when it is imported, so all tests of this file share one.
    """
    folder = tmp_path_factory.mktemp("stores")
    before = dict(os.environ)
    os.environ |= {
        "WANDB_MODE": "offline",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "TRACKIO_DIR": str(folder / "trackio"),
    }
    yield folder
    os.environ.clear()
    os.environ |= before


LOSS = {"weighting": "automatic", "surgery": True}
"""Of every run that is compared, so that weights and cosines are among the numbers."""


def logged(out: Path) -> Scalars:
    """Return what a tracker should have: the numbers of ``metrics.jsonl``."""
    scalars: Scalars = {}

    def add(step: int, name: str, node: object) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                add(step, f"{name}/{key}", value)
        elif isinstance(node, int | float):
            scalars.setdefault(name.lstrip("/"), []).append((step, node))

    for entry in entries(out):
        add(entry.pop("step"), "", entry)
    return scalars


def from_tensorboard(out: Path, stores: Path) -> Scalars:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    board = EventAccumulator(str(out / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    return {tag: [(event.step, event.value) for event in board.Scalars(tag)] for tag in board.Tags()["scalars"]}


def from_wandb(out: Path, stores: Path) -> Scalars:
    from wandb.proto.wandb_internal_pb2 import Record

    ids: set[str] = set()
    scalars: dict[str, dict[int, float]] = {}
    for file in sorted((out / "wandb").glob("offline-run-*/run-*.wandb")):
        for content in records_of(file.read_bytes()):
            record = Record.FromString(content)
            if record.HasField("run"):
                ids.add(record.run.run_id)
                assert record.run.project == "swissbert"
            if record.HasField("history"):
                items = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
                step = int(items["step"])
                for name, value in items.items():
                    if name != "step" and not name.startswith("_"):
                        scalars.setdefault(name, {})[step] = json.loads(value)
    assert ids == {json.loads((out / "trackers.json").read_text())["wandb"]["id"]}
    return {name: sorted(values.items()) for name, values in scalars.items()}


def records_of(content: bytes) -> Iterator[bytes]:
    """Yield the records of an offline run: blocks of 32 KiB with pieces of records, in the format of LevelDB's log."""
    at, record = 7, b""
    while at + 7 <= len(content):
        if (rest := 32768 - at % 32768) < 7:
            at += rest
            continue
        length, kind = struct.unpack("<HB", content[at + 4 : at + 7])
        record += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield record
            record = b""


def from_trackio(out: Path, stores: Path) -> Scalars:
    from trackio.sqlite_storage import SQLiteStorage

    name = json.loads((out / "trackers.json").read_text())["trackio"]["name"]
    scalars: dict[str, dict[int, float]] = {}
    for log in SQLiteStorage.get_logs("swissbert", name):
        for key, value in log.items():
            if key not in ("step", "timestamp"):
                scalars.setdefault(key, {})[log["step"]] = value
    return {name: sorted(values.items()) for name, values in scalars.items()}


def from_mlflow(out: Path, stores: Path) -> Scalars:
    from mlflow import MlflowClient

    client = MlflowClient()
    run = client.get_run(json.loads((out / "trackers.json").read_text())["mlflow"]["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.params["loss.weighting"] == "automatic"
    assert run.data.params["tasks.sts.kind"] == "regression"
    assert client.get_experiment(run.info.experiment_id).name == "swissbert"
    return {
        name: sorted({metric.step: metric.value for metric in client.get_metric_history(run.info.run_id, name)}.items())
        for name in run.data.metrics
    }


READ: dict[str, Callable[[Path, Path], Scalars]] = {
    "tensorboard": from_tensorboard,
    "wandb": from_wandb,
    "trackio": from_trackio,
    "mlflow": from_mlflow,
}
"""How the numbers of a run are read from what a tracker has stored."""


def test_the_numbers_of_every_tracker_are_read_here() -> None:
    assert READ.keys() == TRACKERS.keys()


class Fails(Exception):  # noqa: N818 (an exception of a user)
    """Ends a run."""


class FailsAfterThree:
    def on_step(self, step: int, record: object) -> None:
        if step == 3:
            raise Fails


@pytest.fixture(scope="module")
def tracked(tiny: Path, stores: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Lines]:
    """A run with all trackers that are installed, which fails after three steps and is resumed after the second."""
    out, display, threads = tmp_path_factory.mktemp("tracked") / "run", Lines(), torch.get_num_threads()
    with pytest.raises(Fails):
        train(tracked_settings(tiny, *INSTALLED, loss=LOSS), out, callbacks=[FailsAfterThree()], display=display)
    train(tracked_settings(tiny, *INSTALLED, loss=LOSS), out, resume=True, display=display)
    torch.set_num_threads(threads)
    return out, display


@pytest.mark.parametrize("name", TRACKERS)
def test_a_run_that_fails_and_is_resumed_is_one_tracked_run_with_all_numbers(
    name: str, tracked: tuple[Path, Lines], stores: Path
) -> None:
    pytest.importorskip(find_tracker(name).package)
    out, display = tracked
    assert [line for line in display.lines if "goes on without it" in line] == []
    actual = READ[name](out, stores)
    assert len(actual.pop("seconds")) == 4
    expected = logged(out)
    assert actual.keys() == expected.keys()
    for key, values in expected.items():
        assert [step for step, _ in actual[key]] == [step for step, _ in values], key
        assert [value for _, value in actual[key]] == pytest.approx([value for _, value in values], rel=1e-6), key


def test_a_run_with_trackers_is_the_run_without_bit_for_bit(
    tiny: Path, tracked: tuple[Path, Lines], tmp_path: Path
) -> None:
    out, _ = tracked
    train(tracked_settings(tiny, loss=LOSS), tmp_path / "plain")
    assert entries(out) == entries(tmp_path / "plain")
    for name in ("parameters", "optimizer"):
        file = Path("checkpoints", "step-4", f"{name}.safetensors")
        assert (out / file).read_bytes() == (tmp_path / "plain" / file).read_bytes()
    assert (out / "model/heads.safetensors").read_bytes() == (tmp_path / "plain/model/heads.safetensors").read_bytes()


def test_wandb_without_a_key_is_one_sentence_and_asks_nothing(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb: Any = pytest.importorskip("wandb")
    wandb.teardown()  # its settings were read from the environment of other tests
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    display = Lines()
    train(tracked_settings(tiny, "wandb", max_steps=1, loss=LOSS), tmp_path / "run", display=display)
    wandb.teardown()
    (line,) = display.about("wandb")
    assert line.startswith("wandb: there is no key (`wandb login` stores one, and WANDB_MODE=offline does without); ")
    assert not (tmp_path / "run" / "wandb").exists()


def test_an_mlflow_server_that_does_not_answer_is_one_sentence(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    display = Lines()
    train(tracked_settings(tiny, "mlflow", max_steps=1, loss=LOSS), tmp_path / "run", display=display)
    (line,) = display.about("mlflow")
    assert line.startswith("mlflow: MlflowException: ")
    assert "secret" not in line


def test_an_mlflow_run_that_is_gone_is_begun_anew(tiny: Path, stores: Path, tmp_path: Path) -> None:
    mlflow: Any = pytest.importorskip("mlflow")
    (tmp_path / "run").mkdir()
    states = tmp_path / "run" / "trackers.json"
    states.write_text(json.dumps({"mlflow": {"run_id": "0" * 32}}))
    train(tracked_settings(tiny, "mlflow", max_steps=1, loss=LOSS), tmp_path / "run")
    new = json.loads(states.read_text())["mlflow"]["run_id"]
    assert mlflow.MlflowClient().get_run(new).info.status == "FINISHED"
