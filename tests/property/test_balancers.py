"""Properties of all methods that balance tasks, those of the table and two that are defined here, outside the package."""

import json
import math
import os
import signal
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import Tensor, nn

from swissbert.config import make_config
from swissbert.mtl import METHODS, Balancer, StepView, find_method
from swissbert.mtl.gram import normalised
from swissbert.training.log import MetricsLog
from swissbert.training.loop import train
from swissbert.training.result import Stopped

TASKS = ["sst", "para", "sts"]


class Momentum(Balancer):
    """All losses: weights 1/L of running means of the losses, and a learned temperature; keeps both kinds of state."""

    needs = "all losses"

    means: Tensor

    def setup(self, tasks: Any) -> "Momentum":
        super().setup(tasks)
        self.register_buffer("means", torch.zeros(len(self.tasks), dtype=torch.float64))
        self.power = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
        return self

    def coefficients(self, step: StepView) -> Tensor:
        places = [self.tasks.index(task) for task in step.tasks]
        before = self.means[places]
        self.means[places] = torch.where(before > 0, 0.5 * before + 0.5 * step.losses, step.losses)
        ratios = self.means[places] / self.means[places].max()
        self.power.grad = (ratios.log().mean() * 0.1).clamp(-1, 1)
        return (1 / ratios.clamp(min=1e-12)) ** self.power.detach().clamp(0.5, 1.0)


class EqualNorms(Balancer):
    """Gram: every gradient gets the norm of the longest, and the mean cosine so far is kept."""

    needs = "gram"

    count: Tensor

    def setup(self, tasks: Any) -> "EqualNorms":
        super().setup(tasks)
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        return self

    def coefficients(self, step: StepView) -> Tensor:
        norms, _ = normalised(step.needed_gram)
        self.count += 1
        wanted = norms.max() * (1 + 0.1 * torch.sin(self.count))  # state changes the result
        return torch.where(norms > 0, wanted / norms, 1.0).clamp(max=1e200)


OUTSIDE = {"momentum": Momentum, "equal_norms": EqualNorms}
RANDOM_ORDER = ("pcgrad", "gradvac")
"""Methods that project in an order that is random from three tasks on."""
SCALE_DEPENDENT = ("uw_so",)
"""Methods whose weights depend on the scale of the losses."""
# Methods without state depend on what they see of a step alone; a run of a few of them is resumed too.
WITH_STATE = ("learnable", "uncertainty", "automatic", "famo", "gradvac", *OUTSIDE)
NAMES = [*METHODS, *OUTSIDE]


def create(name: str, tasks: list[str]) -> Balancer:
    balancer = OUTSIDE[name] if name in OUTSIDE else find_method(name)
    return balancer().setup(tasks)


class Simulation:
    """Steps of a method on given losses and gradients, with the optimizer of its own parameters."""

    def __init__(self, name: str, tasks: list[str]) -> None:
        self.balancer = create(name, tasks)
        own = list(self.balancer.parameters())
        self.optimizer = torch.optim.AdamW(own, lr=0.05, weight_decay=0.0) if own else None

    def step(self, number: int, losses: dict[str, float], gradients: dict[str, Tensor]) -> dict[str, float]:
        """Run a step; return the factor of each task's gradient."""
        factors: dict[str, float] = {}
        if self.balancer.needs == "own loss":
            for task, value in losses.items():
                loss = torch.tensor(value, dtype=torch.float64, requires_grad=True)
                self.balancer.term(task, loss).backward()  # type: ignore[no-untyped-call]
                assert loss.grad is not None
                factors[task] = loss.grad.item()
        else:
            matrix = torch.stack(list(gradients.values()))
            gram = matrix @ matrix.T if self.balancer.needs == "gram" else None
            values = torch.tensor(list(losses.values()), dtype=torch.float64)
            view = StepView(tuple(losses), values, gram, number, seed=3)
            factors = dict(zip(losses, self.balancer.coefficients(view).tolist(), strict=True))
        if self.optimizer is not None:
            self.optimizer.step()
            self.optimizer.zero_grad()
        return factors

    def reload(self, name: str, tasks: list[str]) -> "Simulation":
        """Return a new simulation whose state went through bytes, as in a checkpoint."""
        other = Simulation(name, tasks)
        other.balancer.load_state_dict(load(save(self.balancer.state_dict())))
        if self.optimizer is not None and other.optimizer is not None:
            other.optimizer.load_state_dict(deepcopy(self.optimizer.state_dict()))  # tensors are not copied
        return other


