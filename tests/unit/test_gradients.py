"""Gradient surgery in place against projections written out on whole vectors."""

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from swissbert.mtl.gradients import SharedGradients
from swissbert.mtl.surgery import random_orders

TASKS = ["one", "two", "three"]
SEED = [7, 3]


class Tiny(nn.Module):
    """A shared layer with one parameter that only some tasks use, and a head a task."""

    def __init__(self, seed: int, tasks: int = 3) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.shared = nn.Linear(4, 3)
        self.sometimes = nn.Parameter(torch.randn(3))
        self.heads = nn.ModuleList(nn.Linear(3, 1) for _ in range(tasks))
        self.x, self.y = torch.randn(tasks, 5, 4), torch.randn(tasks, 5)

    def loss(self, task: int) -> Tensor:
        hidden = self.shared(self.x[task]).tanh()
        if task > 0:
            hidden = hidden * self.sometimes
        out: Tensor = self.heads[task](hidden)[:, 0]
        return (out - self.y[task]).square().mean()

    @property
    def common(self) -> list[nn.Parameter]:
        return [*self.shared.parameters(), self.sometimes]


pytestmark = pytest.mark.usefixtures("one_thread")


def alone(model: Tiny, task: int) -> tuple[Tensor, list[Tensor]]:
    """The gradient of one task: of what is shared, flat and in float64, and of its head."""
    found = torch.autograd.grad(
        model.loss(task), [*model.common, *model.heads[task].parameters()], allow_unused=True, materialize_grads=True
    )
    return torch.cat([g.flatten() for g in found[:-2]]).double(), list(found[-2:])


def operated(model: Tiny, order: list[int]) -> tuple[dict[str, dict[str, float]], Tensor]:
    """What the training loop does in a step: what surgery reports, and the flat gradient that it leaves."""
    surgery = SharedGradients(model.common)
    for place, task in enumerate(order):
        if place:
            surgery.set_aside()
        model.loss(task).backward()  # type: ignore[no-untyped-call]
    record = surgery.operate([TASKS[task] for task in order], SEED)
    return record, torch.cat([flat(parameter) for parameter in model.common])


def flat(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad.flatten().double()


def projected(gradients: list[Tensor]) -> Tensor:
    """PCGrad, as its paper has it, on whole vectors."""
    update = torch.zeros_like(gradients[0])
    for i, order in enumerate(random_orders(len(gradients), SEED)):
        mine = gradients[i].clone()
        for j in order:
            if j != i and (product := mine @ gradients[j]) < 0:
                mine -= product / (gradients[j] @ gradients[j]) * gradients[j]
        update += mine
    return update


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 0]])
@pytest.mark.parametrize("seed", range(6))
def test_what_is_left_is_the_sum_of_projected_gradients_and_heads_are_untouched(seed: int, order: list[int]) -> None:
    model = Tiny(seed)
    found = [alone(model, task) for task in order]
    record, update = operated(model, order)
    gradients = [shared for shared, _ in found]
    torch.testing.assert_close(update, projected(gradients), rtol=1e-4, atol=1e-6)
    for task, (_, head) in zip(order, found, strict=True):
        for parameter, gradient in zip(model.heads[task].parameters(), head, strict=True):
            assert parameter.grad is not None
            assert torch.equal(parameter.grad, gradient)
    cosines, conflicting = {}, []
    for i, a in enumerate(order):
        for j in range(i + 1, len(order)):
            cosine = torch.cosine_similarity(gradients[i], gradients[j], dim=0).item()
            cosines[f"{TASKS[a]}-{TASKS[order[j]]}"] = cosine
            conflicting.append(cosine < 0)
    assert record["cosine"].keys() == cosines.keys()
    assert list(record["cosine"].values()) == pytest.approx(list(cosines.values()), abs=1e-5)
    assert record["conflicts"] == {"share": sum(conflicting) / len(conflicting)}


