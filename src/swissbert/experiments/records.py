"""Records of finished rows: one JSON file for each row and seed, from which the tables are made."""

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from swissbert.checksums import sealed, unsealed
from swissbert.config import RunConfig, meaning_differences
from swissbert.errors import SwissbertError
from swissbert.files import make_folder, write_text, writing
from swissbert.older_settings import upgraded_tasks, with_pooler
from swissbert.settings import Settings, validated

RECORD_FORMAT = 3
"""Version of the settings in records that are written now; see `swissbert.older_settings`."""


class Evaluation(Settings):
    """Dev scores of one evaluation.

    Attributes:
        step: The step after which the model was evaluated.
        scores: Scores by dotted name.
    """

    step: int
    scores: dict[str, float]


class RunRecord(Settings):
    """One training run of a row.

    Attributes:
        config: Its settings, without the data directory.
        rows: SHA-256 checksum of each split, by ``task.split``.
        train_rows: Number of train rows by task.
        steps: Number of steps.
        best_step: Step of the best evaluation.
        tokens: Number of tokens read.
        seconds: Time in steps.
        wall_seconds: Time including evaluations, of the last process.
        resumed: Whether an earlier process had begun it.
        scores: Scores of the best evaluation.
        evaluations: All evaluations.
        provenance: Versions, machine, device and date.
    """

    config: RunConfig
    rows: dict[str, str]
    train_rows: dict[str, int]
    steps: int
    best_step: int
    tokens: int
    seconds: float
    wall_seconds: float
    resumed: bool
    scores: dict[str, float]
    evaluations: list[Evaluation] = Field(min_length=1)
    provenance: dict[str, str | int]


class RowRecord(Settings):
    """A finished row with one seed.

    Attributes:
        row: Name of the row.
        seed: The seed.
        scores: Scores of all its runs.
        runs: Its runs.
        predictions: Names of the prediction files that were written.
        format: Version of the settings in it; 1 is that of swissbert 0.1.0, which had no such key. Runs of formats 1 and
            2 read the pooler where they name no ``model.pooling``.
    """

    row: str
    seed: int
    scores: dict[str, float]
    runs: list[RunRecord] = Field(min_length=1)
    predictions: list[str] = Field(default=[])
    format: int = 1


def record_path(out: Path, row: str, seed: int) -> Path:
    """Return the path of the record of a row and seed."""
    return out / "rows" / f"{row}.seed-{seed}.json"


def anonymous(config: RunConfig) -> RunConfig:
    """Return settings without those that do not affect results: data directory, threads and TensorBoard."""
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"dir": None}),
            "train": config.train.model_copy(update={"threads": None, "tensorboard": False}),
        }
    )


def write_record(out: Path, record: RowRecord) -> None:
    """Write a record atomically."""
    path = record_path(out, record.row, record.seed)
    with writing(path):
        make_folder(path.parent)
    table = sealed(record.model_dump(mode="json", exclude_none=True), path.name)
    write_text(path, json.dumps(table, indent=1, ensure_ascii=False) + "\n")


def read_record(out: Path, row: str, seed: int) -> RowRecord | None:
    """Read the record of a row and seed; None if the row is not finished.

    Raises:
        SwissbertError: If the record cannot be read, or is of another row or seed.
    """
    path = record_path(out, row, seed)
    if not path.exists():
        return None
    try:
        table = unsealed(path)
    except SwissbertError as error:
        raise SwissbertError(f"{str(error).partition(';')[0]}; remove it to run the row again") from error
    record = validated(RowRecord, _upgraded(table), str(path))
    if (record.row, record.seed) != (row, seed):
        raise SwissbertError(f"{path}: holds row '{record.row}', seed {record.seed}; rename or remove it")
    return record


def _upgraded(table: Any) -> Any:
    """Convert the settings in a record of an earlier format; anything of another form stays as it is."""
    if not isinstance(table, dict) or table.get("format", 1) not in (1, 2) or not isinstance(table.get("runs"), list):
        return table
    return {**table, "runs": [_upgraded_run(run, table.get("format", 1)) for run in table["runs"]]}


def _upgraded_run(run: Any, version: int) -> Any:
    """Convert the settings of a run in a record of format 1, that of swissbert 0.1.0, or 2."""
    if not isinstance(run, dict) or not isinstance(run.get("config"), dict):
        return run
    config = with_pooler(run["config"])
    if version == 1:
        config["tasks"] = upgraded_tasks(config.get("tasks"))
    return {**run, "config": config}


def recorded_seeds(out: Path, row: str) -> list[int]:
    """Return the seeds of the records of a row, ascending."""
    ends = [
        path.name.removeprefix(f"{row}.seed-").removesuffix(".json") for path in out.glob(f"rows/{row}.seed-*.json")
    ]
    return sorted(int(end) for end in ends if end.isdigit())


def check_record(path: Path, record: RowRecord, configs: list[RunConfig], rows: list[dict[str, str]]) -> None:
    """Check that a finished row has the settings and data of the planned one.

    Args:
        path: Path of the record.
        record: The record.
        configs: Planned settings of each run.
        rows: Checksums of the splits of each planned run.

    Raises:
        SwissbertError: If they differ.
    """
    if len(record.runs) != len(configs):
        raise SwissbertError(
            f"{path}: holds {len(record.runs)} runs instead of {len(configs)}; choose another folder", argument="out"
        )
    for run, config, checksums in zip(record.runs, configs, rows, strict=True):
        changed = meaning_differences(run.config, anonymous(config))
        if changed:
            raise SwissbertError(
                f"{path}: finished with other settings: {'; '.join(changed)}; choose another folder to keep both",
                argument="out",
            )
        names = run.rows.keys() | checksums.keys()
        other = sorted(name for name in names if run.rows.get(name) != checksums.get(name))
        if other:
            raise SwissbertError(
                f"{path}: finished with other rows of {', '.join(other)}; choose another folder to keep both",
                argument="out",
            )
