"""A sweep: try settings until enough trials are finished, alone or with other processes on the same folder."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swissbert.bars import clock
from swissbert.config import RunConfig, changed_meaning, dump_config, make_config
from swissbert.display import Display
from swissbert.errors import SettingsError, SwissbertError
from swissbert.files import remove_folder, write_text
from swissbert.model_folder import layout
from swissbert.paths import check_path
from swissbert.selection import is_better_higher
from swissbert.setting_tables import shown_change
from swissbert.sweeps.journal import quiet_optuna
from swissbert.sweeps.running import MAY_CHANGE, PrunedError, is_failure, run_trial
from swissbert.sweeps.setting_values import with_values
from swissbert.sweeps.study import MODELS, ROWS, SETTINGS, SPACE, Claim, Study, space_record
from swissbert.sweeps.sweep_page import write_sweep_page
from swissbert.sweeps.sweep_plan import Start, start_of
from swissbert.sweeps.trials import (
    FINISHED,
    RUNNING,
    Trial,
    best_of,
    score_text,
    seconds_left,
    settings_text,
    short_names,
)
from swissbert.training.result import Stopped
from swissbert.training.resume import FREE, LOCATION
from swissbert.wording import counted

BEST = "best.toml"
"""Name of the best recipe in a sweep folder."""
PAGE = "sweep.html"
"""Name of the page in it."""
VALUES = "trial"
"""Name of the values of a trial in messages."""
OUT_OF_MEMORY = "out of memory"
"""Reason of a trial that another machine may have enough memory for."""
PAGE_EVERY = 60.0
"""Seconds between two versions of the page while trials run."""


@dataclass(frozen=True)
class Sweep:
    """The outcome of `sweep`.

    Attributes:
        out: The sweep folder.
        best_by: The score that decides, as ``train.best_by``.
        names: Dotted names of the settings that vary.
        trials: All trials, in the order of their numbers.
        best: The complete trial with the best score; None if none is complete.
        recipe: The recipe with its settings, which `swissbert.train` takes; None if none is complete.
        page: The page with all trials.
    """

    out: Path
    best_by: str
    names: list[str]
    trials: list[Trial]
    best: Trial | None
    recipe: Path | None
    page: Path


def sweep(
    config: RunConfig | str | Path,
    space: str | Path | Mapping[str, Any],
    out: str | Path,
    *,
    trials: int = 20,
    display: Display | None = None,
) -> Sweep:
    """Search for good settings: train a recipe with other settings, trial by trial, and write the best recipe.

    Trials are chosen by Optuna from the scores of those that are finished (TPE); the first one is the recipe as it is. A trial
    whose dev score is below the median of the others at the same evaluation is pruned. Each trial is a run folder in
    ``out/trials``. Any number of processes and machines may work on the same folder at once: each of them takes the next
    trial until `trials` are finished. A trial that was interrupted is resumed by the next call.

    Args:
        config: Settings, or the name of a shipped recipe, or the path of a TOML file. What they leave out is chosen once, for
            all trials.
        space: The search space: path of a TOML file or its contents. Dotted names of settings, each with ``{"low": ...,
            "high": ..., "step": ..., "log": ...}`` or ``{"choices": [...]}``.
        out: The sweep folder, which is created, or which holds a sweep of the same recipe and space.
        trials: Number of trials of the folder, of all processes together; pruned and failed ones count.
        display: Receives progress; nothing is shown if left out.

    Returns:
        The trials so far, and the best one. Trials that other processes run are among them.

    Raises:
        SwissbertError: If the space is not valid, rows are missing, `out` holds another sweep, or something cannot be written.
            A trial whose loss is not finite, whose settings exclude each other, or that needs more memory than there is, ends as
            failed, and the sweep goes on. After any other error the trial can be resumed.
        Stopped: After Ctrl-C, SIGTERM or SIGHUP, when the state of the trial is saved.

    Example::

        result = sweep("minilm", {"train.lr": {"low": 1e-5, "high": 1e-3, "log": True}}, "runs/rates", trials=12)
        result.best.values
    """
    out, display = Path(out), display or Display(quiet=True)
    check_path(out, "out")
    if trials < 1:
        raise SwissbertError(f"trials is {trials}, but it is at least 1", argument="trials")
    with quiet_optuna():
        return _Search(start_of(config, space, display), out, trials, display).complete()


class _Search:
    """A sweep in this process.

    Args:
        start: The recipe.
        out: The sweep folder.
        most: Number of trials.
        display: Receives progress.
    """

    def __init__(self, start: Start, out: Path, most: int, display: Display) -> None:
        self._start, self._out, self._most, self._display = start, out, most, display
        self._config, self._names = start.config, [one.name for one in start.dimensions]
        self._short = short_names(self._names)
        self._best_by = self._config.train.best_by
        self._study = Study(
            out,
            self._config.name,
            start.dimensions,
            self._config.seed,
            is_higher_better=is_better_higher(self._best_by),
        )
        self._page_time = time.monotonic()

    def complete(self) -> Sweep:
        """Run trials until none is left for this process; arguments and errors as for `sweep`."""
        self._begin()
        try:
            while self._next_trial():
                pass
        except Stopped:
            self._publish(has_page=True)
            raise
        trials, best = self._publish(has_page=True)
        if others := sum(trial.state == RUNNING for trial in trials):
            self._display.say(f"{counted(others, 'trial')} in other processes")
        recipe = None if best is None else self._out / BEST
        return Sweep(self._out, self._best_by, self._names, trials, best, recipe, self._out / PAGE)

    def _begin(self) -> None:
        """Record what the sweep is about, or compare it with what the folder holds."""
        settings = self._config.model_dump(mode="json", exclude_none=True)
        space = space_record(self._start.dimensions)
        attributes = {SETTINGS: settings, SPACE: space, ROWS: self._start.rows, MODELS: self._start.models}
        stored = self._study.begin(attributes, self._start.first)
        if stored[SPACE] != space:
            raise self._other(f"another search space: {', '.join(_differing(stored[SPACE], space))} differ")
        before = make_config(stored[SETTINGS], str(self._study.path), like=self._config)
        differing = {
            key: values
            for key, values in changed_meaning(before, self._config).items()
            if key not in (*FREE, *MAY_CHANGE) and not LOCATION.fullmatch(key)
        }
        if differing:
            changes = "; ".join(shown_change(key, *values) for key, values in differing.items())
            raise self._other(f"a recipe with other settings: {changes}")
        if other := _differing(stored[ROWS], self._start.rows):
            raise self._other(f"other rows of {', '.join(other)}")
        if other := _differing(stored[MODELS], self._start.models):
            raise self._other(f"another {' and another '.join(other)}")
        for line in self._start.outside:
            self._display.say(line)
        trials = self._study.trials()
        for trial in trials:
            if trial.state in FINISHED:
                self._tidy(trial)
        if trials and any(trial.state != "waiting" for trial in trials):
            done = sum(trial.state in FINISHED for trial in trials)
            self._display.say(f"{self._out}: {done} of {counted(self._most, 'trial')} finished so far")

    def _other(self, what: str) -> SwissbertError:
        return SwissbertError(f"{self._out}: holds a sweep of {what}; choose another folder", argument="out")

    def _next_trial(self) -> bool:
        """Run a trial; return False if none is left for this process."""
        with ExitStack() as stack:
            claim = self._study.claim(self._most, stack)
            if claim is None:
                return False
            what = "the recipe as it is" if claim.is_recipe else settings_text(claim.values, self._short)
            self._display.say(f"\ntrial {claim.number} of {self._most}: {what}")
            self._run(claim)
            self._tidy(self._study.trials()[claim.number])
        self._report(claim.number)
        return True

    def _run(self, claim: Claim) -> None:
        """Train a trial, and record how it ends."""
        began = time.monotonic()
        try:
            score = run_trial(claim, self._settings(claim.values, is_recipe=claim.is_recipe), self._display)
        except PrunedError:
            self._study.prune(claim)
        except Exception as error:
            if not is_failure(error):
                raise
            reason = str(error).removeprefix(f"{VALUES}: ") if isinstance(error, SwissbertError) else OUT_OF_MEMORY
            self._study.fail(claim, reason, time.monotonic() - began)
        else:
            self._study.complete(claim, score)

    def _settings(self, values: Mapping[str, Any], *, is_recipe: bool) -> RunConfig:
        """Return the settings of a trial as a recipe has them.

        Raises:
            SettingsError: If they exclude each other; each value was checked when the space was read.
        """
        if is_recipe:
            return self._config
        try:
            return with_values(self._config, values, VALUES)
        except SwissbertError as error:
            raise SettingsError(str(error)) from error

    def _report(self, number: int) -> None:
        """Say how a trial ended and what is left."""
        trials, best = self._publish(has_page=time.monotonic() - self._page_time > PAGE_EVERY)
        trial = trials[number]
        score = f", {self._best_by} {score_text(self._best_by, trial.score)}" * (trial.score is not None)
        note = f": {trial.reason}" * bool(trial.reason) + ", the best so far" * (trial is best)
        done = sum(trial.state in FINISHED for trial in trials)
        line = f"trial {number}: {trial.state}{score}{note}; {done} of {counted(self._most, 'trial')} finished"
        left = seconds_left(trials, self._most)
        self._display.say(f"{line}, about {clock(left)} left" if left and done < self._most else line)

    def _tidy(self, trial: Trial) -> None:
        """Remove the checkpoints of a finished trial, and the model too unless it is complete.

        A trial that had too little memory keeps both, because its run can be resumed on another machine.
        """
        if trial.state == "failed" and trial.reason == OUT_OF_MEMORY:
            return
        folders = [layout.CHECKPOINTS] if trial.state == "complete" else [layout.CHECKPOINTS, layout.BEST_MODEL]
        for name in folders:
            if (trial.folder / name).exists():
                remove_folder(trial.folder / name)

    def _publish(self, *, has_page: bool) -> tuple[list[Trial], Trial | None]:
        """Write the best recipe, and the page if it is due; return all trials and the best one.

        Trials are read under the lock, so that of two processes the later one writes what both have finished.
        """
        with self._study.alone():
            trials = self._study.trials()
            best = best_of(trials, is_higher_better=self._study.is_higher_better)
            if best is not None:
                self._write_best(best, sum(trial.state == "complete" for trial in trials))
            if has_page:
                importance = self._study.importance()
                write_sweep_page(self._out / PAGE, self._config, self._start.dimensions, trials, best, importance)
                self._page_time = time.monotonic()
            return trials, best

    def _write_best(self, best: Trial, complete: int) -> None:
        """Write the recipe of the best trial, of a number of complete ones."""
        text = (
            f"# The best of {counted(complete, 'complete trial')}: trial {best.number}, {self._best_by} "
            f"{score_text(self._best_by, best.score)} on dev rows\n"
        )
        text += dump_config(self._settings(best.values, is_recipe=best.is_recipe))
        path = self._out / BEST
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the keys whose values differ, or that only one of two tables has."""
    return sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
