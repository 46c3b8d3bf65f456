"""Loss weighting: values against the formulas (paper, Section 4.2), and in training runs."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from swissbert.config import RunConfig, make_config
from swissbert.mtl import Balancer, find_method, method_names
from swissbert.mtl.methods.automatic import Automatic
from swissbert.mtl.methods.uncertainty import Uncertainty
from swissbert.training.loop import train
from swissbert.training.optim import make_optimizer
from swissbert.training.preparation import prepare

TASKS = ["sst", "para", "sts"]
NAMES = method_names("own loss")
LOSSES = {"sst": 1.6, "para": 0.07, "sts": 12.5}
PARAMETER = {"learnable": "w", "uncertainty": "s", "automatic": "s"}
VALUES = [-1.5, 0.25, 2.0]


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Restore the number of threads, which a run sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def make(name: str, values: list[float]) -> Balancer:
    """Return a weighting in float64 with the given learned values."""
    weighting = find_method(name)().setup(TASKS).double()
    if name in PARAMETER:
        parameter = getattr(weighting, PARAMETER[name])
        assert isinstance(parameter, Tensor)
        with torch.no_grad():
            parameter.copy_(torch.tensor(values, dtype=torch.float64))
    return weighting


def losses() -> dict[str, Tensor]:
    return {task: torch.tensor(loss, dtype=torch.float64, requires_grad=True) for task, loss in LOSSES.items()}


def closed_form(name: str, v: float, loss: float) -> tuple[float, float, float]:
    """Return the term of a task, and its derivatives with respect to the loss and the learned value."""
    if name == "sum":
        return loss, 1.0, 0.0
    if name == "learnable":
        return v * loss, v, loss
    if name == "uncertainty":
        return math.exp(-v) * loss + v / 2, math.exp(-v), -math.exp(-v) * loss + 0.5
    return (
        0.5 * math.exp(-v) * loss + math.log(1 + math.exp(v)),
        0.5 * math.exp(-v),
        -0.5 * math.exp(-v) * loss + 1 / (1 + math.exp(-v)),
    )


def objective(weighting: Balancer, given: dict[str, Tensor]) -> Tensor:
    return torch.stack([weighting.term(task, loss) for task, loss in given.items()]).sum()


def gradients(name: str, weighting: Balancer, given: dict[str, Tensor]) -> list[float]:
    values = [loss.grad.item() if loss.grad is not None else 0.0 for loss in given.values()]
    if name in PARAMETER:
        grad = getattr(weighting, PARAMETER[name]).grad
        assert isinstance(grad, Tensor)
        values += grad.tolist()
    return values


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("values", [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], VALUES])
def test_objective_and_gradients_match_the_formula(name: str, values: list[float]) -> None:
    weighting, given = make(name, values), losses()
    terms = [closed_form(name, v, loss) for v, loss in zip(values, LOSSES.values(), strict=True)]
    value = objective(weighting, given)
    assert value.shape == ()
    assert value.item() == pytest.approx(sum(term for term, _, _ in terms), rel=1e-13)
    value.backward()  # type: ignore[no-untyped-call]
    expected = [by_loss for _, by_loss, _ in terms]
    if name in PARAMETER:
        expected += [by_value for _, _, by_value in terms]
    assert gradients(name, weighting, given) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_terms_computed_task_by_task_give_the_same_gradients(name: str) -> None:
    whole, parts, one, two = make(name, VALUES), make(name, VALUES), losses(), losses()
    value = objective(whole, one)
    value.backward()  # type: ignore[no-untyped-call]
    total = 0.0
    for task in reversed(TASKS):  # in any order
        term = parts.term(task, two[task])
        assert term.shape == ()
        total += term.item()
        term.backward()  # type: ignore[no-untyped-call]
    assert total == pytest.approx(value.item(), rel=1e-14)
    assert gradients(name, parts, two) == pytest.approx(gradients(name, whole, one), rel=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_the_reported_weight_is_the_factor_of_the_gradient(name: str) -> None:
    weighting, given = make(name, VALUES), losses()
    objective(weighting, given).backward()  # type: ignore[no-untyped-call]
    for task, loss in given.items():
        assert loss.grad is not None
        assert weighting.weight(task) == pytest.approx(loss.grad.item(), rel=1e-14)


@pytest.mark.parametrize(("name", "weight"), [("sum", 1), ("learnable", 1), ("uncertainty", 1), ("automatic", 0.5)])
def test_all_tasks_start_with_the_same_weight(name: str, weight: float) -> None:
    weighting = find_method(name)().setup(TASKS)
    assert [weighting.weight(task) for task in TASKS] == [weight] * 3


@pytest.mark.parametrize("name", NAMES)
def test_a_step_may_have_fewer_tasks_than_the_run(name: str) -> None:
    weighting, given = make(name, VALUES), losses()
    term, _, _ = closed_form(name, VALUES[1], LOSSES["para"])
    assert weighting.term("para", given["para"]).item() == pytest.approx(term, rel=1e-13)


@pytest.mark.parametrize("loss", [0.01, 0.5, 40.0])
def test_uncertainty_has_its_minimum_where_the_variance_is_twice_the_loss(loss: float) -> None:
    weighting = Uncertainty().setup(["one"]).double()
    with torch.no_grad():
        weighting.s.fill_(math.log(2 * loss))
    weighting.term("one", torch.tensor(loss, dtype=torch.float64)).backward()  # type: ignore[no-untyped-call]
    assert weighting.s.grad is not None
    assert weighting.s.grad.item() == pytest.approx(0, abs=1e-12)


@given(s=st.floats(-80, 80, width=32), loss=st.floats(0, 2.0**100, width=32))
def test_automatic_is_never_negative_and_never_nan(s: float, loss: float) -> None:
    weighting = Automatic().setup(["one"])
    with torch.no_grad():
        weighting.s.fill_(s)
    value = weighting.term("one", torch.tensor(loss)).item()
    assert value >= 0  # false for NaN
    exact = 0.5 * math.exp(-weighting.s.item()) * torch.tensor(loss).item() + math.log1p(math.exp(weighting.s.item()))
    if exact < 1e38:
        assert value == pytest.approx(exact, rel=1e-4)


def test_uncertainty_can_be_negative_unlike_automatic() -> None:
    weighting = Uncertainty().setup(["one"])
    with torch.no_grad():
        weighting.s.fill_(-4)
    assert weighting.term("one", torch.tensor(1e-3)).item() < -1.9


@pytest.mark.parametrize("name", ["uncertainty", "automatic"])
@pytest.mark.parametrize(("loss", "s"), [(0.0, -80.0), (0.0, 80.0), (1e30, 0.0), (1e30, 80.0), (1e-30, -80.0)])
def test_extreme_losses_and_variances_give_finite_numbers(name: str, loss: float, s: float) -> None:
    weighting = find_method(name)().setup(["one"])
    parameter = getattr(weighting, "s")  # noqa: B009 (the base class has no such attribute)
    assert isinstance(parameter, Tensor)
    with torch.no_grad():
        parameter.fill_(s)
    given = torch.tensor(loss, requires_grad=True)
    term = weighting.term("one", given)
    term.backward()  # type: ignore[no-untyped-call]
    assert given.grad is not None
    assert parameter.grad is not None
    assert torch.isfinite(term)
    assert torch.isfinite(given.grad)
    assert torch.isfinite(parameter.grad).all()
    assert math.isfinite(weighting.weight("one"))


def settings(tiny: Path, weighting: str) -> RunConfig:
    return make_config(
        {
            "tasks": TASKS,
            "data": {"dir": "starter", "limit": 16},
            "encoder": {"name": str(tiny), "max_length": 16},
            "loss": {"weighting": weighting, "lr": 0.03},
            "train": {
                "epochs": 3,
                "batch_size": 8,
                "lr": 1e-4,
                "weight_decay": 0.5,
                "device": "cpu",
                "precision": "fp32",
                "threads": 1,
                "tensorboard": False,
                "checkpoint_every": 1,
                "keep": 9,
            },
        },
        "here",
    )


@pytest.mark.parametrize("name", PARAMETER)
def test_learned_weights_move_in_training_at_their_own_rate(tiny: Path, tmp_path: Path, name: str) -> None:
    train(settings(tiny, name), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "loss" in line]
    assert len(steps) == 6
    start = find_method(name)().setup(TASKS)
    key = f"weighting.{PARAMETER[name]}"
    before = start.state_dict()[PARAMETER[name]]
    after = load_file(tmp_path / "checkpoints" / "step-1" / "parameters.safetensors")[key]
    for number, task in enumerate(TASKS):
        _, _, slope = closed_form(name, before[number].item(), steps[0]["loss"][task])
        # the first step of Adam has the length of the rate; decay would change it by 0.03 * 0.5 of the value
        assert after[number].item() == pytest.approx(before[number].item() - math.copysign(0.03, slope), abs=1e-5)
        assert len({step["weight"][task] for step in steps}) == 6  # a new value at every step
        assert steps[0]["weight"][task] == start.weight(task)  # the logged weight is the one that the step used
    last = load_file(tmp_path / "checkpoints" / "step-6" / "parameters.safetensors")[key]
    assert (last - before).abs().min() > 0.03


@pytest.mark.parametrize("name", NAMES)
def test_learned_weights_form_an_optimizer_group_without_decay(tiny: Path, name: str) -> None:
    prepared = prepare(settings(tiny, name))
    weighting = find_method(name)().setup(TASKS)
    config = prepared.config
    optimizer = make_optimizer(
        prepared.network.encoder.parameters(),
        prepared.network.head_parameters(),
        weighting.parameters(),
        config.train,
        config.loss,
    )
    own = {id(parameter) for parameter in weighting.parameters()}
    groups = [group for group in optimizer.param_groups if own & {id(p) for p in group["params"]}]
    assert len(groups) == (1 if name in PARAMETER else 0)
    for group in groups:
        assert {id(p) for p in group["params"]} == own
        assert (group["lr"], group["base_lr"], group["weight_decay"]) == (0.03, 0.03, 0.0)


def test_the_plain_sum_has_no_parameters_and_weights_of_one(tiny: Path, tmp_path: Path) -> None:
    assert list(find_method("sum")().setup(TASKS).parameters()) == []
    train(settings(tiny, "sum"), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["weight"] for line in lines if "loss" in line] == [dict.fromkeys(TASKS, 1.0)] * 6
