"""A training run: from settings to a run folder with the best model in it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from swissbert.checksums import Digest, check_all, checksum
from swissbert.config import RunConfig, dump_config, load_config
from swissbert.device import same_threads_afterwards
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.evaluation import Scores, evaluate
from swissbert.files import locked, make_folder, recover, sweep, write_text, writing
from swissbert.model.heads.base import Head
from swissbert.model.multitask import MultitaskModel, part_of
from swissbert.model_folder import layout
from swissbert.model_folder.description import FORMAT, Description, read_table
from swissbert.model_folder.load import resolve_folder
from swissbert.model_folder.save import save_model
from swissbert.mtl.balancing import Balancer
from swissbert.paths import check_path
from swissbert.selection import is_better_higher
from swissbert.training.automatic import adopt_choices
from swissbert.training.best_model import check_best_model
from swissbert.training.callbacks import Callback, notify
from swissbert.training.comparison import Baselines, compare, comparison_lines
from swissbert.training.coverage import coverage_lines
from swissbert.training.first_step import watched
from swissbert.training.fit import fit_heads
from swissbert.training.interrupt import stop_signal
from swissbert.training.loader import BatchLoader
from swissbert.training.log import TENSORBOARD, MetricsLog, dev_entry, dev_line
from swissbert.training.optim import layer_decay_line
from swissbert.training.preparation import Data, Prepared, complete, in_memory, prepare, provenance
from swissbert.training.record import read_record, run_of_checkpoint, write_record
from swissbert.training.resume import (
    Changes,
    check_settings,
    longer_lines,
    moved_lines,
    need_locations,
    stored_config,
    with_stored_data,
    with_stored_meaning,
)
from swissbert.training.start import (
    begin,
    compare_start,
    difference_lines,
    go_on,
    kept_hardware,
    outside_classes,
    present_conditions,
    without_record,
)
from swissbert.training.state import (
    Progress,
    checkpoints,
    load_checkpoint,
    remove_old_checkpoints,
    save_checkpoint,
    set_aside_damaged,
)
from swissbert.training.step import StepRecord
from swissbert.wording import counted


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
            on the dev rows of each task; empty if ``train.baseline`` is false.
    """

    model: Path
    scores: dict[str, float]
    progress: Progress
    baselines: Baselines = field(default_factory=dict)


def train(
    config: RunConfig | str | Path,
    out: str | Path,
    *,
    resume: bool = False,
    display: Display | None = None,
    balancer: Balancer | Sequence[Balancer] | None = None,
    data: Data | None = None,
    heads: Mapping[str, type[Head]] | None = None,
    callbacks: Sequence[object] = (),
) -> Result:
    """Train one encoder on the tasks of a configuration.

    Args:
        config: Settings, or the name of a shipped recipe, or the path of a TOML file.
        out: The run folder, which is created.
        resume: Go on with the run in `out`, or begin if there is none. Rows, encoder, classes and settings must be those
            that it began with; ``train.epochs``, ``train.max_steps`` and ``train.patience`` may be raised, and data and
            encoder may lie elsewhere. Its losses then are those of an uninterrupted run, bit for bit on a CPU of the same
            kind with the same number of threads, precision and versions of libraries.
        display: Receives progress; nothing is shown if left out.
        balancer: A method from outside the package that balances tasks, or two: one that needs losses and one that needs
            the Gram matrix. They take the places of ``loss.weighting`` and ``loss.surgery``.
        data: Rows in memory by task: train rows, or a tuple of train rows and dev rows. Rows are lists of dictionaries
            or tuples, dictionaries of columns, pandas, ``datasets`` or pyarrow tables. Other tasks are read from files.
        heads: Head classes from outside the package, by task name.
        callbacks: Objects with functions of `Callback`.

    Returns:
        The outcome of the completed run.

    Raises:
        SwissbertError: For anything that a person has to correct; the state of the last checkpoint is kept.
        Stopped: After Ctrl-C, SIGTERM or SIGHUP; the state is saved.

    Example::

        result = train("quickstart", "runs/mine", data={"sst": (train_rows, dev_rows)})
    """
    config = config if isinstance(config, RunConfig) else load_config(config)
    out, display = Path(out), display or Display(quiet=True)
    for path, argument in ((out, "out"), (config.data.dir, "data.dir"), (config.encoder.name, "encoder.name")):
        check_path(path or "", argument)
    with locked(out), same_threads_afterwards():
        recover(out / layout.BEST_MODEL)
        data = in_memory(data)
        has_run = resume and (out / layout.RUN_CONFIG).exists()
        if has_run:
            config = with_stored_data(config, out)
            need_locations(config, out, reads_files=_reads_files(config, data))
        config = complete(config, display, data)
        record = read_record(out) if resume else None
        if has_run:
            config = with_stored_meaning(adopt_choices(config, stored_config(out, config, record)), out)
        changes = check_settings(config, out, resume, record=record)
        if resume:
            set_aside_damaged(out / layout.CHECKPOINTS, display.say)
        step = (checkpoints(out / layout.CHECKPOINTS) or [0])[-1]
        hardware, whole_steps = None, False
        if record is not None:
            hardware = kept_hardware(config.train, record, step)
            whole_steps = record.get("format", 1) == 1
            for line in moved_lines(changes, record):
                display.say(line)
        with display.waiting("preparing the run"):
            prepared = prepare(
                config, display, hardware=hardware, data=data, heads=heads, whole_steps=whole_steps, recorded=record
            )
            run = Run(prepared, out, display, balancer=balancer, heads=heads, callbacks=callbacks)
            run.start(record, changes, step)
        for line in longer_lines(changes, prepared.config, prepared.total):
            display.say(line)
        return run.complete()


