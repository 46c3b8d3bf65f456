"""What the parts of the campaign share: a trial's outcome, its length and its random numbers."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PARTS = (
    "kill_training",
    "kill_others",
    "writers",
    "power_loss",
    "disk",
    "damage",
    "resume_changes",
    "mutated_data",
    "mutated_models",
    "data_bombs",
    "model_bombs",
    "library",
    "processes",
    "server",
    "server_load",
    "supply",
)
"""Modules of this package, each with a table ``TRIALS`` of name and function, in the order in which they begin."""
ALONE = frozenset({"mutated_data", "mutated_models", "data_bombs", "model_bombs", "server", "server_load"})
"""Parts that measure time, or use two cores themselves."""


@dataclass(frozen=True)
class Setting:
    """How a trial is run.

    Attributes:
        folder: An empty folder of its own.
        short: Whether to try only as much as takes a few seconds, for the test suite.
        seed: Seed of all random numbers.
    """

    folder: Path
    short: bool = False
    seed: int = 7

    def random(self) -> random.Random:
        """Return a generator that gives the same numbers in every run."""
        return random.Random(self.seed)

    def number(self, full: int, short: int) -> int:
        """Return how often to try something."""
        return short if self.short else full


@dataclass
class Outcome:
    """What came of a trial, one line of the table.

    Attributes:
        what: What was tried, in a few plain words.
        tried: How often.
        well: How often it ended as it should.
        faults: One sentence for each that did not.
        figures: Further figures to report, each with its unit.
    """

    what: str
    tried: int = 0
    well: int = 0
    faults: list[str] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)

    def count(self, fault: str | None = None) -> None:
        """Count one attempt, which ended as it should where there is no `fault`."""
        self.tried += 1
        if fault is None:
            self.well += 1
        else:
            self.faults.append(fault)


Trial = Callable[[Setting], Outcome]
