"""The study of a sweep: an Optuna journal that processes share, and which of them runs which trial.

A trial is claimed under the lock of the journal, and its claim is a lock that the operating system releases however the process
ends. A trial that is running in the journal and claimed by no process was therefore interrupted, and the next process that
looks for a trial takes it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from swissbert.errors import SwissbertError
from swissbert.exclusive import beside
from swissbert.files import make_folder, only_writer, writing
from swissbert.locks import HeldError, hold
from swissbert.sweeps.drawing import drawn_value, sampler_of
from swissbert.sweeps.journal import open_journal
from swissbert.sweeps.space import Dimension
from swissbert.sweeps.trials import RUNNING, STOPPED, Trial

JOURNAL = "study.log"
"""Name of the journal in a sweep folder."""
TRIALS = "trials"
"""Name of the folder of all run folders in it."""
LOCK_WAIT = 120.0
"""Seconds to wait for another process that chooses a trial."""
STARTUP = 5
"""Number of complete trials before one is pruned."""
IMPORTANCE_FROM = 10
"""Number of complete trials from which the importance of settings is estimated."""
SETTINGS, SPACE, ROWS, MODELS = "settings", "space", "rows", "models"
"""Attributes of the study: settings of the recipe, the search space, checksums of the rows and of encoder and teachers."""
RECIPE, REASON, SECONDS = "recipe", "reason", "seconds"
"""Attributes of a trial: whether it is the recipe as it is, why it failed, and its duration so far."""
NAMES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: RUNNING,
    TrialState.WAITING: "waiting",
}


@dataclass(frozen=True)
class Claim:
    """A trial that this process runs.

    Attributes:
        number: Its number, from 0.
        values: Values of the settings that vary.
        is_recipe: Whether it is the recipe as it is.
        folder: Its run folder.
        trial: The trial in Optuna.
        seconds: Duration of its runs in earlier processes, as far as they recorded it.
    """

    number: int
    values: dict[str, Any]
    is_recipe: bool
    folder: Path
    trial: optuna.Trial
    seconds: float = 0.0

    def report(self, evaluation: int, score: float, seconds: float) -> bool:
        """Record the score of an evaluation; return whether the trial should be pruned.

        Args:
            evaluation: Number of the evaluation, from 0. A second score of one, after a resume, is the same and left out.
            score: The score, which is finite.
            seconds: Duration of the trial in this process.
        """
        if evaluation not in self.trial.storage.get_trial(self.trial._trial_id).intermediate_values:
            self.trial.report(score, evaluation)
        self.trial.set_user_attr(SECONDS, round(self.seconds + seconds, 2))
        return self.trial.should_prune()

    def score_of(self, evaluation: int) -> float | None:
        """Return the recorded score of an evaluation."""
        return self.trial.storage.get_trial(self.trial._trial_id).intermediate_values.get(evaluation)


class Study:
    """The study in a sweep folder, which is created.

    Args:
        out: The sweep folder.
        name: Name of a new study.
        dimensions: Settings that vary.
        seed: Seed of the sampler.
        is_higher_better: Whether larger scores are better.

    Raises:
        SwissbertError: If the folder cannot be written, or holds a journal that cannot be read.
    """

    def __init__(
        self, out: Path, name: str, dimensions: Sequence[Dimension], seed: int, *, is_higher_better: bool
    ) -> None:
        self.path, self._trials_folder = out / JOURNAL, out / TRIALS
        self._dimensions, self._seed, self.is_higher_better = dimensions, seed, is_higher_better
        with writing(self._trials_folder):
            make_folder(self._trials_folder)
        with self.alone():
            storage = open_journal(self.path)
            names = optuna.get_all_study_names(storage)
            sampler = sampler_of(seed, 0)
            pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=1)
            if names:
                self._study = optuna.load_study(study_name=names[0], storage=storage, sampler=sampler, pruner=pruner)
            else:
                direction = StudyDirection.MAXIMIZE if is_higher_better else StudyDirection.MINIMIZE
                self._study = optuna.create_study(
                    study_name=name, storage=storage, sampler=sampler, pruner=pruner, direction=direction
                )

    def begin(self, attributes: Mapping[str, Any], first: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the attributes of the study, after those of a new one are written.

        Args:
            attributes: Attributes of a new study.
            first: Values of its first trial, which is the recipe as it is; None if they are not in the search space.

        Raises:
            SwissbertError: If the study is of another program.
        """
        with self.alone():
            if attributes.keys() - self._study.user_attrs.keys():
                if self._frozen():
                    raise SwissbertError(
                        f"{self.path}: is the journal of another program; choose another folder", argument="out"
                    )
                for key, value in attributes.items():
                    self._study.set_user_attr(key, value)
            if first is not None and not self._frozen():
                self._study.enqueue_trial(dict(first), user_attrs={RECIPE: True})
            return self._study.user_attrs

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes of the sweep from choosing trials and from publishing results in the block."""
        with only_writer(self.path, wait=LOCK_WAIT):
            yield

    def folder(self, number: int) -> Path:
        """Return the run folder of a trial."""
        return self._trials_folder / f"{number:03}"

    def claim(self, most: int, stack: ExitStack) -> Claim | None:
        """Take the next trial: one that was interrupted, else a new one.

        Args:
            most: Number of trials of the sweep.
            stack: Keeps the claim until it is closed.

        Returns:
            The trial; None if all trials are finished or run in other processes.
        """
        with self.alone():
            for frozen in self._frozen(TrialState.RUNNING):
                with ExitStack() as lock:
                    if self._take(frozen.number, lock) and self._frozen()[frozen.number].state is TrialState.RUNNING:
                        stack.push(lock.pop_all())
                        self._study.sampler = sampler_of(self._seed, frozen.number)
                        return self._claimed(optuna.Trial(self._study, frozen._trial_id))
            waiting = self._frozen(TrialState.WAITING)
            number = waiting[0].number if waiting else len(self._frozen())
            if number >= most:
                return None
            if not self._take(number, stack):
                raise SwissbertError(f"{self.folder(number)}: another process is writing here, which is no sweep")
            self._study.sampler = sampler_of(self._seed, number)
            return self._claimed(self._study.ask())

    def complete(self, claim: Claim, score: float) -> None:
        """Record the score of a complete trial."""
        self._study.tell(claim.trial, score)

    def prune(self, claim: Claim) -> None:
        """Record that a trial was pruned; its score is that of its last evaluation."""
        self._study.tell(claim.trial, state=TrialState.PRUNED)

    def fail(self, claim: Claim, reason: str, seconds: float) -> None:
        """Record why a trial failed, and its duration in this process."""
        claim.trial.set_user_attr(REASON, reason)
        claim.trial.set_user_attr(SECONDS, round(claim.seconds + seconds, 2))
        self._study.tell(claim.trial, state=TrialState.FAIL)

    def trials(self) -> list[Trial]:
        """Return all trials, in the order of their numbers."""
        with self.alone():
            return [self._record(frozen) for frozen in self._frozen()]

    def importance(self) -> dict[str, float]:
        """Estimate which share each setting has in reaching the best tenth of the scores (PED-ANOVA), largest first.

        Returns:
            Shares that add up to 1; empty with fewer than `IMPORTANCE_FROM` complete trials.
        """
        if len(self._frozen(TrialState.COMPLETE)) < IMPORTANCE_FROM:
            return {}
        return dict(optuna.importance.get_param_importances(self._study))

    def _frozen(self, *states: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=states or None)

    def _take(self, number: int, stack: ExitStack) -> bool:
        """Hold the claim of a trial until a stack is closed; return False if another process has it."""
        try:
            stack.enter_context(hold(beside(self.folder(number), "writing")))
        except HeldError:
            return False
        return True

    def _claimed(self, trial: optuna.Trial) -> Claim:
        """Return a trial with its values, which are drawn now if it is new."""
        values = {one.name: one.rounded(drawn_value(trial, one)) for one in self._dimensions}
        attributes = trial.user_attrs
        return Claim(
            trial.number,
            values,
            bool(attributes.get(RECIPE)),
            self.folder(trial.number),
            trial,
            attributes.get(SECONDS, 0.0),
        )

    def _record(self, frozen: FrozenTrial) -> Trial:
        """Return a trial of the journal as this package shows it; the caller holds the lock of the journal."""
        state = NAMES[frozen.state]
        if state == RUNNING:
            with ExitStack() as lock:
                state = STOPPED if self._take(frozen.number, lock) else RUNNING
        given = {**frozen.system_attrs.get("fixed_params", {}), **frozen.params}
        names = {one.name: one for one in self._dimensions}
        return Trial(
            frozen.number,
            state,
            frozen.value,
            {name: names[name].rounded(value) for name, value in given.items() if name in names},
            frozen.user_attrs.get(SECONDS),
            str(frozen.user_attrs.get(REASON, "")) if frozen.state is TrialState.FAIL else "",
            bool(frozen.user_attrs.get(RECIPE)),
            [frozen.intermediate_values[step] for step in sorted(frozen.intermediate_values)],
            self.folder(frozen.number),
        )


def space_record(dimensions: Sequence[Dimension]) -> dict[str, Any]:
    """Return a search space as the study keeps it."""
    return {one.name: one.values.model_dump(mode="json", exclude_defaults=True) for one in dimensions}
