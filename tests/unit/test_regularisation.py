"""Smoothness and proximal terms: against a plain version of SMART's Algorithm 1, in steps, and together with balancing."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ordinal import stars_task
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, kl_divergence

from fixed_balancer import Fixed
from swissbert.config import RegularisationSettings, RunConfig, make_config
from swissbert.data.batches import PackedBatch
from swissbert.device import Hardware
from swissbert.encoder import Bert, BertConfig
from swissbert.encoder.attention import PaddedLayout
from swissbert.errors import SwissbertError
from swissbert.model.heads.linear import LinearHead
from swissbert.model.multitask import MultitaskModel
from swissbert.mtl import Balancer, StepView
from swissbert.mtl.gram import weighted_gram
from swissbert.mtl.methods import find_method
from swissbert.tasks import Task, make_task
from swissbert.training import Prepared, TrainingStep
from swissbert.training.preparation import prepare
from swissbert.training.regularisation import Regulariser

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES = BertConfig(vocab_size=20, hidden_size=8, layers=2, heads=2, intermediate_size=16, max_positions=16)
TABLES: dict[str, dict[str, Any]] = {
    "classification": {"labels": ["a", "b", "c"], "loss": "cross_entropy", "metric": "accuracy"},
    "binary": {"labels": ["no", "yes"], "loss": "binary_cross_entropy", "metric": "accuracy"},
    "regression": {"range": [1, 5], "loss": "mse", "metric": "pearson", "scale": "unit", "output": "linear"},
    "multilabel": {"labels": ["a", "b", "c"], "loss": "binary_cross_entropy", "metric": "micro_f1"},
}
SETTINGS = RegularisationSettings(
    smoothness=2.0, epsilon=0.05, noise=0.03, step_size=0.04, ascent_steps=2, proximal=3.0, proximal_start=0.0
)
"""Perturbations that are large enough for single precision."""
CPU = Hardware(torch.device("cpu"), torch.float32, 1)


# One batch, against a plain version


def network_of(kind: str, head: str = "linear", *, separate: bool = False, dropout: float = 0.0) -> MultitaskModel:
    columns = {"text": "a", "label": "label"} | ({"text_pair": "b"} if separate else {})
    task = make_task({"name": "mood", "kind": kind, "columns": columns, **TABLES[kind]}, "here")
    torch.manual_seed(1)
    encoder = Bert(SIZES.with_dropout(dropout))
    network = MultitaskModel(encoder, [task], pair_encoding=not separate, dropout=dropout, pair_head=head)
    for parameter in network.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return network.train()


def batch_of(kind: str, *, separate: bool = False) -> PackedBatch:
    lengths = [4, 6, 3] + ([5, 2, 4] if separate else [])
    ids = torch.from_numpy(np.random.default_rng(0).integers(1, 20, sum(lengths)))
    labels = {"regression": [1.0, 2.5, 5.0], "multilabel": [[0.0, 1, 1], [0, 0, 0], [1, 0, 0]]}
    return PackedBatch(ids, torch.zeros_like(ids), lengths, torch.tensor(labels.get(kind, [0.0, 1.0, 1.0])))


def rows_apart(task: Task, head: str, one: Tensor, two: Tensor) -> Tensor:
    """Divergences ``[B]`` of logits, by the distributions of torch."""
    if head == "cosine":
        return ((one - two)[:, 0] / (2 if task.kind.name == "regression" else 1)) ** 2
    if task.kind.name == "regression":
        return (one - two)[:, 0] ** 2
    kind = Categorical if task.kind.name == "classification" else Bernoulli
    p, q = kind(logits=one), kind(logits=two)
    both = kl_divergence(p, q) + kl_divergence(q, p)
    return both if both.ndim == 1 else both.mean(1)


def plain(
    network: MultitaskModel, anchor: MultitaskModel, batch: PackedBatch, head: str, settings: RegularisationSettings
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss, smoothness and proximal term as the paper writes them: padded, and row by row."""
    task, rows = network.tasks["mood"], len(batch.labels)
    mask = torch.zeros(len(batch.lengths), max(batch.lengths), dtype=torch.long)
    for number, length in enumerate(batch.lengths):
        mask[number, :length] = 1
    is_token = mask.flatten() > 0
    ids = torch.zeros(mask.numel(), dtype=torch.long)
    ids[is_token] = batch.input_ids
    layout = PaddedLayout(mask)
    owner = (torch.arange(len(mask)) % rows).repeat_interleave(mask.shape[1])

    def embeddings(model: MultitaskModel) -> Tensor:
        embedded: Tensor = model.encoder.embeddings(ids, torch.zeros_like(ids), layout.positions)
        return embedded

    def f(hidden: Tensor, model: MultitaskModel = network) -> Tensor:
        for layer in model.encoder.layers:
            hidden, _ = layer(hidden, layout)
        return model.logits(torch.tanh(model.encoder.pooler(hidden[layout.first])), "mood")

    x = embeddings(network)
    answers = f(x)
    noise = torch.zeros_like(x)
    random = np.random.default_rng([7, 3, 5 + 1])
    noise[is_token] = settings.noise * torch.from_numpy(random.standard_normal((int(is_token.sum()), 8), np.float32))
    near = x.detach() + noise
    for _ in range(settings.ascent_steps):
        moved = near.clone()
        for row in range(rows):
            start = near.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(rows_apart(task, head, f(start), answers.detach())[row], start)
            mine = owner == row
            step = settings.step_size * gradient[mine] / gradient[mine].abs().max()
            low, high = x.detach()[mine] - settings.epsilon, x.detach()[mine] + settings.epsilon
            moved[mine] = torch.minimum(torch.maximum(near[mine] + step, low), high)
        near = moved
    smoothness = rows_apart(task, head, f(x + (near - x).detach()), answers).mean()
    with torch.no_grad():
        others = f(embeddings(anchor), anchor)
    return network.loss_of(answers, batch, "mood"), smoothness, rows_apart(task, head, answers, others).mean()


