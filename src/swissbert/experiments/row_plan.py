"""Planning of a table: settings, data, steps and work of every run, before the first one is trained."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from swissbert.config import RunConfig
from swissbert.data.tokens import Tokenizer
from swissbert.display import Display
from swissbert.experiments.paper import Choices, PaperTable, TableRow
from swissbert.experiments.records import RowRecord, check_record, read_record, record_path
from swissbert.experiments.trainer import Splits, count_steps, last_checkpoint, read_splits
from swissbert.model_folder.encoders import read_encoder_folder


@dataclass(frozen=True)
class Job:
    """A planned run of a row.

    Attributes:
        config: Its settings.
        folder: Its run folder.
        rows: SHA-256 checksum of each split, by ``task.split``.
        train_rows: Number of train rows by task.
        steps: Number of steps.
        done: Steps that an interrupted run has behind it.
        tokens: Tokens in all steps, about.
        dev_tokens: Tokens in all evaluations.
    """

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
        """Work that is left, in tokens of forward and backward passes."""
        train_tokens = self.tokens / 3 if self.config.encoder.freeze else self.tokens
        return (train_tokens + self.dev_tokens / 3) * (1 - self.done / self.steps)


@dataclass(frozen=True)
class PlannedRow:
    """A row of a table with a seed.

    Attributes:
        row: The row.
        seed: The seed.
        jobs: Its runs.
        record: Its record, if it is finished.
    """

    row: TableRow
    seed: int
    jobs: list[Job]
    record: RowRecord | None = None

    @property
    def state(self) -> str:
        """Progress in words."""
        if self.record:
            return "finished"
        done = sum(job.done for job in self.jobs)
        return f"resumes at step {done}" if done else "to do"

    @property
    def work(self) -> float:
        """Work that is left, in tokens of forward and backward passes."""
        return 0.0 if self.record else sum(job.work for job in self.jobs)


@dataclass
class SplitCache:
    """Splits of all rows of a table; those with the same settings are loaded once."""

    display: Display
    quiet: Display = field(default_factory=lambda: Display(quiet=True))
    tokenizers: dict[tuple[str, str | None], Tokenizer] = field(default_factory=dict)
    loaded: dict[str, Splits] = field(default_factory=dict)

    def get(self, config: RunConfig) -> Splits:
        """Return the splits of a run."""
        encoder = (config.encoder.name, config.encoder.revision)
        if encoder not in self.tokenizers:
            self.tokenizers[encoder] = read_encoder_folder(*encoder, Tokenizer)
        key = json.dumps(
            {
                "tasks": [task.model_dump(mode="json") for task in config.tasks],
                "data": config.data.model_dump(mode="json"),
                "encoder": [*encoder, config.encoder.max_length, config.model.pair_encoding],
            }
        )
        if key not in self.loaded:
            display = self.quiet if self.loaded else self.display
            self.loaded[key] = read_splits(config, self.tokenizers[encoder], display)
        return self.loaded[key]


def plan_rows(
    paper_table: PaperTable, rows: list[TableRow], seeds: list[int], choices: Choices, out: Path, display: Display
) -> list[PlannedRow]:
    """Plan and check rows of a table. Nothing is written to `out`.

    Args:
        paper_table: The table.
        rows: Rows of the table.
        seeds: Seeds of each row.
        choices: Choices beside the table.
        out: Folder of records and runs.
        display: Shows the rows of each split.

    Raises:
        SwissbertError: If settings, data or a record of a finished row do not fit.
    """
    splits = SplitCache(display)
    planned = []
    for row in rows:
        for seed in seeds:
            jobs = []
            for config in paper_table.configs(row, seed, choices):
                folder = out / "runs" / row.name / f"seed-{seed}" / (config.tasks[0].name if row.apart else "")
                jobs.append(_job(config, folder, splits.get(config)))
            record = read_record(out, row.name, seed)
            if record:
                path = record_path(out, row.name, seed)
                check_record(path, record, [job.config for job in jobs], [job.rows for job in jobs])
            planned.append(PlannedRow(row, seed, jobs, record))
    return planned


def _job(config: RunConfig, folder: Path, splits: Splits) -> Job:
    counts = count_steps(config, splits.train)
    tokens = 0.0
    for name, data in splits.train.items():
        batch_tokens = float(np.mean(data.table.lengths)) * min(config.train.batch_size, len(data))
        tokens += batch_tokens * counts.draws[name]
    return Job(
        config,
        folder,
        rows=splits.checksums,
        train_rows={name: len(data) for name, data in splits.train.items()},
        steps=counts.steps,
        done=min(last_checkpoint(folder), counts.steps),
        tokens=tokens,
        dev_tokens=float(sum(data.table.lengths.sum() for data in splits.dev)) * counts.evaluations,
    )


def plan_cells(planned: list[PlannedRow], rate: float | None) -> tuple[str, list[str], list[list[str]], int]:
    """Return the plan of all rows: title, heads and cells of a table, and its number of columns with text.

    Args:
        planned: The rows.
        rate: Tokens of forward and backward passes per second, for the time left; None if nothing is left.
    """
    lines = []
    for row in planned:
        steps, tokens = sum(job.steps for job in row.jobs), sum(job.tokens for job in row.jobs)
        left = _duration(row.work / rate) if rate and not row.record else ""
        lines.append([row.row.name, row.row.title, row.state, str(row.seed), f"{steps:,}", f"{tokens:,.0f}", left])
    if rate:
        left = _duration(sum(row.work for row in planned) / rate)
        lines.append(["all", "", "", "", "", "", left])
    return "Rows", ["row", "description", "state", "seed", "steps", "tokens", "time left"], lines, 3


def _duration(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
