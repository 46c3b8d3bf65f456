"""Each method that balances tasks against another implementation, a slow exact search, or what defines it."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import Tensor
from torchjd import aggregation, scalarization

from swissbert.mtl import StepView, find_method
from swissbert.mtl.methods.cagrad import CAGrad
from swissbert.mtl.methods.fairgrad import FairGrad
from swissbert.mtl.methods.uw_so import UWSO

SEEDS = st.integers(0, 10_000)
TASKS = st.integers(2, 5)


def gradients(seed: int, tasks: int, size: int = 7) -> Tensor:
    """Return task gradients of different lengths, ``[tasks, size]``, some in conflict."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(tasks, size, dtype=torch.float64, generator=generator)
    return drawn * torch.logspace(-1, 1, tasks, dtype=torch.float64)[:, None]


def factors(name: str, matrix: Tensor, losses: Tensor | None = None) -> Tensor:
    """Return the factors of a method at its first step."""
    tasks = [f"t{i}" for i in range(len(matrix))]
    losses = torch.ones(len(matrix), dtype=torch.float64) if losses is None else losses
    return find_method(name)().setup(tasks).coefficients(StepView(tuple(tasks), losses, matrix @ matrix.T, 0, 0))


def assert_same_direction(ours: Tensor, theirs: Tensor, tolerance: float = 1e-6) -> None:
    torch.testing.assert_close(ours / ours.norm(), theirs / theirs.norm(), rtol=0, atol=tolerance)


@given(SEEDS, TASKS)
@settings(max_examples=30)
def test_imtl_g_is_that_of_torchjd_and_projects_equally(seed: int, tasks: int) -> None:
    matrix = gradients(seed, tasks)
    ours = factors("imtl_g", matrix)
    assert_same_direction(ours, aggregation.IMTLGWeighting()(matrix @ matrix.T))
    projections = matrix @ (ours @ matrix) / matrix.norm(dim=1)
    torch.testing.assert_close(projections, projections.mean().expand(tasks), rtol=1e-6, atol=0)


@given(SEEDS, TASKS)
@settings(max_examples=30)
def test_aligned_mtl_is_that_of_torchjd(seed: int, tasks: int) -> None:
    matrix = gradients(seed, tasks)
    assert_same_direction(factors("aligned_mtl", matrix), aggregation.AlignedMTLWeighting()(matrix @ matrix.T))


@given(SEEDS)
@settings(max_examples=20)
def test_gradvac_is_that_of_torchjd_over_several_steps(seed: int) -> None:
    # two tasks: from three on both draw an order of their own
    theirs, ours = aggregation.GradVacWeighting(beta=0.5, eps=0.0), find_method("gradvac")().setup(["a", "b"])
    for number in range(5):
        matrix = gradients(seed + number, 2, size=3)
        gram = matrix @ matrix.T
        view = StepView(("a", "b"), torch.ones(2, dtype=torch.float64), gram, number, 0)
        torch.testing.assert_close(ours.coefficients(view), theirs(gram), rtol=1e-9, atol=1e-9)


@given(SEEDS, TASKS)
@settings(max_examples=20)
def test_fairgrad_and_nash_solve_their_equations(seed: int, tasks: int) -> None:
    matrix = gradients(seed, tasks)
    gram = matrix @ matrix.T
    for name, alpha in (("fairgrad", 2.0), ("nash", 1.0)):
        c = factors(name, matrix)
        assert (c > 0).all()
        # (G c) c^(1/alpha) is the same for all tasks, whatever the length of c
        values = (gram @ c) * c ** (1 / alpha)
        torch.testing.assert_close(values, values.mean().expand(tasks), rtol=1e-5, atol=0)


def test_fairgrad_is_that_of_torchjd() -> None:
    matrix = gradients(3, 3) / 10
    for alpha in (1.0, 2.0):
        view = StepView(("a", "b", "c"), torch.ones(3, dtype=torch.float64), matrix @ matrix.T, 0, 0)
        ours = FairGrad(alpha).setup(["a", "b", "c"]).coefficients(view)
        assert_same_direction(ours, aggregation.FairGradWeighting(alpha=alpha)(matrix @ matrix.T), 1e-4)


@given(SEEDS, st.integers(2, 4))
@settings(max_examples=20)
def test_mgda_is_the_shortest_combination(seed: int, tasks: int) -> None:
    matrix = gradients(seed, tasks)
    ours = factors("mgda", matrix) / tasks
    assert ours.sum().item() == pytest.approx(1)
    assert (ours >= 0).all()
    update = ours @ matrix
    # of the shortest vector of a convex hull, every corner has an inner product of at least its square
    assert ((matrix @ update) >= update.dot(update) * (1 - 1e-6) - 1e-12).all()


@given(SEEDS, st.integers(2, 4))
@settings(max_examples=20)
def test_upgrad_is_the_sum_of_the_projections(seed: int, tasks: int) -> None:
    matrix = gradients(seed, tasks)
    gram = matrix @ matrix.T
    regularised = (gram / gram.trace()).numpy() + 1e-4 * np.eye(tasks)
    expected = np.zeros(tasks)
    for i in range(tasks):
        least = np.eye(tasks)[i]
        tried = minimize(
            lambda v: v @ regularised @ v,
            least,
            jac=lambda v: 2 * regularised @ v,
            bounds=[(low, None) for low in least],
            options={"ftol": 1e-16, "gtol": 1e-12},
        )
        expected += tried.x
    ours = factors("upgrad", matrix)
    torch.testing.assert_close(ours, torch.from_numpy(expected), rtol=0, atol=1e-3 * float(expected.max()))
    losses_change = matrix @ (ours @ matrix)
    assert (losses_change >= -2e-2 * gram.trace()).all(), "no loss rises to first order, but for the ridge"


