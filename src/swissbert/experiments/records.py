"""Records of finished rows: one JSON file for each row and seed, from which the tables are made."""

import json
import re
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from swissbert.checksums import sealed, unsealed
from swissbert.config import RunConfig, meaning_differences
from swissbert.errors import SwissbertError
from swissbert.files import make_folder, write_text, writing
from swissbert.older_settings import upgraded_tasks, with_pooler
from swissbert.settings import Settings, validated

_NUMBERS = re.compile(r'(?<="overall_samples": )\[[^]]*\]')
"""The list of samples, which is written on one line."""
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


class SoupModel(Settings):
    """A model that was tried as a part of a soup.

    Attributes:
        name: Name of its row and its seed, ``pair.seed-0``.
        score: Its own score; None if it is undefined.
        mean_score: Score of the mean of it and the models kept before it; None if it is undefined.
        kept: Whether it is a part of the soup.
    """

    name: str
    score: float | None = None
    mean_score: float | None = None
    kept: bool


class SoupRecord(Settings):
    """How the soup of a row was made.

    Attributes:
        best_by: The score that decided.
        models: All models, in the order in which they were tried.
        wall_seconds: Time that it took.
        provenance: Versions, machine, device and date.
    """

    best_by: str
    models: list[SoupModel] = Field(min_length=2)
    wall_seconds: float
    provenance: dict[str, str | int]


class RowRecord(Settings):
    """A finished row with one seed.

    Attributes:
        row: Name of the row.
        seed: The seed.
        scores: Scores of all its runs, or of its soup.
        runs: Its runs; none of a soup.
        soup: How its soup was made.
        overall_samples: ``overall`` on bootstrap samples of the dev rows, which are the same samples for every row of
            a table with the same dev rows; empty if they were not computed or one of them is undefined.
        predictions: Names of the prediction files that were written.
        format: Version of the settings in it; 1 is that of swissbert 0.1.0, which had no such key. Runs of formats 1 and
            2 read the pooler where they name no ``model.pooling``.
    """

    row: str
    seed: int
    scores: dict[str, float]
    runs: list[RunRecord] = Field(default=[])
    soup: SoupRecord | None = None
    overall_samples: list[float] = Field(default=[])
    predictions: list[str] = Field(default=[])
    format: int = 1

    @model_validator(mode="after")
    def _is_runs_or_soup(self) -> Self:
        if bool(self.runs) == bool(self.soup):
            raise ValueError("runs and soup: a record has either of them")
        return self


def record_path(out: Path, row: str, seed: int) -> Path:
    """Return the path of the record of a row and seed."""
    return out / "rows" / f"{row}.seed-{seed}.json"


def anonymous(config: RunConfig) -> RunConfig:
    """Return settings without those that do not affect results: data directory, threads and trackers."""
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"dir": None}),
            "train": config.train.model_copy(update={"threads": None, "trackers": []}),
        }
    )


def write_record(out: Path, record: RowRecord) -> None:
    """Write a record atomically."""
    path = record_path(out, record.row, record.seed)
    with writing(path):
        make_folder(path.parent)
    empty = {name for name in ("runs", "overall_samples") if not getattr(record, name)}
    table = sealed(record.model_dump(mode="json", exclude_none=True, exclude=empty), path.name)
    text = json.dumps(table, indent=1, ensure_ascii=False)
    write_text(path, _NUMBERS.sub(lambda match: " ".join(match[0].split()), text) + "\n")


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
        configs: Planned settings of each run, as records have them.
        rows: Checksums of the splits of each planned run.

    Raises:
        SwissbertError: If they differ.
    """
    if len(record.runs) != len(configs):
        raise SwissbertError(
            f"{path}: holds {len(record.runs)} runs instead of {len(configs)}; choose another folder", argument="out"
        )
    for run, config, checksums in zip(record.runs, configs, rows, strict=True):
        changed = meaning_differences(run.config, config)
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


def check_soup(path: Path, record: RowRecord, models: list[str]) -> None:
    """Check that a finished soup is of the planned models, and a finished row without them no soup.

    Args:
        path: Path of the record.
        record: The record.
        models: Names of the planned models.

    Raises:
        SwissbertError: If they differ.
    """
    recorded = sorted(model.name for model in record.soup.models) if record.soup else []
    if recorded != sorted(models):
        raise SwissbertError(
            f"{path}: is a mean of {', '.join(recorded) or 'no models'}, not of {', '.join(models) or 'none'}; choose another "
            "folder to keep both",
            argument="out",
        )
