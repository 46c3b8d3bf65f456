"""Inputs and commands for the trials of disks and surroundings, and how a command has to end."""

from collections.abc import Callable, Sequence
from pathlib import Path

from campaign.commands import Command, log_lines, odd_end, warm_up
from campaign.frame import Outcome, Setting
from campaign.inputs import pickled_encoder, recipe, tiny_encoder
from swissbert.model_folder.layout import METRICS_LOG

SAME = ("model/model.safetensors", "model/heads.safetensors")
"""Files of a run that are the same in every run of the same recipe."""

ONLY_LONG = " (only at full length)"
"""Added to what a trial does if its short form does nothing."""


class Bench:
    """Inputs of commands, and the outcome of a trial.

    Args:
        setting: Of the trial.
        what: What is tried.
        more: Further modules to import first.

    Attributes:
        run: A run folder.
        texts: A file of texts.
    """

    def __init__(self, setting: Setting, what: str, *more: str) -> None:
        warm_up(*more)
        self.outcome, self.folder = Outcome(what), setting.folder
        self.encoder = tiny_encoder(self.folder / "tiny")
        self.recipe = recipe(self.folder / "my.toml", self.encoder, 6, baseline=False)
        self.pickled = pickled_encoder(self.folder / "pickled", self.encoder)
        self.run, self.texts = self.folder / "run", self.folder / "texts.txt"
        self.texts.write_text("".join(f"a good film, number {number}\n" for number in range(1000)), encoding="utf-8")
        self.must("train", self.recipe, "--out", self.run)

    def must(self, *arguments: object) -> str:
        """Run a command and return its output. Raises RuntimeError if it fails."""
        command = Command(self.folder, arguments)
        if (code := command.wait()) != 0:
            raise RuntimeError(f"{arguments}: ended with {code}: {command.text[-500:]}")
        return command.text

    def attempt(
        self,
        name: str,
        arguments: Sequence[object],
        allowed: Sequence[int] = (0, 2),
        first: Callable[[], None] | None = None,
        then: Callable[[], str | None] | None = None,
    ) -> None:
        """Run a command and count how it ends.

        Args:
            name: Where, for faults.
            arguments: The command line after ``swissbert``.
            allowed: Exit statuses; 2 goes with one sentence.
            first: Called in the new process.
            then: Returns what is wrong with what it left.
        """
        command = Command(self.folder, arguments, first=first)
        code = command.wait()
        fault = odd_answer(code, command.text, allowed) or (then and then())
        self.outcome.count(fault and f"{arguments[0]}, {name}: {fault}")

    def same_run(self, run: Path) -> str | None:
        """Return what is other in a run than in `run`."""
        for name in SAME:
            if (run / name).read_bytes() != (self.run / name).read_bytes():
                return f"{name} has other numbers"
        return (
            None if log_lines(run / METRICS_LOG) == log_lines(self.run / METRICS_LOG) else f"{METRICS_LOG} is another"
        )

    def reproduce(self, out: Path) -> tuple[object, ...]:
        """Return the arguments of a short ``reproduce``."""
        settings = ("train.epochs=1", "train.epoch_ends=2", "data.limit=24", "train.threads=1", "encoder.max_length=32")
        choices = [part for value in settings for part in ("--set", value)]
        rows = ("--rows", "pair", "--data", "starter", "--encoder", self.encoder)
        return ("reproduce", "table2", *rows, "--out", out, *choices)

    def writers(self, out: Path) -> dict[str, tuple[object, ...]]:
        """Return commands that write `out`, by what they write."""
        table = self.folder / "table.csv"
        table.write_text("text,mood\n" + "a good film,good\na bad film,bad\n" * 20, encoding="utf-8")
        predict = ("predict", self.run, "--task", "sst", "--input", self.texts)
        return {
            "JSON lines": (*predict, "--output", out.with_suffix(".jsonl")),
            "CSV": (*predict, "--output", out.with_suffix(".csv")),
            "Parquet": (*predict, "--output", out.with_suffix(".parquet")),
            "shards": (*predict, "--output-dir", out, "--shard-rows", "200"),
            "a transformers folder": ("export", self.run, "--format", "hf", "--out", out),
            "an ONNX file": ("export", self.run, "--format", "onnx", "--out", out),
            "a compact folder": ("export", self.run, "--format", "compact", "--out", out),
            "prediction files": ("submit", self.run, "--out", out),
            "a recipe": ("init", table, "--label", "mood", "--out", out.with_suffix(".toml")),
            "converted weights": ("convert", self.pickled, "--out", out),
            "a report": ("analyse", self.run, "--out", out),
            "a table": self.reproduce(out),
        }


def odd_answer(code: int | str, text: str, allowed: Sequence[int]) -> str | None:
    """Return what is wrong with how a command ended: 2 goes with one sentence of moderate length."""
    if odd := odd_end(code, text, allowed):
        return odd
    sentences = [line for line in text.splitlines() if line.startswith("error: ")]
    if code == 2 and (len(sentences) != 1 or len(sentences[0]) > 3000) and text:
        return f"{len(sentences)} sentences: {text[-300:]}"
    return None


def left_over(place: Path) -> str | None:
    """Return which temporary files were left below a folder."""
    left = [str(path.relative_to(place)) for path in place.rglob(".*") if path.name != ".lock"]
    return f"left over: {', '.join(left)}" if left else None
