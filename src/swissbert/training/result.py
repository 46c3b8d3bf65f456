"""How a run ends: with a result, or stopped on request."""

from dataclasses import dataclass, field
from pathlib import Path

from swissbert.training.comparison import Baselines
from swissbert.training.state import Progress


class Stopped(Exception):  # noqa: N818 (a stop on request is no error)
    """A run was stopped by Ctrl-C, SIGTERM or SIGHUP, and its state is saved.

    Attributes:
        out: The run folder.
    """

    def __init__(self, step: int, total: int, out: Path) -> None:
        super().__init__(f"stopped after step {step} of {total}")
        self.out = out


@dataclass(frozen=True)
class Result:
    """The outcome of a run.

    Attributes:
        model: Folder of the best model.
        scores: Dev scores of that model, by dotted name.
        progress: Steps, tokens and seconds of the run.
        baselines: Declared metric of the best constant answer (``chance``) and of a linear model on TF-IDF (``tfidf``)
            on the dev rows of each task; empty if ``train.baseline`` is false, and in all processes but the first.
    """

    model: Path
    scores: dict[str, float]
    progress: Progress
    baselines: Baselines = field(default_factory=dict)
