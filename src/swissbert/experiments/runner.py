"""Training of a table, row by row. Finished rows are kept, interrupted ones resumed."""

import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.experiments.declarations import Choices, ResultsTable, TableRow
from swissbert.experiments.outcome import Outcome, outcome
from swissbert.experiments.outcome_files import as_markdown, write_outcome
from swissbert.experiments.outcome_text import as_text
from swissbert.experiments.records import (
    RECORD_FORMAT,
    Evaluation,
    RowRecord,
    RunRecord,
    read_record,
    write_record,
)
from swissbert.experiments.row_plan import Job, PlannedRow, plan_cells, plan_rows
from swissbert.experiments.row_scores import average, dev_samples
from swissbert.experiments.trainer import tokens_per_second, train_run
from swissbert.files import locked, make_folder, only_writer, remove_folder, sweep, writing
from swissbert.inference.loading import load
from swissbert.inference.submission import submission
from swissbert.model_folder.layout import CHECKPOINTS, METRICS_LOG
from swissbert.text_table import table as table_text
from swissbert.training.log import read_entries

LOCK_WAIT = 60.0
"""Seconds to wait for another process that writes the same table."""
NOT_OF_THE_RUN = ("data", "seed", "step", "train_seconds")
"""Provenance of a model that a record leaves out, because it holds them itself or they differ by machine."""


def reproduce(
    name: str,
    table: ResultsTable,
    rows: list[TableRow],
    seeds: list[int],
    choices: Choices,
    out: Path,
    display: Display,
    *,
    dry_run: bool = False,
    width: int | None = None,
    colour: bool = False,
) -> str:
    """Train rows of a table and write ``NAME.md`` and ``NAME.html`` after each.

    Args:
        name: Name of the table.
        table: The table.
        rows: Rows to train, with those whose models they take.
        seeds: Seeds of rows that have none of their own.
        choices: Choices beside the table.
        out: Folder of records, runs and tables.
        display: Shows plan and progress.
        dry_run: Return the plan; train and write nothing.
        width: Columns of a terminal that shows the result.
        colour: Whether it shows colour.

    Returns:
        The table: in Markdown, or as text that fits the terminal.

    Raises:
        Stopped: After Ctrl-C, SIGTERM or SIGHUP, when the state is saved.
        SwissbertError: If something does not fit, before the first row; or if rows failed, after the last one.
    """
    planned = plan_rows(table, rows, seeds, choices, out, display)
    unfinished = [row for row in planned if not row.record]
    plan = plan_cells(planned, _rate(unfinished, display))
    if dry_run:
        return table_text(*plan, width=width, colour=colour)
    display.table(*plan)
    outcome(table, out)  # fails early if a record cannot be read
    for row in planned:
        if row.record:
            _tidy(row, out)
    failures: list[str] = []
    for number, row in enumerate(unfinished, 1):
        display.say(f"\nrow {number} of {len(unfinished)}: {row.row.title}, seed {row.seed}")
        try:
            _run_unless_finished(row, out, display)
        except SwissbertError as error:
            failures.append(f"row '{row.row.name}', seed {row.seed}: {error}")
            display.say(failures[-1])
        else:
            _write_table(name, table, out)
    if failures:
        raise SwissbertError(f"{len(failures)} of {len(unfinished)} rows failed; the first was {failures[0]}")
    return render(name, table, out, display, width=width, colour=colour)


def render(
    name: str, table: ResultsTable, out: Path, display: Display, *, width: int | None = None, colour: bool = False
) -> str:
    """Write ``NAME.md`` and ``NAME.html`` of the records in a folder; arguments and result as for `reproduce`.

    Raises:
        SwissbertError: If a record cannot be read, or a file cannot be written.
    """
    result, paths = _write_table(name, table, out)
    display.say(f"\nwritten: {', '.join(map(str, paths))}")
    return as_markdown(result) if width is None else as_text(result, width, colour=colour)


def _write_table(name: str, table: ResultsTable, out: Path) -> tuple[Outcome, list[Path]]:
    """Write the table of all records, and return it with the paths of its files.

    Records are read under the lock, so that of two processes the later one writes what both have recorded.
    """
    with only_writer(out / f"{name}.md", wait=LOCK_WAIT, creates_parents=True):
        result = outcome(table, out)
        return result, write_outcome(name, result, out)


def _rate(unfinished: list[PlannedRow], display: Display) -> float | None:
    """Measure tokens of forward and backward passes per second, if any row is left to train."""
    jobs = [job for row in unfinished for job in row.jobs]
    if not jobs:
        return None
    ordinary = (job for job in jobs if not job.config.encoder.freeze and not job.config.distillation.teachers)
    job = next(ordinary, jobs[0])
    return tokens_per_second(job.config, display) / (3 if job.config.encoder.freeze else 1)


