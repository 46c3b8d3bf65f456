"""Learning curve: dev scores of a run that is trained again on shares of its train rows."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from swissbert.analysis.learning_curve_page import write_curve_page
from swissbert.analysis.page import check_out
from swissbert.config import RunConfig
from swissbert.data.holdout import row_hash
from swissbert.data.rows import Row
from swissbert.data.splits import Chooses, Reading
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.files import locked, remove_folder, write_text
from swissbert.model_folder.layout import CHECKPOINTS
from swissbert.reading import read_object
from swissbert.settings import Settings, validated
from swissbert.tasks import Split, Task
from swissbert.training.loop import train
from swissbert.training.preparation import complete, prepare
from swissbert.training.teachers import find_teachers
from swissbert.training.train_rows import guard_of, held_of

POINTS = "points.json"
"""File of the finished points in the folder of a curve."""
REPORT = "report"
"""Folder of the page in the folder of a curve."""


class Point(Settings):
    """Scores of one run on a share of the train rows.

    Attributes:
        fraction: The share.
        seed: The seed, which chooses rows, first weights and order.
        rows: Number of train rows by task.
        scores: Best dev scores by dotted name.
    """

    fraction: float = Field(gt=0, le=1)
    seed: int
    rows: dict[str, int]
    scores: dict[str, float]


class Curve(Settings):
    """Finished points of a learning curve.

    Attributes:
        settings: Checksum of the settings, rows, encoder and teachers of the run.
        points: The points.
    """

    settings: str
    points: list[Point]


def learning_curve(
    config: RunConfig,
    fractions: Sequence[float],
    seeds: Sequence[int],
    out: Path,
    *,
    name: str = "",
    display: Display | None = None,
) -> Path:
    """Train a run on shares of its train rows, and write dev scores by number of rows as a page.

    The rows of a smaller share are among those of a larger one with the same seed; dev rows are the same for all. Finished
    points are kept, and an interrupted one is resumed.

    Args:
        config: Settings of the run.
        fractions: Shares of the train rows of every task, above 0 to 1.
        seeds: Seeds of each share.
        out: Folder of the points, runs and page.
        name: Name of the run in the title of the page; that of the settings if left out.
        display: Shows progress.

    Returns:
        Path of the page.

    Raises:
        Stopped: After Ctrl-C, SIGTERM or SIGHUP, when the state is saved.
        SwissbertError: If rows are missing or too many are bad, a share is out of range or leaves a task without rows, or `out` holds another
            curve.
    """
    display = display or Display(quiet=True)
    for fraction in fractions:
        if not 0 < fraction <= 1:
            raise SwissbertError(
                f"fractions has {fraction:g}, but a share is above 0 and at most 1", argument="fractions"
            )
    check_out(out / REPORT)
    config = complete(config, display)
    checksum = _checksum(config, display)  # reads and reports the rows as a run does
    held = held_of(config, {}, Display(quiet=True))
    rows = {task.name: _rows(task, "train", config, guard_of(task, held)) for task in config.tasks}
    dev = {task.name: _rows(task, "dev", config) for task in config.tasks}
    with locked(out):
        curve = _stored(out, checksum)
        planned = [(fraction, seed) for fraction in sorted(set(fractions)) for seed in dict.fromkeys(seeds)]
        for number, (fraction, seed) in enumerate(planned, 1):
            if any((point.fraction, point.seed) == (fraction, seed) for point in curve.points):
                continue
            display.say(f"\nrun {number} of {len(planned)}: {fraction:.0%} of the train rows, seed {seed}")
            point = _train(config, fraction, seed, rows, dev, out / "runs", display)
            curve = curve.model_copy(update={"points": [*curve.points, point]})
            write_text(out / POINTS, curve.model_dump_json(indent=1) + "\n")
        return write_curve_page(config, curve.points, name or config.name, out / REPORT)


def _rows(task: Task, split: Split, config: RunConfig, choose: Chooses | None = None) -> list[Row]:
    """Read the rows of a split that a run on all rows has."""
    data = config.data
    return list(
        Reading(
            task,
            split,
            data.path,
            refuse=data.bad_rows == "refuse",
            limit=data.limit,
            max_bad=data.max_bad,
            choose=choose,
        )
    )


def _checksum(config: RunConfig, display: Display) -> str:
    """Return a checksum of all that the scores of a curve depend on but the seed of a point.

    These are the settings, and the contents of splits, extra files, encoder, tokenizer and teachers, wherever they lie.

    Args:
        config: The settings, with complete tasks.
        display: Receives a line about each split, with its bad rows.

    Raises:
        SwissbertError: If rows, encoder or teachers are missing, or too many rows are bad.
    """
    prepared = prepare(config.model_copy(update={"seed": 0}), display, answers=False)
    teachers = find_teachers(config, Display(quiet=True))
    parts = [
        config.model_dump(
            mode="json",
            exclude={
                "name": True,
                "seed": True,
                "data": {"dir"},
                "encoder": {"name"},
                "distillation": {"teachers"},
            },
        ),
        prepared.fingerprints(),
        prepared.encoder_fingerprint(),
        prepared.tokenizer.fingerprint,
        [teacher.checksum for teacher in teachers],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _stored(out: Path, settings: str) -> Curve:
    path = out / POINTS
    if not path.exists():
        return Curve(settings=settings, points=[])
    curve = validated(Curve, read_object(path), str(path))
    if curve.settings != settings:
        raise SwissbertError(
            f"{path}: is of other settings, rows, encoder or teachers; choose another folder to keep both",
            argument="out",
        )
    return curve


def _train(
    config: RunConfig,
    fraction: float,
    seed: int,
    rows: dict[str, list[Row]],
    dev: dict[str, list[Row]],
    runs: Path,
    display: Display,
) -> Point:
    """Train a point of the curve; its checkpoints are removed at the end."""
    chosen = {task.name: _share(rows[task.name], fraction, seed, task.name) for task in config.tasks}
    data = {t.name: (list(_cells(t, chosen[t.name])), list(_cells(t, dev[t.name]))) for t in config.tasks}
    folder = runs / f"{fraction:g}.seed-{seed}"
    result = train(
        config.model_copy(update={"name": folder.name.replace(".seed", "-seed"), "seed": seed}),
        folder,
        resume=True,
        data=data,
        display=display,
    )
    remove_folder(folder / CHECKPOINTS)
    counts = {name: len(some) for name, some in chosen.items()}
    return Point(fraction=fraction, seed=seed, rows=counts, scores=_defined(result.scores))


def _defined(scores: Any) -> dict[str, float]:
    return {name: float(value) for name, value in scores.items() if value == value}


def _share(rows: list[Row], fraction: float, seed: int, task: str) -> list[Row]:
    """Return a share of rows, in their order; which ones depends on the seed and the texts."""
    count = round(fraction * len(rows))
    if not count:
        raise SwissbertError(
            f"{fraction:g} of the {len(rows)} train rows of task '{task}' is no row; a larger share is needed",
            argument="fractions",
        )
    keys = np.array([row_hash(row) for row in rows], np.uint64)
    order = np.random.default_rng(seed).permutation(len(rows))[np.argsort(np.argsort(keys, kind="stable"))]
    return [rows[number] for number in sorted(np.argsort(order, kind="stable")[:count].tolist())]


def _cells(task: Task, rows: Sequence[Row]) -> Iterator[dict[str, object]]:
    """Turn checked rows back into cells by column name, for `swissbert.training.train`."""
    columns = task.columns
    for row in rows:
        cells: dict[str, object] = {}
        if columns.id is not None:
            cells[str(columns.id)] = row.id
        if columns.weight is not None:
            cells[str(columns.weight)] = row.weight
        # after id and weight: a column that is one of them as well keeps the text or label
        cells |= {str(columns.text): row.text, str(columns.label): _label_cell(task, row.label)}
        if row.text_pair is not None:
            cells[str(columns.text_pair)] = row.text_pair
        yield cells


def _label_cell(task: Task, label: Any) -> object:
    if isinstance(label, tuple):
        return [name for name, has in zip(task.labels, label, strict=True) if has]
    return task.labels[int(label)] if task.labels else float(label)
