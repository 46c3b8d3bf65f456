"""Steps of several processes compute the numbers of one: gradients, Gram matrices, coefficients, parameters, answers."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import together
from swissbert.config import RunConfig, make_config
from swissbert.distributed.dealing import part_of
from swissbert.distributed.world import ALONE, World
from swissbert.evaluation import table_answers
from swissbert.mtl.balancing import StepView
from swissbert.mtl.gradients import TaskGradients
from swissbert.mtl.methods.upgrad import UPGrad
from swissbert.training.fit import fit_heads
from swissbert.training.preparation import prepare
from swissbert.training.sameness import state_number

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS = 3
TASKS = ["sst", "para", "sts"]
METHODS: dict[str, dict[str, Any]] = {
    "sum": {},
    "automatic": {"loss": {"weighting": "automatic", "lr": 0.05}},
    "pcgrad": {"loss": {"surgery": True}},
    "famo": {"loss": {"weighting": "famo", "lr": 0.025}},
    "automatic and gradvac": {"loss": {"weighting": "automatic", "lr": 0.05, "surgery": "gradvac"}},
    "uw_so and db_mtl": {"loss": {"weighting": "uw_so", "surgery": "db_mtl"}},
}
"""Settings of a method of each kind, and of two compositions."""
FEATURES: dict[str, dict[str, Any]] = {
    "accumulation": {"train": {"accumulation": 2, "clip": 0.5}, "loss": {"surgery": True}},
    "one row": {"train": {"batch_size": 1}, "loss": {"surgery": True}},
    "regularisation": {
        "regularisation": {"smoothness": 1.0, "proximal": 1.0, "proximal_start": 0.02, "tasks": ["sst", "sts"]},
        "train": {"ema": 0.9},
    },
    "heads first": {
        "train": {"heads_first": 1},
        "model": {"layer_sharing": True, "dropout": 0},
        "loss": {"surgery": True},
    },
    "cosine": {
        "model": {"pair_head": "cosine", "pair_encoding": False, "dropout": 0},
        "loss": {"weighting": "automatic"},
    },
    "weights": {"tasks": [{"base": "sst", "class_weights": "balanced"}, "para"], "loss": {"surgery": True}},
    "frozen": {"encoder": {"freeze": True}, "loss": {"weighting": "uw_so"}},
    "random tasks": {"sampling": {"method": "proportional", "draws": 1}, "loss": {"weighting": "automatic"}},
}
"""Settings that change what a step computes. Batches of one row leave a process without any."""
SETTINGS = METHODS | FEATURES


def config(tiny: Path, settings: Mapping[str, Any]) -> RunConfig:
    table: dict[str, Any] = {
        "tasks": TASKS,
        "data": {"dir": "starter", "limit": 40},
        "encoder": {"name": str(tiny), "dropout": 0, "max_length": 16},
        "model": {"dropout": 0},
        "train": {"batch_size": 7, "epochs": 1, "lr": 1e-4, "device": "cpu", "precision": "fp32", "threads": 1},
    }
    for key, value in settings.items():
        table[key] = {**table.get(key, {}), **value} if isinstance(value, dict) else value
    return make_config(table, "here")


def numbers(settings: RunConfig, world: World) -> dict[str, Tensor]:
    """Run some steps; return what each computes, and the parameters and answers at the end."""
    prepared = prepare(settings)
    step, batches = prepared.training_step(world=world), prepared.batches()
    result: dict[str, Tensor] = {}
    methods = [one for one in (step.weighting, step.surgery) if one is not None and one.needs != "own loss"]
    for number in range(STEPS):

        def spy(*_: object, number: int = number) -> None:
            for name, parameter in step.modules.named_parameters():
                if parameter.grad is not None:
                    result[f"{number} gradient {name}"] = parameter.grad.clone()

        views: list[tuple[StepView, Tensor]] = []
        handle = step.optimizer.register_step_pre_hook(spy)
        originals = [method.coefficients for method in methods]
        for method, original in zip(methods, originals, strict=True):

            def coefficients(view: StepView, original: Any = original, views: Any = views) -> Tensor:
                value = original(view)
                views.append((view, value.detach()))
                return value  # type: ignore[no-any-return]

            method.coefficients = coefficients  # type: ignore[method-assign, assignment]
        record = step(number, batches(number), prepared.plan.rounds(number))
        handle.remove()
        for method, original in zip(methods, originals, strict=True):
            method.coefficients = original  # type: ignore[method-assign]
        for place, (view, value) in enumerate(views):
            result[f"{number} coefficients {place}"] = value.clone()
            result[f"{number} losses {place}"] = view.losses
            if view.gram is not None:
                result[f"{number} Gram matrix"] = view.gram
        for part in ("loss", "weight", "cosine", "smoothness", "proximal"):
            for name, figure in (getattr(record, part) or {}).items():
                result[f"{number} {part} {name}"] = torch.tensor(figure, dtype=torch.float64)
        result[f"{number} tokens"] = torch.tensor(record.tokens)
    for dev in prepared.dev:
        answers = table_answers(prepared.network, dev.task, dev.table, world=world)
        result[f"end answers {dev.task.name}"] = torch.from_numpy(answers.copy())
    fit_heads(prepared.network, prepared.train, world)
    result |= {f"end {name}": tensor.clone() for name, tensor in step.modules.state_dict().items()}
    world.check_same(state_number(step.modules), "the processes have other parameters")
    return result


@pytest.fixture(scope="module")
def alone(tiny: Path) -> dict[str, dict[str, Tensor]]:
    threads = torch.get_num_threads()
    results = {name: numbers(config(tiny, settings), ALONE) for name, settings in SETTINGS.items()}
    torch.set_num_threads(threads)
    return results


def shared(tiny: Path, folder: Path, count: int, names: Mapping[str, Any]) -> dict[str, dict[str, Tensor]]:
    """Return the numbers of several processes, as the last one has them."""

    def work(world: World) -> None:
        for name in names:
            result = numbers(config(tiny, SETTINGS[name]), world)
            if world.rank == count - 1:
                save_file({key: value.contiguous() for key, value in result.items()}, folder / f"{name}.safetensors")

    assert together.run(count, folder, work) == [0] * count, together.errors(folder, count)
    return {name: load_file(folder / f"{name}.safetensors") for name in names}


@pytest.fixture(scope="module")
def two(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Tensor]]:
    return shared(tiny, tmp_path_factory.mktemp("two"), 2, SETTINGS)


@pytest.fixture(scope="module")
def three(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Tensor]]:
    return shared(tiny, tmp_path_factory.mktemp("three"), 3, METHODS)


def assert_same(one: dict[str, Tensor], many: dict[str, Tensor], atol: float = 1e-6) -> None:
    assert one.keys() == many.keys()
    for name, value in one.items():
        torch.testing.assert_close(many[name].double(), value.double(), rtol=1e-5, atol=atol, msg=_named(name))


def _named(name: str) -> Callable[[str], str]:
    return lambda message: f"{name}: {message}"


@pytest.mark.parametrize("name", SETTINGS)
def test_two_processes_compute_the_numbers_of_one(
    name: str, alone: dict[str, dict[str, Tensor]], two: dict[str, dict[str, Tensor]]
) -> None:
    # sentence vectors of an untrained encoder are nearly parallel, where rounding changes the gradient of a cosine more
    assert_same(alone[name], two[name], atol=1e-5 if name == "cosine" else 1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_three_processes_compute_the_numbers_of_one(
    name: str, alone: dict[str, dict[str, Tensor]], three: dict[str, dict[str, Tensor]]
) -> None:
    assert_same(alone[name], three[name])


def test_a_mean_of_gram_matrices_gives_other_coefficients(tiny: Path) -> None:
    """Negative control: the tests above would notice if each process computed a Gram matrix of its own rows."""
    prepared = prepare(config(tiny, {}))
    network, draws = prepared.network.train(), list(prepared.batches()(0))

    def gram(rank: int, size: int) -> Tensor:
        gradients = TaskGradients(network.shared_parameters())
        for task, batch in draws:
            part = part_of(batch, rank, size)
            assert part.batch is not None
            network.loss(part.batch, task).backward()  # type: ignore[no-untyped-call]
            gradients.keep()
        return gradients.grams()[""]

    def coefficients(matrix: Tensor) -> Tensor:
        return UPGrad().setup(TASKS).coefficients(StepView(tuple(TASKS), torch.ones(3), matrix, 0, 0))

    whole, mean = gram(0, 1), (gram(0, 2) + gram(1, 2)) / 2
    assert not torch.allclose(mean, whole, rtol=0.01)
    assert not torch.allclose(coefficients(mean), coefficients(whole), rtol=1e-3)


def test_dropout_masks_differ_between_processes(tiny: Path, tmp_path: Path) -> None:
    def work(world: World) -> None:
        prepared = prepare(config(tiny, {"encoder": {"dropout": 0.5}}))
        step = prepared.training_step(world=world)
        step(0, prepared.batches()(0))
        (tmp_path / f"{world.rank}").write_text(json.dumps(torch.rand(4).tolist()))
        world.check_same(state_number(step.modules), "the processes have other parameters")

    assert together.run(2, tmp_path / "run", work) == [0, 0], together.errors(tmp_path / "run", 2)
    first, second = (json.loads((tmp_path / f"{rank}").read_text()) for rank in range(2))
    assert not np.allclose(first, second)
