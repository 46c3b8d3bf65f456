"""A run between its first and its last step: steps, evaluations, checkpoints, and the best model."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from swissbert.checksums import Digest, checksum
from swissbert.display import Display
from swissbert.distributed.world import ALONE, World
from swissbert.errors import SwissbertError
from swissbert.files import make_folder, sweep, writing
from swissbert.model.multitask import MultitaskModel
from swissbert.model_folder import layout
from swissbert.model_folder.description import read_table
from swissbert.model_folder.load import resolve_folder
from swissbert.training.best_model import check_best_model, need_best_model
from swissbert.training.callbacks import EndRun, notify
from swissbert.training.comparison import Baselines, compare, comparison_lines, rows_to_compare
from swissbert.training.first_step import watched
from swissbert.training.interrupt import STOPPING, stop_signal
from swissbert.training.introduction import introduction_lines
from swissbert.training.loader import BatchLoader
from swissbert.training.opening import Opening, open_run
from swissbert.training.outside import Outside
from swissbert.training.preparation import Prepared
from swissbert.training.record import write_record
from swissbert.training.result import Result, Stopped
from swissbert.training.resume import Changes
from swissbert.training.run_evaluation import evaluate_run
from swissbert.training.run_log import NoLog, RunLog
from swissbert.training.sameness import learning_number
from swissbert.training.state import Progress, load_checkpoint, remove_old_checkpoints, save_checkpoint
from swissbert.training.step_record import StepRecord
from swissbert.wording import counted

NOTHING = Outside()


class Run:
    """A run between its first and its last step. With several processes each has one; process 0 writes files and messages.

    Attributes:
        config: The settings.
        out: The run folder.
        prepared: Network, data and plan.
        training_step: The training step, with optimizer and balancing methods.
        progress: Steps done, and the best evaluation so far.
        outside: Objects from outside the package that take part.
        world: The processes of the run.
        display: Receives progress and messages.
    """

    def __init__(
        self,
        prepared: Prepared,
        out: Path,
        display: Display,
        *,
        outside: Outside = NOTHING,
        world: World = ALONE,
    ) -> None:
        self.config, self.out, self.prepared, self.world = prepared.config, out, prepared, world
        self.outside, self.display = outside, display
        self.training_step = prepared.training_step(outside.balancer, world)
        self.progress = Progress()
        self._opening = Opening({}, True)
        self._callbacks = outside.callbacks if world.is_first else ()
        self._ending: EndRun | None = None
        self._checkpoints = out / layout.CHECKPOINTS
        self._notes: set[str] = set()  # those that have been shown

    @property
    def network(self) -> MultitaskModel:
        """The network that is trained."""
        return self.prepared.network

    @property
    def scored_network(self) -> MultitaskModel:
        """The network that is scored and saved: with ``train.ema`` that of averaged weights, else `network`."""
        average = self.training_step.average
        return self.network if average is None else average.network

    @property
    def total(self) -> int:
        """Number of steps of the whole run."""
        return self.prepared.total

    @property
    def is_complete(self) -> bool:
        """Whether all steps are done, or ``train.patience`` has run out."""
        patience, stale = self.config.train.patience, self.progress.stale
        counted = self.prepared.plan.counted_evaluations(self.progress.step)
        if counted is not None:
            stale = min(stale, counted)
        return self.progress.step >= self.total or (patience is not None and stale >= patience)

    @property
    def has_comparable_first_step(self) -> bool:
        """Whether the first step gives the same numbers every time: on a CPU, unless a callback may change the network."""
        return self.prepared.hardware.device.type == "cpu" and not self.outside.may_change_network()

    def start(self, record: Mapping[str, Any] | None, changes: Changes, step: int) -> None:
        """Write the record and the settings of the run, or compare and say what differs; see `open_run`."""
        self._opening = open_run(self, record, changes, step)

    def complete(self) -> Result:
        """Train from the last checkpoint, or the beginning, to the end.

        Raises:
            SwissbertError: If a checkpoint cannot be read or something cannot be written.
            Stopped: After Ctrl-C, SIGTERM or SIGHUP; the state is saved.
        """
        self._load()
        for line in introduction_lines(
            self.prepared, self.progress, self.training_step.regulariser, self.world, is_complete=self.is_complete
        ):
            self.display.say(line)
        log = self._log()
        try:
            self._notify("on_start", self)
            self.world.wait()  # for callbacks, which may take long
            modules = self.training_step.modules
            self.world.copy_first(modules.state_dict().values())
            if not self.world.is_alone:
                self.world.check_same(
                    learning_number(modules),
                    "other parameters learn in process 0 than in the others: callbacks run in process 0 alone, so on_start must "
                    "not freeze parameters of a run of several processes; encoder.freeze = true freezes the encoder in all",
                )
            self._loop(log)
        except BaseException as error:
            with suppress(SwissbertError):  # the first error is the one to report
                log.close("stopped" if isinstance(error, Stopped) else "failed")
            raise
        log.close("finished")
        self.world.wait()  # for the best model
        return self._result()

    def _load(self) -> None:
        """Load the last checkpoint, if there is one."""
        if self.world.is_first:
            with writing(self._checkpoints):
                make_folder(self._checkpoints)
                sweep(self._checkpoints)
        step = self.training_step
        progress = self.world.in_turn(
            lambda: load_checkpoint(self._checkpoints, step.modules, step.optimizer, self.display.say)
        )
        if self.world.is_first:
            with writing(self._checkpoints):
                remove_old_checkpoints(self._checkpoints, self.config.train.keep)  # those that a killed process left
        run = str(self._opening.record.get("run", ""))
        if progress.step and progress.run != run:
            raise SwissbertError(
                f"{self._checkpoints / f'step-{progress.step}'}: this checkpoint was written by another run than the "
                f"{layout.RUN_RECORD} beside it; remove it to go on from the one before"
            )
        self.world.check_same(progress.step, f"{self._checkpoints}: not all processes read the same checkpoint")
        need_best_model(self.out, progress)
        self.progress, line = check_best_model(
            self.out, replace(progress, run=run), self.config.train, is_same=self._opening.is_same
        )
        if line:
            self.display.say(line)

    def _log(self) -> RunLog | NoLog:
        """Open the log, which the first process writes."""
        if not self.world.is_first:
            return NoLog()
        return RunLog(self.out, self.config, self.progress, self.display, is_complete=self.is_complete)

    def _result(self) -> Result:
        """Return the outcome, and say how it compares with baselines."""
        folder = resolve_folder(self.out)
        scores = read_table(folder).get("scores", {})
        if not self.world.is_first:
            return Result(folder, scores, self.progress)
        if self.progress.best_checksum not in (None, checksum(folder / layout.DESCRIPTION)):
            raise SwissbertError(
                f"{folder}: is not the best model of this run, of step {self.progress.best_step}; another one was put in its "
                f"place. Put it back, or remove {self._checkpoints} and resume, which trains the run from its beginning"
            )
        baselines: Baselines = {}
        if self.config.train.baseline:
            label = "training the baseline of words alone to compare with"
            with self.display.work(label, rows_to_compare(self.prepared), announce=False) as done:
                baselines = compare(self.prepared, done)
        for line in comparison_lines(self.prepared, scores, baselines) if baselines else []:
            self.display.say(line)
        result = Result(folder, scores, self.progress, baselines)
        notify(self._callbacks, "on_end", result)
        return result

    def _notify(self, event: str, *arguments: object) -> None:
        """Call the callbacks, and remember whether one of them ends the run."""
        ending = notify(self._callbacks, event, *arguments)
        self._ending = self._ending or ending

    def _loop(self, log: RunLog | NoLog) -> None:
        """Run the steps that are left, with evaluations and checkpoints."""
        every, ends = self.config.train.checkpoint_every, self.prepared.plan.ends
        batches, world, begun = self.prepared.batches(), self.world, self.progress.step
        may_end = world.any(bool(self._callbacks))  # else there is nothing to agree about after each step
        # of several processes all have to agree first: a signal may also say that another one has ended
        display = self.display if world.is_alone else Display(quiet=True)
        with stop_signal(display) as stop, self.display.steps(self.total, self.progress.step, ends) as bar:
            while not self.is_complete:
                record = self._step(batches) if self.progress.step else self._first_step(batches)
                self.progress = self.progress.after_step(record.tokens, record.seconds)
                done = self.progress.step
                log.write({"step": done, **record.log_entry()})
                bar.advance(done, record.loss, record.tokens)
                self._notify("on_step", done, record)
                is_evaluated = done in ends or (may_end and world.any(self._ending is not None))
                if is_evaluated:
                    self._notify("on_evaluation", done, evaluate_run(self, log, self._notes))
                    world.wait()  # for the model and callbacks, which may take longer than a step is allowed to
                stopping = world.any(stop.is_set())
                if stopping and not world.is_alone:
                    self.display.say(STOPPING)
                if is_evaluated or stopping or (every is not None and done % every == 0):
                    log.sync()  # a checkpoint is never ahead of the log
                    self._save_checkpoint(log.digest)
                    world.wait()
                    bar.pause()
                if stopping and not self.is_complete:
                    world.wait()  # a process that ends makes torchrun end the others
                    raise Stopped(done, self.total, self.out)
                if may_end and is_evaluated and not self.is_complete and world.any(self._ending is not None):
                    reason = f": {self._ending}" if str(self._ending or "") else ""
                    self.display.say(f"a callback ends this run after step {done} of {self.total}{reason}")
                    return
            if begun < self.progress.step < self.total:
                stale = counted(self.progress.stale, "evaluation")
                ended = f"step {self.progress.step} of {self.total}: {stale} without a new best (train.patience)"
                self.display.say(f"this run ended at {ended}")

    def _step(self, batches: BatchLoader) -> StepRecord:
        """Run the next optimizer step."""
        step, teaching = self.progress.step, self.prepared.teaching
        record = self.training_step(step, batches(step), self.prepared.plan.rounds(step))
        return record if teaching is None else replace(record, teacher_share=teaching.share(step))

    def _first_step(self, batches: BatchLoader) -> StepRecord:
        """Run the first step, and record the checksum of its gradient, which a resumed run compares."""
        written = self._opening.record
        if not self.has_comparable_first_step or not written or not self.world.is_first:
            return self._step(batches)
        with watched(self.training_step.optimizer) as gradient:
            record = self._step(batches)
        changed = write_record(self.out, {**written, "first_step": gradient.checksum})
        self._opening = self._opening._replace(record=changed)
        return record

    def _save_checkpoint(self, log: Digest) -> None:
        """Write a checkpoint, in the first process."""
        if not self.world.is_first:
            return
        step = self.training_step
        self.progress = replace(self.progress, log_bytes=log.size, log_checksum=log.checksum)
        save_checkpoint(self._checkpoints, step.modules, step.optimizer, self.progress, self.config.train.keep)
        self._notify("on_checkpoint", self.progress.step, self._checkpoints / f"step-{self.progress.step}")
