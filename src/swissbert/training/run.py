"""A run between its first and its last step: steps, evaluations, checkpoints, and the best model."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from swissbert.checksums import Digest, checksum
from swissbert.config import dump_config
from swissbert.display import Display
from swissbert.distributed.world import ALONE, World
from swissbert.errors import SwissbertError
from swissbert.evaluation import Scores, evaluate
from swissbert.files import make_folder, sweep, write_text, writing
from swissbert.model.heads.base import Head
from swissbert.model.multitask import MultitaskModel
from swissbert.model_folder import layout
from swissbert.model_folder.description import FORMAT, Description, read_table
from swissbert.model_folder.load import resolve_folder
from swissbert.model_folder.save import save_model
from swissbert.mtl.balancing import Balancer
from swissbert.selection import is_better_higher
from swissbert.training.best_model import check_best_model, need_best_model
from swissbert.training.callbacks import Callback, notify
from swissbert.training.comparison import Baselines, compare, comparison_lines
from swissbert.training.conditions import last_conditions
from swissbert.training.first_step import watched
from swissbert.training.fit import fit_heads
from swissbert.training.interrupt import STOPPING, stop_signal
from swissbert.training.introduction import introduction_lines
from swissbert.training.loader import BatchLoader
from swissbert.training.log import MetricsLog, NoLog, dev_entry, dev_line
from swissbert.training.preparation import Prepared, provenance
from swissbert.training.record import read_record, run_of_checkpoint, write_record
from swissbert.training.result import Result, Stopped
from swissbert.training.resume import Changes
from swissbert.training.sameness import learning_number, state_number
from swissbert.training.start import (
    begin,
    compare_start,
    difference_lines,
    go_on,
    outside_classes,
    present_conditions,
    without_record,
)
from swissbert.training.state import Progress, load_checkpoint, remove_old_checkpoints, save_checkpoint
from swissbert.training.step_record import StepRecord


class Run:
    """A run between its first and its last step. With several processes each has one; process 0 writes files and messages.

    Attributes:
        config: The settings.
        out: The run folder.
        prepared: Network, data and plan.
        training_step: The training step, with optimizer and balancing methods.
        progress: Steps done, and the best evaluation so far.
        world: The processes of the run.
    """

    def __init__(
        self,
        prepared: Prepared,
        out: Path,
        display: Display,
        *,
        balancer: Balancer | Sequence[Balancer] | None = None,
        heads: Mapping[str, type[Head]] | None = None,
        callbacks: Sequence[object] = (),
        world: World = ALONE,
    ) -> None:
        self.config, self.out, self.prepared, self.world = prepared.config, out, prepared, world
        self.training_step = prepared.training_step(balancer, world)
        self.progress = Progress()
        self.classes = outside_classes(balancer, heads)
        one_or_more = balancer if isinstance(balancer, Sequence) else [balancer] * (balancer is not None)
        self._outside = [*map(type, one_or_more), *(heads or {}).values()]
        self._record: dict[str, Any] = {}
        self._is_same = True
        self._display = display
        self._has_comparable_first_step = _has_comparable_first_step(prepared, callbacks)
        self._known_callbacks, self._callbacks = callbacks, callbacks if world.is_first else ()
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

    def start(self, record: Mapping[str, Any] | None, changes: Changes, step: int) -> None:
        """Write the record and the settings of the run; compare those of a resumed run, and say what differs.

        Args:
            record: Contents of its ``run.json``, if there is one.
            changes: Settings that change.
            step: Step of its last checkpoint; 0 for a new run.

        Raises:
            SwissbertError: If something differs that must not; nothing is written then.
        """
        conditions = present_conditions(
            self.prepared, self.classes, self._outside, self._known_callbacks, processes=self.world.size
        )
        if record is not None and "first_step" in record and 0 < step < self.total:
            has_as_many = last_conditions(record, step)["processes"] == self.world.size
            if self._has_comparable_first_step and has_as_many:
                conditions["first_step"] = self._repeated_first_step()
        if self.world.is_first:
            self._write_start(record, changes, step, conditions)
        self.world.wait()
        if not self.world.is_first:
            self._record = read_record(self.out) or {}
            if not self._record:
                raise SwissbertError(
                    f"{self.out}: process {self.world.rank} does not see the {layout.RUN_RECORD} that process 0 has written "
                    "there; out must be a folder of a file system that all machines share",
                    argument="out",
                )
        self._is_same = not self.world.any(not self._is_same)

    def _write_start(
        self, record: Mapping[str, Any] | None, changes: Changes, step: int, conditions: dict[str, Any]
    ) -> None:
        """Write record and settings; arguments as for `start`, and the present conditions."""
        prepared, out, settings = self.prepared, self.out, dump_config(self.prepared.config)
        if record is None:
            if step:
                self._display.say(without_record(out, prepared.config.train))
                self._is_same = False
            run = run_of_checkpoint(out, step) if step else None
            self._record = begin(prepared, conditions, self.classes, out, run=run, step=step)
            write_text(out / layout.RUN_CONFIG, settings)  # last: a folder with settings holds a run
            return
        comparison = compare_start(prepared, conditions, out, record, step)
        for line in difference_lines(comparison, changes, step):
            self._display.say(line)
        write_text(out / layout.RUN_CONFIG, settings)  # first: the record must not be ahead of the settings
        self._is_same = not (comparison.differing or comparison.unknown or changes.allowed)
        self._record = go_on(prepared, conditions, out, record, comparison, changes, step)

    def _repeated_first_step(self) -> str | None:
        """Compute the first step again, from the initial parameters, and return the checksum of its gradient.

        The parameters and moments that it leaves are overwritten by those of the checkpoint.
        """
        with watched(self.training_step.optimizer) as gradient:
            self.training_step(0, self.prepared.batches()(0), self.prepared.plan.rounds(0))
        return gradient.checksum

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
            self._display.say(line)
        log = self._log()
        try:
            notify(self._callbacks, "on_start", self)
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
        except BaseException:
            with suppress(SwissbertError):  # the first error is the one to report
                log.close()
            raise
        log.close()
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
            lambda: load_checkpoint(self._checkpoints, step.modules, step.optimizer, self._display.say)
        )
        if self.world.is_first:
            with writing(self._checkpoints):
                remove_old_checkpoints(self._checkpoints, self.config.train.keep)  # those that a killed process left
        run = str(self._record.get("run", ""))
        if progress.step and progress.run != run:
            raise SwissbertError(
                f"{self._checkpoints / f'step-{progress.step}'}: this checkpoint was written by another run than the "
                f"{layout.RUN_RECORD} beside it; remove it to go on from the one before"
            )
        self.world.check_same(progress.step, f"{self._checkpoints}: not all processes read the same checkpoint")
        need_best_model(self.out, progress)
        self.progress, line = check_best_model(
            self.out, replace(progress, run=run), self.config.train, is_same=self._is_same
        )
        if line:
            self._display.say(line)

    def _log(self) -> MetricsLog | NoLog:
        """Open the log, which the first process writes."""
        if not self.world.is_first:
            return NoLog()
        return MetricsLog(
            self.out,
            self.progress.step,
            tensorboard=self.config.train.tensorboard,
            size=self.progress.log_bytes,
            checksum=self.progress.log_checksum,
            log=self._display.say,
        )

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
            with self._display.waiting("training the baseline of words alone to compare with"):
                baselines = compare(self.prepared)
        for line in comparison_lines(self.prepared, scores, baselines) if baselines else []:
            self._display.say(line)
        result = Result(folder, scores, self.progress, baselines)
        notify(self._callbacks, "on_end", result)
        return result

    def _loop(self, log: MetricsLog | NoLog) -> None:
        """Run the steps that are left, with evaluations and checkpoints."""
        every, ends = self.config.train.checkpoint_every, self.prepared.plan.ends
        batches = self.prepared.batches()
        # of several processes all have to agree first: a signal may also say that another one has ended
        display = self._display if self.world.is_alone else Display(quiet=True)
        with stop_signal(display) as stop, self._display.steps(self.total, self.progress.step, ends) as bar:
            while not self.is_complete:
                record = self._step(batches) if self.progress.step else self._first_step(batches)
                self.progress = self.progress.after_step(record.tokens, record.seconds)
                done = self.progress.step
                log.write({"step": done, **record.log_entry()})
                bar.advance(done, record.loss, record.tokens)
                notify(self._callbacks, "on_step", done, record)
                if done in ends:
                    self._evaluate(log)
                    self.world.wait()  # for the model and callbacks, which may take longer than a step is allowed to
                stopping = self.world.any(stop.is_set())
                if stopping and not self.world.is_alone:
                    self._display.say(STOPPING)
                if done in ends or stopping or (every is not None and done % every == 0):
                    log.sync()  # a checkpoint is never ahead of the log
                    self._save_checkpoint(log.digest)
                    self.world.wait()
                    bar.pause()
                if stopping and not self.is_complete:
                    self.world.wait()  # a process that ends makes torchrun end the others
                    raise Stopped(done, self.total, self.out)

    def _step(self, batches: BatchLoader) -> StepRecord:
        """Run the next optimizer step."""
        step, teaching = self.progress.step, self.prepared.teaching
        record = self.training_step(step, batches(step), self.prepared.plan.rounds(step))
        return record if teaching is None else replace(record, teacher_share=teaching.share(step))

    def _first_step(self, batches: BatchLoader) -> StepRecord:
        """Run the first step, and record the checksum of its gradient, which a resumed run compares."""
        if not self._has_comparable_first_step or not self._record or not self.world.is_first:
            return self._step(batches)
        with watched(self.training_step.optimizer) as gradient:
            record = self._step(batches)
        self._record = write_record(self.out, {**self._record, "first_step": gradient.checksum})
        return record

    def _evaluate(self, log: MetricsLog | NoLog) -> None:
        """Score the dev rows, and save the model if it is the best so far."""
        prepared, network, world = self.prepared, self.scored_network, self.world
        if not world.is_alone:
            world.check_same(
                state_number(self.training_step.modules),
                f"the parameters of the processes differ after step {self.progress.step}, so they would train several models; "
                "all of them need processors, versions and settings of the same kind, and callbacks, which process 0 alone "
                "calls, must not change the network after on_start",
            )
        with self._display.waiting("fitting thresholds on train rows"):
            fit_heads(network, prepared.train, world)
        best_by = self.config.train.best_by
        loss_scale = self.config.loss.scale if best_by.rpartition(".")[2] == "loss" else None
        scores = evaluate(network, prepared.dev, loss_scale=loss_scale, display=self._display, world=world)
        value = world.first_value(scores.by_name(best_by))
        self.progress = self.progress.judged(
            value, higher_is_better=is_better_higher(best_by), tie=self.config.train.tie
        )
        step = self.progress.step
        log.write(dev_entry(step, scores))
        is_kept = self.progress.best_step == step
        self._display.say(dev_line(step, scores, best_by, is_kept=is_kept, best=self.progress.best))
        for note in scores.all_notes():
            if note not in self._notes:
                self._display.say(f"  {note}")
        self._notes.update(scores.all_notes())
        if is_kept and world.is_first:
            self._save_model(scores)
        notify(self._callbacks, "on_evaluation", step, scores)

    def _save_model(self, scores: Scores) -> None:
        """Write the model folder."""
        prepared, config = self.prepared, self.config
        description = Description(
            format=FORMAT,
            tasks=config.tasks,
            encoder=config.encoder,
            model=config.model,
            scores=scores.flat(),
            notes={name: task.notes for name, task in scores.tasks.items() if task.notes} or None,
            provenance=provenance(prepared)
            | self.classes
            | {"step": self.progress.step, "train_seconds": round(self.progress.seconds)},
        )
        folder = self.out / layout.BEST_MODEL
        save_model(folder, self.scored_network, prepared.tokenizer, description)
        self.progress = replace(self.progress, best_checksum=checksum(folder / layout.DESCRIPTION))

    def _save_checkpoint(self, log: Digest) -> None:
        """Write a checkpoint, in the first process."""
        if not self.world.is_first:
            return
        step = self.training_step
        self.progress = replace(self.progress, log_bytes=log.size, log_checksum=log.checksum)
        save_checkpoint(self._checkpoints, step.modules, step.optimizer, self.progress, self.config.train.keep)


def _has_comparable_first_step(prepared: Prepared, callbacks: Sequence[object]) -> bool:
    """Whether the first step gives the same numbers every time: on a CPU, unless a callback may change the network."""
    starts = [type(callback) for callback in callbacks if hasattr(callback, "on_start")]
    changes = any(getattr(kind, "on_start", None) is not Callback.on_start for kind in starts)
    return prepared.hardware.device.type == "cpu" and not changes
