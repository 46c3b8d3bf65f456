"""What is kept of a finished row: one JSON file for each row and seed, enough to make the tables and to check them."""

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from swissbert.config import RunConfig, differences
from swissbert.errors import SwissbertError
from swissbert.files import write_text, writing
from swissbert.settings import Settings, validated


class Evaluation(Settings):
    """Dev scores after a step, by dotted name."""

    step: int
    scores: dict[str, float]


class RunRecord(Settings):
    """One training run of a row.

    `config` are its effective settings but for the data directory, whose rows `rows` identifies: ``task.split`` to
    sha256. `train_rows` counts them by task. `seconds` is time in steps, `wall_seconds` all time including evaluations,
    as far as one process ran it (`resumed` where another had begun). `scores` are those of the best evaluation.
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
    """A finished row with one seed. `scores` are those of all its runs together, `predictions` names files written."""

    row: str
    seed: int
    scores: dict[str, float]
    runs: list[RunRecord] = Field(min_length=1)
    predictions: list[str] = Field(default=[])


def record_path(out: Path, row: str, seed: int) -> Path:
    """Where the record of a row and seed is."""
    return out / "rows" / f"{row}.seed-{seed}.json"


def anonymous(config: RunConfig) -> RunConfig:
    """Settings without what changes no result: where the data lie, and on how many threads it runs."""
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"dir": None}),
            "train": config.train.model_copy(update={"threads": None, "tensorboard": False}),
        }
    )


def write_record(out: Path, record: RowRecord) -> None:
    """Write a record, whole or not at all."""
    path = record_path(out, record.row, record.seed)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(record.model_dump(mode="json", exclude_none=True), indent=1, ensure_ascii=False) + "\n")


def read_record(out: Path, row: str, seed: int) -> RowRecord | None:
    """The record of a row and seed, None where it is not finished. Raises SwissbertError where it cannot be read."""
    path = record_path(out, row, seed)
    if not path.exists():
        return None
    try:
        table: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SwissbertError(f"{path}: cannot be read ({error}); remove it to run the row again") from error
    record = validated(RowRecord, table, str(path))
    if (record.row, record.seed) != (row, seed):
        raise SwissbertError(f"{path}: is of row '{record.row}', seed {record.seed}, and does not belong here")
    return record


def recorded_seeds(out: Path, row: str) -> list[int]:
    """Seeds that a row has records of, ascending."""
    ends = [
        path.name.removeprefix(f"{row}.seed-").removesuffix(".json") for path in out.glob(f"rows/{row}.seed-*.json")
    ]
    return sorted(int(end) for end in ends if end.isdigit())


def check_record(path: Path, record: RowRecord, configs: list[RunConfig], rows: list[dict[str, str]]) -> None:
    """Raise SwissbertError where a finished row was run with other settings or rows than are asked for now."""
    if len(record.runs) != len(configs):
        raise SwissbertError(
            f"{path}: holds {len(record.runs)} runs where {len(configs)} are asked for; another --out keeps it"
        )
    for run, config, found in zip(record.runs, configs, rows, strict=True):
        changed = differences(run.config, anonymous(config))
        if changed:
            raise SwissbertError(
                f"{path}: finished with other settings: {'; '.join(changed)}; another --out keeps both"
            )
        other = sorted(name for name in run.rows.keys() | found.keys() if run.rows.get(name) != found.get(name))
        if other:
            raise SwissbertError(f"{path}: finished with other rows of {', '.join(other)}; another --out keeps both")