CASES = [
    ("classification", "linear", False),
    ("binary", "linear", False),
    ("regression", "linear", False),
    ("multilabel", "linear", False),
    ("classification", "bi_encoder", True),
    ("binary", "similarity", True),
    ("binary", "cosine", True),
    ("regression", "cosine", True),
]


@pytest.mark.parametrize(("kind", "head", "separate"), CASES)
def test_loss_terms_and_gradients_are_those_of_a_plain_version(kind: str, head: str, separate: bool) -> None:
    network, batch = network_of(kind, head, separate=separate), batch_of(kind, separate=separate)
    regulariser = Regulariser(network, SETTINGS, 100, seed=7)
    assert regulariser.anchor is not None
    anchor = regulariser.anchor.network
    for parameter in anchor.parameters():
        parameter.add_(0.02 * torch.randn_like(parameter))
    reference = copy.deepcopy(network)
    loss, smoothness, proximal = plain(reference, anchor, batch, head, SETTINGS)
    expected = loss + SETTINGS.smoothness * smoothness + SETTINGS.proximal * proximal
    result = regulariser(batch, "mood", 3, 5)
    assert smoothness > 1e-6
    assert proximal > 1e-6
    close: dict[str, Any] = {"rtol": 2e-3, "atol": 1e-7}
    torch.testing.assert_close(result.loss, loss)
    torch.testing.assert_close(result.terms["smoothness"], smoothness.detach(), **close)
    torch.testing.assert_close(result.terms["proximal"], proximal.detach(), **close)
    torch.testing.assert_close(result.objective, expected)
    expected.backward()  # type: ignore[no-untyped-call]
    result.objective.backward()  # type: ignore[no-untyped-call]
    for (name, ours), theirs in zip(network.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=2e-3, atol=2e-5, msg=name)
    assert all(parameter.grad is None for parameter in anchor.parameters())