def gradients(tasks: list[str], seed: int, scale: float = 1.0) -> dict[str, Tensor]:
    """Return gradients in conflict, ``[5]`` each."""
    generator = torch.Generator().manual_seed(seed)
    drawn = {task: torch.randn(5, dtype=torch.float64, generator=generator) for task in tasks}
    first, second = tasks[:2]
    drawn[second] = drawn[second] * 0.3 - drawn[first]
    return {task: gradient * scale for task, gradient in drawn.items()}


def losses_at(number: int, tasks: list[str], scale: float = 1.0) -> dict[str, float]:
    return {task: scale * (1.0 + place + 0.3 * ((number * (place + 2)) % 5)) for place, task in enumerate(tasks)}


@pytest.mark.parametrize("name", METHODS)
def test_the_table_names_what_the_class_needs(name: str) -> None:
    balancer = find_method(name)
    assert issubclass(balancer, Balancer)
    assert balancer.needs == METHODS[name].needs


@pytest.mark.parametrize("name", NAMES)
@given(order=st.permutations(range(3)), seed=st.integers(0, 100))
@settings(deadline=None, max_examples=15)
def test_permuting_the_tasks_permutes_the_factors(name: str, order: list[int], seed: int) -> None:
    tasks = TASKS[:2] if name in RANDOM_ORDER else TASKS
    permuted = [TASKS[place] for place in order if TASKS[place] in tasks]
    one, other = Simulation(name, tasks), Simulation(name, permuted)
    for number in range(3):
        losses, vectors = losses_at(number, tasks), gradients(tasks, seed + number)
        first = one.step(number, losses, vectors)
        second = other.step(number, {t: losses[t] for t in permuted}, {t: vectors[t] for t in permuted})
        assert first == pytest.approx(second, rel=1e-9)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SCALE_DEPENDENT])
@given(power=st.integers(-40, 40), seed=st.integers(0, 100))
@settings(deadline=None, max_examples=15)
def test_scaling_all_losses_keeps_the_ratios_of_the_factors(name: str, power: int, seed: int) -> None:
    scale = 2.0**power
    one = Simulation(name, TASKS).step(0, losses_at(0, TASKS), gradients(TASKS, seed))
    other = Simulation(name, TASKS).step(0, losses_at(0, TASKS, scale), gradients(TASKS, seed, scale))
    ratio = one["sst"] / other["sst"]
    assert one == pytest.approx({task: factor * ratio for task, factor in other.items()}, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
@given(
    losses=st.lists(st.integers(-30, 30), min_size=3, max_size=3),
    sizes=st.lists(st.integers(-30, 30), min_size=3, max_size=3),
    zero=st.sampled_from([None, *TASKS]),
)
@settings(deadline=None, max_examples=30)
def test_factors_are_finite_for_losses_and_gradients_from_1e_30_to_1e30(
    name: str, losses: list[int], sizes: list[int], zero: str | None
) -> None:
    vectors = {t: g * 10.0**size for (t, g), size in zip(gradients(TASKS, 1).items(), sizes, strict=True)}
    if zero is not None:
        vectors[zero] = torch.zeros(5, dtype=torch.float64)
    values = {task: 10.0**exponent for task, exponent in zip(TASKS, losses, strict=True)}
    simulation = Simulation(name, TASKS)
    for number in range(2):
        factors = simulation.step(number, values, vectors)
        assert list(factors) == TASKS
        assert all(map(math.isfinite, factors.values())), factors


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("after", [0, 1, 4])
def test_state_that_is_saved_and_loaded_in_the_middle_gives_the_same_steps(name: str, after: int) -> None:
    simulation = Simulation(name, TASKS)
    for number in range(after):
        simulation.step(number, losses_at(number, TASKS), gradients(TASKS, number))
    resumed = simulation.reload(name, TASKS)
    for number in range(after, after + 4):
        losses, vectors = losses_at(number, TASKS), gradients(TASKS, number)
        assert simulation.step(number, losses, vectors) == resumed.step(number, losses, vectors)


@pytest.mark.parametrize("name", WITH_STATE)
def test_without_its_state_a_method_with_state_gives_other_steps(name: str) -> None:
    simulation, fresh = Simulation(name, TASKS), Simulation(name, TASKS)
    for number in range(4):
        simulation.step(number, losses_at(number, TASKS), gradients(TASKS, number))
    losses, vectors = losses_at(4, TASKS), gradients(TASKS, 4)
    assert simulation.step(4, losses, vectors) != fresh.step(4, losses, vectors)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "sum"])
