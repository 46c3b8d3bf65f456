"""The multitask model: encoding of pairs, heads, losses and answers, compared with the formulas of the paper."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from swissbert.data.batches import PackedBatch
from swissbert.encoder import Bert, BertConfig
from swissbert.model.heads.cosine import CosineHead
from swissbert.model.multitask import MultitaskModel
from swissbert.tasks import Task, find_task, make_task


def task_loss(task: Task, logits: Tensor, labels: Tensor) -> Tensor:
    return task.kind.loss(task, logits, labels)


def task_answers(task: Task, logits: Tensor) -> Tensor:
    return task.kind.answers(task, logits)


def cosine_loss(task: Task, cosine: Tensor, labels: Tensor) -> Tensor:
    return CosineHead(task, 4, 0.0).loss(cosine[:, None], labels)


def cosine_answers(task: Task, cosine: Tensor, threshold: Tensor) -> Tensor:
    head = CosineHead(task, 4, 0.0)
    head.threshold.copy_(threshold)
    return head.answers(cosine[:, None])


SIZES = BertConfig(vocab_size=20, hidden_size=8, layers=2, heads=2, intermediate_size=16, max_positions=16)
FIRST, SECOND = [[1, 5, 2], [1, 7, 8, 9, 2]], [[1, 6, 6, 2], [1, 4, 2]]
LABELS = [1.0, 0.0]


pytestmark = pytest.mark.usefixtures("one_thread")


def make(kind: str = "binary", name: str = "mood", *, pair: bool = False, **changes: Any) -> Task:
    kinds: dict[str, dict[str, Any]] = {
        "classification": {"labels": ["a", "b", "c"], "loss": "cross_entropy", "metric": "accuracy"},
        "binary": {"labels": ["no", "yes"], "loss": "binary_cross_entropy", "metric": "accuracy"},
        "regression": {"range": [1, 5], "loss": "mse", "metric": "pearson"},
    }
    columns = {"text": "a", "label": "label"} | ({"text_pair": "b"} if pair else {})
    table = {"name": name, "kind": kind, "columns": columns, "files": {"train": "x.tsv"}, **kinds[kind], **changes}
    return make_task(table, "here")


def model_of(tasks: list[Task], seed: int = 0, **options: Any) -> MultitaskModel:
    torch.manual_seed(seed)
    options = {"pair_encoding": True, "dropout": 0.5, **options}
    model = MultitaskModel(Bert(SIZES), tasks, **options)
    for parameter in model.parameters():  # so that zero biases, unit norms and tiny heads hide no mistake
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model.eval()


def packed(sequences: list[list[int]], types: list[list[int]] | None = None, labels: Any = LABELS) -> PackedBatch:
    ids = torch.tensor([token for sequence in sequences for token in sequence])
    kinds = torch.zeros_like(ids) if types is None else torch.tensor([t for sequence in types for t in sequence])
    return PackedBatch(ids, kinds, [len(sequence) for sequence in sequences], torch.tensor(labels))


APART = packed(FIRST + SECOND)
TOGETHER = packed(
    [a + b[1:] for a, b in zip(FIRST, SECOND, strict=True)],
    [[0] * len(a) + [1] * (len(b) - 1) for a, b in zip(FIRST, SECOND, strict=True)],
)


def alone(model: MultitaskModel, sequence: list[int]) -> Tensor:
    """The pooled output ``[H]`` of one sentence in a batch of its own."""
    batch = packed([sequence])
    pooled: Tensor = model.encoder(batch.input_ids, batch.token_type_ids, batch.lengths).pooled
    return pooled[0]


# Encoding and heads


@pytest.mark.parametrize("kind", ["classification", "binary", "regression"])
def test_the_head_sees_both_pooled_outputs_if_sentences_are_encoded_separately(kind: str) -> None:
    model = model_of([make(kind, pair=True)], pair_encoding=False)
    out = model.heads["for_mood"].get_submodule("out")
    rows = [torch.cat([alone(model, a), alone(model, b)]) for a, b in zip(FIRST, SECOND, strict=True)]
    weight, bias = out.get_parameter("weight"), out.get_parameter("bias")
    assert weight.shape == (model.tasks["mood"].outputs, 16)
    torch.testing.assert_close(model(APART, "mood"), torch.stack(rows) @ weight.T + bias, rtol=1e-4, atol=1e-5)


def test_the_head_sees_one_pooled_output_if_a_pair_is_encoded_together() -> None:
    model = model_of([make(pair=True)])
    out = model.heads["for_mood"].get_submodule("out")
    encoded = model.encoder(TOGETHER.input_ids, TOGETHER.token_type_ids, TOGETHER.lengths).pooled
    expected = encoded @ out.get_parameter("weight").T + out.get_parameter("bias")
    torch.testing.assert_close(model(TOGETHER, "mood"), expected)


def test_both_encodings_of_a_pair_give_different_logits() -> None:
    together, apart = model_of([make(pair=True)]), model_of([make(pair=True)], pair_encoding=False)
    apart.encoder.load_state_dict(together.encoder.state_dict())
    half = together.heads["for_mood"].get_submodule("out").get_parameter("weight")
    head = apart.heads["for_mood"].get_submodule("out")
    head.get_parameter("weight").data = torch.cat([half, half], dim=1)
    assert not torch.allclose(together(TOGETHER, "mood"), apart(APART, "mood"), atol=1e-2)
    assert (together.separate(together.tasks["mood"]), apart.separate(apart.tasks["mood"])) == (False, True)


def test_pair_encoding_does_not_affect_tasks_of_one_sentence() -> None:
    both = [model_of([make()], pair_encoding=encoding) for encoding in (True, False)]
    both[1].load_state_dict(both[0].state_dict())
    assert torch.equal(both[0](packed(FIRST), "mood"), both[1](packed(FIRST), "mood"))


@pytest.mark.parametrize("name", ["type", "train", "keys", "half", "forward", "empty", "pair", "pair_alone", "x" * 40])
def test_any_valid_task_name_works(name: str) -> None:
    tasks = [make(name=name), make(name="other", pair=True), make("regression", f"{name[:30]}_alone")]
    for options in ({}, {"layer_sharing": True}):
        model = model_of(tasks, **options)
        for task in tasks:
            batch = TOGETHER if task.is_pair else packed(FIRST)
            assert model(batch, task.name).shape == (2, 1)
        assert len(model.hidden) == (3 if options else 0)


def test_a_frozen_encoder_stays_in_eval_mode_while_heads_are_trained() -> None:
    model = model_of([make()], freeze=True).train()
    assert not any(module.training for module in model.encoder.modules())
    assert all(module.training for module in model.heads.modules())
    model.loss(packed(FIRST), "mood").backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is None for parameter in model.encoder.parameters())
    assert all(parameter.grad is not None for parameter in model.head_parameters())
    assert model.shared_parameters() == []
    model.eval()
    assert not any(module.training for module in model.modules())


def test_a_trainable_encoder_has_dropout_in_training() -> None:
    model = model_of([make()]).train()
    assert all(module.training for module in model.modules())
    torch.manual_seed(1)
    one, two = model(packed(FIRST), "mood"), model(packed(FIRST), "mood")
    assert not torch.equal(one, two)


# Layer sharing


@pytest.mark.parametrize("pair_encoding", [True, False])
def test_pair_tasks_share_one_hidden_layer_and_other_tasks_have_their_own(pair_encoding: bool) -> None:
    tasks = [find_task(name) for name in ("sst", "para", "sts")]
    model = model_of(tasks, layer_sharing=True, pair_encoding=pair_encoding)
    assert set(model.hidden) == {"pair", "sst_alone"}
    shared = [p.data_ptr() for p in model.hidden["pair"].parameters()]
    assert {p.data_ptr() for p in model.shared_parameters()} >= set(shared)
    own = [p.data_ptr() for p in model.hidden["sst_alone"].parameters()]
    assert not {p.data_ptr() for p in model.shared_parameters()} & set(own)
    for name, reached in (("sst", own), ("para", shared), ("sts", shared)):
        model.zero_grad(set_to_none=True)
        batch = packed(FIRST) if name == "sst" else TOGETHER if pair_encoding else APART
        model.loss(batch, name).backward()  # type: ignore[no-untyped-call]
        assert [p.data_ptr() for p in model.hidden.parameters() if p.grad is not None] == reached


def test_the_hidden_layer_is_linear_with_leaky_relu() -> None:
    model = model_of([make()], layer_sharing=True)
    pooled = torch.stack([alone(model, sentence) for sentence in FIRST])
    layer, out = model.hidden["mood_alone"].get_submodule("linear"), model.heads["for_mood"].get_submodule("out")
    inner = pooled @ layer.get_parameter("weight").T + layer.get_parameter("bias")
    inner = torch.where(inner > 0, inner, 0.01 * inner)
    expected = inner @ out.get_parameter("weight").T + out.get_parameter("bias")
    torch.testing.assert_close(model(packed(FIRST), "mood"), expected, rtol=1e-4, atol=1e-5)


# Cosines


def test_a_cosine_head_is_the_cosine_of_both_sentences_and_has_no_parameters() -> None:
    tasks = [make(pair=True), make("regression", "score", pair=True), make("classification", "topic", pair=True)]
    model = model_of(tasks, pair_encoding=False, pair_head="cosine")
    assert [isinstance(model.heads[f"for_{t.name}"], CosineHead) for t in tasks] == [True, True, False]
    pairs = [(alone(model, a), alone(model, b)) for a, b in zip(FIRST, SECOND, strict=True)]
    expected = torch.stack([a @ b / (a.norm() * b.norm()) for a, b in pairs])[:, None]
    for name in ("mood", "score"):
        torch.testing.assert_close(model(APART, name), expected, rtol=1e-4, atol=1e-5)
        assert not list(model.heads[f"for_{name}"].parameters())
    model.loss(APART, "mood").backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in model.encoder.layers.parameters())


def test_the_cosine_loss_of_a_binary_task_is_the_cosine_embedding_loss_of_torch() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(64, 8), torch.randn(64, 8)
    labels = (torch.rand(64) > 0.5).float()
    expected = nn.CosineEmbeddingLoss(margin=0.0)(a, b, 2 * labels - 1)
    torch.testing.assert_close(cosine_loss(make(pair=True), F.cosine_similarity(a, b), labels), expected)


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_the_cosine_loss_of_a_regression_is_the_error_of_the_rescaled_cosine(loss: str) -> None:
    cosine, labels = torch.tensor([-1.0, 0.0, 0.5, 1.0]), torch.tensor([1.0, 4.0, 2.0, 4.5])
    errors = torch.tensor([1.0 - 1.0, 3.0 - 4.0, 4.0 - 2.0, 5.0 - 4.5])
    expected = errors.square().mean() if loss == "mse" else errors.abs().mean()
    task = make("regression", pair=True, loss=loss, scale="labels")
    torch.testing.assert_close(cosine_loss(task, cosine, labels), expected)
    assert cosine_answers(task, cosine, torch.tensor(0.3)).tolist() == [1.0, 3.0, 4.0, 5.0]


@given(threshold=st.floats(-1, 1, width=32), cosines=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20))
def test_the_probability_of_a_cosine_rises_and_is_one_half_at_the_threshold(
    threshold: float, cosines: list[float]
) -> None:
    cosine = torch.tensor([*sorted(cosines), threshold])
    answers = cosine_answers(make(pair=True), cosine, torch.tensor(threshold))
    positive = answers[:, 1]
    assert positive[-1] == 0.5
    assert ((positive >= 0) & (positive <= 1)).all()
    torch.testing.assert_close(answers.sum(dim=1), torch.ones(len(cosine)))
    assert (positive[:-1].diff() >= 0).all()
    assert ((positive < 0.5) <= (cosine < threshold)).all()


def test_the_probability_is_one_at_cosine_one_and_zero_at_minus_one() -> None:
    for threshold in (-0.5, 0.0, 0.9):
        answers = cosine_answers(make(pair=True), torch.tensor([-1.0, 1.0]), torch.tensor(threshold))
        assert answers[:, 1].tolist() == [0.0, 1.0]


# Losses and answers


def test_losses_equal_their_closed_forms() -> None:
    torch.manual_seed(0)
    logits = torch.randn(9, 3)
    classes, binary = torch.arange(9).float() % 3, torch.arange(9).float() % 2
    chosen = torch.stack(
        [torch.log(row.exp()[int(c)] / row.exp().sum()) for row, c in zip(logits, classes, strict=True)]
    )
    torch.testing.assert_close(task_loss(make("classification"), logits, classes), -chosen.mean())
    one = logits[:, :1]
    p = 1 / (1 + torch.exp(-one[:, 0]))
    expected = -(binary * p.log() + (1 - binary) * (1 - p).log()).mean()
    torch.testing.assert_close(task_loss(make("binary"), one, binary), expected)


@pytest.mark.parametrize("loss", ["mse", "mae"])
@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_scores_and_their_errors_are_on_the_scale_of_the_labels(loss: str, output: str) -> None:
    logits, labels = torch.tensor([[-9.0], [0.0], [2.5], [9.0]]), torch.tensor([1.0, 2.0, 3.0, 5.0])
    task = make("regression", loss=loss, output=output, scale="labels")
    raw = logits[:, 0]
    score = 1 + 4 / (1 + torch.exp(-raw)) if output == "sigmoid" else raw
    errors = score - labels
    expected = errors.square().mean() if loss == "mse" else errors.abs().mean()
    torch.testing.assert_close(task_loss(task, logits, labels), expected)
    torch.testing.assert_close(task_answers(task, logits), score.clamp(1, 5))
    if output == "linear":
        assert task_answers(task, logits).tolist() == [1.0, 1.0, 2.5, 5.0]


@given(st.lists(st.lists(st.floats(-200, 200, width=32), min_size=3, max_size=3), min_size=1, max_size=8))
def test_probabilities_sum_to_one_and_the_largest_logit_has_the_largest(rows: list[list[float]]) -> None:
    logits = torch.tensor(rows)
    answers = task_answers(make("classification"), logits)
    torch.testing.assert_close(answers.sum(dim=1), torch.ones(len(rows)))
    assert (answers.gather(1, logits.argmax(1, keepdim=True))[:, 0] == answers.max(1).values).all()
    two = task_answers(make("binary"), logits[:, :1])
    torch.testing.assert_close(two.sum(dim=1), torch.ones(len(rows)))
    torch.testing.assert_close(two[:, 1], torch.sigmoid(logits[:, 0]))


@pytest.mark.parametrize("options", [{}, {"layer_sharing": True}, {"pair_head": "cosine"}])
@pytest.mark.parametrize("pair_encoding", [True, False])
def test_loss_and_answers_of_the_model_are_those_of_its_logits(options: dict[str, Any], pair_encoding: bool) -> None:
    if options.get("pair_head") and pair_encoding:
        return
    tasks = [find_task(name) for name in ("sst", "para", "sts")]
    model = model_of(tasks, pair_encoding=pair_encoding, **options)
    for task in tasks:
        batch = packed(FIRST) if not task.is_pair else TOGETHER if pair_encoding else APART
        logits, loss, answers = model(batch, task.name), model.loss(batch, task.name), model.answers(batch, task.name)
        if isinstance(model.head(task.name), CosineHead):
            assert torch.equal(loss, cosine_loss(task, logits[:, 0], batch.labels))
            assert torch.equal(answers, cosine_answers(task, logits[:, 0], torch.tensor(0.0)))
        else:
            assert torch.equal(loss, task_loss(task, logits, batch.labels))
            assert torch.equal(answers, task_answers(task, logits))
        assert (loss.ndim, answers.ndim, answers.dtype) == (0, 1 if task.name == "sts" else 2, torch.float32)