def test_the_ascent_finds_more_than_noise_of_the_same_size() -> None:
    network, batch = network_of("classification"), batch_of("classification")
    found = Regulariser(network, SETTINGS, 100, seed=7)(batch, "mood", 0, 0).terms["smoothness"]
    embedded = network.embed(batch)
    noise = SETTINGS.epsilon * torch.randn_like(embedded).sign()
    logits = [network.embedded_logits(x, batch, "mood") for x in (embedded, embedded + noise)]
    assert found > 2 * network.head("mood").divergence(*logits)


def test_gradients_of_parameters_are_untouched_by_the_ascent() -> None:
    network, batch = network_of("binary", dropout=0.3), batch_of("binary")
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 7.0)
    Regulariser(network, SETTINGS, 100, seed=0)(batch, "mood", 0, 0)
    assert all(parameter.grad is not None and (parameter.grad == 7).all() for parameter in network.parameters())


def test_all_passes_have_the_same_dropout_and_the_loss_is_that_of_a_plain_pass() -> None:
    network, batch = network_of("classification", dropout=0.5), batch_of("classification")
    regulariser = Regulariser(network, SETTINGS.model_copy(update={"epsilon": 1e-12}), 100, seed=0)
    torch.manual_seed(3)
    result, after = regulariser(batch, "mood", 0, 0), torch.rand(())
    assert result.terms["smoothness"] == 0  # nothing but a perturbation below the last digit differs
    torch.manual_seed(3)
    assert torch.equal(result.loss, network.loss(batch, "mood"))
    assert torch.equal(torch.rand(()), after)
    assert not torch.equal(result.loss, network.loss(batch, "mood"))  # another mask


def test_noise_depends_on_seed_step_and_batch_alone() -> None:
    network, batch = network_of("classification"), batch_of("classification")
    start = SETTINGS.model_copy(update={"step_size": 1e-9, "epsilon": 1.0})  # so that the noise itself is what counts

    def term(seed: int, step: int, number: int) -> float:
        return Regulariser(network, start, 100, seed)(batch, "mood", step, number).terms["smoothness"].item()

    value = term(0, 0, 0)
    torch.rand(5)
    assert term(0, 0, 0) == value
    assert len({value, term(1, 0, 0), term(0, 1, 0), term(0, 0, 1)}) == 4


def test_the_anchor_answers_without_dropout_whatever_mode_is_asked_for() -> None:
    network, batch = network_of("classification", dropout=0.5), batch_of("classification")
    regulariser = Regulariser(network, SETTINGS, 100, seed=0)
    assert regulariser.anchor is not None
    regulariser.anchor.train()
    assert not any(module.training for module in regulariser.anchor.modules())
    assert network.training
    torch.manual_seed(3)
    logits = network(batch, "mood")
    expected = network.head("mood").divergence(logits, copy.deepcopy(network).eval()(batch, "mood"))
    torch.manual_seed(3)
    torch.testing.assert_close(regulariser(batch, "mood", 0, 0).terms["proximal"], expected.detach())
    assert expected > 0


PAPER = RegularisationSettings(smoothness=5.0, epsilon=1e-5, noise=1e-5, step_size=1e-3)


def test_the_default_sizes_give_a_term_that_counts_and_those_of_the_paper_a_small_finite_one() -> None:
    network, batch = network_of("classification", dropout=0.1), batch_of("classification")
    result = Regulariser(network, RegularisationSettings(smoothness=5.0), 100, seed=0)(batch, "mood", 0, 0)
    assert result.terms["smoothness"] > 1e-3
    result = Regulariser(network, PAPER, 100, seed=0)(batch, "mood", 0, 0)
    assert 0 < result.terms["smoothness"] < 1e-6
    result.objective.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


# Steps


