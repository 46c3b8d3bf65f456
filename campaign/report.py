"""The table of a campaign: tried, ended well, faults."""

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from campaign.frame import Outcome


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
    """Write ``README.md`` for people and ``results.json`` for programs into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    about = {
        "date": datetime.date.today().isoformat(),
        "commit": _commit(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "seed": str(seed),
        "minutes": f"{sum(line.seconds for line in lines) / 60:.1f}",
    }
    table = [
        {"part": line.part, "trial": line.name, "seconds": round(line.seconds, 1), **vars(line.outcome)}
        for line in lines
    ]
    (out / "results.json").write_text(json.dumps({**about, "trials": table}, indent=1) + "\n", encoding="utf-8")
    rows = [
        f"| {line.part} | {line.outcome.what} | {line.outcome.tried:,} | {line.outcome.well:,} | "
        f"{len(line.outcome.faults)} | {', '.join(f'{name} {value}' for name, value in line.outcome.figures.items())} |"
        for line in lines
    ]
    faults = [f"- {line.part}, {line.name}: {fault}" for line in lines for fault in line.outcome.faults]
    text = [
        "# The fault campaign",
        "",
        f"`make campaign`, seed {seed}, commit {about['commit']}, {about['date']}, {about['machine']}; "
        f"{about['minutes']} minutes. `campaign/README.md` says what each part does.",
        "",
        "| part | what was tried | tried | ended as it should | faults | figures |",
        "|---|---|--:|--:|--:|---|",
        *rows,
        "",
        *(["## Faults", "", *faults] if faults else ["No faults."]),
        "",
    ]
    (out / "README.md").write_text("\n".join(text), encoding="utf-8")


def _commit() -> str:
    """Return the commit of the checkout, marked where files differ from it."""
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=8", "--match=-"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
