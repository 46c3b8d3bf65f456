"""The command ``evaluate``: scores on labelled rows."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from swissbert.cli.program import (
    DataOption,
    JsonOption,
    ModelArgument,
    PrecisionOption,
    directory_of,
    report_bad_rows,
    report_labels,
)
from swissbert.cli.results import load_model, next_steps
from swissbert.data.bad_rows import MAX_BAD

if TYPE_CHECKING:
    from swissbert.data.dataset import TaskData
    from swissbert.evaluation import Scores
    from swissbert.inference import Model
    from swissbert.tasks import Split


def evaluate(
    model: ModelArgument,
    data: DataOption = None,
    split: Annotated[Literal["train", "dev", "test"], typer.Option(help="Which split.")] = "dev",
    precision: PrecisionOption = None,
    max_bad: Annotated[
        float, typer.Option(min=0, max=1, help="Largest share of bad rows; more of them are an error.")
    ] = MAX_BAD,
    as_json: JsonOption = False,
) -> None:
    """Score a model on labelled rows.

    Prints every metric with its 95 % interval, and a confusion matrix for classes.
    """
    scores = score(load_model(model, precision=precision), split, data, max_bad)
    from swissbert.cli.tables import scores_table

    print(json.dumps(scores.as_json()) if as_json else scores_table(scores))
    if not as_json:
        next_steps("evaluate", model=[model, *(["--data", data] if data else [])], report="report")


def score(model: "Model", split: "Split", data: str | None, max_bad: float = MAX_BAD) -> "Scores":
    """Score a split, after reporting the rows that are left out of it."""
    from swissbert.display import Display
    from swissbert.evaluation import evaluate as score_splits

    display = Display()

    def splits() -> "Iterator[TaskData]":
        for rows in model.labelled_splits(split, directory_of(model, data), max_bad=max_bad, display=display):
            report_bad_rows(f"{rows.task.name} {split}", rows.bad)
            report_labels(f"{rows.task.name} {split}", rows.label_notes)
            yield rows

    return score_splits(model.engine, splits(), full=True, display=display)