BOTH = {"smoothness": 5.0, "epsilon": 0.05, "noise": 0.03, "step_size": 0.04, "proximal": 2.0, "proximal_start": 0}


def config(tiny: Path, regularisation: dict[str, Any] | None = None, **tables: dict[str, Any]) -> RunConfig:
    """Settings of six steps; `tables` are merged with those here."""
    table: dict[str, Any] = {
        "tasks": ["sst", "para", "sts"],
        "data": {"dir": "starter", "limit": 24},
        "encoder": {"name": str(tiny), "dropout": 0.1, "max_length": 16},
        "train": {"epochs": 1, "batch_size": 4, "lr": 1e-2, "device": "cpu", "precision": "fp32", "threads": 1},
        "regularisation": regularisation or {},
    }
    for name, values in tables.items():
        table[name] = {**table.get(name, {}), **values}
    return make_config(table, "here")


def begun(settings: RunConfig, balancer: Balancer | Sequence[Balancer] | None = None) -> tuple[Prepared, TrainingStep]:
    prepared = prepare(settings)
    return prepared, prepared.training_step(balancer)


def first(settings: RunConfig, balancer: Balancer | Sequence[Balancer] | None = None) -> tuple[dict[str, Tensor], Any]:
    """Run one step; return the gradients that the optimizer saw, and the record."""
    prepared, step = begun(settings, balancer)
    seen: dict[str, Tensor] = {}

    def spy(*_: object) -> None:
        seen.update({n: p.grad.clone() for n, p in prepared.network.named_parameters() if p.grad is not None})

    step.optimizer.register_step_pre_hook(spy)
    return seen, step(0, prepared.batches()(0))


def test_factors_of_zero_are_a_plain_run_bit_for_bit(tiny: Path) -> None:
    plain_run, off = begun(config(tiny)), begun(config(tiny, {**BOTH, "smoothness": 0, "proximal": 0}))
    assert off[1].regulariser is None
    assert off[1].modules.state_dict().keys() == plain_run[1].modules.state_dict().keys()
    for number in range(3):
        one, two = (step(number, prepared.batches()(number)) for prepared, step in (plain_run, off))
        assert one.loss == two.loss
        assert list(two.log_entry()) == ["loss", "weight", "tokens", "seconds"]
    for one_weight, two_weight in zip(plain_run[0].network.parameters(), off[0].network.parameters(), strict=True):
        assert torch.equal(one_weight, two_weight)


@pytest.mark.parametrize("term", ["smoothness", "proximal"])
def test_each_term_changes_the_gradient_and_leaves_the_loss_in_the_log(tiny: Path, term: str) -> None:
    other = {"smoothness": "proximal", "proximal": "smoothness"}[term]
    gradients, record = first(config(tiny, {**BOTH, other: 0}))
    without, plain_record = first(config(tiny))
    assert record.loss == plain_record.loss  # the same masks, and the terms apart
    assert getattr(record, term).keys() == {"sst", "para", "sts"}
    assert all(value > 0 for value in getattr(record, term).values())
    assert getattr(record, other) is None
    assert list(record.log_entry()) == ["loss", term, "weight", "tokens", "seconds"]
    changed = [name for name in gradients if not torch.equal(gradients[name], without[name])]
    assert len(changed) == len(gradients)


def test_tasks_that_are_not_named_have_no_term(tiny: Path) -> None:
    limited = config(tiny, {**BOTH, "tasks": ["para"]})
    gradients, record = first(limited)
    without, _ = first(config(tiny))
    assert record.smoothness.keys() == record.proximal.keys() == {"para"}
    for name, value in gradients.items():
        is_same = torch.equal(value, without[name])
        assert is_same == name.startswith(("heads.for_sst", "heads.for_sts")), name


