"""The sentences at the top of a report."""

from dataclasses import replace

import numpy as np
import pytest

from swissbert.analysis.answered import AnsweredSplit
from swissbert.analysis.buckets import Bucket, buckets_for
from swissbert.analysis.page import Section, Table
from swissbert.analysis.score_figures import metric_scores
from swissbert.analysis.sections import overall_sentence, summary_section
from swissbert.analysis.sections.training_curves import Cosines
from swissbert.task_words import title_and_name
from swissbert.tasks import find_task

ROWS = 400


def answered(name: str, hard: str = "", share: float = 0.5) -> AnsweredSplit:
    """Answers of which every tenth is wrong, and of the first 100 rows, a bucket, more."""
    task = find_task(name)
    buckets: list[Bucket] = buckets_for(task)
    flags = np.zeros((ROWS, len(buckets)), bool)
    is_wrong = np.arange(ROWS) % 10 == 0
    if hard:
        flags[:100, [bucket.name for bucket in buckets].index(hard)] = True
        is_wrong[:100] = np.arange(100) % 10 < 10 * share
    labels = np.arange(ROWS) % 2.0
    answers = np.where(is_wrong, labels + 1, labels)
    if task.kind.has_labels:
        answers = np.eye(len(task.labels))[np.where(is_wrong, 1 - labels, labels).astype(int)] * 0.8 + 0.2 / len(
            task.labels
        )
    overlap = np.zeros(ROWS) if task.is_pair else None
    return AnsweredSplit(task, "dev", "rows", [], 0, labels, answers.astype(np.float32), flags, overlap, buckets)


def section(*splits: AnsweredSplit, cosines: Cosines | None = None) -> Section:
    by_name = {split.task.name: split for split in splits}
    scores = [score for split in splits for score in metric_scores(split, resamples=20)]
    words = dict.fromkeys(by_name, 0.1)
    return summary_section(by_name, scores, words, overall_sentence(by_name, scores), cosines or {}, "dev")


def test_a_point_of_each_task_reads_as_sentences() -> None:
    overall, sst, para, sts = section(
        answered("sst", "condition", 0.7), answered("para", "one more specific"), answered("sts")
    ).points
    assert overall.startswith("The overall score is 0.")
    assert overall.endswith(", the mean of one score for each task: accuracy (sst, para) and pearson (sts).")
    assert sst == (
        "Sentiment of a film review (sst): The model is overconfident: it gives its answers a probability of 84% on average, "
        "and 75% of them are right (expected calibration error 9.0%). Hardest are texts with a condition, if … is (70% wrong, "
        "other rows 10%; 100 rows)."
    )
    assert para.startswith("Do these say or ask the same? (para): The model is overconfident: it gives")
    assert para.endswith(
        "Hardest are pairs where one text says more than the other (50% wrong, other rows 10%; 100 rows)."
    )
    assert sts == "Similarity of meaning, 0 to 5 (sts): There are too few rows to compare kinds of rows."


def test_rows_that_are_no_harder_are_not_named_and_errors_of_scores_have_their_name() -> None:
    assert (
        section(answered("sst", "long", 0.1)).points[-1].endswith("No kind of row is clearly harder than the others.")
    )
    (sts,) = section(answered("sts", "very short")).points[1:]
    assert sts == (
        "Similarity of meaning, 0 to 5 (sts): Hardest are pairs of texts of at most five words (mean absolute error 0.50, other "
        "rows 0.10; 100 rows)."
    )


@pytest.mark.parametrize(
    ("cosines", "expected"),
    [
        (
            {"1": {"sst-para": [0.1, 0.3], "para-sts": [-0.02, 0.0]}},
            "No task works against another (lowest mean cosine of the gradients of two tasks: −0.01, para and sts).",
        ),
        (
            {"1": {"sst-para": [-0.001]}},
            "No task works against another (lowest mean cosine of the gradients of two tasks: 0.00, sst and para).",
        ),
        (
            {"1": {"sst-para": [-0.1, -0.3]}, "2": {"sst-para": [-0.2, -0.2], "para-sts": [0.5, 0.5]}},
            "sst and para work against each other (mean cosine of their gradients −0.20).",
        ),
    ],
)
def test_tasks_that_work_against_each_other_come_before_the_cosine(cosines: Cosines, expected: str) -> None:
    assert section(answered("sst"), cosines=cosines).points[-1] == expected


def test_the_verdict_comes_before_the_numbers_and_people_who_ask_are_told_how() -> None:
    built = section(answered("sst"))
    (table,) = built.parts
    assert isinstance(table, Table)
    assert table.header[:2] == ["task", "in short"]
    assert table.rows[0][:2] == ["Sentiment of a film review (sst)", "better than chance and words alone"]
    for word in ("Bonferroni", "30", "TF-IDF", "cosine", "expected calibration error"):
        assert word in built.how
    assert (
        built.text == "The answers to the dev rows in short. The sections below have all figures, and rows as examples."
    )


def test_a_task_without_a_title_has_its_name_alone() -> None:
    task = find_task("sst")
    assert title_and_name(task) == "Sentiment of a film review (sst)"
    assert title_and_name(task.model_copy(update={"title": ""})) == "sst"
    assert title_and_name(task.model_copy(update={"title": "sst"})) == "sst"


def test_an_error_is_not_listed_among_the_scores_of_the_overall_score() -> None:
    sts = answered("sts")
    error = replace(sts, task=sts.task.model_copy(update={"metric": "mae"}))
    overall = section(answered("sst"), error).points[0]
    assert "for each task: accuracy (sst). Overall leaves out sts, whose mae is an error" in overall