def _run_unless_finished(planned: PlannedRow, out: Path, display: Display) -> None:
    """Train a row, unless another process has finished it since it was planned."""
    with locked(out / "runs" / planned.row.name):
        if read_record(out, planned.row.name, planned.seed):
            display.say("finished by another process meanwhile")
        else:
            run_row(planned, out, display)


def run_row(planned: PlannedRow, out: Path, display: Display) -> RowRecord:
    """Train every run of a row or average its models, write its record, and remove its checkpoints.

    Args:
        planned: The row.
        out: Folder of records.
        display: Shows progress.

    Raises:
        Stopped: After Ctrl-C, SIGTERM or SIGHUP, when the state is saved.
        SwissbertError: If a run cannot be trained.
    """
    for model in planned.models:
        model.check(planned.row.name)
    runs = [_run_job(job, display) for job in planned.jobs]
    soup = average(planned, display) if planned.row.soup else None
    display.say("bootstrap samples of overall ...")
    scores, samples = dev_samples(planned)
    record = RowRecord(
        row=planned.row.name,
        seed=planned.seed,
        scores=scores if soup else _row_scores(planned.row, runs),
        runs=runs,
        soup=soup,
        overall_samples=samples,
        predictions=_submit(planned, out, display) if planned.row.test else [],
        format=RECORD_FORMAT,
    )
    write_record(out, record)
    _remove_checkpoints(planned)
    return record


def _run_job(job: Job, display: Display) -> RunRecord:
    start = time.perf_counter()
    run = train_run(job.config, job.folder, display)
    description = load(run.model).description
    provenance = description.provenance
    evaluations = _evaluations(job.folder / METRICS_LOG)
    scores = next((evaluation.scores for evaluation in evaluations if evaluation.step == run.best_step), None)
    if scores is None:  # the log was damaged
        scores = description.scores
        evaluations = sorted([*evaluations, Evaluation(step=run.best_step, scores=scores)], key=lambda one: one.step)
        display.say(f"{job.folder / METRICS_LOG}: lacks evaluations, so the record takes the best one from the model")
    return RunRecord(
        config=job.recorded,
        rows=run.checksums,
        train_rows=job.train_rows,
        steps=run.steps,
        best_step=run.best_step,
        tokens=run.tokens,
        seconds=round(run.seconds, 1),
        wall_seconds=round(time.perf_counter() - start, 1),
        resumed=job.done > 0,
        scores=scores,
        evaluations=evaluations,
        provenance={key: value for key, value in provenance.items() if key not in NOT_OF_THE_RUN},
    )


def _tidy(planned: PlannedRow, out: Path) -> None:
    """Remove what a process that was killed at the end of a finished row has left, unless another one is there."""
    sweep(out / "rows")
    with suppress(SwissbertError), locked(out / "runs" / planned.row.name):
        _remove_checkpoints(planned)


def _remove_checkpoints(planned: PlannedRow) -> None:
    """Remove the checkpoints of a finished row; its models stay."""
    for job in planned.jobs:
        if job.folder.exists():
            remove_folder(job.folder / CHECKPOINTS)


def _evaluations(path: Path) -> list[Evaluation]:
    """Return the evaluations in the log of a run that can be read."""
    evaluations = []
    for entry in read_entries(path)[0]:
        dev = entry.get("dev")
        if isinstance(dev, dict):
            defined = {name: value for name, value in dev.items() if value is not None}
            with suppress(ValidationError):
                evaluations.append(Evaluation(step=entry["step"], scores=defined))
    return evaluations


def _row_scores(row: TableRow, runs: list[RunRecord]) -> dict[str, float]:
    """Merge the scores of the runs of a row; overall scores of separate models are averaged."""
    scores: dict[str, float] = {}
    for run in runs:
        scores |= run.scores
    if row.apart:
        for name in ("overall", "overall_normalised"):
            values = [run.scores.get(name) for run in runs]
            scores.pop(name, None)
            if None not in values:  # else one of them is undefined
                scores[name] = float(np.mean([value for value in values if value is not None]))
    return scores


def _submit(planned: PlannedRow, out: Path, display: Display) -> list[str]:
    """Write the course's prediction files of a row; return their names."""
    folder = out / "predictions" / planned.row.name / f"seed-{planned.seed}"
    with writing(folder):
        make_folder(folder)
    names = []
    for model in planned.model_folders:
        for path, rows, bad in submission(load(model), planned.splits_of.data.path, folder, display):
            names.append(path.name)
            display.say(f"{path}: {rows:,} rows, {len(bad)} bad")
            for row in bad[:5]:
                display.say(f"  {row}")
    return names