def test_the_anchor_starts_late_and_follows_its_recursion_exactly(tiny: Path) -> None:
    prepared, step = begun(
        config(tiny, {"proximal": 1.0, "proximal_decay": 0.75, "proximal_start": 0.34}, train={"weight_decay": 0.1})
    )
    regulariser = step.regulariser
    assert prepared.total == 6
    assert regulariser is not None
    assert regulariser.anchor is not None
    assert regulariser.start == 2
    network, anchor = prepared.network, regulariser.anchor.network
    expected: dict[str, Tensor] = {}
    for number in range(prepared.total):
        if number == 2:
            expected = {name: p.detach().clone() for name, p in network.named_parameters()}
        record = step(number, prepared.batches()(number))
        assert (record.proximal is None) == (number < 2)
        for name, weight in network.named_parameters() if number >= 2 else ():
            expected[name].lerp_(weight.detach(), 0.25)
    for name, weight in anchor.named_parameters():
        assert torch.equal(weight, expected[name]), name
        assert not weight.requires_grad
    assert any(not torch.equal(a, b) for a, b in zip(anchor.parameters(), network.parameters(), strict=True))
    trained = {id(p) for group in step.optimizer.param_groups for p in group["params"]}
    assert not trained & {id(p) for p in anchor.parameters()}


@pytest.mark.parametrize(
    ("total", "decay"), [(1, 0.5), (20, 0.5), (40, 0.5), (200, 0.9), (2000, 0.99)], ids=lambda value: f"{value:g}"
)
def test_a_decay_that_is_left_out_follows_the_length_of_the_run(total: int, decay: float) -> None:
    regulariser = Regulariser(network_of("binary"), RegularisationSettings(proximal=1.0), total, seed=0)
    assert regulariser.decay == pytest.approx(decay)
    (line,) = regulariser.notes(CPU)
    assert line.startswith(
        f"regularisation.proximal: the anchor starts after step {round(0.1 * total)} of {total}, with a "
    )
    assert line.endswith(f"decay of {decay:g}")


def separate(settings: RunConfig) -> tuple[dict[str, dict[str, Tensor]], dict[str, float]]:
    """Gradients and values of each task's objective in the first step, computed one by one with autograd."""
    prepared, step = begun(settings)
    assert step.regulariser is not None
    torch.manual_seed(settings.seed * 1_000_003 + 1)
    parts: dict[str, dict[str, Tensor]] = {}
    values: dict[str, float] = {}
    for number, (task, batch) in enumerate(prepared.batches()(0)):
        named = dict(prepared.network.named_parameters())
        result = step.regulariser(batch, task, 0, number)
        values[task] = result.objective.item()
        gradients = torch.autograd.grad(result.objective, list(named.values()), allow_unused=True)
        parts[task] = {name: g for name, g in zip(named, gradients, strict=True) if g is not None}
    return parts, values


def combination(
    parts: dict[str, dict[str, Tensor]], shared: Sequence[float], own: Sequence[float]
) -> dict[str, Tensor]:
    total: dict[str, Tensor] = {}
    for gradients, *factors in zip(parts.values(), shared, own, strict=True):
        for name, value in gradients.items():
            factor = factors[1 if name.startswith("heads.") else 0]
            total[name] = total.get(name, torch.zeros_like(value)) + factor * value
    return total


