"""Trackers get the numbers of a run and cannot harm it: errors, delays and missing packages are said once."""

import json
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import BaseModel

from lines import Lines
from swissbert.config import RunConfig
from swissbert.tracking import TRACKERS, Status, TrackedRun, Tracker, sender, tracking
from swissbert.tracking.quiet_thread import quiet_thread
from swissbert.tracking.tracking import Tracking
from swissbert.training.loop import train
from swissbert.training.run_log import shared_settings
from tracked import entries, tracked_settings

GOES_ON = "; this run goes on without it, and metrics.jsonl has all numbers"


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Restore the number of threads, which a run sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class Recorder(Tracker):
    """Keeps its calls."""

    calls: list[Any]
    """Of all objects of the class, because a run makes its own."""

    def start(self, run: TrackedRun) -> Mapping[str, str]:
        self.place = "in memory"
        self.calls.append(("start", run.step, dict(run.state)))
        return {"id": run.state.get("id") or "run-1"}

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.calls.append((step, dict(values)))

    def sync(self) -> None:
        self.calls.append("sync")

    def end(self, status: Status) -> None:
        self.calls.append(status)


class BadStart(Recorder):
    def start(self, run: TrackedRun) -> Mapping[str, str]:
        raise OSError("https://me:secret@tracker.example refuses")


class BadLog(Recorder):
    def log(self, step: int, values: Mapping[str, float]) -> None:
        super().log(step, values)
        raise SystemExit("no room")


class BadEnd(Recorder):
    def end(self, status: Status) -> None:
        raise RuntimeError("cannot end")


class Hanging(Recorder):
    """Takes the first numbers and never returns until it is let go."""

    may_go = threading.Event()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        super().log(step, values)
        assert self.may_go.wait(60)


