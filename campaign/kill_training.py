"""Training that is killed and resumed: losses, scores, weights and moments are those of a run that nothing interrupted."""

import importlib
import time
from pathlib import Path

from campaign.commands import Command, count_changes, files_of, kill_at, log_lines, odd_end
from campaign.frame import Outcome, Setting, Trial
from campaign.inputs import recipe, tiny_encoder

OF_A_PROCESS = (".lock",)
"""Files of a run folder that stay while it is used and mean nothing afterwards."""


def each_change(setting: Setting) -> Outcome:
    """Kill a run once, before each of many changes to the file system, and resume it."""
    outcome = Outcome("runs killed at a change to the file system, resumed")
    path, whole = _prepared(setting)
    total = count_changes(setting.folder, ["train", path, "--out", setting.folder / "counted"])
    numbers = setting.random().sample(range(1, total + 1), min(total, setting.number(60, 1)))
    for number in sorted(numbers):
        run = setting.folder / f"run-{number}"
        command = Command(setting.folder, ["train", path, "--out", run], first=kill_at(number))
        code = command.wait()
        wrong = odd_end(code, command.text) or _resumed(setting.folder, path, run, whole)
        outcome.count(wrong and f"killed at change {number} of {total}: {wrong}")
    outcome.figures = {"changes of a run": str(total)}
    return outcome


def random_moments(setting: Setting) -> Outcome:
    """Kill a run again and again at random moments, and resume it each time."""
    outcome = Outcome("runs killed again and again at random moments, resumed")
    path, whole = _prepared(setting)
    kills, random = 0, setting.random()
    begin = time.monotonic()
    Command(setting.folder, ["train", path, "--out", setting.folder / "timed"]).wait()
    took = time.monotonic() - begin
    for number in range(setting.number(8, 1)):
        run = setting.folder / f"run-{number}"
        for _ in range(setting.number(15, 1)):
            command = Command(setting.folder, ["train", path, "--out", run, "--resume"])
            time.sleep(random.uniform(0.05, took * 0.5))
            if command.poll() is not None:
                break
            command.kill()
            kills += 1
        wrong = _resumed(setting.folder, path, run, whole)
        outcome.count(wrong and f"run {number}: {wrong}")
    outcome.figures = {"kills": str(kills)}
    return outcome


def two_processes(setting: Setting) -> Outcome:
    """Start two processes on one run folder at the same time: one trains, the other is refused."""
    outcome = Outcome("two processes that train in one run folder")
    path, whole = _prepared(setting)
    for number in range(setting.number(8, 1)):
        run = setting.folder / f"run-{number}"
        both = [Command(setting.folder, ["train", path, "--out", run, "--resume"]) for _ in range(2)]
        codes = [command.wait() for command in both]
        wrong = next(
            filter(None, (odd_end(code, one.text, (0, 2)) for code, one in zip(codes, both, strict=True))), None
        )
        if wrong is None:
            wrong = _difference(run, whole) if 0 in codes else f"both ended with {codes}"
        outcome.count(wrong and f"pair {number}: {wrong}")
    return outcome


def _prepared(setting: Setting) -> tuple[Path, Path]:
    """Return a recipe and the folder of a run that nothing interrupts."""
    importlib.import_module("swissbert.training.loop")  # once, before anything is forked
    importlib.import_module("swissbert.cli.train")
    encoder = tiny_encoder(setting.folder / "encoder")
    steps = setting.number(18, 6)
    path, whole = setting.folder / "my.toml", setting.folder / "whole"
    recipe(path, encoder, steps, baseline=False, tensorboard=not setting.short)
    command = Command(setting.folder, ["train", path, "--out", whole])
    if (code := command.wait()) != 0:
        raise RuntimeError(f"the run that nothing interrupts ended with {code}: {command.text[-500:]}")
    return path, whole


def _resumed(folder: Path, path: Path, run: Path, whole: Path) -> str | None:
    """Resume a run to its end and return what is wrong with it; None if nothing is."""
    command = Command(folder, ["train", path, "--out", run, "--resume"])
    return odd_end(command.wait(), command.text, (0,)) or _difference(run, whole)


def _difference(run: Path, whole: Path) -> str | None:
    """Return in what two finished runs differ; None if in nothing."""
    if log_lines(run / "metrics.jsonl") != log_lines(whole / "metrics.jsonl"):
        return "metrics.jsonl differs"
    ours, theirs = _kept(run), _kept(whole)
    if ours.keys() != theirs.keys():
        return f"files differ: {sorted(ours.keys() ^ theirs.keys())}"
    names = [name for name in ours if name.endswith(".safetensors") and ours[name] != theirs[name]]
    return f"{', '.join(names)} differ" if names else None


def _kept(run: Path) -> dict[str, bytes]:
    """Return the files of a run but those of TensorBoard, of which there is one for each process."""
    files = files_of(run)
    return {
        name: text for name, text in files.items() if not name.startswith("tensorboard/") and name not in OF_A_PROCESS
    }


TRIALS: dict[str, Trial] = {
    "each change": each_change,
    "random moments": random_moments,
    "two processes": two_processes,
}
