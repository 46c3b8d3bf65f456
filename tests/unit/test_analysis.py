"""The numbers behind the figures, against plain slow versions and other libraries."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

import swissbert
from swissbert.analysis import architecture, attention, distributions, errors, gradients, history, scores, versus
from swissbert.analysis.buckets import SINGLE
from swissbert.analysis.observe import Observed, in_words, observe, texts_of
from swissbert.analysis.style import rendered
from swissbert.data.dataset import load_split
from swissbert.data.splits import read_split
from swissbert.data.tokens import Tokenizer
from swissbert.errors import SwissbertError
from swissbert.evaluation import evaluate
from swissbert.inference.attention import attended, to_bertviz
from swissbert.inference.model import Model, load
from swissbert.tasks import find_task

STARTER = Path(swissbert.__file__).parent / "data" / "starter"
SST, PARA, STS = (find_task(name) for name in ("sst", "para", "sts"))

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trained(tiny_run: Path) -> Model:
    return load(tiny_run)


def made(kind: str, labels: list[float], answers: list[list[float]] | list[float]) -> Observed:
    task = {"sst": SST, "para": PARA, "sts": STS}[kind]
    count = len(labels)
    flags = np.zeros((count, len(SINGLE)), bool)
    return Observed(
        task, "dev", "made", [], 0, np.array(labels), np.array(answers, np.float32), flags, np.zeros(count), SINGLE
    )


def random(kind: str, rows: int, seed: int) -> Observed:
    rng = np.random.default_rng(seed)
    if kind == "sts":
        true = rng.uniform(0, 5, rows)
        return made("sts", true.tolist(), np.clip(true + rng.normal(0, 1, rows), 0, 5).tolist())
    classes = 5 if kind == "sst" else 2
    answers = rng.dirichlet(np.ones(classes), rows)
    return made(kind, rng.integers(0, classes, rows).astype(float).tolist(), answers.tolist())


@pytest.mark.parametrize("task", [SST, PARA, STS])
def test_what_is_observed_is_what_evaluation_scores(trained: Model, task: swissbert.Task) -> None:
    seen = observe(trained, task, "dev", STARTER)
    expected = evaluate(
        trained.network, [load_split(task, "dev", STARTER, trained.tokenizer, **trained.token_options(task))]
    )
    found = {m.metric: m.value for m in scores.measured(seen, resamples=20)}
    assert found == pytest.approx(expected.tasks[task.name].metrics, abs=1e-6)
    rows = read_split(task, "dev", STARTER).rows
    places = [0, 7, len(rows) - 1]
    assert texts_of(seen, places, STARTER) == {place: rows[place] for place in places}
    assert seen.flags.shape == (len(rows), len(seen.buckets))
    assert [bool(seen.flags[3, i]) for i in range(len(seen.buckets))] == [b.holds(rows[3]) for b in seen.buckets]


def test_mistakes_are_the_surest_and_successes_too() -> None:
    seen = made("para", [1, 0, 1, 0], [[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.2, 0.8]])
    assert seen.mistakes(9) == [0, 3, 2]
    assert seen.successes(9) == [1]
    assert in_words(seen, 0)[:2] == ("paraphrase", "different")
    assert in_words(seen, 0)[2] == pytest.approx(0.9)
    far = made("sts", [0, 5, 2], [3.0, 4.0, 2.0])
    assert far.mistakes(9) == [0, 1]
    assert far.successes(2) == [2, 1]
    assert in_words(far, 0) == ("0.00", "3.00", 3.0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_calibration_is_that_of_a_plain_loop(seed: int, rows: int) -> None:
    seen = random("sst", rows, seed)
    found, error = scores.calibration(seen)
    bins: dict[int, list[tuple[float, bool]]] = {}
    for label, answer in zip(seen.labels, seen.answers, strict=True):
        sure = float(answer.max())
        bins.setdefault(min(9, int(sure * 10)), []).append((sure, int(answer.argmax()) == int(label)))
    expected = sum(len(b) / rows * abs(np.mean([r for _, r in b]) - np.mean([s for s, _ in b])) for b in bins.values())
    assert error == pytest.approx(expected, abs=1e-6)
    assert sum(count for *_, count in found) == rows


def test_a_perfectly_calibrated_model_has_no_error_and_an_overconfident_one_has() -> None:
    labels = [1.0] * 80 + [0.0] * 20
    assert scores.calibration(made("para", labels, [[0.2, 0.8]] * 100))[1] == pytest.approx(0, abs=1e-6)
    assert scores.calibration(made("para", labels, [[0.01, 0.99]] * 100))[1] == pytest.approx(0.19, abs=1e-6)


def test_classes_are_those_of_sklearn() -> None:
    from sklearn.metrics import precision_recall_fscore_support

    seen = random("sst", 200, 1)
    expected = precision_recall_fscore_support(seen.labels, seen.said, labels=range(5), zero_division=0)
    found = scores.class_table(seen)
    assert [row[1] for row in found] == expected[3].tolist()
    for i in range(3):
        assert [row[i + 2] for row in found] == pytest.approx(expected[i].tolist())


def test_differences_of_distances_have_welchs_interval() -> None:
    from scipy.stats import ttest_ind

    seen = random("sts", 120, 3)
    flags = seen.flags.copy()
    flags[:40, 0] = True
    flags[:4, 1] = True
    flags[:, 2] = True
    found = {each.name: each for each in errors.bucket_errors(replace(seen, flags=flags))}
    assert set(found) == {SINGLE[0].name, SINGLE[1].name}, "a bucket without rows, or without a rest, says nothing"
    first = found[SINGLE[0].name]
    expected = ttest_ind(seen.error[:40], seen.error[40:], equal_var=False).confidence_interval()
    assert first.interval == pytest.approx((expected.low, expected.high))
    assert first.difference == pytest.approx(seen.error[:40].mean() - seen.error[40:].mean())
    assert found[SINGLE[1].name].interval is None


def test_differences_of_shares_have_newcombes_interval() -> None:
    assert errors.newcombe(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=1e-4)  # his Table II, (a)
    assert errors.newcombe(0, 10, 0, 20) == pytest.approx((-0.1611, 0.2775), abs=1e-4)  # (f)
    seen = random("para", 100, 0)
    labels = seen.said.astype(float)
    labels[90:] = 1 - labels[90:]  # the last ten are wrong
    flags = seen.flags.copy()
    flags[:10, 0] = True
    (bucket,) = errors.bucket_errors(replace(seen, labels=labels, flags=flags))
    assert bucket.error == 0
    assert bucket.rest == pytest.approx(10 / 90)
    assert not bucket.telling, "ten rows that are all right, of a hundred with ten mistakes, may be chance"


def test_mcnemar_is_the_binomial_test_of_disagreements() -> None:
    first = np.array([1, 1, 1, 1, 1, 1, 0, 1, 0], bool)
    second = np.array([0, 0, 0, 0, 0, 0, 1, 1, 0], bool)
    assert versus.mcnemar(first, second) == pytest.approx(2 * (1 + 7) / 2**7)
    assert versus.mcnemar(first, first) == 1.0


@pytest.mark.parametrize("kind", ["sst", "para", "sts"])
def test_two_models_are_compared_on_the_same_rows(kind: str) -> None:
    first, second = random(kind, 150, 1), random(kind, 150, 2)
    second = replace(second, labels=first.labels)
    if kind == "sts":
        second = replace(second, answers=np.random.default_rng(0).uniform(0, 5, 150).astype(np.float32))
    for each in versus.compare(first, second, resamples=200):
        assert each.interval[0] <= each.difference <= each.interval[1]
        assert (each.p is not None) == (each.metric == "accuracy")
    assert sum(versus.who_is_right(first, second)) == 150
    for each in versus.compare(first, first, resamples=20):
        assert (each.difference, each.interval) == (0, (0, 0))
    with pytest.raises(SwissbertError, match="have not answered the same rows"):
        versus.compare(first, random(kind, 149, 1))


def test_a_paired_interval_is_narrower_than_an_unpaired_one() -> None:
    first = random("sts", 300, 5)
    second = replace(first, answers=first.answers * 0.9 + 0.05)
    (pearson, _) = versus.compare(first, second, resamples=300)
    assert pearson.interval[1] - pearson.interval[0] < 0.01


def test_attention_shares_are_those_of_a_plain_loop(trained: Model) -> None:
    rows = read_split(PARA, "dev", STARTER, limit=5).rows
    found = attention.attention_shares(trained, PARA, "dev", STARTER, most=5)
    crossing, matching, even, words = np.zeros(2), np.zeros(2), np.zeros(2), 0
    for row in rows:
        one = attended(trained, row.text, row.text_pair)
        for i, token in enumerate(one.tokens):
            if token in ("[CLS]", "[SEP]"):
                continue
            words += 1
            for j, other in enumerate(one.tokens):
                if other in ("[CLS]", "[SEP]") or (i < one.boundary) == (j < one.boundary):
                    continue
                mean = one.weights[:, :, i, j].mean(1).numpy()
                crossing += mean
                even[0] += 1 / len(one.tokens)
                if token == other:
                    matching += mean
                    even[1] += 1 / len(one.tokens)
    assert found.rows == 5
    assert found.crossing == pytest.approx(crossing / words, abs=1e-5)
    assert found.matching == pytest.approx(matching / words, abs=1e-5)
    assert (found.even_crossing, found.even_matching) == pytest.approx(tuple(even / words), abs=1e-6)
    assert found.even_matching > 0


def test_attention_of_a_sentence_and_of_a_pair(trained: Model) -> None:
    pair = attended(trained, "is it good", "the film is good")
    assert pair.tokens == ["[CLS]", "is", "it", "good", "[SEP]", "the", "film", "is", "good", "[SEP]"]
    assert pair.boundary == 5
    assert pair.weights.shape == (2, 4, 10, 10)
    torch.testing.assert_close(pair.weights.sum(-1), torch.ones(2, 4, 10))
    single = attended(trained, "is it good")
    assert single.boundary == len(single.tokens) == 5
    given = to_bertviz(trained, "is it good", "the film is good")
    assert [layer.shape for layer in given["attention"]] == [(1, 4, 10, 10)] * 2
    assert given["sentence_b_start"] == 5
    assert "sentence_b_start" not in to_bertviz(trained, "is it good")
    assert attention.usual_layers(12) == [0, 6, 11]
    assert attention.usual_layers(1) == [0]


def test_gradient_cosines_are_those_of_separate_backward_passes(trained: Model) -> None:
    found = gradients.gradient_cosines(trained, STARTER, batches=2)
    assert list(found) == ["embeddings", "1", "2", "pooler"]
    vectors = {}
    for task in (SST, STS):
        data = load_split(task, "train", STARTER, trained.tokenizer, separate=False, max_length=48, limit=2000)
        trained.network.zero_grad()
        trained.network.loss(data.batch(data.shuffled(32, 1, [0, 1])[0]), task.name).backward()  # type: ignore[no-untyped-call]
        layer = trained.network.encoder.layers[1]
        vectors[task.name] = torch.cat([p.grad.flatten() for p in layer.parameters() if p.grad is not None])
    trained.network.zero_grad()
    expected = torch.cosine_similarity(vectors["sst"], vectors["sts"], dim=0).item()
    assert found["2"]["sst-sts"][1] == pytest.approx(expected, abs=1e-5)
    assert {len(values) for part in found.values() for values in part.values()} == {2}
    assert not any(p.grad is not None for p in trained.network.parameters())


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
        found, problems = distributions.distributions(task, STARTER, Tokenizer(tiny))
        assert problems == []
        assert [each.split for each in found] == ["train", "dev"]
        rows = read_split(task, "train", STARTER)
        assert found[0].rows == len(rows) == sum(found[0].labels.values()) == sum(found[0].lengths.values())
    low = sum(isinstance(row.label, float) and row.label < 0.5 for row in rows.rows)
    assert found[0].labels[0] == low
    assert STS.kind.groups(STS)[0] == "0 to 0.5"


def test_history_reads_what_training_wrote(tiny_run: Path, tmp_path: Path) -> None:
    found = history.read_history(tiny_run / "metrics.jsonl")
    assert set(found.loss) == {"sst", "para", "sts"}
    assert found.loss["sst"][0] == list(range(1, 41))
    assert found.dev["overall"][0] == [20, 40]
    assert set(found.cosine) == {"sst-para", "sst-sts", "para-sts"}
    assert list(found.by_layer) == ["embeddings", "1", "2", "pooler"]
    assert found.by_layer["1"]["para-sts"][0] == [1, 21]
    path = tmp_path / "metrics.jsonl"
    lines = (tiny_run / "metrics.jsonl").read_text().splitlines()
    path.write_text("\n".join([*lines[:3], '{"step": 4, "lo']))
    assert history.read_history(path).loss["sst"][0] == [1, 2, 3]
    path.write_text("\n".join([lines[0], "[]", lines[1], ""]))
    with pytest.raises(SwissbertError, match=r"metrics\.jsonl:2: not a line that training wrote"):
        history.read_history(path)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40), st.integers(1, 9))
def test_smoothing_is_a_mean_of_the_last_values(values: list[float], window: int) -> None:
    expected = [np.mean(values[max(0, i + 1 - window) : i + 1]) for i in range(len(values))]
    assert history.smooth(values, window) == pytest.approx(expected, abs=1e-9)


def test_the_same_figure_is_the_same_file_and_text_is_text() -> None:
    seen = made("para", [1, 0, 1, 0], [[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.2, 0.8]])
    odd = PARA.model_copy(update={"labels": ["<b>$x^2$</b>", "日本 🎈 שלום"]})
    seen = replace(seen, task=odd)
    one, two = (scores.confusion_figure(seen) for _ in range(2))
    assert isinstance(one, Figure)
    assert rendered(one, "svg") == rendered(two, "svg")
    text = rendered(one, "svg").decode()
    assert "&lt;b&gt;$x^2$&lt;/b&gt;" in text
    assert "日本 🎈 שלום" in text
    assert rendered(one, "png")[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    "seen",
    [made("sts", [2.0], [2.0]), made("sts", [2.0] * 3, [1.0, 2.0, 3.0]), random("sts", 5000, 0)],
    ids=["one row", "labels that do not vary", "many rows"],
)
def test_scatters_of_odd_data_are_drawn(seen: Observed) -> None:
    assert rendered(scores.scatter_figure(seen), "svg")


def test_buckets_and_overlaps_of_one_row_are_drawn() -> None:
    seen = made("para", [1.0], [[0.5, 0.5]])
    assert rendered(errors.bucket_figure(seen), "svg")
    assert rendered(errors.overlap_figure(seen), "svg")
    assert rendered(scores.calibration_figure(seen), "svg")


def test_many_classes_are_drawn_small_and_without_names() -> None:
    many = SST.model_copy(update={"labels": [f"label {i}" for i in range(80)]})
    rng = np.random.default_rng(0)
    seen = replace(
        random("sst", 300, 0),
        task=many,
        labels=rng.integers(0, 80, 300).astype(float),
        answers=rng.dirichlet(np.ones(80), 300),
    )
    figure = scores.confusion_figure(seen)
    assert max(figure.get_size_inches()) < 60
    assert "label 7" not in rendered(figure, "svg").decode()


def test_titles_stay_inside_their_figure() -> None:
    names = ("a-run-with-a-rather-long-name-of-its-own", "another-run-with-a-name-that-is-no-shorter-than-that")
    first = random("sst", 50, 1)
    figure = versus.versus_figure(versus.compare(first, first, resamples=10), names)
    rendered(figure, "png")
    title = figure._suptitle  # type: ignore[attr-defined]
    assert title.get_window_extent().x1 <= figure.bbox.x1


def test_a_split_that_cannot_be_read_is_said_and_the_others_are_counted(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "sst-dev.tsv").write_bytes((STARTER / "sst-dev.tsv").read_bytes())
    (tmp_path / "ids-sst-test-student.csv").write_text("a\tb\n1\t2\n")
    found, problems = distributions.distributions(SST, tmp_path, Tokenizer(tiny))
    assert [each.split for each in found] == ["dev"]
    assert [problem.split(",")[0] for problem in problems] == ["ids-sst-test-student.csv: no column 'sentence'"]