def _reads_files(config: RunConfig, data: Data | None) -> bool:
    """Whether a task reads its rows from files of ``data.dir``."""
    return any(task.hub is None and task.name not in (data or {}) for task in config.tasks)


class Run:
    """A run between its first and its last step.

    Attributes:
        config: The settings.
        out: The run folder.
        prepared: Network, data and plan.
        training_step: The training step, with optimizer and balancing methods.
        progress: Steps done, and the best evaluation so far.
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
    ) -> None:
        self.config, self.out, self.prepared = prepared.config, out, prepared
        self.training_step = prepared.training_step(balancer)
        self.progress = Progress()
        self.classes = outside_classes(balancer, heads)
        one_or_more = balancer if isinstance(balancer, Sequence) else [balancer] * (balancer is not None)
        self._outside = [*map(type, one_or_more), *(heads or {}).values()]
        self._record: dict[str, Any] = {}
        self._is_same = True
        self._display, self._callbacks = display, callbacks
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
        prepared, out = self.prepared, self.out
        conditions = present_conditions(prepared, self.classes, self._outside, self._callbacks)
        settings = dump_config(prepared.config)
        if record is None:
            if step:
                self._display.say(without_record(out, prepared.config.train))
                self._is_same = False
            run = run_of_checkpoint(out, step) if step else None
            self._record = begin(prepared, conditions, self.classes, out, run=run, step=step)
            write_text(out / layout.RUN_CONFIG, settings)  # last: a folder with settings holds a run
            return
        if self._has_comparable_first_step and "first_step" in record and 0 < step < self.total:
            conditions["first_step"] = self._repeated_first_step()
        comparison = compare_start(prepared, conditions, out, record, step)
        for line in difference_lines(comparison, changes, step):
            self._display.say(line)
        write_text(out / layout.RUN_CONFIG, settings)  # first: the record must not be ahead of the settings
        self._is_same = not (comparison.differing or comparison.unknown or changes.allowed)
        self._record = go_on(prepared, conditions, out, record, comparison, changes, step)

    @property
    def _has_comparable_first_step(self) -> bool:
        """Whether the first step gives the same numbers every time: on a CPU, unless a callback may change the network."""
        starts = [type(callback) for callback in self._callbacks if hasattr(callback, "on_start")]
        changes = any(getattr(kind, "on_start", None) is not Callback.on_start for kind in starts)
        return self.prepared.hardware.device.type == "cpu" and not changes

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
        with writing(self._checkpoints):
            make_folder(self._checkpoints)
            sweep(self._checkpoints)
        progress = load_checkpoint(
            self._checkpoints, self.training_step.modules, self.training_step.optimizer, self._display.say
        )
        with writing(self._checkpoints):
            remove_old_checkpoints(self._checkpoints, self.config.train.keep)  # those that a killed process left
        run = str(self._record.get("run", ""))
        if progress.step and progress.run != run:
            raise SwissbertError(
                f"{self._checkpoints / f'step-{progress.step}'}: this checkpoint was written by another run than the "
                f"{layout.RUN_RECORD} beside it; remove it to go on from the one before"
            )
        self._check_model(progress)
        self.progress, line = check_best_model(
            self.out, replace(progress, run=run), self.config.train, is_same=self._is_same
        )
        if line:
            self._display.say(line)
        self._introduce()
        log = MetricsLog(
            self.out,
            self.progress.step,
            tensorboard=self.config.train.tensorboard,
            size=self.progress.log_bytes,
            checksum=self.progress.log_checksum,
            log=self._display.say,
        )
        try:
            notify(self._callbacks, "on_start", self)
            self._loop(log)
        except BaseException:
            with suppress(SwissbertError):  # the first error is the one to report
                log.close()
            raise
        log.close()
        folder = resolve_folder(self.out)
        if self.progress.best_checksum not in (None, checksum(folder / layout.DESCRIPTION)):
            raise SwissbertError(
                f"{folder}: is not the best model of this run, of step {self.progress.best_step}; another one was put in its "
                f"place. Put it back, or remove {self._checkpoints} and resume, which trains the run from its beginning"
            )
        scores = read_table(folder).get("scores", {})
        baselines: Baselines = {}
        if self.config.train.baseline:
            with self._display.waiting("training the baseline of words alone to compare with"):
                baselines = compare(self.prepared)
        for line in comparison_lines(self.prepared, scores, baselines) if baselines else []:
            self._display.say(line)
        result = Result(folder, scores, self.progress, baselines)
        notify(self._callbacks, "on_end", result)
        return result

    def _check_model(self, progress: Progress) -> None:
        """Check that the best model of a resumed run is still there and whole, as it may stay the best.

        Raises:
            SwissbertError: If it is not; says what to do.
        """
        if progress.best_step is None:
            return
        try:
            check_all(resolve_folder(self.out) / layout.DESCRIPTION)
        except SwissbertError as error:
            raise SwissbertError(
                f"{self.out / layout.BEST_MODEL}: the best model so far, of step {progress.best_step}, is missing or "
                f"damaged ({error}); put a copy of it there, or remove {self._checkpoints} and resume, which trains the run "
                "from its beginning"
            ) from error

    def _introduce(self) -> None:
        """Show what is about to be trained, and on which hardware."""
        prepared, train = self.prepared, self.config.train
        self._display.say(
            f"{counted(self.total, 'step')} in {counted(len(prepared.plan.ends), 'epoch')} ({' + '.join(prepared.train)}, "
            f"{train.batch_size} rows a batch), {prepared.hardware}"
            + (f", going on after step {self.progress.step}" if self.progress.step else "")
        )
        parts = [part_of(name) for name, _ in self.network.encoder.named_parameters()]
        if line := layer_decay_line(train, parts, learns=not self.config.encoder.freeze):
            self._display.say(line)
        if self.is_complete and self.progress.step < self.total:
            self._display.say(
                f"this run ended at step {self.progress.step}, after {self.progress.stale} evaluations without a new best; "
                f"train.patience is {train.patience}, and a larger one lets it go on"
            )
        for line in coverage_lines(self.config, prepared.train, prepared.plan):
            self._display.say(line)
        if train.heads_first:
            self._display.say(f"train.heads_first {train.heads_first}: up to step {train.heads_first} only heads learn")
        if train.ema is not None:
            self._display.say(
                f"train.ema {train.ema:g}: dev scores and the model that is saved are those of a moving average of "
                "the weights"
            )
        regulariser = self.training_step.regulariser
        for line in regulariser.notes(prepared.hardware) if regulariser is not None else []:
            self._display.say(line)
        if train.tensorboard and not TENSORBOARD:
            self._display.say(
                f"tensorboard is not installed; {layout.METRICS_LOG} has the same numbers (pip install 'swissbert[track]')"
            )

    def _loop(self, log: MetricsLog) -> None:
        """Run the steps that are left, with evaluations and checkpoints."""
        every, ends = self.config.train.checkpoint_every, self.prepared.plan.ends
        batches = self.prepared.batches()
        with stop_signal(self._display) as stop, self._display.steps(self.total, self.progress.step, ends) as bar:
            while not self.is_complete:
                record = self._step(batches) if self.progress.step else self._first_step(batches)
                self.progress = self.progress.after_step(record.tokens, record.seconds)
                done = self.progress.step
                log.write({"step": done, **record.log_entry()})
                bar.advance(done, record.loss, record.tokens)
                notify(self._callbacks, "on_step", done, record)
                if done in ends:
                    self._evaluate(log)
                stopping = stop.is_set()
                if done in ends or stopping or (every is not None and done % every == 0):
                    log.sync()  # a checkpoint is never ahead of the log
                    self._save_checkpoint(log.digest)
                    bar.pause()
                if stopping and not self.is_complete:
                    raise Stopped(done, self.total, self.out)

    def _step(self, batches: BatchLoader) -> StepRecord:
        """Run the next optimizer step."""
        step, teaching = self.progress.step, self.prepared.teaching
        record = self.training_step(step, batches(step), self.prepared.plan.rounds(step))
        return record if teaching is None else replace(record, teacher_share=teaching.share(step))

    def _first_step(self, batches: BatchLoader) -> StepRecord:
        """Run the first step, and record the checksum of its gradient, which a resumed run compares."""
        if not self._has_comparable_first_step or not self._record:
            return self._step(batches)
        with watched(self.training_step.optimizer) as gradient:
            record = self._step(batches)
        self._record = write_record(self.out, {**self._record, "first_step": gradient.checksum})
        return record

    def _evaluate(self, log: MetricsLog) -> None:
        """Score the dev rows, and save the model if it is the best so far."""
        prepared, network = self.prepared, self.scored_network
        with self._display.waiting("fitting thresholds on train rows"):
            fit_heads(network, prepared.train)
        best_by = self.config.train.best_by
        loss_scale = self.config.loss.scale if best_by.rpartition(".")[2] == "loss" else None
        scores = evaluate(network, prepared.dev, loss_scale=loss_scale, display=self._display)
        value = scores.by_name(best_by)
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
        if is_kept:
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
        step = self.training_step
        self.progress = replace(self.progress, log_bytes=log.size, log_checksum=log.checksum)
        save_checkpoint(self._checkpoints, step.modules, step.optimizer, self.progress, self.config.train.keep)