def assert_close(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(actual[name], value, rtol=1e-3, atol=1e-6, msg=name)


def test_an_all_losses_method_sees_and_weights_the_objectives(tiny: Path) -> None:
    settings, method = config(tiny, BOTH), Fixed([0.5, 2.0, 0.1])
    gradients, record = first(settings, method)
    parts, values = separate(settings)
    assert_close(gradients, combination(parts, method.values, method.values))
    assert method.views[0].losses.tolist() == pytest.approx(list(values.values()), rel=1e-6)
    sums = [record.loss[t] + 5 * record.smoothness[t] + 2 * record.proximal[t] for t in record.loss]
    assert list(values.values()) == pytest.approx(sums, rel=1e-5)


def test_gls_and_a_gram_method_combine_the_gradients_of_the_objectives(tiny: Path) -> None:
    settings = config(tiny, BOTH, loss={"weighting": "gls", "surgery": "imtl_g"})
    gradients, record = first(settings)
    parts, values = separate(config(tiny, BOTH))
    losses, names = torch.tensor(list(values.values()), dtype=torch.float64), list(values)
    weights = find_method("gls")().setup(names).coefficients(StepView(tuple(names), losses, None, 0, 0))
    assert list(record.weight.values()) == pytest.approx(weights.tolist(), rel=1e-5)
    flat = [
        torch.cat([g.flatten() for n, g in part.items() if not n.startswith("heads.")]).double()
        for part in parts.values()
    ]
    gram = torch.stack(flat) @ torch.stack(flat).T
    view = StepView(tuple(names), losses * weights, weighted_gram(gram, weights), 0, 0)
    coefficients = find_method("imtl_g")().setup(names).coefficients(view)
    assert_close(gradients, combination(parts, (coefficients * weights).tolist(), weights.tolist()))


def test_an_own_loss_method_weights_the_objectives(tiny: Path) -> None:
    gradients, record = first(config(tiny, BOTH, loss={"weighting": "automatic", "scale": {"sts": 0.1}}))
    parts, _ = separate(config(tiny, BOTH))
    factors = list(record.weight.values())
    assert_close(gradients, combination(parts, factors, factors))


@pytest.mark.parametrize(
    "tables",
    [
        {"train": {"accumulation": 2}},
        {"train": {"precision": "bf16"}},
        {"encoder": {"freeze": True}},
        {"model": {"pair_encoding": False}},
        {"model": {"pair_encoding": False, "pair_head": "bi_encoder", "pooling": "cls_mean"}},
        {"model": {"pair_encoding": False, "pair_head": "similarity"}},
        {"model": {"pair_encoding": False, "pair_head": "cosine"}},
        {"model": {"layer_sharing": True}},
        {"loss": {"surgery": True}},
    ],
    ids=str,
)
def test_it_works_with_every_way_to_train(tiny: Path, tables: dict[str, dict[str, Any]]) -> None:
    prepared, step = begun(config(tiny, BOTH, **tables))
    before = [p.detach().clone() for p in prepared.network.parameters()]
    records = [step(number, prepared.batches()(number), prepared.plan.rounds(number)) for number in range(2)]
    for record in records:
        assert record.smoothness is not None
        assert record.proximal is not None
        assert all(0 < value < 10 for value in record.smoothness.values())
        assert all(0 <= value < 10 for value in record.proximal.values())
    changed = [not torch.equal(a, b) for a, b in zip(before, prepared.network.parameters(), strict=True)]
    assert any(changed)
    assert all(p.grad is None for p in step.modules.parameters())


def test_terms_are_means_over_the_batches_of_a_step(tiny: Path) -> None:
    settings = config(tiny, BOTH, train={"accumulation": 2})
    _, record = first(settings)
    prepared, step = begun(settings)
    torch.manual_seed(1)
    assert step.regulariser is not None
    values = [
        step.regulariser(batch, task, 0, number).terms["smoothness"].item()
        for number, (task, batch) in enumerate(prepared.batches()(0))
        if task == "sst"
    ]
    assert len(values) == 2
    assert record.smoothness["sst"] == pytest.approx(np.mean(values), rel=1e-6)


def smoothness_after(tiny: Path, factor: float) -> float:
    """Train on sentences for 30 steps; return the mean smoothness term of fixed batches and noise then."""
    measured = {"smoothness": 1.0, "epsilon": 0.3, "noise": 0.1, "step_size": 0.3}
    settings = config(
        tiny, {**measured, "smoothness": factor}, train={"epochs": 5, "lr": 1e-2}, model={"dropout": 0}
    ).model_copy(update={"tasks": config(tiny).tasks[:1]})
    prepared, step = begun(settings)
    for number in range(prepared.total):
        step(number, prepared.batches()(number))
    prepared.network.eval()
    regulariser = Regulariser(prepared.network, RegularisationSettings.model_validate(measured), 1, seed=99)
    terms = [
        regulariser(batch, "sst", 0, n).terms["smoothness"] for n in range(6) for _, batch in prepared.batches()(n)
    ]
    return torch.stack(terms).mean().item()


def test_a_larger_factor_makes_answers_change_less_under_perturbations(tiny: Path) -> None:
    none, some, much = (smoothness_after(tiny, factor) for factor in (0.0, 1.0, 10.0))
    assert none > 1.2 * some > 1.2 * 1.2 * much


# What is refused or said


def test_a_task_that_does_not_exist_is_one_sentence(tiny: Path) -> None:
    with pytest.raises(
        SwissbertError, match=r"regularisation\.tasks names 'stst', but the tasks are sst, para, sts; did"
    ):
        config(tiny, {"smoothness": 1, "tasks": ["stst"]})


def network_with(task: Task, heads: dict[str, Any] | None = None) -> MultitaskModel:
    return MultitaskModel(Bert(SIZES), [task], pair_encoding=True, dropout=0.0, heads=heads)


class Focal(LinearHead):
    """A loss of its own, and no divergence."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return super().loss(logits, labels) ** 2


FOCAL = {"stars": Focal}


@pytest.mark.parametrize(
    ("make", "owner"),
    [
        (lambda: network_with(stars_task()), "its kind 'ordinal'"),
        (
            lambda: network_with(
                stars_task().model_copy(update={"kind": network_of("binary").tasks["mood"].kind}), FOCAL
            ),
            "its head Focal",
        ),
    ],
    ids=["kind", "head"],
)
def test_classes_without_a_divergence_are_one_sentence(make: Callable[[], MultitaskModel], owner: str) -> None:
    network = make()
    with pytest.raises(SwissbertError) as caught:
        Regulariser(network, SETTINGS, 10, seed=0)
    assert str(caught.value) == (
        f"task 'stars' cannot be regularised: {owner} does not define the divergence of two answers; regularisation.tasks names "
        "the tasks that are"
    )
    Regulariser(network, SETTINGS.model_copy(update={"tasks": ["other"]}), 10, seed=0)


def test_small_perturbations_in_bfloat16_are_said(tiny: Path) -> None:
    network, bf16 = network_of("binary"), Hardware(torch.device("cpu"), torch.bfloat16, 1)
    small = PAPER
    kept, line = Regulariser(network, small, 10, seed=0).notes(bf16)
    assert kept == "regularisation.smoothness 5: embeddings are perturbed by up to 1e-05, found in 1 step of ascent"
    assert line.startswith(
        "regularisation.epsilon is 1e-05, but bfloat16 rounds away what is below about 0.01 of a value"
    )
    assert Regulariser(network, small, 10, seed=0).notes(CPU) == [kept]
    assert len(Regulariser(network, RegularisationSettings(smoothness=1.0), 10, seed=0).notes(bf16)) == 1


def test_a_term_that_is_not_finite_is_named_and_nothing_changes(tiny: Path) -> None:
    prepared, step = begun(config(tiny, {"proximal": 1.0, "proximal_start": 0, "proximal_decay": 0.9}))
    assert step.regulariser is not None
    assert step.regulariser.anchor is not None
    step(0, prepared.batches()(0))
    with torch.no_grad():
        next(step.regulariser.anchor.network.heads.parameters()).fill_(float("nan"))
    before = [p.detach().clone() for p in prepared.network.parameters()]
    with pytest.raises(SwissbertError, match=r"^the regularised loss of task 'sst' is nan at step 2; "):
        step(1, prepared.batches()(1))
    assert all(torch.equal(a, b) for a, b in zip(before, prepared.network.parameters(), strict=True))
