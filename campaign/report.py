"""The table of a campaign: tried, ended well, faults."""

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from campaign.frame import PARTS, Outcome

READING = "\n## Reading\n"
"""Heading of the section that a person writes."""


@dataclass(frozen=True)
class Line:
    """One trial of a campaign.

    Attributes:
        part: Module of the campaign.
        name: Name of the trial in its table.
        seconds: How long it took.
        outcome: What came of it.
    """

    part: str
    name: str
    seconds: float
    outcome: Outcome

    def shown(self) -> str:
        """Return the line for a terminal."""
        outcome = self.outcome
        figures = "".join(f"; {name} {value}" for name, value in outcome.figures.items())
        return (
            f"{outcome.what:<60} {outcome.tried:>8,} tried {outcome.well:>8,} well {len(outcome.faults):>4} faults"
            f" {self.seconds:>6.1f} s{figures}"
        )


def write_report(lines: Sequence[Line], out: Path, seed: int) -> None:
    """Write ``README.md`` for people and ``results.json`` for programs into `out`.

    Trials in `out` that are not among the lines are kept, so parts may be run one after the other. So is the last section
    of the README.md, what a person wrote about the table.

    Args:
        lines: Trials that were run.
        out: The folder, which is created if necessary.
        seed: Seed of their random numbers.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / "results.json"
    trials = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    about = {"date": datetime.date.today().isoformat(), "commit": _commit(), "machine": _machine(), "seed": seed}
    new = [
        {"part": line.part, "trial": line.name, "seconds": round(line.seconds, 1), **vars(line.outcome), **about}
        for line in lines
    ]
    names = {(trial["part"], trial["trial"]) for trial in new}
    trials = [trial for trial in trials if (trial["part"], trial["trial"]) not in names] + new
    trials.sort(key=lambda trial: PARTS.index(trial["part"]) if trial["part"] in PARTS else len(PARTS))
    path.write_text(json.dumps(trials, indent=1) + "\n", encoding="utf-8")
    readme = out / "README.md"
    reading = readme.read_text(encoding="utf-8").partition(READING)[2] if readme.is_file() else ""
    readme.write_text(_readme(trials) + (f"{READING}{reading}" if reading else ""), encoding="utf-8")


def _readme(trials: Sequence[dict[str, Any]]) -> str:
    """Return the table for people."""
    minutes = sum(trial["seconds"] for trial in trials) / 60
    machines = ", ".join(sorted({trial["machine"] for trial in trials}))
    rows = [
        f"| {trial['part']} | {trial['what']} | {trial['tried']:,} | {trial['well']:,} | {len(trial['faults'])} | "
        f"{', '.join(f'{name} {value}' for name, value in trial['figures'].items())} | {trial['commit']} {trial['date']} |"
        for trial in trials
    ]
    faults = [f"- {trial['part']}, {trial['trial']}: {fault}" for trial in trials for fault in trial["faults"]]
    text = [
        "# The fault campaign",
        "",
        f"`make campaign`, seed {', '.join(sorted({str(trial['seed']) for trial in trials}))}, {machines}; "
        f"{minutes:.0f} minutes of trials. `campaign/README.md` says what each part does.",
        "",
        "| part | what was tried | tried | ended as it should | faults | figures | commit, date |",
        "|---|---|--:|--:|--:|---|---|",
        *rows,
        "",
        *(["## Faults", "", *faults] if faults else ["No faults."]),
    ]
    return "\n".join(text) + "\n"


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _commit() -> str:
    """Return the commit of the checkout, marked where files differ from it."""
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=8", "--match=-"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
