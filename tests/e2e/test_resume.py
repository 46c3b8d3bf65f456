"""Runs that are killed, stopped, out of disk space, and resumed: real processes and real signals."""

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import forked
import swissbert
from swissbert.cli import main

STARTER = Path(swissbert.__file__).parent / "data" / "starter"

STEPS, EPOCH, EVERY = 36, 6, 4


@pytest.fixture(scope="module", autouse=True)
def _threads() -> Iterator[None]:
    """Restore the number of threads, which the recipe sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def home(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a folder with ``my.toml`` and its data; dev rows are the train rows, so that scores keep rising."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "data").mkdir()
    for task in ("sst", "para", "sts"):
        lines = (STARTER / f"{task}-train.tsv").read_text(encoding="utf-8").splitlines(keepends=True)[:49]
        for split in ("train", "dev"):
            (folder / "data" / f"{task}-{split}.tsv").write_text("".join(lines), encoding="utf-8")
    text = f"""
name = "my"
seed = 1
tasks = ["sst", "para", "sts"]
data = {{ dir = {json.dumps(str(folder / "data"))} }}
encoder = {{ name = {json.dumps(str(tiny))}, dropout = 0.1, max_length = 32 }}
loss = {{ weighting = "automatic", lr = 0.05 }}

[train]
epochs = {STEPS // EPOCH}
batch_size = 4
accumulation = 2
lr = 1e-3
weight_decay = 0.01
schedule = "linear"
warmup = 0.1
clip = 1.0
checkpoint_every = {EVERY}
device = "cpu"
precision = "fp32"
threads = 1
"""
    (folder / "my.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def whole(home: Path) -> Path:
    """Train the run that nothing interrupts, in a process that Python starts anew; the others are forked."""
    out = home / "whole"
    command = [sys.executable, "-m", "swissbert", *words(home, out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out / 'model'}\n"
    return out


def words(home: Path, out: Path, *more: str) -> list[str]:
    """Return the command line after the name of the program."""
    return ["train", str(home / "my.toml"), "--out", str(out), *more]


def driven(
    home: Path, out: Path, *more: str, event: str = "none", pattern: str = "", limit: int = 0
) -> "subprocess.CompletedProcess[str]":
    """Run the command in a process that kills itself at an audit event, or cannot write files beyond `limit` bytes."""

    def prepare() -> None:
        forked.killed_at(event, pattern)()
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return forked.swissbert(*words(home, out, *more), before=prepare)


def here(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line in this process; return its exit status."""
    monkeypatch.setattr(sys, "argv", ["swissbert", *arguments])
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


def reach(pid: int, out: Path, steps: int) -> None:
    """Wait until a run has written `steps` lines, then pause it with SIGSTOP."""
    path = out / "metrics.jsonl"
    for _ in range(100_000):
        if path.exists() and path.read_bytes().count(b"\n") >= steps:
            break
        assert os.waitpid(pid, os.WNOHANG) == (0, 0), "the run has ended"
        time.sleep(0.0005)
    os.kill(pid, signal.SIGSTOP)


def records(out: Path) -> list[dict[str, object]]:
    """Return ``metrics.jsonl`` without durations, which differ between runs."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def checkpoints(out: Path) -> set[str]:
    return {path.name for path in (out / "checkpoints").iterdir()}


def assert_same(run: Path, whole: Path) -> None:
    """Check that losses, weights, scores, tensors and file names are those of the uninterrupted run."""
    assert [line["step"] for line in records(run) if "loss" in line] == list(range(1, STEPS + 1))
    assert records(run) == records(whole)
    assert checkpoints(run) == checkpoints(whole) == {"step-32", "step-36"}
    last = f"checkpoints/step-{STEPS}"
    for name in (
        "model/model.safetensors",
        "model/heads.safetensors",
        f"{last}/parameters.safetensors",
        f"{last}/optimizer.safetensors",
    ):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    assert {path.name for path in run.iterdir()} == {path.name for path in whole.iterdir()}


def scalars(out: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    board = EventAccumulator(str(out / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    tags = [tag for tag in board.Tags()["scalars"] if tag != "seconds"]
    return {tag: [(event.step, event.value) for event in board.Scalars(tag)] for tag in tags}


def contents(folder: Path) -> dict[str, str]:
    """Return every file and its checksum, except event files."""
    files = [path for path in folder.rglob("*") if path.is_file() and "tensorboard" not in path.parts]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_uninterrupted_run_uses_all_state_that_a_resume_restores(whole: Path) -> None:
    lines = records(whole)
    weights = [line["weight"] for line in lines if "weight" in line]
    bests = [json.dumps(line["dev"]) for line in lines if "dev" in line]
    assert len({json.dumps(weight) for weight in weights}) == STEPS  # loss weights change at every step
    assert len(set(bests)) == STEPS // EPOCH
    assert json.loads((whole / "model" / "swissbert.json").read_text())["provenance"]["step"] > EPOCH


def test_a_run_that_is_killed_repeatedly_ends_as_the_uninterrupted_one(home: Path, whole: Path) -> None:
    out = home / "killed"

    # While the first checkpoint is being written: there is nothing to resume from yet.
    dead = driven(home, out, event="open", pattern=r"\.step-4\.\w+\.new")
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert sorted(name.split(".")[-1] for name in checkpoints(out)) == ["new", "writing"]
    assert len(records(out)) == EVERY

    # Between checkpoints, from outside, with an incomplete last line of metrics.jsonl.
    pid = forked.start(*words(home, out, "--resume"), output=home / "printed")
    reach(pid, out, EVERY + 1)
    os.kill(pid, signal.SIGKILL)
    assert forked.exit_status_of(pid) == -signal.SIGKILL
    assert EVERY < len(records(out)) < STEPS
    with (out / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9999, "lo')

    # After a checkpoint is written and before it is renamed.
    dead = driven(home, out, "--resume", event="os.rename", pattern=r"\.step-\d+\.\w+\.new \S+/step-")
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert "going on after step" in dead.stderr
    (unnamed,) = [name for name in checkpoints(out) if name.endswith(".new")]
    assert unnamed.split(".")[1] not in checkpoints(out)

    # Between the two renames that replace the best model, which then exists under another name only.
    dead = driven(home, out, "--resume", event="os.rename", pattern=r"\.model\.\w+\.new \S+/model ")
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert not (out / "model").exists()
    assert {".model.old", ".model.writing"} <= {path.name for path in out.iterdir()}

    # While an old checkpoint is being removed.
    dead = driven(home, out, "--resume", event="shutil.rmtree", pattern=r"/\.step-")
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert len([name for name in checkpoints(out) if name.startswith("step-")]) == 2  # no part of it has its name
    assert len([name for name in checkpoints(out) if name.endswith(".new")]) == 1

    # To the end, in a process that dies if anything is unpickled.
    done = driven(home, out, "--resume", event="pickle.find_class")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out / 'model'}\n"
    assert_same(out, whole)
    assert scalars(out) == scalars(whole)
    assert not list(out.rglob(".*"))  # nothing that the killed processes left


def test_ctrl_c_and_sigterm_save_the_state_and_a_second_process_is_refused(
    home: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = home / "stopped runs" / "one"
    resume: list[str] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        output, errors = home / "output", home / "errors"
        pid = forked.start(*words(home, out, *resume), output=output, errors=errors)
        behind = len(records(out)) if resume else 0
        reach(pid, out, behind + 3)

        for more in ((), ("--resume",)):
            assert here(monkeypatch, "train", str(home / "my.toml"), "--out", str(out), *more) == 2
            refused = capsys.readouterr()
            assert refused.out == ""
            assert refused.err == (
                f"error: {out}: another process is writing here; wait for it to finish or choose another folder (lock: {out / '.lock'})\n"
            )

        os.kill(pid, number)
        os.kill(pid, signal.SIGCONT)
        status, messages = forked.exit_status_of(pid), errors.read_text(encoding="utf-8")
        assert status == 130, messages
        assert output.read_bytes() == b""
        step = len([line for line in records(out) if "loss" in line])
        assert messages.splitlines()[-1] == (
            f"stopped after step {step} of {STEPS}; resume with: swissbert train --resume --out '{out}'"
        )
        assert behind < step < STEPS
        assert f"step-{step}" in checkpoints(out)
        resume = ["--resume"]

    assert here(monkeypatch, "train", "--resume", "--out", str(out)) == 0  # as the message says
    assert capsys.readouterr().out == f"{out / 'model'}\n"
    assert_same(out, whole)


def test_resuming_a_complete_run_changes_nothing(
    whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, board = contents(whole), scalars(whole)
    assert here(monkeypatch, "train", "--resume", "--out", str(whole)) == 0
    assert capsys.readouterr().out == f"{whole / 'model'}\n"
    assert contents(whole) == before
    assert scalars(whole) == board


def test_an_existing_run_changed_settings_and_changed_rows_are_refused(
    home: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(whole)
    recipe = ("train", str(home / "my.toml"), "--out", str(whole))

    assert here(monkeypatch, *recipe) == 2
    assert capsys.readouterr().err == (
        f"error: {whole}: holds a run already; resume it, or choose another folder (on the command line: --resume)\n"
    )

    assert here(monkeypatch, *recipe, "--resume", "--set", "train.lr=0.002", "--set", "loss.weighting=sum") == 2
    assert capsys.readouterr().err == (
        f"error: {whole}: settings differ from those the run began with: "
        "loss.weighting ('automatic' became 'sum'); train.lr (0.001 became 0.002)\n"
    )

    rows = home / "data" / "sts-dev.tsv"
    text = rows.read_text(encoding="utf-8")
    try:
        rows.write_text(text.replace("\t4.7\n", "\t4.6\n", 1), encoding="utf-8")
        assert here(monkeypatch, *recipe, "--resume") == 2
    finally:
        rows.write_text(text, encoding="utf-8")
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .startswith(
            f"error: {whole}: the rows of sts.dev differ from those the run began with (sts-dev.tsv: 48 rows as before, but "
            "other texts, labels, ids, order or tokens); put the earlier rows back to go on with it, or start a new run"
        )
    )
    assert contents(whole) == before


def test_a_file_size_limit_ends_the_run_in_one_sentence_and_it_resumes(
    home: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = home / "limited"
    failed = driven(home, out, limit=200_000)  # parameters fit, the optimizer's moments do not
    assert failed.returncode == 2
    assert failed.stdout == ""
    last = failed.stderr.splitlines()[-1]
    assert last.startswith(f"error: {out / 'checkpoints' / 'step-4'}: cannot be written (")
    assert "File too large" in last
    assert "Traceback" not in failed.stderr
    assert checkpoints(out) == set()

    assert here(monkeypatch, "train", "--resume", "--out", str(out)) == 0
    assert_same(out, whole)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 800 KiB, or skip the test where that is not possible."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small file system needs root")
    made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=800k", "tmpfs", folder], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"a small file system cannot be mounted ({made.stderr.decode().strip()})")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_ends_the_run_in_one_sentence_and_it_resumes_when_there_is_room(
    home: Path, whole: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = small_disk / "run"
    failed = driven(home, out)
    assert failed.returncode == 2, failed.stderr
    assert failed.stdout == ""
    last = failed.stderr.splitlines()[-1]
    assert last.startswith(f"error: {out}/")
    assert "cannot be written (" in last
    assert "No space left on device" in last
    assert "Traceback" not in failed.stderr
    there = checkpoints(out)
    assert there == {"step-4"}

    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    capsys.readouterr()
    assert here(monkeypatch, "train", "--resume", "--out", str(out)) == 0
    assert "going on after step 4" in capsys.readouterr().err
    assert_same(out, whole)
