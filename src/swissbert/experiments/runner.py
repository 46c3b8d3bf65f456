"""Makes the rows of a table, one after another: plan, run, record. Finished rows are kept, a killed one goes on."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from swissbert.config import RunConfig
from swissbert.data.dataset import TaskData
from swissbert.data.tokens import Tokenizer
from swissbert.display import Display
from swissbert.display import table as text_table
from swissbert.errors import SwissbertError
from swissbert.experiments.outcome import as_markdown, outcome, write_outcome
from swissbert.experiments.paper import Choices, PaperTable, TableRow
from swissbert.experiments.records import (
    Evaluation,
    RowRecord,
    RunRecord,
    anonymous,
    check_record,
    read_record,
    record_path,
    write_record,
)
from swissbert.files import locked, writing
from swissbert.inference.model import load
from swissbert.inference.submission import submission
from swissbert.model_folder.encoders import encoder_folder
from swissbert.training.loop import train
from swissbert.training.plan import plan_steps
from swissbert.training.prepare import fingerprints, load_splits, prepare
from swissbert.training.state import checkpoints, recorded_rows


@dataclass(frozen=True)
class Job:
    """One run of a row, planned: how many steps, and how many tokens they and the evaluations read."""

    config: RunConfig
    folder: Path
    rows: dict[str, str]
    train_rows: dict[str, int]
    steps: int
    done: int
    tokens: float
    dev_tokens: float

    @property
    def work(self) -> float:
        """Tokens yet to be read, one that only goes forward counted as a third of one that is learned from."""
        learned = self.tokens / 3 if self.config.encoder.freeze else self.tokens
        return (learned + self.dev_tokens / 3) * (1 - self.done / self.steps)


@dataclass(frozen=True)
class PlannedRow:
    """A row with a seed, its runs, and the record where it is finished."""

    row: TableRow
    seed: int
    jobs: list[Job]
    record: RowRecord | None = None

    @property
    def state(self) -> str:
        """In a word or three, how far it is."""
        if self.record:
            return "finished"
        done = sum(job.done for job in self.jobs)
        return f"goes on at step {done}" if done else "to do"


@dataclass
class _Splits:
    """Loads each split once for all the rows that read it in the same way."""

    display: Display
    quiet: Display = field(default_factory=lambda: Display(quiet=True))
    tokenizers: dict[tuple[str, str | None], Tokenizer] = field(default_factory=dict)
    loaded: dict[str, tuple[dict[str, TaskData], list[TaskData], dict[str, str]]] = field(default_factory=dict)

    def of(self, config: RunConfig) -> tuple[dict[str, TaskData], list[TaskData], dict[str, str]]:
        """Train rows by task, dev rows, and the sha256 of each."""
        encoder = (config.encoder.name, config.encoder.revision)
        if encoder not in self.tokenizers:
            self.tokenizers[encoder] = Tokenizer(encoder_folder(*encoder))
        read_as = {
            "tasks": [task.model_dump(mode="json") for task in config.tasks],
            "data": config.data.model_dump(mode="json"),
            "encoder": [*encoder, config.encoder.max_length, config.model.pair_encoding],
        }
        key = json.dumps(read_as)
        if key not in self.loaded:
            train_rows, dev = load_splits(config, self.tokenizers[encoder], self.quiet if self.loaded else self.display)
            self.loaded[key] = (train_rows, dev, fingerprints(train_rows, dev))
        return self.loaded[key]


def plan_rows(
    table: PaperTable, rows: list[TableRow], seeds: list[int], choices: Choices, out: Path, display: Display
) -> list[PlannedRow]:
    """Check every row that is asked for, before the first one runs. Raises SwissbertError; nothing is written to `out`."""
    splits = _Splits(display)
    planned = []
    for row in rows:
        for seed in seeds:
            jobs = []
            for config in table.configs(row, seed, choices):
                folder = out / "runs" / row.name / f"seed-{seed}" / (config.tasks[0].name if row.apart else "")
                jobs.append(_job(config, folder, *splits.of(config)))
            record = read_record(out, row.name, seed)
            if record:
                path = record_path(out, row.name, seed)
                check_record(path, record, [job.config for job in jobs], [job.rows for job in jobs])
            planned.append(PlannedRow(row, seed, jobs, record))
    return planned


def _job(
    config: RunConfig, folder: Path, train_rows: dict[str, TaskData], dev: list[TaskData], sums: dict[str, str]
) -> Job:
    plan = plan_steps(config, train_rows)
    lengths = {name: float(np.mean(data.table.lengths)) for name, data in train_rows.items()}
    batch = {name: min(config.train.batch_size, len(data)) for name, data in train_rows.items()}
    tokens = sum(lengths[name] * batch[name] for draws in plan.steps for name, _ in draws)
    dev_tokens = float(sum(data.table.lengths.sum() for data in dev)) * len(plan.ends)
    done = checkpoints(folder / "checkpoints")[-1:] or [0]
    sizes = {name: len(data) for name, data in train_rows.items()}
    return Job(config, folder, sums, sizes, len(plan.steps), min(done[0], len(plan.steps)), tokens, dev_tokens)


def tokens_a_second(job: Job, display: Display) -> float:
    """Measure the training speed on this machine by two steps, of which the first warms up. No result is kept."""
    prepared = prepare(job.config, Display(quiet=True))
    display.say("timing a few steps ...")
    step, batches = prepared.training_step(), prepared.batches()
    records = [step(number, batches(number % prepared.total)) for number in range(2)]
    return records[-1].tokens / records[-1].seconds


def run_row(planned: PlannedRow, out: Path, display: Display) -> RowRecord:
    """Train every run of a row and record it. Raises `Stopped` and SwissbertError as `train` does."""
    runs = []
    for job in planned.jobs:
        began = time.perf_counter()
        result = train(job.config, job.folder, resume=True, display=display)
        evaluations = list(_evaluations(job.folder / "metrics.jsonl"))
        progress = result.progress
        assert progress.best_step is not None, "a run that ended has been evaluated"
        best = next(each for each in evaluations if each.step == progress.best_step)
        stored = load(result.model).description.provenance
        runs.append(
            RunRecord(
                config=anonymous(job.config),
                rows=recorded_rows(job.folder / "run.json"),
                train_rows=job.train_rows,
                steps=progress.step,
                best_step=progress.best_step,
                tokens=progress.tokens,
                seconds=round(progress.seconds, 1),
                wall_seconds=round(time.perf_counter() - began, 1),
                resumed=job.done > 0,
                scores=best.scores,
                evaluations=evaluations,
                provenance={k: v for k, v in stored.items() if k not in ("data", "seed", "step", "train_seconds")},
            )
        )
    record = RowRecord(
        row=planned.row.name,
        seed=planned.seed,
        scores=_together(planned.row, runs),
        runs=runs,
        predictions=_submit(planned, out, display) if planned.row.test else [],
    )
    write_record(out, record)
    _clear(planned)
    return record


def _clear(planned: PlannedRow) -> None:
    """Remove the checkpoints of a finished row; its model stays."""
    for job in planned.jobs:
        shutil.rmtree(job.folder / "checkpoints", ignore_errors=True)


def _evaluations(path: Path) -> Iterator[Evaluation]:
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if "dev" in entry:
            yield Evaluation(step=entry["step"], scores=entry["dev"])


def _together(row: TableRow, runs: list[RunRecord]) -> dict[str, float]:
    """Scores of a row's runs under one roof. Models that stand apart have the mean of their overall scores as theirs."""
    scores: dict[str, float] = {}
    for run in runs:
        scores |= run.scores
    if row.apart:
        for name in ("overall", "overall_normalised"):
            scores[name] = float(np.mean([run.scores[name] for run in runs]))
    return scores


