"""What a tracker is: it starts with a run, gets its numbers, and ends with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from swissbert.setting_tables import flat

Status = Literal["finished", "stopped", "failed"]
"""How a run ends: it is complete, it was stopped on request and can be resumed, or an error ended it."""

PROJECT = "swissbert"
"""Project or experiment of runs where the variables of a service name none."""


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker knows of a run.

    Attributes:
        name: Name of the run, from its settings.
        folder: The run folder. A tracker that writes files puts them into a folder there that has its name.
        step: Steps that are done: 0 for a new run.
        settings: Effective settings as nested tables, without folders of this machine and without texts about tasks.
        state: What `Tracker.start` returned when this run was tracked before; empty the first time.
    """

    name: str
    folder: Path
    step: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, str] = field(default_factory=dict)

    def flat_settings(self) -> dict[str, Any]:
        """Return the settings by dotted name: ``train.lr``, ``tasks.sst.kind``."""
        return {name.replace("[", ".").replace("]", ""): value for name, value in flat(self.settings).items()}


class Tracker:
    """Base class of trackers. All functions of one are called in the same thread, which is not the one that trains.

    Errors are logged once, the tracker is not called again, and the run goes on without it. Keys and
    addresses of a service come from its own environment variables and files: no setting of swissBERT holds a secret.

    Attributes:
        package: Name of the module that must be installed; empty if there is none.
        install: The command that installs it.
        place: Where the run can be looked at, set by `start`; shown before training begins.
    """

    package: ClassVar[str] = ""
    install: ClassVar[str] = ""
    place: str = ""

    def start(self, run: TrackedRun) -> Mapping[str, str]:
        """Begin to track a run, or go on with it if ``run.state`` is not empty.

        Returns:
            What a resumed run needs to go on with the same tracked run, such as its id. It is stored in the run folder as
            it is, so it must not hold a secret.
        """
        raise NotImplementedError

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take the numbers of one step, or of an evaluation after it.

        A resumed run repeats the steps after its last checkpoint, so a step may come again.

        Args:
            step: Number of steps done.
            values: Numbers by name, such as ``loss/sst`` or ``dev/overall``. They may be infinite or NaN.
        """
        raise NotImplementedError

    def sync(self) -> None:
        """Store what was logged so far; called before each checkpoint."""

    def end(self, status: Status) -> None:
        """End the tracking of the run."""
