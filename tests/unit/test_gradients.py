"""Collection of task gradients: in-place surgery against projections of whole vectors, and memory."""

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from swissbert.mtl.gradients import FEW, TaskGradients, inner_products
from swissbert.mtl.gram import conflicts, pair_cosines
from swissbert.mtl.methods.pcgrad import pcgrad_coefficients, random_orders

TASKS = ["one", "two", "three"]
SEED = [7, 3]


class Tiny(nn.Module):
    """A shared layer, a parameter that only some tasks use, and one head per task."""

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
    """Return the gradient of one task: of the shared parameters, flat and in float64, and of its head."""
    found = torch.autograd.grad(
        model.loss(task), [*model.common, *model.heads[task].parameters()], allow_unused=True, materialize_grads=True
    )
    return torch.cat([g.flatten() for g in found[:-2]]).double(), list(found[-2:])


def combined(model: Tiny, order: list[int]) -> tuple[Tensor, Tensor]:
    """Collect and combine the gradients of a step as the training step does.

    Returns:
        The Gram matrix, and the combined gradient of the shared parameters, flat.
    """
    gradients = TaskGradients(model.common)
    for task in order:
        model.loss(task).backward()  # type: ignore[no-untyped-call]
        gradients.keep()
    gram = torch.stack(list(gradients.grams().values())).sum(0)
    gradients.combine(pcgrad_coefficients(gram, random_orders(len(order), SEED)))
    return gram, torch.cat([flat(parameter) for parameter in model.common])


def flat(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad.flatten().double()


def projected(gradients: list[Tensor]) -> Tensor:
    """Apply PCGrad to whole vectors, as in its paper."""
    update = torch.zeros_like(gradients[0])
    for i, order in enumerate(random_orders(len(gradients), SEED)):
        current = gradients[i].clone()
        for j in order:
            if j != i and (product := current @ gradients[j]) < 0:
                current -= product / (gradients[j] @ gradients[j]) * gradients[j]
        update += current
    return update


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 0]])
@pytest.mark.parametrize("seed", range(6))
def test_the_update_is_the_sum_of_projected_gradients_and_heads_are_unchanged(seed: int, order: list[int]) -> None:
    model = Tiny(seed)
    separate = [alone(model, task) for task in order]
    gram, update = combined(model, order)
    gradients = [shared for shared, _ in separate]
    torch.testing.assert_close(update, projected(gradients), rtol=1e-4, atol=1e-6)
    for task, (_, head) in zip(order, separate, strict=True):
        for parameter, gradient in zip(model.heads[task].parameters(), head, strict=True):
            assert parameter.grad is not None
            assert torch.equal(parameter.grad, gradient)
    cosines, conflicting = {}, []
    for i, a in enumerate(order):
        for j in range(i + 1, len(order)):
            cosine = torch.cosine_similarity(gradients[i], gradients[j], dim=0).item()
            cosines[f"{TASKS[a]}-{TASKS[order[j]]}"] = cosine
            conflicting.append(cosine < 0)
    reported = pair_cosines(gram, [TASKS[task] for task in order])
    assert reported.keys() == cosines.keys()
    assert list(reported.values()) == pytest.approx(list(cosines.values()), abs=1e-5)
    assert conflicts(gram)[1] == sum(conflicting) / len(conflicting)


