"""The training step by itself: composition of methods, heads, grouping of batches, and errors."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from fixed_balancer import Fixed
from swissbert.config import RunConfig, make_config
from swissbert.errors import SwissbertError
from swissbert.mtl import Balancer
from swissbert.mtl.balancing import make_balancers
from swissbert.mtl.methods.pcgrad import pcgrad_coefficients, random_orders
from swissbert.training import Prepared, TrainingStep
from swissbert.training.preparation import prepare
from swissbert.training.step_record import BY_LAYER_EVERY

TASKS = ["sst", "para", "sts"]

pytestmark = pytest.mark.usefixtures("one_thread")


class FixedGram(Fixed):
    """Gram: the same."""

    needs = "gram"


def config(tiny: Path, **train: Any) -> RunConfig:
    table: dict[str, Any] = {
        "tasks": TASKS,
        "data": {"dir": "starter", "limit": 24},
        "encoder": {"name": str(tiny), "dropout": 0, "max_length": 16},
        "model": {"dropout": 0},
        "train": {"batch_size": 4, "lr": 1e-3, "device": "cpu", "precision": "fp32", "threads": 1, **train},
    }
    return make_config(table, "here")


def update(
    tiny: Path, balancer: Balancer | Sequence[Balancer] | None = None, loss: dict[str, Any] | None = None, **train: Any
) -> tuple[dict[str, Tensor], Any]:
    """Run one step; return the gradients that the optimizer saw, and the record."""
    settings = config(tiny, **train)
    if loss:
        settings = make_config({**settings.model_dump(), "loss": loss, "tasks": settings.tasks}, "here")
    prepared = prepare(settings)
    step = prepared.training_step(balancer)
    seen: dict[str, Tensor] = {}

    def spy(*_: object) -> None:
        seen.update({n: p.grad.clone() for n, p in prepared.network.named_parameters() if p.grad is not None})

    step.optimizer.register_step_pre_hook(spy)
    record = step(0, prepared.batches()(0))
    assert all(parameter.grad is None for parameter in prepared.network.parameters())
    return seen, record


def separate(tiny: Path, **train: Any) -> dict[str, dict[str, Tensor]]:
    """Return the gradients of each task in the first step, computed one by one with autograd."""
    prepared = prepare(config(tiny, **train))
    prepared.network.train()
    result: dict[str, dict[str, Tensor]] = {}
    for task, batch in prepared.batches()(0):
        named = dict(prepared.network.named_parameters())
        loss = prepared.network.loss(batch, task) / prepared.config.train.accumulation
        values = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
        gradients = result.setdefault(task, {})
        for name, value in zip(named, values, strict=True):
            if value is not None:
                gradients[name] = gradients[name] + value if name in gradients else value
    return result


def combination(parts: dict[str, dict[str, Tensor]], factors: Sequence[float]) -> dict[str, Tensor]:
    total: dict[str, Tensor] = {}
    for gradients, factor in zip(parts.values(), factors, strict=True):
        for name, value in gradients.items():
            total[name] = total.get(name, torch.zeros_like(value)) + factor * value
    return total


def assert_close(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(actual[name], value, rtol=1e-3, atol=1e-6, msg=name)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_coefficients_of_an_all_losses_method_scale_shared_parameters_and_heads(tiny: Path, accumulation: int) -> None:
    method = Fixed([0.5, 2.0, 0.1])
    gradients, record = update(tiny, method, accumulation=accumulation)
    assert_close(gradients, combination(separate(tiny, accumulation=accumulation), [0.5, 2.0, 0.1]))
    assert record.weight == pytest.approx({"sst": 0.5, "para": 2.0, "sts": 0.1})
    assert record.cosine is None
    (view,) = method.views
    assert view.gram is None
    assert view.tasks == tuple(TASKS)
    assert view.losses.dtype == torch.float64
    assert view.losses.tolist() == pytest.approx(list(record.loss.values()), rel=1e-6)


def test_an_all_losses_method_with_coefficients_of_one_gives_the_plain_sum(tiny: Path) -> None:
    assert_close(update(tiny, Fixed([1.0, 1.0, 1.0]))[0], update(tiny)[0])


def test_a_gram_method_combines_shared_parameters_and_leaves_heads(tiny: Path) -> None:
    method = FixedGram([3.0, -1.0, 0.5])
    gradients, record = update(tiny, method)
    parts = separate(tiny)
    expected = combination(parts, [3.0, -1.0, 0.5])
    expected |= {name: value for name, value in combination(parts, [1, 1, 1]).items() if name.startswith("heads.")}
    assert_close(gradients, expected)
    assert record.weight == dict.fromkeys(TASKS, 1.0)
    assert record.cosine.keys() == {"sst-para", "sst-sts", "para-sts"}
    assert record.cosine_by_layer.keys() == {"embeddings", "1", "2", "pooler"}
    (view,) = method.views
    shared = [
        torch.cat([g.flatten() for n, g in part.items() if not n.startswith("heads.")]) for part in parts.values()
    ]
    matrix = torch.stack(shared).double()
    assert view.gram is not None
    torch.testing.assert_close(view.gram, matrix @ matrix.T, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("weighting", ["all losses", "own loss"])
def test_surgery_sees_the_gradients_of_the_weighted_losses(tiny: Path, weighting: str) -> None:
    surgery = FixedGram([1.5, 1.0, 2.0])
    if weighting == "all losses":
        factors, balancers, loss = [0.5, 4.0, 0.1], [surgery, Fixed([0.5, 4.0, 0.1])], None
    else:
        factors, balancers, loss = [0.5] * 3, [surgery], {"weighting": "automatic"}
    gradients, record = update(tiny, balancers, loss)
    parts = separate(tiny)
    expected = combination(parts, [a * b for a, b in zip(factors, surgery.values, strict=True)])
    heads = combination(parts, factors)
    assert_close(gradients, expected | {name: value for name, value in heads.items() if name.startswith("heads.")})
    (view,) = surgery.views
    shared = [
        torch.cat([g.flatten() for n, g in part.items() if not n.startswith("heads.")]) for part in parts.values()
    ]
    matrix = torch.stack(shared).double() * torch.tensor(factors, dtype=torch.float64)[:, None]
    assert view.gram is not None
    torch.testing.assert_close(view.gram, matrix @ matrix.T, rtol=1e-3, atol=1e-6)
    weighted = [factor * value for factor, value in zip(factors, record.loss.values(), strict=True)]
    assert view.losses.tolist() == pytest.approx(weighted, rel=1e-6)


def test_the_setting_surgery_is_pcgrad_of_seed_and_step(tiny: Path) -> None:
    view_of = FixedGram([1.0, 1.0, 1.0])
    update(tiny, view_of)
    gram = view_of.views[0].gram
    assert gram is not None
    gradients, _ = update(tiny, None, {"surgery": True})
    expected, _ = update(tiny, FixedGram(pcgrad_coefficients(gram, random_orders(3, [0, 0])).tolist()))
    for name, value in expected.items():
        assert torch.equal(gradients[name], value), name


def test_factors_of_losses_come_before_the_method(tiny: Path) -> None:
    method = Fixed([1.0, 1.0, 2.0])
    gradients, record = update(tiny, method, {"scale": {"sts": 0.1}})
    assert_close(gradients, combination(separate(tiny), [1.0, 1.0, 0.2]))
    assert record.weight == pytest.approx({"sst": 1.0, "para": 1.0, "sts": 0.2})
    assert method.views[0].losses[2].item() == pytest.approx(0.1 * record.loss["sts"], rel=1e-6)


def test_cosines_by_layer_are_recorded_at_intervals(tiny: Path) -> None:
    prepared = prepare(config(tiny, epochs=4))
    step, batches = prepared.training_step(FixedGram([1.0, 1.0, 1.0])), prepared.batches()
    records = [step(number, batches(number)) for number in (0, 1, BY_LAYER_EVERY)]
    assert [record.cosine_by_layer is not None for record in records] == [True, False, True]
    assert list(records[1].log_entry()) == ["loss", "weight", "cosine", "conflicts", "tokens", "seconds"]


def steps(tiny: Path) -> tuple[Prepared, TrainingStep]:
    prepared = prepare(config(tiny))
    return prepared, prepared.training_step()


def test_batches_of_one_task_that_do_not_follow_each_other_are_refused(tiny: Path) -> None:
    prepared, step = steps(tiny)
    (sst, para, _) = prepared.batches()(0)
    with pytest.raises(ValueError, match="batches of task 'sst' do not follow each other"):
        step(0, [sst, para, sst])


def test_a_failed_step_leaves_no_gradients_behind(tiny: Path) -> None:
    prepared = prepare(config(tiny))
    method = Fixed([1.0, math.nan, 1.0])
    step, batches = prepared.training_step(method), prepared.batches()
    before = [parameter.clone() for parameter in prepared.network.parameters()]
    with pytest.raises(
        SwissbertError, match=r"^coefficients of Fixed contain NaN or infinity at step 1: \[1\.0, nan, 1"
    ):
        step(0, batches(0))
    assert all(torch.equal(a, b) for a, b in zip(before, prepared.network.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in prepared.network.parameters())
    method.values = [1.0, 1.0, 1.0]
    step(0, batches(0))
    assert_close({n: p.data for n, p in prepared.network.named_parameters()}, updated(tiny))


def updated(tiny: Path) -> dict[str, Tensor]:
    """Return the parameters after a step that did not fail before."""
    prepared, step = steps(tiny)
    step(0, prepared.batches()(0))
    return {name: parameter.data for name, parameter in prepared.network.named_parameters()}


def test_coefficients_of_another_shape_are_one_sentence(tiny: Path) -> None:
    with pytest.raises(
        SwissbertError, match=r"^coefficients of Fixed have shape \[2\], but a step of 3 tasks needs \[3\]$"
    ):
        update(tiny, Fixed([1.0, 1.0]))


def test_a_gram_method_that_has_nothing_shared_to_combine_is_one_sentence(tiny: Path) -> None:
    frozen = config(tiny).model_copy(
        update={"encoder": config(tiny).encoder.model_copy(update={"freeze": True})},
    )
    with pytest.raises(
        SwissbertError, match=r"^FixedGram combines gradients of parameters that tasks share, but with enc"
    ):
        prepare(frozen).training_step(FixedGram([1.0, 1.0, 1.0]))
    prepared = prepare(frozen)  # a method that needs losses has the heads
    record = prepared.training_step(Fixed([1.0, 2.0, 3.0]))(0, prepared.batches()(0))
    assert record.weight["sts"] == 3.0


# --- the choice of methods


def test_methods_from_outside_take_the_places_of_their_settings() -> None:
    weighting, surgery = Fixed([1.0]), FixedGram([1.0])
    assert make_balancers("sum", None, TASKS, weighting) == (weighting, None)
    assert make_balancers("sum", None, TASKS, [surgery, weighting]) == (weighting, surgery)
    assert weighting.tasks == surgery.tasks == TASKS
    chosen = make_balancers("automatic", None, TASKS, surgery)
    assert (type(chosen.weighting).__name__, chosen.surgery) == ("Automatic", surgery)
    chosen = make_balancers("sum", "pcgrad", TASKS, weighting)
    assert (chosen.weighting, type(chosen.surgery).__name__) == (weighting, "PCGrad")


@pytest.mark.parametrize(
    ("weighting", "surgery", "balancer", "message"),
    [
        ("automatic", None, Fixed([1]), "loss.weighting is 'automatic', but a balancer takes its place"),
        ("sum", "pcgrad", FixedGram([1]), "loss.surgery is 'pcgrad', but a balancer takes its place"),
        ("sum", None, [Fixed([1]), Fixed([1])], "balancer has two methods for loss.weighting"),
        ("sum", None, Fixed, "balancer is "),
        ("sum", None, ["sum"], "balancer is "),
    ],
)
def test_methods_in_conflict_with_settings_are_one_sentence(
    weighting: str, surgery: str | None, balancer: Any, message: str
) -> None:
    with pytest.raises(SwissbertError) as caught:
        make_balancers(weighting, surgery, TASKS, balancer)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_gram_method_needs_two_tasks() -> None:
    with pytest.raises(SwissbertError, match="combines gradients and so needs at least two tasks"):
        make_balancers("sum", None, ["sst"], FixedGram([1.0]))


def test_a_method_with_an_unknown_need_is_one_sentence() -> None:
    class Wrong(Balancer):
        needs: ClassVar[Any] = "losses"

    with pytest.raises(SwissbertError, match=r"Wrong\.needs is 'losses', but it is one of own loss, all losses, gram$"):
        make_balancers("sum", None, TASKS, Wrong())


def settings_with(loss: dict[str, Any]) -> RunConfig:
    return make_config({"tasks": TASKS, "loss": loss}, "here")


def test_names_of_methods_are_checked_with_the_nearest() -> None:
    for loss, message in (
        (
            {"weighting": "automatc"},
            "here: loss.weighting is 'automatc', but it is one of sum, learnable, uncertainty, ",
        ),
        (
            {"surgery": "pcgrd"},
            "here: loss.surgery is 'pcgrd', but it is one of true, false, pcgrad, ",
        ),
        ({"weighting": "pcgrad"}, "here: loss.weighting is 'pcgrad', but it is one of "),
    ):
        with pytest.raises(SwissbertError) as caught:
            settings_with(loss)
        assert str(caught.value).startswith(message)
    with pytest.raises(SwissbertError, match="did you mean 'automatic'"):
        settings_with({"weighting": "automatc"})


def test_surgery_by_name_is_the_same_setting_as_true() -> None:
    assert settings_with({"surgery": "pcgrad"}) == settings_with({"surgery": True})
    assert settings_with({"surgery": True}).loss.gram_method == "pcgrad"
    assert settings_with({}).loss.gram_method is None


@pytest.mark.parametrize(
    "method", [None, Fixed([1.0, 0.5, 2.0]), FixedGram([1.0, 0.5, 2.0])], ids=["sum", "all", "gram"]
)
def test_a_step_of_fewer_rounds_is_a_mean_over_its_own_rounds(tiny: Path, method: Fixed | None) -> None:
    parameters = []
    for accumulation in (1, 4):
        prepared = prepare(config(tiny, accumulation=accumulation))
        draws = list(prepare(config(tiny)).batches()(0))  # one round
        prepared.training_step(method)(0, draws, 1)
        parameters.append(list(prepared.network.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(*parameters, strict=True))