def _submit(planned: PlannedRow, out: Path, display: Display) -> list[str]:
    """Write the course's prediction files of a row; returns their names."""
    folder = out / "predictions" / planned.row.name / f"seed-{planned.seed}"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    names = []
    for job in planned.jobs:
        for path, rows, bad in submission(load(job.folder), job.config.data.path, folder):
            names.append(path.name)
            display.say(f"{path}: {rows:,} rows, {len(bad)} bad")
            for row in bad[:5]:
                display.say(f"  {row}")
    return names


def plan_table(planned: list[PlannedRow], rate: float | None) -> str:
    """Steps and tokens of each row and, with a `rate` in tokens a second, the time it will take."""
    lines = []
    for each in planned:
        steps, tokens = sum(job.steps for job in each.jobs), sum(job.tokens for job in each.jobs)
        left = _duration(_work(each) / rate) if rate and not each.record else ""
        lines.append([each.row.name, each.row.title, each.state, str(each.seed), f"{steps:,}", f"{tokens:,.0f}", left])
    if rate:
        left = _duration(sum(map(_work, planned)) / rate)
        lines.append(["all", "", "", "", "", "", left])
    return text_table("Rows", ["row", "what it is", "state", "seed", "steps", "tokens", "time left"], lines, left=3)


def _work(planned: PlannedRow) -> float:
    return 0.0 if planned.record else sum(job.work for job in planned.jobs)


def _duration(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def reproduce(
    name: str,
    table: PaperTable,
    rows: list[TableRow],
    seeds: list[int],
    choices: Choices,
    out: Path,
    display: Display,
    *,
    dry_run: bool = False,
) -> str:
    """Make `rows` of a table and write NAME.md and NAME.html into `out` after each. Returns the Markdown.

    A row that fails leaves the others to run; its reason is raised as a SwissbertError at the end. With `dry_run`
    nothing is run or written, and the plan is returned.
    """
    planned = plan_rows(table, rows, seeds, choices, out, display)
    open_rows = [each for each in planned if not each.record]
    rate = None
    if open_rows:
        jobs = [job for each in open_rows for job in each.jobs]
        job = next((job for job in jobs if not job.config.encoder.freeze), jobs[0])
        rate = tokens_a_second(job, display) / (3 if job.config.encoder.freeze else 1)
    if dry_run:
        return plan_table(planned, rate)
    display.say(plan_table(planned, rate))
    outcome(table, out)  # a record that cannot be read is said before hours go by
    for each in planned:
        if each.record:
            _clear(each)  # of a process that was killed when it had just finished
    failed: list[str] = []
    for number, each in enumerate(open_rows, 1):
        display.say(f"\nrow {number} of {len(open_rows)}: {each.row.title}, seed {each.seed}")
        try:
            with locked(out / "runs" / each.row.name):
                if read_record(out, each.row.name, each.seed):
                    display.say("finished by another process meanwhile")
                else:
                    run_row(each, out, display)
        except SwissbertError as error:
            failed.append(f"row '{each.row.name}', seed {each.seed}: {error}")
            display.say(failed[-1])
        else:
            write_outcome(name, outcome(table, out), out)
    if failed:
        raise SwissbertError(f"{len(failed)} of {len(open_rows)} rows failed, the first: {failed[0]}")
    found = outcome(table, out)
    display.say(f"\nwritten: {', '.join(map(str, write_outcome(name, found, out)))}")
    return as_markdown(found)
