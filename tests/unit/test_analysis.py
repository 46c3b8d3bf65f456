"""Numbers of the figures, compared with straightforward implementations and other libraries."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

import swissbert
from swissbert import analysis, metrics
from swissbert.analysis import (
    architecture,
    calibration,
    difference_intervals,
    distributions,
    hard_rows,
    heat_maps,
    history,
    label_figures,
    mistakes,
    pair_attention,
    score_figures,
    task_gradients,
    versus,
)
from swissbert.analysis.answered import AnsweredSplit, answer_split, in_words, read_rows
from swissbert.analysis.buckets import SINGLE
from swissbert.analysis.calibration import tendency
from swissbert.analysis.style import render
from swissbert.analysis.thresholds import CURRENT, threshold_curve, threshold_table
from swissbert.data.dataset import load_split
from swissbert.data.splits import read_split
from swissbert.data.tokens import Tokenizer
from swissbert.errors import SwissbertError
from swissbert.evaluation import evaluate
from swissbert.inference.attention import attention_weights, to_bertviz
from swissbert.inference.loading import load
from swissbert.inference.model import Model
from swissbert.metrics import Metric
from swissbert.tasks import find_task

STARTER = Path(swissbert.__file__).parent / "data" / "starter"
SST, PARA, STS = (find_task(name) for name in ("sst", "para", "sts"))

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trained(tiny_run: Path) -> Model:
    return load(tiny_run, device="cpu", precision="fp32")


def answers_to(kind: str, labels: list[float], answers: list[list[float]] | list[float]) -> AnsweredSplit:
    task = {"sst": SST, "para": PARA, "sts": STS}[kind]
    count = len(labels)
    flags = np.zeros((count, len(SINGLE)), bool)
    return AnsweredSplit(
        task, "dev", "rows.tsv", [], 0, np.array(labels), np.array(answers, np.float32), flags, np.zeros(count), SINGLE
    )


def random_answers(kind: str, rows: int, seed: int) -> AnsweredSplit:
    rng = np.random.default_rng(seed)
    if kind == "sts":
        true = rng.uniform(0, 5, rows)
        return answers_to("sts", true.tolist(), np.clip(true + rng.normal(0, 1, rows), 0, 5).tolist())
    classes = 5 if kind == "sst" else 2
    answers = rng.dirichlet(np.ones(classes), rows)
    return answers_to(kind, rng.integers(0, classes, rows).astype(float).tolist(), answers.tolist())


@pytest.mark.parametrize("task", [SST, PARA, STS])
def test_scores_are_those_of_evaluation(trained: Model, task: swissbert.Task) -> None:
    answered = answer_split(trained, task, "dev", STARTER)
    expected = evaluate(
        trained.network, [load_split(task, "dev", STARTER, trained.tokenizer, **trained.token_options(task))]
    )
    scores = {score.metric: score.value for score in score_figures.metric_scores(answered, resamples=20)}
    assert scores == pytest.approx(expected.tasks[task.name].metrics, abs=1e-6, nan_ok=True)
    rows = read_split(task, "dev", STARTER).rows
    numbers = [0, 7, len(rows) - 1]
    assert read_rows(answered, numbers, STARTER) == {number: rows[number] for number in numbers}
    assert answered.flags.shape == (len(rows), len(answered.buckets))
    assert [bool(answered.flags[3, i]) for i in range(len(answered.buckets))] == [
        b.matches(rows[3]) for b in answered.buckets
    ]


def test_worst_and_best_rows_are_the_most_confident() -> None:
    answered = answers_to("para", [1, 0, 1, 0], [[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.2, 0.8]])
    assert answered.worst(9) == [0, 3, 2]
    assert answered.best(9) == [1]
    assert in_words(answered, 0) == ("paraphrase", "different")
    assert answered.confidence is not None
    assert answered.confidence[0] == pytest.approx(0.9)
    assert answered.is_right_or_wrong
    far = answers_to("sts", [0, 5, 2], [3.0, 4.0, 2.0])
    assert far.worst(9) == [0, 1]
    assert far.best(2) == [2, 1]
    assert in_words(far, 0) == ("0.00", "3.00")
    assert far.errors[0] == 3.0
    assert far.confidence is None


def test_mistakes_on_a_scale_count_by_distance_and_others_by_probability() -> None:
    near = [0.0, 0.9, 0.1, 0.0, 0.0]
    far = [0.0, 0.0, 0.0, 0.45, 0.55]
    answered = answers_to("sst", [0, 0], [near, far])
    assert answered.severity == pytest.approx([0.9 + 0.2, 3 * 0.45 + 4 * 0.55])
    assert answered.worst(9) == [1, 0], "less sure, but further away"
    task = answered.task.model_copy(update={"labels": ["sport", "news", "art", "food", "pets"]})
    assert task.kind.severity(task, answered.labels, answered.answers) == pytest.approx([1, 1])
    assert "wrong labels" in task.kind.severity_rule(task)
    grades = answered.task.model_copy(update={"labels": ["1", "2", "3", "4", "5"]})
    assert grades.kind.severity(grades, answered.labels, answered.answers) == pytest.approx(answered.severity)


def test_scores_by_threshold_equal_counting() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 40).astype(float)
    positive = rng.choice([0.1, 0.3, 0.45, 0.55, 0.7, 0.95], 40)
    answered = answers_to("para", labels.tolist(), np.stack([1 - positive, positive], 1).tolist())
    curve = threshold_curve(answered)
    for threshold in (0.05, 0.3, 0.4, 0.5, 0.94, 0.99):
        decided = positive >= threshold
        hits = int((decided & (labels == 1)).sum())
        expected = [
            hits / max(1, decided.sum()),
            hits / labels.sum(),
            2 * hits / (decided.sum() + labels.sum()),
            float((decided == (labels == 1)).mean()),
        ]
        assert curve.at(threshold) == pytest.approx(expected)
    best = curve.best("F1")
    assert curve.at(best)[2] == pytest.approx(max(curve.at(value)[2] for value in np.linspace(0, 1, 201)))
    assert curve.at(CURRENT)[3] == pytest.approx(1 - answered.errors.mean())
    current, by_f1, _ = threshold_table(answered)
    assert current[:2] == ["current", CURRENT]
    assert by_f1[1] == best


def test_confidence_above_accuracy_is_overconfident() -> None:
    over = tendency(answers_to("para", [1, 0, 1, 0], [[0.9, 0.1], [0.1, 0.9], [0.1, 0.9], [0.9, 0.1]]))
    assert (over.sign, over.accuracy) == ("over", 0.5)
    assert over.confidence == pytest.approx(0.9)
    assert over.error == pytest.approx(0.4)
    assert tendency(answers_to("para", [1, 0], [[0.4, 0.6], [0.6, 0.4]])).sign == "under"
    assert tendency(answers_to("para", [1, 0], [[0.0, 1.0], [1.0, 0.0]])).sign == ""


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_calibration_equals_a_loop_over_rows(seed: int, rows: int) -> None:
    answered = random_answers("sst", rows, seed)
    result, error = calibration.calibration_bins(answered)
    bins: dict[int, list[tuple[float, bool]]] = {}
    for label, answer in zip(answered.labels, answered.answers, strict=True):
        sure = float(answer.max())
        bins.setdefault(min(9, int(sure * 10)), []).append((sure, int(answer.argmax()) == int(label)))
    expected = sum(len(b) / rows * abs(np.mean([r for _, r in b]) - np.mean([s for s, _ in b])) for b in bins.values())
    assert error == pytest.approx(expected, abs=1e-6)
    assert sum(count for *_, count in result) == rows


def test_calibration_error_of_a_calibrated_and_an_overconfident_model() -> None:
    labels = [1.0] * 80 + [0.0] * 20
    assert calibration.calibration_bins(answers_to("para", labels, [[0.2, 0.8]] * 100))[1] == pytest.approx(0, abs=1e-6)
    assert calibration.calibration_bins(answers_to("para", labels, [[0.01, 0.99]] * 100))[1] == pytest.approx(
        0.19, abs=1e-6
    )


def test_label_scores_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import precision_recall_fscore_support

    answered = random_answers("sst", 200, 1)
    expected = precision_recall_fscore_support(answered.labels, answered.decisions, labels=range(5), zero_division=0)
    rows = label_figures.label_scores(answered)
    assert [row[1] for row in rows] == expected[3].tolist()
    for i in range(3):
        assert [row[i + 2] for row in rows] == pytest.approx(expected[i].tolist())


def test_differences_of_mean_errors_have_welchs_interval() -> None:
    from scipy.stats import ttest_ind

    answered = random_answers("sts", 120, 3)
    flags = answered.flags.copy()
    flags[:40, 0] = True
    flags[:4, 1] = True
    flags[:, 2] = True
    buckets = {bucket.name: bucket for bucket in mistakes.bucket_errors(replace(answered, flags=flags))}
    assert set(buckets) == {SINGLE[0].name, SINGLE[1].name}, "buckets with no rows or all rows are left out"
    first = buckets[SINGLE[0].name]
    expected = ttest_ind(answered.errors[:40], answered.errors[40:], equal_var=False).confidence_interval()
    assert first.interval == pytest.approx((expected.low, expected.high))
    assert first.difference == pytest.approx(answered.errors[:40].mean() - answered.errors[40:].mean())
    assert buckets[SINGLE[1].name].interval is None


def test_differences_of_error_rates_have_newcombes_interval() -> None:
    assert difference_intervals.newcombe(56, 70, 48, 80) == pytest.approx(
        (0.0524, 0.3339), abs=1e-4
    )  # his Table II, (a)
    assert difference_intervals.newcombe(0, 10, 0, 20) == pytest.approx((-0.1611, 0.2775), abs=1e-4)  # (f)
    answered = random_answers("para", 100, 0)
    labels = answered.decisions.astype(float)
    labels[90:] = 1 - labels[90:]  # the last ten are wrong
    flags = answered.flags.copy()
    flags[:10, 0] = True
    (bucket,) = mistakes.bucket_errors(replace(answered, labels=labels, flags=flags))
    assert bucket.error == 0
    assert bucket.rest == pytest.approx(10 / 90)
    assert not bucket.is_significant, "10 rows without an error, of 100 with 10 errors"


def test_hard_rows_are_enough_and_their_intervals_are_corrected_for_the_number_of_buckets() -> None:
    """Ten buckets of 40 rows of 1,000: the first is harder by a plain interval only, the second by far; two are too small."""
    labels = np.zeros(1000)
    labels[:100] = 1  # mistakes, as all answers are 0
    flags = np.zeros((1000, 12), bool)
    for i, mistakes_inside in enumerate([9, 25, *[4] * 8]):
        flags[:mistakes_inside, i] = True
        flags[-(40 - mistakes_inside) :, i] = True
    flags[:29, 10] = True
    flags[29:, 11] = True
    names = [replace(SINGLE[0], name=f"bucket {i}") for i in range(12)]
    answered = replace(
        answers_to("para", labels.tolist(), [[1.0, 0.0]] * 1000), flags=flags, buckets=names, overlap=None
    )
    plain = {b.name: b for b in mistakes.bucket_errors(answered)}
    assert plain["bucket 0"].is_significant
    assert plain["bucket 10"].is_significant, "29 mistakes of 29 rows"
    compared = {b.name: b for b in hard_rows.compared_buckets(answered)}
    assert list(compared) == [f"bucket {i}" for i in range(10)]
    corrected = difference_intervals.newcombe(9, 40, 91, 960, misses=0.005)
    assert compared["bucket 0"].interval == pytest.approx(corrected)
    assert corrected[0] < 0 < difference_intervals.newcombe(9, 40, 91, 960)[0]
    assert [b.name for b in hard_rows.hard_buckets(answered)] == ["bucket 1"]
    few = replace(answered, flags=flags[:, :2], buckets=names[:2])
    assert [b.name for b in hard_rows.hard_buckets(few)] == ["bucket 1", "bucket 0"], "two are compared, and not ten"


def test_intervals_of_means_are_wider_with_fewer_misses() -> None:
    from scipy.stats import ttest_ind

    a, b = np.random.default_rng(0).normal(0, 1, (2, 50))
    expected = ttest_ind(a, b, equal_var=False).confidence_interval(0.99)
    assert difference_intervals.welch(a, b, misses=0.01) == pytest.approx((expected.low, expected.high))


def test_mcnemar_is_the_binomial_test_of_disagreements() -> None:
    first = np.array([1, 1, 1, 1, 1, 1, 0, 1, 0], bool)
    second = np.array([0, 0, 0, 0, 0, 0, 1, 1, 0], bool)
    assert versus.mcnemar(first, second) == pytest.approx(2 * (1 + 7) / 2**7)
    assert versus.mcnemar(first, first) == 1.0


@pytest.mark.parametrize("kind", ["sst", "para", "sts"])
def test_two_models_are_compared_on_the_same_rows(kind: str) -> None:
    first, second = random_answers(kind, 150, 1), random_answers(kind, 150, 2)
    second = replace(second, labels=first.labels)
    if kind == "sts":
        second = replace(second, answers=np.random.default_rng(0).uniform(0, 5, 150).astype(np.float32))
    for item in versus.compare(first, second, resamples=200):
        assert item.interval[0] <= item.difference <= item.interval[1]
        assert (item.p is not None) == (item.metric == "accuracy")
    assert sum(versus.agreement(first, second)) == 150
    for item in versus.compare(first, first, resamples=20):
        assert (item.difference, item.interval) == (0, (0, 0))
    assert versus.disagreements(first, first, 9) == []
    better = versus.disagreements(first, second, 9)
    assert better
    assert all(first.errors[row] < second.errors[row] for row in better)
    with pytest.raises(SwissbertError, match="have not answered the same rows"):
        versus.compare(first, random_answers(kind, 149, 1))


def test_a_paired_interval_is_narrower_than_an_unpaired_one() -> None:
    first = random_answers("sts", 300, 5)
    second = replace(first, answers=first.answers * 0.9 + 0.05)
    pearson, *_ = versus.compare(first, second, resamples=300)
    assert pearson.interval[1] - pearson.interval[0] < 0.01


def test_attention_shares_equal_a_loop_over_tokens(trained: Model) -> None:
    rows = read_split(PARA, "dev", STARTER, limit=5).rows
    shares = pair_attention.attention_shares(trained, PARA, "dev", STARTER, limit=5)
    crossing, matching, even, words = np.zeros(2), np.zeros(2), np.zeros(2), 0
    for row in rows:
        one = attention_weights(trained, row.text, row.text_pair)
        for i, token in enumerate(one.tokens):
            if token in ("[CLS]", "[SEP]"):
                continue
            words += 1
            for j, other in enumerate(one.tokens):
                if other in ("[CLS]", "[SEP]") or (i < one.boundary) == (j < one.boundary):
                    continue
                mean = one.weights[:, :, i, j].mean(1)
                crossing += mean
                even[0] += 1 / len(one.tokens)
                if token == other:
                    matching += mean
                    even[1] += 1 / len(one.tokens)
    assert shares.rows == 5
    assert shares.crossing == pytest.approx(crossing / words, abs=1e-5)
    assert shares.matching == pytest.approx(matching / words, abs=1e-5)
    assert (shares.even_crossing, shares.even_matching) == pytest.approx(tuple(even / words), abs=1e-6)
    assert shares.even_matching > 0


def test_attention_of_a_sentence_and_of_a_pair(trained: Model) -> None:
    pair = attention_weights(trained, "is it good", "the film is good")
    assert pair.tokens == ["[CLS]", "is", "it", "good", "[SEP]", "the", "film", "is", "good", "[SEP]"]
    assert pair.boundary == 5
    assert pair.weights.shape == (2, 4, 10, 10)
    np.testing.assert_allclose(pair.weights.sum(-1), np.ones((2, 4, 10)), rtol=1e-5)
    single = attention_weights(trained, "is it good")
    assert single.boundary == len(single.tokens) == 5
    given = to_bertviz(trained, "is it good", "the film is good")
    assert [layer.shape for layer in given["attention"]] == [(1, 4, 10, 10)] * 2
    assert given["sentence_b_start"] == 5
    assert "sentence_b_start" not in to_bertviz(trained, "is it good")
    assert heat_maps.default_layers(12) == [0, 6, 11]
    assert heat_maps.default_layers(1) == [0]


def test_gradient_cosines_are_those_of_separate_backward_passes(trained: Model) -> None:
    cosines = task_gradients.gradient_cosines(trained, STARTER, batches=2)
    assert list(cosines) == ["embeddings", "1", "2", "pooler"]
    vectors = {}
    for task in (SST, STS):
        data = load_split(task, "train", STARTER, trained.tokenizer, separate=False, max_length=48, limit=2000)
        trained.network.zero_grad()
        trained.network.loss(data.batch(data.shuffled(32, 1, [0, 1])[0]), task.name).backward()  # type: ignore[no-untyped-call]
        layer = trained.network.encoder.layers[1]
        vectors[task.name] = torch.cat([p.grad.flatten() for p in layer.parameters() if p.grad is not None])
    trained.network.zero_grad()
    expected = torch.cosine_similarity(vectors["sst"], vectors["sts"], dim=0).item()
    assert cosines["2"]["sst-sts"][1] == pytest.approx(expected, abs=1e-5)
    assert {len(values) for part in cosines.values() for values in part.values()} == {2}
    assert not any(p.grad is not None for p in trained.network.parameters())


def test_a_pooler_that_is_not_used_has_no_gradient_cosine(trained: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained.network.encoder, "pooling", "mean")
    assert list(task_gradients.gradient_cosines(trained, STARTER, batches=1)) == ["embeddings", "1", "2"]


def test_parts_add_up_to_the_model(trained: Model) -> None:
    rows = architecture.parts_table(trained)
    assert sum(count for *_, count in rows) == sum(p.numel() for p in trained.network.parameters())
    assert [part for part, *_ in rows] == [
        "embeddings",
        "2 layers",
        "pooler",
        "head of sst",
        "head of para",
        "head of sts",
    ]


def test_distributions_count_every_row_of_every_split(tiny: Path) -> None:
    for task in (SST, STS):
        counts, problems = distributions.count_splits(task, STARTER, Tokenizer(tiny))
        assert problems == []
        assert [split.split for split in counts] == ["train", "dev"]
        rows = read_split(task, "train", STARTER)
        assert counts[0].rows == len(rows) == counts[0].labelled == sum(counts[0].lengths.values())
        assert sum(counts[0].labels.values()) == len(rows)
    low = sum(isinstance(row.label, float) and row.label < 0.5 for row in rows.rows)
    assert counts[0].labels[0] == low
    assert counts[0].share(0) == low / len(rows)
    assert STS.kind.groups(STS)[0] == "0 to 0.5"


def test_history_of_a_run(tiny_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = history.read_history(tiny_run / "metrics.jsonl")
    assert set(log.loss) == {"sst", "para", "sts"}
    assert log.loss["sst"][0] == list(range(1, 41))
    assert log.dev["overall"][0] == [20, 40]
    assert set(log.cosine) == {"sst-para", "sst-sts", "para-sts"}
    assert list(log.by_layer) == ["embeddings", "1", "2", "pooler"]
    assert log.by_layer["1"]["para-sts"][0] == [1, 21]
    path = tmp_path / "metrics.jsonl"
    lines = (tiny_run / "metrics.jsonl").read_text().splitlines()
    path.write_text("\n".join([*lines[:3], '{"step": 4, "lo']))
    assert history.read_history(path).loss["sst"][0] == [1, 2, 3]
    assert not caplog.messages
    path.write_text("\n".join([lines[0], "[]", '{"step": 9, "loss": {"sst": 1.0}, "dev": 3}', lines[1], ""]))
    assert history.read_history(path).loss["sst"][0] == [1, 2]
    assert caplog.messages == [f"{path}: lines that cannot be read: 2, which are left out"]
    path.unlink()
    with pytest.raises(SwissbertError, match=r"metrics\.jsonl: cannot be read \(there is no such file\)"):
        history.read_history(path)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40), st.integers(1, 9))
def test_moving_average(values: list[float], window: int) -> None:
    expected = [np.mean(values[max(0, i + 1 - window) : i + 1]) for i in range(len(values))]
    assert history.moving_average(values, window) == pytest.approx(expected, abs=1e-9)


def test_equal_figures_are_equal_files_and_texts_are_literal() -> None:
    answered = answers_to("para", [1, 0, 1, 0], [[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.2, 0.8]])
    odd = PARA.model_copy(update={"labels": ["<b>$x^2$</b>", "日本 🎈 שלום"]})
    answered = replace(answered, task=odd)
    one, two = (label_figures.confusion_figure(answered) for _ in range(2))
    assert isinstance(one, Figure)
    assert render(one, "svg") == render(two, "svg")
    text = render(one, "svg").decode()
    assert "&lt;b&gt;$x^2$&lt;/b&gt;" in text
    assert "日本 🎈 שלום" in text
    assert render(one, "png")[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    "answered",
    [answers_to("sts", [2.0], [2.0]), answers_to("sts", [2.0] * 3, [1.0, 2.0, 3.0]), random_answers("sts", 5000, 0)],
    ids=["one row", "constant labels", "many rows"],
)
def test_scatter_plots_of_degenerate_data(answered: AnsweredSplit) -> None:
    assert render(score_figures.scatter_figure(answered), "svg")


def test_figures_of_one_row() -> None:
    answered = answers_to("para", [1.0], [[0.5, 0.5]])
    assert render(mistakes.bucket_figure(answered), "svg")
    assert render(mistakes.overlap_figure(answered), "svg")
    assert render(calibration.calibration_figure(answered), "svg")


def test_many_classes_are_drawn_without_names() -> None:
    many = SST.model_copy(update={"labels": [f"label {i}" for i in range(80)]})
    rng = np.random.default_rng(0)
    answered = replace(
        random_answers("sst", 300, 0),
        task=many,
        labels=rng.integers(0, 80, 300).astype(float),
        answers=rng.dirichlet(np.ones(80), 300),
    )
    figure = label_figures.confusion_figure(answered)
    assert max(figure.get_size_inches()) < 60
    assert "label 7" not in render(figure, "svg").decode()


def test_titles_are_wrapped_to_the_width() -> None:
    names = ("a-run-with-a-rather-long-name-of-its-own", "another-run-with-a-name-that-is-no-shorter-than-that")
    first = random_answers("sst", 50, 1)
    figure = versus.versus_figure(versus.compare(first, first, resamples=10), names)
    render(figure, "png")
    title = figure._suptitle  # type: ignore[attr-defined]
    assert title.get_window_extent().x1 <= figure.bbox.x1


def test_a_split_that_cannot_be_read_is_reported_and_the_others_are_counted(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "sst-dev.tsv").write_bytes((STARTER / "sst-dev.tsv").read_bytes())
    (tmp_path / "ids-sst-test-student.csv").write_text("a\tb\n1\t2\n")
    counts, problems = distributions.count_splits(SST, tmp_path, Tokenizer(tiny))
    assert [split.split for split in counts] == ["dev"]
    assert [problem.split(",")[0] for problem in problems] == ["ids-sst-test-student.csv: no column 'sentence'"]


def test_chance_levels_of_all_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """A correlation has chance level 0, another metric that of the best constant answer."""
    spread = Metric("spread", ("regression",), lambda labels, decisions, answers: 0.5)
    kendall = Metric("kendall", ("regression",), lambda labels, decisions, answers: 0.25, is_correlation=True)
    for metric in (spread, kendall):
        monkeypatch.setitem(metrics.METRICS, metric.name, metric)
    scores = {score.metric: score for score in score_figures.metric_scores(random_answers("sts", 30, 0), resamples=5)}
    assert scores["kendall"].value == 0.25
    assert scores["kendall"].chance == scores["pearson"].chance == 0
    assert scores["spread"].chance == 0.5
    declared = replace(scores["spread"], declared=True)
    assert render(score_figures.scores_figure([declared]), "svg")
    para = {
        s.metric: s for s in score_figures.metric_scores(answers_to("para", [1, 1, 0], [[0.2, 0.8]] * 3), resamples=5)
    }
    assert para["accuracy"].chance == pytest.approx(2 / 3)
    assert para["macro_f1"].chance == pytest.approx((0.8 + 0) / 2)


def test_public_names_are_imported_on_first_use() -> None:
    import subprocess
    import sys

    code = "import sys, swissbert.analysis as a; print([m for m in ('torch', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert {"analyse", "scores_figure", "label_figure", "attention_figure"} <= set(analysis.__all__)
    for name in analysis.__all__:
        assert callable(getattr(analysis, name)), name
    with pytest.raises(AttributeError, match="no attribute 'no_figure'"):
        _ = analysis.no_figure


def test_figures_have_no_background_of_their_own() -> None:
    """The page shows through, so that its text colours are readable in the dark too."""
    text = render(score_figures.scatter_figure(random_answers("sts", 30, 0)), "svg").decode()
    assert "#ffffff" not in text
