"""Kill -9 at every kind of change to the disk in commands other than training; then the same command ends as if never killed."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from campaign.commands import Command, count_changes, files_of, kill_at, odd_end, warm_up
from campaign.frame import Outcome, Setting, Trial
from campaign.inputs import recipe, tiny_encoder
from campaign.writers import contents, left_beside, texts_file, trained

MOST_KILLS = 5
"""Kills before a command may end."""


def _killed_until_done(
    setting: Setting,
    outcome: Outcome,
    name: str,
    arguments: Callable[[Path], Sequence[object]],
    turns: int,
    compared: Callable[[Path], object] = contents,
    is_whole: bool = True,
) -> None:
    """Run a command again and again, killed before a change to the disk, until it ends, and compare what it wrote.

    Args:
        setting: Folder and random numbers.
        outcome: Where attempts are counted.
        name: Name of what is tried.
        arguments: The command line that writes to a path.
        turns: How often.
        compared: Returns what must be equal.
        is_whole: Whether the output is one file or folder, which is there complete or not at all after a kill.
    """
    random = setting.random()
    if not turns:
        return
    whole = setting.folder / f"{name}-whole" / "out"
    whole.parent.mkdir()
    total = count_changes(setting.folder, arguments(whole))
    kills = 0
    most = setting.number(MOST_KILLS, 2)
    for turn in range(turns):
        out = setting.folder / f"{name}-{turn}" / "out"
        out.parent.mkdir()
        fault, killed = None, 0
        while fault is None:
            first = kill_at(random.randint(1, total)) if killed < most else None
            process = Command(setting.folder, arguments(out), first)
            code = process.wait()
            if code == -signal.SIGKILL:
                killed += 1
                if is_whole and out.exists() and compared(out) != compared(whole):
                    fault = f"{name}: half-written after a kill"
                if is_whole and out.exists():
                    shutil.rmtree(out) if out.is_dir() else out.unlink()
                continue
            fault = odd_end(code, process.text, (0,))
            if fault is None and compared(out) != compared(whole):
                fault = f"{name}: differs after {killed} kills"
            rest = left_beside(out) + [path.name for path in out.rglob(".*")]
            if fault is None and rest:
                fault = f"{name}: left {rest[:3]} after {killed} kills"
            break
        kills += killed
        outcome.count(fault)
    outcome.figures[name] = f"{kills} kills"


def outputs(setting: Setting) -> Outcome:
    """Answers, exports and submissions."""
    warm_up()
    outcome = Outcome("answers, exports and submissions, killed and run again")
    run, texts = trained(setting, "run"), texts_file(setting, "texts.txt", setting.number(300, 60))

    def predict(option: str, *more: object) -> Callable[[Path], Sequence[object]]:
        return lambda out: ["predict", run, "--task", "sst", "--input", texts, option, out, *more]

    def export(form: str) -> Callable[[Path], Sequence[object]]:
        return lambda out: ["export", run, "--format", form, "--out", out]

    def answers(out: Path) -> dict[str, bytes]:
        return {name: data for name, data in files_of(out).items() if name != "job.json"}

    number = setting.number
    _killed_until_done(
        setting, outcome, "shards", predict("--output-dir", "--shard-rows", 25), number(14, 1), answers, is_whole=False
    )
    _killed_until_done(setting, outcome, "file", predict("--output"), number(10, 1))
    _killed_until_done(setting, outcome, "hf", export("hf"), number(10, 1))
    _killed_until_done(setting, outcome, "compact", export("compact"), number(8, 0))
    _killed_until_done(setting, outcome, "onnx", export("onnx"), number(2, 0))
    _killed_until_done(
        setting, outcome, "submit", lambda out: ["submit", run, "--out", out], number(8, 1), is_whole=False
    )
    return outcome


def tables(setting: Setting) -> Outcome:
    """Rows of a table of the paper. Not in the short form: tests/e2e/test_reproduce_killed.py does the same."""
    outcome = Outcome("a row of reproduce, killed and run again")
    if setting.short:
        return outcome
    warm_up()
    encoder = tiny_encoder(setting.folder / "encoder", 0, 8)
    sets = ["threads=1", "epochs=2", "epoch_ends=4", "batch_size=4", "tensorboard=false", "checkpoint_every=2"]
    settings = [*(f"train.{one}" for one in sets), "data.limit=24", "encoder.max_length=32"]
    options = [word for one in settings for word in ("--set", one)]

    def arguments(out: Path) -> Sequence[object]:
        rows = ["--rows", "pair", "--data", "starter", "--encoder", encoder]
        return ["reproduce", "table2", *rows, "--out", out, *options]

    def compared(out: Path) -> object:
        record = json.loads((out / "rows" / "pair.seed-0.json").read_text(encoding="utf-8"))
        runs = [[run[key] for key in ("evaluations", "scores", "steps", "tokens")] for run in record["runs"]]
        tables = [(out / f"table2.{ending}").is_file() for ending in ("md", "html")]
        return runs, tables, [path.name for path in out.rglob("checkpoints")]

    _killed_until_done(setting, outcome, "reproduce", arguments, 8, compared, is_whole=False)
    return outcome


def token_cache(setting: Setting) -> Outcome:
    """Builders of the token cache, two at a time: an entry is whole or not there, and the last one leaves nothing else."""
    warm_up()
    outcome = Outcome("builders of the token cache, killed two at a time")
    settings = recipe(setting.folder / "my.toml", tiny_encoder(setting.folder / "encoder", 0, 8), 3)
    random, killed = setting.random(), 0

    def build(cache: Path, number: int) -> Command:
        def first() -> None:
            os.environ["SWISSBERT_CACHE"] = str(cache)
            kill_at(number)()

        return Command(setting.folder, ["train", settings, "--dry-run"], first)

    def entries(cache: Path) -> dict[str, dict[str, bytes]]:
        found = cache.iterdir() if cache.is_dir() else ()
        return {path.name: files_of(path) for path in found if not path.name.startswith(".")}

    whole, cache = setting.folder / "whole", setting.folder / "cache-killed"
    if (first := build(whole, 0)).wait() != 0:
        raise RuntimeError(first.text)
    right = entries(whole)
    for turn in range(setting.number(60, 3)):
        pair = [build(cache, random.randint(1, 140)) for _ in range(2)]
        codes = [process.wait() for process in pair]
        killed += codes.count(-signal.SIGKILL)
        ends = (odd_end(code, process.text) for code, process in zip(codes, pair, strict=True))
        fault = next((end for end in ends if end is not None), None)
        found = entries(cache)
        if any(right.get(name) != data for name, data in found.items()):
            fault = fault or "an entry is half-written or wrong"
        outcome.count(fault)
        if turn % 6 == 5:
            for name in found:
                shutil.rmtree(cache / name)
    if cache.exists():
        for name in entries(cache):  # so that the last one builds
            shutil.rmtree(cache / name)
    last = build(cache, 0)
    fault = odd_end(last.wait(), last.text, (0,))
    if entries(cache) != right:
        fault = fault or "the last builder made other entries"
    if rest := [path.name for path in cache.iterdir() if path.name not in right]:
        fault = fault or f"left {rest[:3]}"
    outcome.count(fault)
    outcome.figures["builders killed"] = str(killed)
    return outcome


TRIALS: dict[str, Trial] = {"outputs": outputs, "tables": tables, "token cache": token_cache}
