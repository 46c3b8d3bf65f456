"""Power loss: what was written and not synced is lost, torn or out of order, at any moment of a command.

A command is recorded once. From the record follow the states that a power cut may leave on the disk, and on each of them
the next command is run: it has to find the old or the new result whole, or make it again. What a command that has ended
left must be there.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from campaign.commands import MORE, Command, files_of, kill_at, log_lines, odd_end, warm_up
from campaign.disk_bench import ONLY_LONG
from campaign.frame import Outcome, Setting
from campaign.inputs import pickled_encoder, recipe, tiny_encoder
from campaign.recording import Change, NotRecorded, record
from campaign.unsynced import Disk, State, cuts, read_state, write_state
from swissbert.model_folder.layout import METRICS_LOG

STEPS = 6
WEIGHTS = ("model/model.safetensors", "model/heads.safetensors")


class Moment(NamedTuple):
    """A moment of a power cut: the changes made by then, and whether the command had ended."""

    changes: Sequence[Change]
    is_end: bool


Content = dict[str, bytes]
"""Files of a result by name."""

Judge = Callable[[Moment], str | None]
"""Looks at the disk after a power cut, runs the next commands, and returns what is wrong."""


class Bench:
    """The disk whose power is cut, and inputs on another one.

    Args:
        setting: Of the trial.
        what: What is tried.
        more: Further modules to import first.
    """

    def __init__(self, setting: Setting, what: str, *more: str) -> None:
        warm_up(*more)
        self.setting, self.outcome, self.folder = setting, Outcome(what), setting.folder
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        self.encoder = tiny_encoder(self.folder / "tiny")
        # Without trackers, which write in threads of their own; of their files nothing is promised.
        self.recipe = recipe(self.folder / "my.toml", self.encoder, STEPS, baseline=False, tensorboard=False)

    def run(self, *arguments: object) -> tuple[str | None, str]:
        """Run a command that must not fail. Return what is wrong with how it ended, and its output."""
        command = Command(self.folder, arguments)
        code = command.wait()
        odd = odd_end(code, command.text, (0,))
        return odd and f"{arguments[0]} afterwards: {odd}", command.text

    def make(self, *arguments: object) -> None:
        """Run a command. Raises RuntimeError if it fails."""
        if odd := self.run(*arguments)[0]:
            raise RuntimeError(odd)

    def cut(
        self,
        arguments: Sequence[object],
        judge: Judge,
        most: int,
        start: State | None = None,
        *,
        children: bool = False,
    ) -> None:
        """Record a command, and judge states that power cuts leave.

        Args:
            arguments: The command line after ``swissbert``.
            judge: See `Judge`.
            most: How many states to try besides all of those after its end.
            start: What is on the disk before.
            children: Whether a child process writes as well.
        """
        start = start or {}
        write_state(self.disk, start)
        try:
            changes = record(self.folder, self.disk, arguments, children=children)
        except NotRecorded as reason:
            if "not tried" not in self.outcome.what:
                self.outcome.what += f" (not tried here: {reason})"
            return
        disk = Disk(start)
        for change in changes:
            disk.apply(change)
        if disk.now() != read_state(self.disk):
            raise RuntimeError(f"{arguments}: the record does not give the files that were written")
        during = sum(cut.after < len(changes) for cut in cuts(start, changes, self.setting.seed))
        chosen = set(self.setting.random().sample(range(during), min(most, during)))
        for number, cut in enumerate(cuts(start, changes, self.setting.seed)):
            if number in chosen or number >= during:
                write_state(self.disk, cut.files)
                fault = judge(Moment(changes[: cut.after], cut.after == len(changes)))
                where = f"{arguments[0]}, power cut after change {cut.after} of {len(changes)}, on the disk: {cut.way}"
                self.outcome.count(fault and f"{where}: {fault}")

    def whole_or_again(
        self,
        out: Path,
        arguments: Sequence[object],
        old: Content | None = None,
        start: State | None = None,
        file_by_file: bool = False,
    ) -> Judge:
        """Return a judge of a command that makes a file or folder, which must be whole or be made again.

        Args:
            out: The file or folder.
            arguments: The command line after ``swissbert``.
            old: What it was before.
            start: What is on the disk before the first time.
            file_by_file: Whether the command writes one whole file after the other, so that some may be missing.
        """
        write_state(self.disk, start or {})
        self.make(*arguments)
        whole = _content(out)

        def judge(moment: Moment) -> str | None:
            found = _content(out)
            if found == whole:
                return None
            is_part = file_by_file and found.items() <= whole.items()
            if moment.is_end or not (is_part or found in ({}, old)):
                return f"{out.name} is {_shown(found, whole)}"
            odd, _ = self.run(*arguments)
            return odd or (
                None if _content(out) == whole else f"made again, {out.name} is {_shown(_content(out), whole)}"
            )

        return judge


def training(setting: Setting) -> Outcome:
    """A run goes on from its last finished checkpoint and becomes the same run; one that has ended is there."""
    bench = Bench(setting, "power loss while training, then resumed")
    whole, run = bench.folder / "whole", bench.disk / "runs/my"
    bench.make("train", bench.recipe, "--out", whole)
    arguments = ("train", bench.recipe, "--out", run, "--resume")
    first = 0

    def judge(moment: Moment) -> str | None:
        if moment.is_end and (wrong := _other_run(run, whole)):
            return f"of the run that ended, {wrong}"
        if any((run / name / "swissbert.json").exists() for name in ("model", ".model.old")):
            command = Command(bench.folder, ("predict", run, "--task", "sst", "fine"))
            if odd := odd_end(command.wait(), command.text, (0, 2)):
                return f"predict afterwards: {odd}"
        odd, text = bench.run(*arguments)
        if odd:
            return odd
        begun, kept = int((re.findall(r"going on after step (\d+)", text) or [0])[0]), _kept_step(moment.changes, first)
        if begun < kept:
            return f"resumed after step {begun}, although the checkpoint of step {kept} was finished"
        wrong = _other_run(run, whole)
        return wrong and f"of the resumed run, {wrong}"

    bench.cut(arguments, judge, setting.number(60, 4))
    if not setting.short:
        write_state(bench.disk, {})
        Command(bench.folder, arguments, first=kill_at(60)).wait()
        first = max(int(path.name.partition("-")[2]) for path in run.glob("checkpoints/step-*"))
        bench.cut(arguments, judge, 30, read_state(bench.disk))
    return bench.outcome


def answers(setting: Setting) -> Outcome:
    """Files of answers are the old or the new ones; a job in shards goes on, and a finished one is finished."""
    what = "power loss while answering, into files and shards"
    if setting.short:
        return Outcome(what + ONLY_LONG)
    bench = Bench(setting, what)
    run = bench.folder / "run"
    bench.make("train", bench.recipe, "--out", run)
    texts = bench.folder / "texts.txt"
    texts.write_text("".join(f"a good film, number {number}\n" for number in range(60)), encoding="utf-8")
    predict = ("predict", run, "--task", "sst", "--input", texts)
    for name in ("answers.jsonl", "answers.csv", "answers.parquet"):
        out = bench.disk / name
        arguments = (*predict, "--output", out)
        old: State = {} if out.suffix == ".jsonl" else {name: b"old"}
        bench.cut(arguments, bench.whole_or_again(out, arguments, {"": b"old"}), 40, old)
    folder = bench.disk / "new/shards"
    sharded = (*predict, "--output-dir", folder, "--shard-rows", "20")
    bench.make(*sharded)
    whole = _content(folder)

    def judge(moment: Moment) -> str | None:
        odd, text = bench.run(*sharded)
        if moment.is_end and "finished already" not in text:
            return f"the job that ended is not finished: {text.strip()[-200:]}"
        return odd or (None if _content(folder) == whole else f"the shards are {_shown(_content(folder), whole)}")

    bench.cut(sharded, judge, 50)
    return bench.outcome


def products(setting: Setting) -> Outcome:
    """Exports, prediction files, recipes and converted weights are whole, or made again."""
    what = "power loss while exporting, submitting, converting, declaring"
    if setting.short:
        return Outcome(what + ONLY_LONG)
    bench = Bench(setting, what, *MORE)
    run, table = bench.folder / "run", bench.folder / "table.csv"
    bench.make("train", bench.recipe, "--out", run)
    pickled = pickled_encoder(bench.folder / "pickled", bench.encoder)
    table.write_text("text,mood\n" + "a good film,good\na bad film,bad\n" * 20, encoding="utf-8")
    new = bench.disk / "new/out"
    for arguments in (
        *(("export", run, "--format", form, "--out", new) for form in ("hf", "onnx")),
        ("submit", run, "--out", new),
        ("convert", pickled, "--out", new),
    ):
        most = 4 if "onnx" in arguments or "convert" in arguments else 25
        judge = bench.whole_or_again(new, arguments, file_by_file="submit" in arguments)
        bench.cut(arguments, judge, most, children="convert" in arguments)
    declared = bench.disk / "table.toml"
    init = ("init", table, "--label", "mood", "--out", declared)
    bench.cut(init, bench.whole_or_again(declared, init), 10)
    beside = bench.disk / "pickled"
    shutil.copytree(pickled, beside)
    start = read_state(bench.disk)
    convert = ("convert", beside)
    judge = bench.whole_or_again(beside / "model.safetensors", convert, start=start)
    bench.cut(convert, judge, 15, start, children=True)
    return bench.outcome


def reproduction(setting: Setting) -> Outcome:
    """A table goes on with the rows that are not finished, and its scores are the same."""
    what = "power loss while reproducing a table, then again"
    if setting.short:
        return Outcome(what + ONLY_LONG)
    bench = Bench(setting, what, *MORE)
    out = bench.disk / "new/paper"
    settings = ["train.epochs=1", "train.epoch_ends=2", "data.limit=24", "train.threads=1", "encoder.max_length=32"]
    settings += ["train.tensorboard=false"]
    settings += ("train.tensorboard=false",)
    rows = ("--rows", "pair", "--data", "starter", "--encoder", bench.encoder, "--out", out)
    arguments = ("reproduce", "table2", *rows, *(part for value in settings for part in ("--set", value)))
    bench.make(*arguments)
    whole = _scores(out)

    def judge(moment: Moment) -> str | None:
        if moment.is_end and not (
            (out / "table2.md").exists() and (out / "table2.html").exists() and _scores(out) == whole
        ):
            return "the table that ended is not there"
        odd, _ = bench.run(*arguments)
        return odd or (None if _scores(out) == whole else "the scores are others")

    bench.cut(arguments, judge, 25)
    return bench.outcome


def cache(setting: Setting) -> Outcome:
    """A damaged token cache is made again: the losses are the same."""
    what = "power loss while filling the token cache, then trained"
    if setting.short:
        return Outcome(what + ONLY_LONG)
    bench = Bench(setting, what)
    whole = bench.folder / "whole"
    bench.make("train", bench.recipe, "--out", whole)
    os.environ["SWISSBERT_CACHE"] = str(bench.disk / "tokens")
    arguments = ("train", bench.recipe, "--dry-run")

    def judge(moment: Moment) -> str | None:
        run = bench.disk / "run"
        odd, _ = bench.run("train", bench.recipe, "--out", run)
        return odd or _other_run(run, whole)

    bench.cut(arguments, judge, 40)
    return bench.outcome


def _other_run(run: Path, whole: Path) -> str | None:
    """Return what is other in a run than in the same run without a power cut."""
    for name in WEIGHTS:
        if not (run / name).exists():
            return f"{name} is missing"
        if (run / name).read_bytes() != (whole / name).read_bytes():
            return f"{name} has other numbers"
    if not (run / METRICS_LOG).exists() or log_lines(run / METRICS_LOG) != log_lines(whole / METRICS_LOG):
        return f"{METRICS_LOG} is missing or other"
    return None


def _kept_step(changes: Sequence[Change], first: int) -> int:
    """Return the step of the last checkpoint that was renamed into place and whose folder was synced since."""
    kept, step = first, first
    for change in changes:
        if change.kind == "rename" and "checkpoints/step-" in change.other:
            step = int(change.other.rpartition("-")[2])
        elif change.kind == "sync" and change.path.endswith("checkpoints"):
            kept = step
    return kept


def _content(path: Path) -> Content:
    """Return the files of a folder, without hidden ones; that of a file has no name."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {name: data for name, data in files_of(path).items() if not name.startswith(".")}


def _shown(found: Content, whole: Content) -> str:
    """Word how content differs."""
    if not found:
        return "missing"
    odd = [name for name in sorted(found.keys() | whole.keys()) if found.get(name) != whole.get(name)]
    return "not whole: " + ", ".join(f"{name or 'content'} ({len(found.get(name, b''))} bytes)" for name in odd)


def _scores(out: Path) -> dict[str, Any]:
    """Return the scores of all rows of a table."""
    return {path.name: json.loads(path.read_text())["scores"] for path in sorted(out.glob("rows/*.json"))}


TRIALS = {
    "training": training,
    "answers": answers,
    "products": products,
    "reproduction": reproduction,
    "cache": cache,
}