def test_cosines_part_by_part_are_those_of_the_parts_alone() -> None:
    model = Tiny(3)
    surgery = SharedGradients(model.common, ["layer", "layer", "other"])
    for task in range(3):
        if task:
            surgery.set_aside()
        model.loss(task).backward()  # type: ignore[no-untyped-call]
    found = surgery.operate(TASKS, SEED, by_part=True)["cosine_by_layer"]
    gradients = [alone(model, task)[0] for task in range(3)]
    for part, here in (("layer", slice(0, 15)), ("other", slice(15, 18))):
        for (i, a), (j, b) in (((0, "one"), (1, "two")), ((0, "one"), (2, "three")), ((1, "two"), (2, "three"))):
            expected = torch.cosine_similarity(gradients[i][here], gradients[j][here], dim=0).item()
            assert found[part][f"{a}-{b}"] == pytest.approx(expected, abs=1e-5)


def test_the_models_above_conflict_and_do_not() -> None:
    shares = {operated(Tiny(seed), [0, 1, 2])[0]["conflicts"]["share"] for seed in range(6)}
    assert len(shares) > 1


def test_surgery_changes_the_sum_where_there_is_a_conflict() -> None:
    seed = next(seed for seed in range(20) if operated(Tiny(seed), [0, 1, 2])[0]["conflicts"]["share"] > 0)
    plain = torch.stack([alone(Tiny(seed), task)[0] for task in range(3)]).sum(0)
    assert not torch.allclose(operated(Tiny(seed), [0, 1, 2])[1], plain, rtol=1e-2)


def test_without_conflict_the_sum_is_unchanged() -> None:
    model = Tiny(0)
    for task in (1, 2):  # the same task three times but for its scale
        model.x[task], model.y[task] = model.x[0], model.y[0]
        model.heads[task].load_state_dict(model.heads[0].state_dict())
    model.sometimes.data.fill_(1.0)
    plain = torch.stack([alone(model, task)[0] for task in range(3)]).sum(0)
    record, update = operated(model, [0, 1, 2])
    assert record["conflicts"] == {"share": 0.0}
    assert all(0 < cosine <= 1 for cosine in record["cosine"].values())
    torch.testing.assert_close(update, plain, rtol=1e-5, atol=1e-7)


def test_one_task_in_a_step_is_left_as_it_is() -> None:
    model = Tiny(1)
    expected, _ = alone(model, 2)
    record, update = operated(model, [2])
    assert record == {"cosine": {}, "conflicts": {"share": 0.0}}
    torch.testing.assert_close(update, expected)


def test_a_parameter_that_no_task_used_stays_without_a_gradient() -> None:
    model = Tiny(1)
    surgery = SharedGradients(model.common)
    model.loss(0).backward()  # type: ignore[no-untyped-call]
    surgery.operate(["one"], SEED)
    assert model.sometimes.grad is None


class Storages(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The memory of every tensor of at least 1000 numbers that an operation gives back."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[int] = set()

    def __torch_dispatch__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor) and out.numel() >= 1000:
            self.seen.add(out.untyped_storage().data_ptr())
        return out


def test_never_more_gradients_are_alive_than_there_are_tasks_and_one_afterwards() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(40, 30, bias=False)
    surgery = SharedGradients(list(layer.parameters()))
    alive: list[weakref.ref[Tensor]] = []
    memory: list[int] = []
    for task in range(3):
        if task:
            surgery.set_aside()
            assert layer.weight.grad is None
        layer(torch.randn(5, 40)).square().mean().backward()
        assert layer.weight.grad is not None
        alive.append(weakref.ref(layer.weight.grad))
        memory.append(layer.weight.grad.data_ptr())
    assert len(set(memory)) == 3
    with Storages() as storages:
        surgery.operate(TASKS, SEED)
    assert storages.seen <= set(memory), "a copy of a gradient was made"
    assert storages.seen
    assert [reference() is not None for reference in alive] == [True, False, False]
    assert layer.weight.grad is alive[0]()