@pytest.mark.parametrize("tasks", [2, 3])
@pytest.mark.parametrize("seed", range(8))
def test_cagrad_is_the_best_of_a_fine_grid(seed: int, tasks: int) -> None:
    matrix, c = gradients(seed, tasks), 0.5
    view = StepView(tuple("abc"[:tasks]), torch.ones(tasks, dtype=torch.float64), matrix @ matrix.T, 0, 0)
    ours = CAGrad(c).setup(list(view.tasks)).coefficients(view)
    mean = matrix.mean(0)

    def worst(update: Tensor) -> float:
        return (matrix @ update).min().item()

    update = ours @ matrix / tasks
    assert (update - mean).norm().item() == pytest.approx(c * mean.norm().item(), rel=1e-4)
    steps = 400 if tasks == 2 else 60
    for corner in product(range(steps + 1), repeat=tasks - 1):
        if sum(corner) <= steps:
            w = torch.tensor([*corner, steps - sum(corner)], dtype=torch.float64) / steps
            direction = w @ matrix
            if direction.norm() > 1e-9:
                other = mean + c * mean.norm() * direction / direction.norm()
                assert worst(update) >= worst(other) - 1e-6 * mean.norm() * matrix.norm()


def test_cagrad_of_many_tasks_agrees_with_all_subsets(monkeypatch: pytest.MonkeyPatch) -> None:
    from swissbert.mtl.methods import cagrad

    matrix = gradients(5, 6, size=9)
    exact = factors("cagrad", matrix)
    monkeypatch.setattr(cagrad, "MOST_TASKS", 2)
    torch.testing.assert_close(factors("cagrad", matrix), exact, rtol=1e-6, atol=1e-6)


@given(SEEDS, TASKS)
@settings(max_examples=20)
def test_db_mtl_gives_all_log_gradients_the_longest_norm(seed: int, tasks: int) -> None:
    matrix, losses = gradients(seed, tasks), torch.linspace(0.2, 3, tasks, dtype=torch.float64)
    ours = factors("db_mtl", matrix, losses)
    norms = (ours[:, None] * matrix).norm(dim=1)
    torch.testing.assert_close(norms, (matrix.norm(dim=1) / losses).max().expand(tasks), rtol=1e-9, atol=0)


def test_methods_of_losses_have_the_gradients_of_their_objectives() -> None:
    values = torch.tensor([0.3, 2.0, 1.1], dtype=torch.float64, requires_grad=True)
    objectives = {
        "gls": 3 * scalarization.GeometricMean()(values),
        "log_sum": values.log().sum(),
    }
    for name, objective in objectives.items():
        (gradient,) = torch.autograd.grad(objective, [values])
        ours = factors(name, torch.eye(3, dtype=torch.float64), values.detach())
        torch.testing.assert_close(ours, gradient, rtol=1e-6, atol=0)


def test_uw_so_is_a_softmax_of_inverse_losses() -> None:
    losses = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    view = StepView(("a", "b", "c"), losses, None, 0, 0)
    ours = UWSO(temperature=2.0).setup(["a", "b", "c"]).coefficients(view)
    weights = [math.exp(1 / (2 * loss)) for loss in losses.tolist()]
    assert ours.tolist() == pytest.approx([3 * weight / sum(weights) for weight in weights])


def test_rlw_is_one_on_average_and_differs_from_step_to_step() -> None:
    method, losses = find_method("rlw")().setup(["a", "b", "c"]), torch.ones(3, dtype=torch.float64)
    drawn = torch.stack([method.coefficients(StepView(("a", "b", "c"), losses, None, n, 7)) for n in range(600)])
    assert drawn.mean(0).tolist() == pytest.approx([1, 1, 1], abs=0.1)
    assert len({tuple(row) for row in drawn.tolist()}) == 600


def test_famo_is_that_of_torchjd_where_the_next_losses_are_those_after_the_step() -> None:
    ours = find_method("famo")().setup(["a", "b", "c"])
    optimizer = torch.optim.AdamW(ours.parameters(), lr=0.025, weight_decay=0.0)
    theirs = scalarization.FAMO(3).double()
    generator = torch.Generator().manual_seed(0)
    losses = torch.rand(3, dtype=torch.float64, generator=generator) + 0.5
    for number in range(20):
        view = StepView(("a", "b", "c"), losses, None, number, 0)
        values = losses.clone().requires_grad_()
        following = losses * (0.9 + 0.2 * torch.rand(3, dtype=torch.float64, generator=generator))
        if number:
            theirs.update(losses)
        ours.coefficients(view)
        optimizer.step()  # the change is seen at the next step, one later than theirs
        after = ours.coefficients(StepView(("a", "b", "c"), losses, None, number, 0))
        optimizer.zero_grad()
        (gradient,) = torch.autograd.grad(theirs(values), [values])
        assert_same_direction(after, gradient, 1e-5)
        losses = following


def test_famo_gives_more_weight_to_the_loss_that_falls_slowest() -> None:
    method = find_method("famo")().setup(["slow", "fast"])
    optimizer = torch.optim.AdamW(method.parameters(), lr=0.025, weight_decay=0.0)
    losses = torch.ones(2, dtype=torch.float64)
    for number in range(30):
        weights = method.coefficients(StepView(("slow", "fast"), losses, None, number, 0))
        optimizer.step()
        losses = losses * torch.tensor([0.99, 0.9], dtype=torch.float64)
    assert (weights * losses)[0] > (weights * losses)[1]
