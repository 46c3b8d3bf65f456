"""One trial of a sweep: an ordinary run that reports its dev scores, is pruned, completes or fails."""

import math
import time
from typing import TYPE_CHECKING

import torch

from swissbert.config import RunConfig
from swissbert.display import Display
from swissbert.distributed.world import ALONE
from swissbert.errors import SettingsError
from swissbert.training.callbacks import Callback, EndRun
from swissbert.training.loop import train

if TYPE_CHECKING:
    from swissbert.evaluation import Scores
    from swissbert.sweeps.study import Claim
    from swissbert.training.run import Run

CHECKPOINT_EVERY = 100
"""Steps between checkpoints, the most that a killed trial loses."""
MAY_CHANGE = ("train.device", "train.threads")
"""Settings that may differ where another machine resumes a trial."""


class PrunedError(Exception):
    """The scores of a trial are worse than the median of the others."""


class Watch(Callback):
    """Reports the dev scores of a trial, and ends it if it should be pruned.

    Args:
        claim: The trial.
        best_by: The score that is reported.

    Attributes:
        ends: Steps after which dev rows are scored.
        is_pruned: Whether it has ended the trial.
    """

    def __init__(self, claim: "Claim", best_by: str) -> None:
        self._claim, self._best_by = claim, best_by
        self._began = time.monotonic()
        self._run: Run | None = None
        self.ends: list[int] = []
        self.is_pruned = False

    def on_start(self, run: "Run") -> None:
        """Remember the run, which says when evaluations are and whether it is complete."""
        self._run, self.ends = run, run.prepared.plan.ends

    def on_evaluation(self, step: int, scores: "Scores") -> None:
        """Report the score.

        Raises:
            EndRun: If the trial should be pruned, and has steps left.
        """
        score = scores.by_name(self._best_by)
        if not math.isfinite(score):
            return
        seconds = time.monotonic() - self._began
        is_behind = self._claim.report(self.ends.index(step), score, seconds)
        if is_behind and self._run is not None and not self._run.is_complete:
            self.is_pruned = True
            raise EndRun("its scores are below the median of the other trials")


def run_trial(claim: "Claim", config: RunConfig, display: Display) -> float:
    """Train a trial, or resume it where it was interrupted.

    Args:
        claim: The trial.
        config: Its settings, as a recipe has them.
        display: Shows progress.

    Returns:
        The score of its model on dev rows.

    Raises:
        PrunedError: If it was pruned.
        Stopped: After Ctrl-C, SIGTERM or SIGHUP, when the state is saved.
        SwissbertError: If it cannot be trained, or no evaluation had a defined score.
    """
    best_by = config.train.best_by
    watch = Watch(claim, best_by)
    train_settings = config.train.model_copy(
        update={
            "baseline": False,
            "checkpoint_every": config.train.checkpoint_every or CHECKPOINT_EVERY,
            "keep": 1,
            "may_change": sorted({*config.train.may_change, *MAY_CHANGE}),
        }
    )
    name = f"{config.name[:80]}-trial-{claim.number}"
    config = config.model_copy(update={"name": name, "train": train_settings})
    result = train(config, claim.folder, resume=True, display=display, callbacks=[watch], world=ALONE)
    if watch.is_pruned:
        raise PrunedError
    progress = result.progress
    if progress.best is None or progress.best_step is None:
        raise SettingsError(f"train.best_by is '{best_by}', which was undefined in every evaluation")
    score = claim.score_of(watch.ends.index(progress.best_step))
    return progress.best if score is None else score


def is_failure(error: Exception) -> bool:
    """Return whether an error is one of the settings of a trial, or of its need of memory, so that others can go on.

    After any other error, such as a full disk, or a machine on which the trial would not go on as the same run, it can be resumed.
    """
    return isinstance(error, SettingsError | torch.OutOfMemoryError | MemoryError)