def test_a_method_other_than_the_sum_weights_tasks_differently(name: str) -> None:
    simulation = Simulation(name, TASKS)
    factors = [simulation.step(n, losses_at(n, TASKS), gradients(TASKS, n)) for n in range(10)][-1]
    assert max(factors.values()) > min(factors.values()) * 1.001


def test_the_sum_weights_all_tasks_with_one() -> None:
    simulation = Simulation("sum", TASKS)
    for number in range(3):
        assert set(simulation.step(number, losses_at(number, TASKS), gradients(TASKS, number)).values()) == {1.0}


@pytest.mark.parametrize("name", NAMES)
def test_a_step_may_have_fewer_tasks_than_the_run(name: str) -> None:
    simulation = Simulation(name, TASKS)
    for number, tasks in enumerate((["sts"], ["sst", "sts"], TASKS, ["para", "sts"])):
        vectors = {task: gradient for task, gradient in gradients(TASKS, number).items() if task in tasks}
        assert list(simulation.step(number, losses_at(number, tasks), vectors)) == tasks


@pytest.mark.parametrize("name", NAMES)
def test_setup_forgets_the_tasks_and_the_state_of_an_earlier_run(name: str) -> None:
    used = Simulation(name, TASKS)
    used.step(0, losses_at(0, TASKS), gradients(TASKS, 0))
    again = used.balancer.setup(TASKS[:2])
    expected = create(name, TASKS[:2]).state_dict()
    assert again.state_dict().keys() == expected.keys()
    assert all(torch.equal(again.state_dict()[key], value) for key, value in expected.items())


# --- resume


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Restore the number of threads, which a run sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(tiny: Path, out: Path, name: str, resume: bool = False) -> list[dict[str, Any]]:
    """Train 6 steps with a method; return the log without durations."""
    table: dict[str, Any] = {
        "tasks": TASKS,
        "data": {"dir": "starter", "limit": 24},
        "encoder": {"name": str(tiny), "dropout": 0.1, "max_length": 16},
        "loss": {"lr": 0.05},
        "train": {
            "epochs": 1,
            "batch_size": 4,
            "lr": 1e-3,
            "device": "cpu",
            "precision": "fp32",
            "threads": 1,
            "tensorboard": False,
        },
    }
    balancer = OUTSIDE[name]() if name in OUTSIDE else None
    if balancer is None:
        table["loss"]["surgery" if METHODS[name].needs == "gram" else "weighting"] = name
    train(make_config(table, "here"), out, balancer=balancer, resume=resume)
    entries = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in entries]


@pytest.mark.parametrize("name", [*WITH_STATE, "sum", "rlw", "pcgrad", "upgrad"])
def test_a_run_that_is_stopped_and_resumed_is_the_uninterrupted_one_bit_for_bit(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    whole = run(tiny, tmp_path / "whole", name)
    write = MetricsLog.write

    def stop_after_three(log: MetricsLog, record: dict[str, object]) -> None:
        write(log, record)
        if record["step"] == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(MetricsLog, "write", stop_after_three)
        with pytest.raises(Stopped):
            run(tiny, tmp_path / "run", name)
    assert run(tiny, tmp_path / "run", name, resume=True) == whole
    last = Path("checkpoints", "step-6")
    for file in ("parameters.safetensors", "optimizer.safetensors"):
        assert (tmp_path / "run" / last / file).read_bytes() == (tmp_path / "whole" / last / file).read_bytes()
