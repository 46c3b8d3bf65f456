"""Planning of a table: settings, data, steps and work of every run, before the first one is trained."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from swissbert.config import RunConfig
from swissbert.data.tokens import Tokenizer
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.experiments.declarations import SEED_MARK, Choices, ResultsTable, TableRow
from swissbert.experiments.records import RowRecord, anonymous, check_record, check_soup, read_record, record_path
from swissbert.experiments.trainer import Splits, count_steps, last_checkpoint, read_splits
from swissbert.model_folder.encoders import read_encoder_folder
from swissbert.model_folder.layout import BEST_MODEL


@dataclass(frozen=True)
class Job:
    """A planned run of a row.

    Attributes:
        config: Its settings.
        recorded: Its settings as a record has them: without paths, and with the names of its teachers.
        folder: Its run folder.
        rows: SHA-256 checksum of each split, by ``task.split``.
        train_rows: Number of train rows by task.
        steps: Number of steps.
        done: Steps that an interrupted run has behind it.
        tokens: Tokens in all steps, about.
        dev_tokens: Tokens in all evaluations.
    """

    config: RunConfig
    recorded: RunConfig
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
class SourceModel:
    """A model of another row, which a row learns from or averages.

    Attributes:
        name: Name of its row and its seed, ``pair.seed-0``.
        folders: Its model folders: several if its row has a model for each task.
        record: Path of the record of its row.
    """

    name: str
    folders: list[Path]
    record: Path

    def check(self, row: str) -> None:
        """Raise SwissbertError if one of the models is not there, for the row that takes it."""
        for folder in self.folders:
            if not folder.is_dir():
                why = f"is gone; remove {self.record} to train it again" if self.record.exists() else "is not trained"
                raise SwissbertError(f"row '{row}': takes the model of {self.name}, but {folder} {why}")


@dataclass(frozen=True)
class PlannedRow:
    """A row of a table with a seed.

    Attributes:
        row: The row.
        seed: The seed.
        jobs: Its runs; none if it is a soup.
        folder: Folder of its run, runs or soup.
        models: Models of other rows that it takes.
        splits_of: Settings that say which dev rows score it: those of its last run, or of the first model of a soup.
        record: Its record, if it is finished.
    """

    row: TableRow
    seed: int
    jobs: list[Job]
    folder: Path
    models: list[SourceModel]
    splits_of: RunConfig
    record: RowRecord | None = None

    @property
    def model_folders(self) -> list[Path]:
        """Its models: one, or one for each task."""
        return [folder / BEST_MODEL for folder in [job.folder for job in self.jobs] or [self.folder]]

    @property
    def state(self) -> str:
        """Progress in words."""
        if self.record:
            return "finished"
        if self.row.soup:
            return "to average"
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
    declared: ResultsTable, rows: list[TableRow], seeds: list[int], choices: Choices, out: Path, display: Display
) -> list[PlannedRow]:
    """Plan and check rows of a table. Nothing is written to `out`.

    Args:
        declared: The table.
        rows: Rows of the table, with those whose models they take, which come first.
        seeds: Seeds of rows that have none of their own.
        choices: Choices beside the table.
        out: Folder of records and runs.
        display: Shows the rows of each split.

    Raises:
        SwissbertError: If settings, data or a record of a finished row do not fit.
    """
    splits = SplitCache(display)
    planned: dict[tuple[str, int], PlannedRow] = {}
    for row in rows:
        for seed in row.seeds or seeds:
            sources = [planned[source.name, number] for source, number in declared.models_of(row, seed, seeds)]
            models = [
                SourceModel(
                    f"{one.row.name}{SEED_MARK}{one.seed}", one.model_folders, record_path(out, one.row.name, one.seed)
                )
                for one in sources
            ]
            jobs = _jobs(declared, row, seed, choices, out, models, splits)
            folder = run_folder(out, row.name, seed)
            config = jobs[-1].config if jobs else sources[0].splits_of
            record = read_record(out, row.name, seed)
            if record:
                path = record_path(out, row.name, seed)
                check_record(path, record, [job.recorded for job in jobs], [job.rows for job in jobs])
                check_soup(path, record, [model.name for model in models] if row.soup else [])
            else:
                for one, model in zip(sources, models, strict=True):
                    if one.record:  # others are trained first
                        model.check(row.name)
            planned[row.name, seed] = PlannedRow(row, seed, jobs, folder, models, config, record)
    return list(planned.values())


def run_folder(out: Path, row: str, seed: int) -> Path:
    """Return the folder of the run, the runs or the soup of a row."""
    return out / "runs" / row / f"seed-{seed}"


def _jobs(
    declared: ResultsTable,
    row: TableRow,
    seed: int,
    choices: Choices,
    out: Path,
    models: list[SourceModel],
    splits: SplitCache,
) -> list[Job]:
    """Plan the runs of a row; none for a soup."""
    folders = [str(folder.absolute()) for model in models for folder in model.folders]
    configs = declared.configs(row, seed, choices, folders)
    recorded = declared.configs(row, seed, choices, [model.name for model in models])
    jobs = []
    for config, named in zip(configs, recorded, strict=True):
        folder = run_folder(out, row.name, seed) / (config.tasks[0].name if row.apart else "")
        jobs.append(_job(config, anonymous(named), folder, splits.get(config)))
    return jobs


def _job(config: RunConfig, recorded: RunConfig, folder: Path, splits: Splits) -> Job:
    counts = count_steps(config, splits.train)
    tokens = 0.0
    for name, data in splits.train.items():
        batch_tokens = float(np.mean(data.table.lengths)) * min(config.train.batch_size, len(data))
        tokens += batch_tokens * counts.draws[name]
    return Job(
        config,
        recorded,
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
