"""What a row has beside its training runs: bootstrap samples of its overall score, and the soup of a row without training."""

import time

from swissbert.display import Display
from swissbert.evaluation import overall_samples, task_scores
from swissbert.evaluation.notes import labels_reason
from swissbert.evaluation.scores import TaskScores, with_overall
from swissbert.experiments.records import SoupModel, SoupRecord
from swissbert.experiments.row_plan import PlannedRow
from swissbert.experiments.trainer import dev_answers
from swissbert.files import remove_folder
from swissbert.inference.loading import load
from swissbert.kinds import Array
from swissbert.tasks import Task
from swissbert.training.soup import defined_or_none, soup

NOT_OF_THE_SOUP = ("data", "soup", "recipe", "heads", "license")
"""Provenance of a mean that its record leaves out, because the models of the mean have it or it is no text."""


def dev_samples(planned: PlannedRow) -> tuple[dict[str, float], list[float]]:
    """Score the models of a row on its dev rows.

    Returns:
        Every score that is defined, by dotted name, and `overall_samples`; empty if it is undefined.

    Raises:
        SwissbertError: If a model or the rows cannot be read.
    """
    tasks: list[Task] = []
    labels: dict[str, Array] = {}
    answers: dict[str, Array] = {}
    configs = [job.config for job in planned.jobs] or [planned.splits_of]
    for folder, config in zip(planned.model_folders, configs, strict=True):
        dev, given = dev_answers(folder, config)
        tasks += [rows.task for rows in dev]
        labels |= {rows.task.name: rows.labels for rows in dev}
        answers |= given
    scores = {}
    reasons = {}
    for task in tasks:
        truth = labels[task.name]
        values = task_scores(task, truth, answers[task.name])
        scores[task.name] = TaskScores(task.metric, len(truth), 0, values)
        reasons[task.name] = labels_reason(task, truth)
    return with_overall(scores, reasons).flat(), [round(value, 5) for value in overall_samples(tasks, labels, answers)]


def average(planned: PlannedRow, display: Display) -> SoupRecord:
    """Average the models of other rows greedily, into the folder of the row.

    Args:
        planned: The row.
        display: Shows progress.

    Raises:
        SwissbertError: If a model is missing or the models do not fit together.
    """
    start = time.perf_counter()
    (folder,) = planned.model_folders
    remove_folder(folder)  # of a process that was killed before it wrote the record
    names = {str(path): model.name for model in planned.models for path in model.folders}
    result = soup(
        list(names), folder, planned.splits_of.data.dir, device=planned.splits_of.train.device, display=display
    )
    provenance = load(folder).description.provenance
    return SoupRecord(
        best_by=result.best_by,
        models=[
            SoupModel(
                name=names[trial.given],
                score=defined_or_none(trial.score),
                mean_score=defined_or_none(trial.mean_score),
                kept=trial.kept,
            )
            for trial in result.trials
        ],
        wall_seconds=round(time.perf_counter() - start, 1),
        provenance={key: value for key, value in provenance.items() if key not in NOT_OF_THE_SOUP},
    )