class Absent(Recorder):
    package, install = "no_such_package", "pip install no-such-package"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Make the trackers above known, and return the calls that they get."""
    calls: list[Any] = []
    monkeypatch.setattr(Recorder, "calls", calls, raising=False)
    for kind in (Recorder, BadStart, BadLog, BadEnd, Hanging, Absent):
        monkeypatch.setitem(TRACKERS, kind.__name__, f"{__name__}:{kind.__name__}")
    return calls


def parameters(out: Path) -> list[bytes]:
    files = ("model/model.safetensors", "model/heads.safetensors", "checkpoints/step-4/optimizer.safetensors")
    return [(out / name).read_bytes() for name in files]


def test_a_tracker_gets_what_the_log_gets(tiny: Path, tmp_path: Path, calls: list[Any]) -> None:
    display = Lines()
    train(tracked_settings(tiny, "Recorder"), tmp_path / "run", display=display)
    assert calls[0] == ("start", 0, {})
    steps = [call for call in calls if isinstance(call, tuple) and call[0] != "start"]
    for entry, (step, values) in zip(entries(tmp_path / "run"), steps, strict=True):
        assert entry.pop("step") == step
        entry.pop("notes", None)
        expected = {
            f"{key}/{name}" if name else key: number
            for key, value in entry.items()
            for name, number in (value.items() if isinstance(value, dict) else [("", value)])
            if number is not None
        }
        assert {name: value for name, value in values.items() if name != "seconds"} == expected
    assert [call for call in calls if isinstance(call, str)] == ["sync", "sync", "finished"]
    assert "Recorder: in memory" in display.lines


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("BadStart", "OSError: https://tracker.example refuses"),
        ("BadLog", "SystemExit: no room"),
        ("BadEnd", "cannot end"),
    ],
)
def test_a_tracker_that_fails_is_said_once_and_changes_nothing(
    tiny: Path, tmp_path: Path, calls: list[Any], name: str, reason: str
) -> None:
    display = Lines()
    train(tracked_settings(tiny), tmp_path / "plain")
    train(tracked_settings(tiny, name, "Recorder"), tmp_path / "run", display=display)
    assert display.about(GOES_ON) == [f"{name}: {reason}{GOES_ON}"]
    assert entries(tmp_path / "run") == entries(tmp_path / "plain")
    assert parameters(tmp_path / "run") == parameters(tmp_path / "plain")
    assert calls[-1] == "finished"  # the other one


def test_a_tracker_that_hangs_does_not_hold_up_the_run(
    tiny: Path, tmp_path: Path, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "END_SECONDS", {"finished": 0.1})
    monkeypatch.setattr(sender, "SYNC_SECONDS", 0.1)
    Hanging.may_go.clear()
    display = Lines()
    try:
        train(tracked_settings(tiny, "Hanging"), tmp_path / "run", display=display)
    finally:
        Hanging.may_go.set()
    assert len(entries(tmp_path / "run")) == 5
    assert display.about("Hanging") == [
        "Hanging: in memory",
        f"Hanging: it has not finished within 0.1 seconds{GOES_ON}",
    ]


def test_a_tracker_that_is_far_behind_is_given_up(
    tmp_path: Path, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "MOST_WAITING", 3)
    Hanging.may_go.clear()
    lines: list[str] = []
    trackers = Tracking(["Hanging"], TrackedRun("mine", tmp_path), tmp_path / "trackers.json", lines.append)
    try:
        for step in range(1, 9):
            trackers.log({"step": step, "loss": 1.0})
        before = time.monotonic()
        trackers.end("finished")
        assert time.monotonic() - before < 10  # it is not waited for
    finally:
        Hanging.may_go.set()
    assert lines == ["Hanging: in memory", f"Hanging: it is 3 steps behind{GOES_ON}"]


def test_trackers_end_side_by_side_within_one_limit(
    tmp_path: Path, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "END_SECONDS", {"finished": 0.5})
    Hanging.may_go.clear()
    lines: list[str] = []
    names = ["Hanging", "Hanging", "Hanging", "Recorder"]
    trackers = Tracking(names, TrackedRun("mine", tmp_path), tmp_path / "trackers.json", lines.append)
    try:
        trackers.log({"step": 1, "loss": 1.0})
        before = time.monotonic()
        trackers.end("finished")
        assert 0.4 < time.monotonic() - before < 0.95
    finally:
        Hanging.may_go.set()
    assert lines[4:] == [f"Hanging: it has not finished within 0.5 seconds{GOES_ON}"] * 3
    assert "finished" in calls


def test_a_package_that_is_missing_is_one_line_before_the_first_step(
    tiny: Path, tmp_path: Path, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no_such_package").mkdir()  # such as the folder of runs that wandb writes
    monkeypatch.syspath_prepend(tmp_path)
    display = Lines()
    train(tracked_settings(tiny, "Absent"), tmp_path / "run", display=display)
    (line,) = display.about("no_such_package")
    assert line == (
        "no_such_package is not installed; metrics.jsonl has the same numbers (pip install no-such-package)"
    )
    first = next(number for number, text in enumerate(display.lines) if text.startswith("dev after"))
    assert display.lines.index(line) < first
    assert calls == []


def test_a_resumed_run_goes_on_with_its_tracked_run(tiny: Path, tmp_path: Path, calls: list[Any]) -> None:
    class Fails:
        def on_step(self, step: int, record: object) -> None:
            if step == 3:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(tracked_settings(tiny, "Recorder"), tmp_path / "run", callbacks=[Fails()])
    assert calls[-1] == "failed"
    states = tmp_path / "run" / "trackers.json"
    assert json.loads(states.read_text()) == {"Recorder": {"id": "run-1"}}
    calls.clear()
    train(tracked_settings(tiny, "Recorder"), tmp_path / "run", resume=True)
    assert calls[0] == ("start", 2, {"id": "run-1"})
    assert [call[0] for call in calls[1:] if isinstance(call, tuple)] == [3, 4, 4]
    calls.clear()
    train(tracked_settings(tiny, "Recorder"), tmp_path / "run", resume=True)  # nothing is left to track
    assert calls == []


def test_damaged_states_are_said_and_the_tracker_begins_anew(tmp_path: Path, calls: list[Any]) -> None:
    path = tmp_path / "trackers.json"
    path.write_text("{")
    lines: list[str] = []
    Tracking(["Recorder"], TrackedRun("mine", tmp_path), path, lines.append).end("finished")
    assert lines[0].startswith(f"{path}: cannot be read (")
    assert calls[0] == ("start", 0, {})


def test_only_the_thread_of_a_tracker_is_silenced(capsys: pytest.CaptureFixture[str]) -> None:
    is_quiet, may_end = threading.Event(), threading.Event()

    def work() -> None:
        with quiet_thread():
            print("of the tracker")
            is_quiet.set()
            assert may_end.wait(60)
            print("of the tracker")

    before, thread = sys.stdout, threading.Thread(target=work)
    thread.start()
    assert is_quiet.wait(60)
    during = sys.stdout
    print("a result")
    may_end.set()
    thread.join()
    print("another one", file=during)
    assert sys.stdout is before
    assert capsys.readouterr().out == "a result\nanother one\n"


def test_trackers_get_no_folders_and_no_texts(tiny: Path) -> None:
    settings = shared_settings(tracked_settings(tiny))
    assert settings["encoder"]["name"] == tiny.name
    assert settings["data"]["dir"] == "starter"
    assert not {"title", "help", "ends", "examples"} & settings["tasks"]["sst"].keys()
    run = TrackedRun("mine", tiny, settings=settings)
    assert run.flat_settings()["tasks.sst.kind"] == "classification"
    assert run.flat_settings()["train.max_steps"] == 4


def test_no_setting_holds_a_secret() -> None:
    def names(model: type[BaseModel]) -> Iterator[str]:
        for name, field in model.model_fields.items():
            yield name
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                yield from names(field.annotation)

    found = [name for name in names(RunConfig) if re.search(r"(^|_)(key|token|secret|password|credential)s?$", name)]
    assert found == []
