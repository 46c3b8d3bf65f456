"""The report on a trained model, put together from its sections."""

from pathlib import Path

from swissbert.analysis.answered import answer_split
from swissbert.analysis.distributions import Distribution, count_splits
from swissbert.analysis.history import History, read_history
from swissbert.analysis.page import check_out, write_page
from swissbert.analysis.score_figures import metric_scores
from swissbert.analysis.sections import (
    architecture_section,
    attention_section,
    comparison_section,
    errors_section,
    gradient_work,
    labels_section,
    overall_sentence,
    scores_section,
    summary_section,
    task_cosines,
    training_section,
    word_scores,
)
from swissbert.analysis.sections.attention_plots import PAIRS, joint_pairs
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.inference.model import Model
from swissbert.model_folder.layout import BEST_MODEL, METRICS_LOG
from swissbert.tasks import Split
from swissbert.training.state import check_log

DRAWING_WORK = 600
"""Work of drawing and writing, in answered rows."""


def analyse(
    model: Model,
    directory: Path | None,
    out: Path,
    *,
    split: Split = "dev",
    against: Model | None = None,
    display: Display | None = None,
) -> Path:
    """Write a report on a model.

    Args:
        model: The model.
        directory: Directory of the data files.
        out: Folder of the report; an earlier report in it is replaced.
        split: Labelled split that is answered.
        against: A second model to compare on the same rows.
        display: Shows progress.

    Returns:
        Path of the HTML page.

    Raises:
        SwissbertError: If labelled rows are missing, `out` holds something else, or the models have other tasks.
    """
    display = display or Display(quiet=True)
    check_out(out)
    if against:
        _check_same_tasks(model, against)
    counts: dict[str, list[Distribution]] = {}
    problems: list[str] = []
    with display.work("counting labels and lengths", len(model.tasks)) as on_progress:
        for task in model.tasks.values():
            counts[task.name], unreadable = count_splits(task, directory, model.tokenizer)
            problems += unreadable
            on_progress(1)
    history = _history(model)
    work = _work(model, counts, split, history, models=2 if against else 1)
    with display.work("answering and drawing", work) as on_progress:
        answered = {
            task.name: answer_split(model, task, split, directory, on_progress) for task in model.tasks.values()
        }
        scores = [score for task_answers in answered.values() for score in metric_scores(task_answers)]
        gradients = task_cosines(model, history, directory, on_progress)
        words = {name: word_scores(model, task_answers, directory) for name, task_answers in answered.items()}
        overall = overall_sentence(answered, scores)
        sections = [summary_section(answered, scores, words, overall, gradients.cosines, split)]
        sections.append(scores_section(answered, scores, split))
        if against:
            pairs = [
                (first, answer_split(against, first.task, split, directory, on_progress)) for first in answered.values()
            ]
            sections.append(comparison_section(pairs, (_name(model), _name(against)), directory))
        sections += [errors_section(task_answers, directory) for task_answers in answered.values()]
        sections += [
            attention_section(model, directory, split, on_progress),
            training_section(model, history, gradients),
            architecture_section(model),
            labels_section(model.tasks.values(), counts, problems),
        ]
        return write_page(out, _title(model, against), _facts(model), sections)


def _check_same_tasks(model: Model, other: Model) -> None:
    for name, task in model.tasks.items():
        if other.tasks.get(name) != task:
            raise SwissbertError(
                f"{other.folder}: task '{name}' is missing or declared differently than in {model.folder}; "
                "only models with the same tasks can be compared"
            )


def _work(
    model: Model, counts: dict[str, list[Distribution]], split: Split, history: History | None, models: int
) -> float:
    """Return the work of a report, in answered rows."""
    rows = {name: sum(d.rows for d in splits if d.split == split) for name, splits in counts.items()}
    attention = sum(min(rows[task.name], PAIRS) for task in joint_pairs(model))
    return float(models * sum(rows.values()) + attention + gradient_work(model, history) + DRAWING_WORK)


def _history(model: Model) -> History | None:
    """Read the log of the run folder that a model is in, if it is in one."""
    path = model.folder.absolute().parent / METRICS_LOG
    if not path.is_file():
        return None
    check_log(path.parent)
    return read_history(path)


def _name(model: Model) -> str:
    """Return the name of the run folder of a model, or of the model folder outside a run."""
    folder = model.folder.absolute()
    return folder.parent.name if folder.name in (BEST_MODEL, f".{BEST_MODEL}.old") else folder.name


def _title(model: Model, against: Model | None) -> str:
    return "swissBERT report: " + " and ".join([_name(model), *([_name(against)] if against else [])])


def _facts(model: Model) -> list[tuple[str, str]]:
    """Return tasks and provenance, without the data directory."""
    provenance = {key: value for key, value in model.description.provenance.items() if key != "data"}
    facts = [(key.replace("_", " "), str(value)) for key, value in provenance.items()]
    return [("tasks", ", ".join(model.tasks)), *facts]
