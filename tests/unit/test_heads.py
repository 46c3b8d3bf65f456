"""The table of heads: thresholds, linear form, and a head from outside the package."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from torch import Tensor, nn

import swissbert
from swissbert.config import EncoderSettings, ModelSettings
from swissbert.data.tokens import Tokenizer
from swissbert.encoder import Bert, BertConfig
from swissbert.encoder.checkpoint import read_encoder
from swissbert.errors import SwissbertError
from swissbert.export import export_hf
from swissbert.kinds import Array
from swissbert.model.head_layout import LAYOUTS
from swissbert.model.heads import HEADS, find_head
from swissbert.model.heads.base import Head
from swissbert.model.heads.linear import FEWEST_POSITIVES, WIDEST_SHIFT, LinearHead
from swissbert.model.multitask import MultitaskModel
from swissbert.model.plain_heads import PLAIN_HEADS
from swissbert.model_folder.description import Description
from swissbert.model_folder.save import save_model
from swissbert.tasks import Task, make_task

pytestmark = pytest.mark.usefixtures("one_thread")

LABELS = ["ants", "bees", "cats"]
KINDS: dict[str, dict[str, Any]] = {
    "classification": {"labels": LABELS, "loss": "cross_entropy", "metric": "accuracy"},
    "binary": {"labels": ["no", "yes"], "loss": "binary_cross_entropy", "metric": "accuracy"},
    "regression": {"range": [1, 5], "loss": "mse", "metric": "pearson"},
    "multilabel": {"labels": LABELS, "loss": "binary_cross_entropy", "metric": "micro_f1"},
}


def declare(kind: str, *, pair: bool = False, name: str = "mood") -> Task:
    columns = {"text": "a", "label": "label"} | ({"text_pair": "b"} if pair else {})
    return make_task({"name": name, "kind": kind, "columns": columns, **KINDS[kind]}, "here")


# The contract of every head


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("separate", [False, True])
def test_a_head_fits_or_says_why_not(name: str, kind: str, separate: bool) -> None:
    head_class, task = find_head(name), declare(kind, pair=True)
    assert issubclass(head_class, Head)
    reason = head_class.misfit(task, separate)
    if reason is not None:
        assert name in ("cosine", "similarity", "bi_encoder")
        assert reason == (
            f"a {name} is no answer to a {kind} task"
            if separate
            else f"a {name} needs two sentences that are encoded separately"
        )
        return
    head = head_class(task, 16, 0.5).eval()
    logits = head(torch.randn(5, 16))
    answers = head.answers(logits)
    assert logits.shape == (5, task.outputs)
    assert answers.shape == (5, *task.kind.answer_shape(task))
    labels = torch.ones(5, *task.kind.label_shape(task))
    assert head.loss(logits, labels).ndim == 0
    assert head.can_fit == (kind == "multilabel" or (name, kind) == ("cosine", "binary"))


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("kind", KINDS)
def test_numpy_and_torch_give_the_same_answers(name: str, kind: str) -> None:
    task, head_class = declare(kind, pair=True), find_head(name)
    if head_class.misfit(task, True):
        return
    torch.manual_seed(0)
    head, layout = head_class(task, 12, 0.1).eval(), LAYOUTS[name]
    shaken = {key: tensor + torch.randn(tensor.shape) for key, tensor in head.state_dict().items()}
    head.load_state_dict(shaken)
    assert {key: tuple(tensor.shape) for key, tensor in shaken.items()} == layout.shapes(task, 12)
    features = 3 * torch.randn(40, 12)
    features[0] = 0  # a cosine of 0 / 0
    with torch.inference_mode():
        expected = head.answers(head(features))
    arrays = PLAIN_HEADS[name](task, {key: tensor.numpy() for key, tensor in shaken.items()})
    actual = arrays.answers(features.numpy().astype(np.float64))
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6)
    assert layout.uses_hidden_layer == head.uses_hidden_layer
    labels = (np.arange(40) % 2).astype(np.float32)
    if kind == "binary":
        assert arrays.extra_metrics(expected.numpy(), labels) == head.extra_metrics(expected.numpy(), labels)


def test_the_heads_of_numpy_are_those_of_torch() -> None:
    assert list(PLAIN_HEADS) == list(LAYOUTS) == list(HEADS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_linear_head_gives_its_logits_as_one_linear_layer(kind: str) -> None:
    task = declare(kind)
    head = LinearHead(task, 16, 0.5).eval()
    nn.init.normal_(head.out.bias)
    if head.shift is not None:
        head.shift.copy_(torch.tensor([0.5, -1.0, 2.0]))
    linear = head.as_linear()
    assert not isinstance(linear, str)
    weight, bias = linear
    features = torch.randn(5, 16)
    logits = features @ weight.T + bias
    torch.testing.assert_close(task.kind.answers(task, logits), head.answers(head(features)))
    if head.shift is None:
        torch.testing.assert_close(logits, head(features))
    assert not weight.requires_grad
    assert weight.is_contiguous()


def test_a_cosine_head_says_that_it_is_not_linear() -> None:
    assert find_head("cosine")(declare("binary", pair=True), 16, 0.0).as_linear() == (
        "its head is the cosine of two sentence vectors"
    )


# Thresholds of multilabel heads


def fitted(answers: Array, labels: Array) -> LinearHead:
    """A head whose thresholds are fitted on three labels."""
    head = LinearHead(declare("multilabel"), 4, 0.0)
    head.fit(answers.astype(np.float32), labels)
    return head


def shifted(head: LinearHead, answers: Array) -> Array:
    """Answers of the head where it gave `answers` before its thresholds were fitted."""
    logits = torch.logit(torch.tensor(answers, dtype=torch.float64))
    return head.answers(logits).detach().numpy()


def rows_of(columns: list[list[tuple[float, bool]]]) -> tuple[Array, Array]:
    answers = np.array([[p for p, _ in column] for column in columns]).T
    return answers, np.array([[float(y) for _, y in column] for column in columns]).T


COLUMN = st.lists(
    st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.42, 0.6, 0.77, 0.9]), st.booleans()), min_size=20, max_size=20
)


@settings(deadline=None)
@given(st.lists(COLUMN, min_size=3, max_size=3))
def test_f1_on_the_rows_fitted_on_is_never_worse_than_at_a_half(columns: list[list[tuple[float, bool]]]) -> None:
    answers, labels = rows_of(columns)
    head = fitted(answers, labels)
    after = shifted(head, answers)
    assert head.shift is not None
    assert head.shift.abs().max() <= WIDEST_SHIFT
    for label in range(3):
        scores = [f1_score(labels[:, label], p[:, label] >= 0.5, zero_division=0.0) for p in (answers, after)]
        assert scores[1] >= scores[0] - 1e-12
        positives = labels[:, label].sum()
        if min(positives, 20 - positives) < FEWEST_POSITIVES:
            assert head.shift[label] == 0


@settings(deadline=None)
@given(st.lists(COLUMN, min_size=3, max_size=3))
def test_no_other_threshold_has_a_better_f1(columns: list[list[tuple[float, bool]]]) -> None:
    answers, labels = rows_of(columns)
    after = shifted(fitted(answers, labels), answers)
    for label in range(3):
        true = labels[:, label]
        if min(true.sum(), 20 - true.sum()) < FEWEST_POSITIVES:
            continue
        others = [
            f1_score(true, answers[:, label] >= t, zero_division=0.0) for t in (0.05, 0.15, 0.25, 0.35, 0.5, 0.7, 0.8)
        ]
        assert f1_score(true, after[:, label] >= 0.5, zero_division=0.0) >= max(others) - 1e-12


def test_a_threshold_lies_midway_and_is_clamped_to_the_widest_shift() -> None:
    true = np.repeat([1.0, 0.0], 10)
    answers = np.stack([np.repeat([0.4, 0.2], 10), np.repeat([0.004, 0.002], 10), np.repeat([0.999, 0.998], 10)], 1)
    head = fitted(answers, np.stack([true] * 3, 1))
    assert head.shift is not None
    assert head.shift[0].item() == pytest.approx(np.log(0.3 / 0.7), abs=1e-4)
    assert head.shift[1:].tolist() == [-WIDEST_SHIFT, WIDEST_SHIFT]
    head.reset_fit()
    assert head.shift.tolist() == [0, 0, 0]


def test_the_loss_does_not_use_the_thresholds() -> None:
    head = LinearHead(declare("multilabel"), 4, 0.0)
    logits, labels = torch.randn(6, 3), torch.ones(6, 3)
    before = head.loss(logits, labels)
    assert head.shift is not None
    head.shift.fill_(1.5)
    assert torch.equal(head.loss(logits, labels), before)


def test_only_kinds_with_thresholds_store_them() -> None:
    assert set(LinearHead(declare("multilabel"), 4, 0.0).state_dict()) == {"out.weight", "out.bias", "shift"}
    assert set(LinearHead(declare("classification"), 4, 0.0).state_dict()) == {"out.weight", "out.bias"}


# From outside the package


class TwoLayers(Head):
    """A head with a hidden layer of its own, as a person outside the package would write one."""

    uses_hidden_layer = False

    def __init__(self, task: Task, width: int, dropout: float) -> None:
        super().__init__(task, width, dropout)
        self.layers = nn.Sequential(nn.Linear(width, 8), nn.GELU(), nn.Linear(8, task.outputs))

    def logits(self, features: Tensor) -> Tensor:
        logits: Tensor = self.layers(features)
        return logits

    def extra_metrics(self, answers: Array, labels: Array) -> dict[str, float]:
        return {"mean_confidence": float(answers.max(1).mean())}


def network_with(encoder: Bert, tasks: list[Task], **options: Any) -> MultitaskModel:
    torch.manual_seed(0)
    return MultitaskModel(encoder, tasks, pair_encoding=True, dropout=0.1, heads={"mood": TwoLayers}, **options)


def test_a_head_from_outside_replaces_the_one_of_its_task_alone() -> None:
    encoder = Bert(BertConfig(vocab_size=20, hidden_size=8, layers=1, heads=2, intermediate_size=16, max_positions=16))
    tasks = [declare("classification"), declare("classification", name="other")]
    network = network_with(encoder, tasks, layer_sharing=True)
    assert isinstance(network.head("mood"), TwoLayers)
    assert isinstance(network.head("other"), LinearHead)
    assert set(network.hidden) == {"other_alone"}, "uses_hidden_layer is False"


def test_a_head_from_outside_learns_is_saved_loaded_and_scored(tiny: Path, tmp_path: Path) -> None:
    from swissbert.data.batches import pack
    from swissbert.data.rows import Row

    task = declare("classification").model_copy(update={"files": {"dev": "dev.jsonl"}})
    network, tokenizer = network_with(read_encoder(tiny), [task]), Tokenizer(tiny)
    texts = ["the ants run", "the bees run", "the cats run"] * 4
    table = tokenizer.encode(texts, None, together=False, max_length=16)
    batch = pack(table, np.arange(12), np.tile([0.0, 1, 2], 4))
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = network.loss(batch, "mood")
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]

    encoder = EncoderSettings(name="tiny", max_length=16)
    description = Description(format=1, tasks=[task], encoder=encoder, model=ModelSettings())
    save_model(tmp_path / "model", network.eval(), tokenizer, description)
    model = swissbert.load(tmp_path / "model", "cpu", heads={"mood": TwoLayers})
    rows = [Row(i, str(i), text, None, None) for i, text in enumerate(texts)]
    expected = network.answers(batch, "mood").numpy()
    assert model.answer_rows(model.task("mood"), rows) == pytest.approx(expected, abs=1e-6)
    assert [answer.label_name for answer in model.predict("mood", texts[:3])] == LABELS
    rounded = swissbert.load(
        tmp_path / "model", "cpu", "int8", heads={"mood": TwoLayers}
    )  # its head computes with torch
    assert rounded.answer_rows(model.task("mood"), rows) == pytest.approx(expected, abs=0.1)

    lines = [json.dumps({"a": text, "label": LABELS[i % 3]}) + "\n" for i, text in enumerate(texts)]
    (tmp_path / "dev.jsonl").write_text("".join(lines), encoding="utf-8")
    metrics = model.evaluate(tmp_path).tasks["mood"].metrics
    assert metrics["accuracy"] == 1
    assert metrics["mean_confidence"] == pytest.approx(expected.max(1).mean(), abs=1e-5)

    with pytest.raises(SwissbertError, match=r"heads\.safetensors: the tensors do not fit swissbert\.json: missing"):
        swissbert.load(tmp_path / "model", "cpu")
    with pytest.raises(SwissbertError, match=r"'mood' cannot be exported .*: its head is not one linear layer$"):
        export_hf(model, tmp_path / "out")


def test_a_similarity_rises_with_the_cosine_and_learns_its_curve() -> None:
    head = find_head("similarity")(declare("binary", pair=True), 8, 0.0)
    vectors = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    first, second = vectors.chunk(2, dim=1)
    cosine = torch.nn.functional.cosine_similarity(first, second, dim=1)
    order = head.logits(vectors)[:, 0].argsort()
    assert torch.equal(order, cosine.argsort())
    labels = (cosine > 0.2).float()
    optimizer = torch.optim.Adam(head.parameters(), 0.1)
    for _ in range(200):
        optimizer.zero_grad()
        head.loss(head.logits(vectors), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    decided = head.answers(head.logits(vectors))[:, 1] >= 0.5
    assert (decided.float() == labels).float().mean() > 0.95