def test_the_gram_matrix_of_a_part_is_that_of_its_parameters_alone() -> None:
    model = Tiny(3)
    gradients = [alone(model, task)[0] for task in range(3)]
    collected = TaskGradients(model.common, parts=["layer", "layer", "other"])
    for task in range(3):
        model.loss(task).backward()  # type: ignore[no-untyped-call]
        collected.keep()
    grams = collected.grams()
    assert list(grams) == ["layer", "other"]
    for part, here in (("layer", slice(0, 15)), ("other", slice(15, 18))):
        for (i, a), (j, b) in (((0, "one"), (1, "two")), ((0, "one"), (2, "three")), ((1, "two"), (2, "three"))):
            expected = torch.cosine_similarity(gradients[i][here], gradients[j][here], dim=0).item()
            assert pair_cosines(grams[part], TASKS)[f"{a}-{b}"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("count", [1, 2, FEW, FEW + 1, 30])
def test_inner_products_of_few_and_of_many_gradients(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swissbert.mtl.gradients.BLOCK", 64)
    torch.manual_seed(count)
    gradients = [torch.randn(15, 19) for _ in range(count)]  # 285 values: the last block is shorter
    rows = torch.stack(gradients).flatten(1).double()
    products = inner_products(gradients)
    assert products.dtype == torch.float64
    torch.testing.assert_close(products, rows @ rows.T, rtol=1e-5, atol=1e-4)
    assert torch.equal(products, products.T)


def test_of_many_tasks_those_without_a_gradient_have_products_of_zero() -> None:
    model = Tiny(4, tasks=FEW + 3)
    gradients = TaskGradients(model.common)
    separate = []
    for task in range(FEW + 3):
        separate.append(alone(model, task)[0])
        model.loss(task).backward()  # type: ignore[no-untyped-call]
        gradients.keep()
    gram = torch.stack(list(gradients.grams().values())).sum(0)
    whole = torch.stack(separate)  # the first task has no gradient of one parameter
    torch.testing.assert_close(gram, whole @ whole.T, rtol=1e-5, atol=1e-6)


def test_some_of_the_models_above_conflict_and_some_do_not() -> None:
    shares = {conflicts(combined(Tiny(seed), [0, 1, 2])[0])[1] for seed in range(6)}
    assert len(shares) > 1


def test_surgery_changes_the_sum_if_there_is_a_conflict() -> None:
    seed = next(seed for seed in range(20) if conflicts(combined(Tiny(seed), [0, 1, 2])[0])[1] > 0)
    plain = torch.stack([alone(Tiny(seed), task)[0] for task in range(3)]).sum(0)
    assert not torch.allclose(combined(Tiny(seed), [0, 1, 2])[1], plain, rtol=1e-2)


def test_without_conflict_the_sum_is_unchanged() -> None:
    model = Tiny(0)
    for task in (1, 2):  # three times the same task
        model.x[task], model.y[task] = model.x[0], model.y[0]
        model.heads[task].load_state_dict(model.heads[0].state_dict())
    model.sometimes.data.fill_(1.0)
    plain = torch.stack([alone(model, task)[0] for task in range(3)]).sum(0)
    gram, update = combined(model, [0, 1, 2])
    assert conflicts(gram)[1] == 0
    assert all(0 < cosine <= 1 for cosine in pair_cosines(gram, TASKS).values())
    torch.testing.assert_close(update, plain, rtol=1e-5, atol=1e-7)


def test_the_gradient_of_a_single_task_is_unchanged() -> None:
    model = Tiny(1)
    expected, _ = alone(model, 2)
    gram, update = combined(model, [2])
    assert (pair_cosines(gram, ["three"]), conflicts(gram)[1]) == ({}, 0.0)
    torch.testing.assert_close(update, expected)


def test_a_parameter_that_no_task_uses_has_no_gradient() -> None:
    model = Tiny(1)
    gradients = TaskGradients(model.common)
    model.loss(0).backward()  # type: ignore[no-untyped-call]
    gradients.keep()
    gradients.combine(torch.ones(1))
    assert model.sometimes.grad is None


class Storages(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the memory of all tensors of at least 1000 numbers that operations return."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[int] = set()

    def __torch_dispatch__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor) and out.numel() >= 1000:
            self.seen.add(out.untyped_storage().data_ptr())
        return out


def test_memory_holds_one_gradient_per_task_and_one_afterwards() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(40, 30, bias=False)
    gradients = TaskGradients(list(layer.parameters()))
    alive: list[weakref.ref[Tensor]] = []
    memory: list[int] = []
    for _ in range(3):
        layer(torch.randn(5, 40)).square().mean().backward()
        assert layer.weight.grad is not None
        alive.append(weakref.ref(layer.weight.grad))
        memory.append(layer.weight.grad.data_ptr())
        gradients.keep()
        assert layer.weight.grad is None
    assert len(set(memory)) == 3
    with Storages() as storages:
        gradients.grams()
        gradients.combine(torch.tensor([1.5, 1.0, 2.0]))
    assert storages.seen <= set(memory), "a gradient was copied"
    assert storages.seen
    assert [reference() is not None for reference in alive] == [True, False, False]
    assert layer.weight.grad is alive[0]()


def test_parameters_of_one_task_are_scaled_by_factors_of_their_own() -> None:
    model = Tiny(2)
    expected = [alone(model, task) for task in range(3)]
    heads = [parameter for head in model.heads for parameter in head.parameters()]
    gradients = TaskGradients(model.common, heads)
    for task in range(3):
        model.loss(task).backward()  # type: ignore[no-untyped-call]
        gradients.keep()
        assert all(head.grad is None for head in heads)
    assert torch.stack(list(gradients.grams().values())).sum(0).shape == (3, 3)
    gradients.combine(torch.tensor([0.5, -1.0, 3.0]), torch.tensor([2.0, 0.25, 1.0]))
    update = torch.cat([flat(parameter) for parameter in model.common])
    shared = 0.5 * expected[0][0] - expected[1][0] + 3 * expected[2][0]
    torch.testing.assert_close(update, shared, rtol=1e-5, atol=1e-7)
    for task, factor in enumerate((2.0, 0.25, 1.0)):
        for parameter, gradient in zip(model.heads[task].parameters(), expected[task][1], strict=True):
            torch.testing.assert_close(parameter.grad, factor * gradient)


def test_cleared_gradients_are_not_part_of_the_next_step() -> None:
    model = Tiny(2)
    gradients = TaskGradients(model.common)
    model.loss(0).backward()  # type: ignore[no-untyped-call]
    gradients.keep()
    gradients.clear()
    model.loss(1).backward()  # type: ignore[no-untyped-call]
    gradients.keep()
    gradients.combine(torch.ones(1))
    torch.testing.assert_close(torch.cat([flat(p) for p in model.common]), alone(model, 1)[0])
