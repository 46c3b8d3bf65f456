"""Runs that go on where something has changed meanwhile: the same bit for bit, refused, said, or silently another run.

Each case copies a run that was killed after its tenth step, changes one thing, resumes, and compares losses, scores and weights
with those of a run that nothing interrupted. Ending as another run without a word is the fault.
"""

import importlib
import json
import os
import re
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from campaign.commands import Command, log_lines, odd_end
from campaign.frame import Outcome, Setting, Trial
from campaign.inputs import recipe, tiny_encoder
from campaign.resume_case import Case, Place
from campaign.resume_cases import all_cases

SAID = re.compile(r"not the same run|may differ|not compared|is not as it was")
"""What a run says that may not be the same."""
KILLED = 10
"""Step after which the interrupted run is killed; its last checkpoint is that of step 9."""


def changes(setting: Setting) -> Outcome:
    """Resume after each of many changes to settings, machine, versions, code, data, record and checkpoints."""
    outcome = Outcome("runs that go on after something has changed")
    cases = all_cases()
    if setting.short:
        cases = cases[:1] + setting.random().sample(cases[1:], 3)
    prototypes = _prototypes(setting.folder)
    ends: Counter[str] = Counter()
    for case in cases:
        place = _fresh(setting.folder, prototypes)
        if case.change is not None:
            case.change(place)
        recipe_given = [place.folder / "my.toml"] if case.with_recipe else []
        arguments = ["train", *recipe_given, "--out", place.run, "--resume", *case.more]

        def first(case: Case = case) -> None:
            os.environ["SWISSBERT_CPU"] = "bf16"
            if case.first is not None:
                case.first()

        command = Command(setting.folder, arguments, first=first)
        code = command.wait()
        end = _end(code, command.text, place.run, prototypes / "whole")
        ends[end] += 1
        wrong = odd_end(code, command.text, (0, 2))
        if wrong is None and end not in case.ends:
            wrong = f"{end}: {' '.join(command.text.split())[-200:]}"
        outcome.count(wrong and f"{case.name}: {wrong}")
    outcome.figures = {name: str(ends[name]) for name in ("same", "refused", "said", "silent")}
    return outcome


def _prototypes(folder: Path) -> Path:
    """Train the run that nothing interrupts, another run, and one that is killed; return the folder of all three."""
    importlib.import_module("swissbert.training.loop")  # once, before anything is forked
    importlib.import_module("swissbert.cli.train")
    place = Place(folder / "place")
    place.folder.mkdir()
    tiny_encoder(place.folder / "encoder")
    from swissbert.config import STARTER

    shutil.copytree(STARTER, place.folder / "data")
    path = recipe(
        place.folder / "my.toml", place.folder / "encoder", tensorboard=False, checkpoint_every=3, baseline=False
    )
    path.write_text(path.read_text().replace('dir = "starter"', f"dir = {json.dumps(str(place.folder / 'data'))}"))

    def kill() -> None:
        from swissbert.training.log import MetricsLog  # which is not part of the code that is compared

        before = MetricsLog.write

        def write(self: MetricsLog, record: dict[str, Any]) -> None:
            before(self, record)
            if record["step"] == KILLED:
                os.kill(os.getpid(), signal.SIGKILL)

        os.environ["SWISSBERT_CPU"] = "bf16"
        MetricsLog.write = write  # type: ignore[method-assign]

    def plain() -> None:
        os.environ["SWISSBERT_CPU"] = "bf16"

    prototypes = folder / "prototypes"
    for name, more, first, expected in (
        ("whole", (), plain, 0),
        ("other", ("--set", "seed=5"), plain, 0),
        ("half", (), kill, -signal.SIGKILL),
    ):
        command = Command(folder, ["train", path, "--out", place.run, *more], first=first)
        if (code := command.wait()) != expected:
            raise RuntimeError(f"the run '{name}' ended with {code}: {command.text[-500:]}")
        place.run.rename(place.folder / name)
    place.folder.rename(prototypes)
    return prototypes


def _fresh(folder: Path, prototypes: Path) -> Place:
    """Return a place with unchanged inputs and the killed run."""
    place = Place(folder / "place")
    shutil.rmtree(place.folder, ignore_errors=True)
    shutil.copytree(prototypes, place.folder, ignore=shutil.ignore_patterns("half", "whole"))
    shutil.copytree(prototypes / "half", place.run)
    return place


def _end(code: int | str, text: str, run: Path, whole: Path) -> str:
    """Return how a resumed run ended: ``same``, ``said``, ``refused``, ``silent``, or its exit status."""
    if code != 0:
        return "refused" if code == 2 else str(code)
    if SAID.search(" ".join(text.split())):
        return "said"
    return "silent" if _differing(run, whole) else "same"


def _differing(run: Path, whole: Path) -> bool:
    """Whether losses, scores, weights or vocabulary of two finished runs differ."""
    if log_lines(run / "metrics.jsonl") != log_lines(whole / "metrics.jsonl"):
        return True
    names = ("model.safetensors", "heads.safetensors", "vocab.txt")
    return any((run / "model" / name).read_bytes() != (whole / "model" / name).read_bytes() for name in names)


TRIALS: dict[str, Trial] = {"changes": changes}
