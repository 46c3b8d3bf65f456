"""Properties of gradient surgery for gradients of any number, direction and size."""

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from swissbert.mtl.gram import conflicts
from swissbert.mtl.methods.pcgrad import pcgrad_coefficients, random_orders

Case = tuple[Tensor, list[list[int]]]


@st.composite
def cases(draw: st.DrawFn, most: int = 5, tasks: int | None = None, decades: int = 30) -> Case:
    """Draw gradients ``[T, D]`` in float64 of different sizes, some of them zero, equal or opposite, and orders."""
    count = tasks or draw(st.integers(1, most))
    width = draw(st.integers(1, 6))
    numbers = st.integers(-9, 9).map(float) | st.floats(-1, 1, allow_subnormal=False)
    gradients: list[Tensor] = []
    for _ in range(count):
        if gradients and draw(st.integers(0, 4)) == 0:
            gradient = draw(st.sampled_from(gradients)) * draw(st.sampled_from([1.0, -1.0, -3.0, 0.0]))
        else:
            values = draw(st.lists(numbers, min_size=width, max_size=width))
            gradient = torch.tensor(values, dtype=torch.float64)
            largest = gradient.abs().max()
            if largest > 0:  # the size is drawn below
                gradient = gradient / largest
            gradient = gradient * 10.0 ** draw(st.integers(-decades, decades))
        gradients.append(gradient)
    orders = [draw(st.permutations(range(count))) for _ in range(count)]
    return torch.stack(gradients), orders


def gram(gradients: Tensor) -> Tensor:
    return gradients @ gradients.T


def projected(gradients: Tensor, orders: list[list[int]]) -> Tensor:
    """Apply Algorithm 1 of Yu et al. to whole vectors; return the projected gradients, ``[T, D]``."""
    results = []
    for i, order in enumerate(orders):
        current = gradients[i].clone()
        for j in order:
            inner = torch.dot(current, gradients[j])
            if j != i and inner < 0:
                current -= inner / torch.dot(gradients[j], gradients[j]) * gradients[j]
        results.append(current)
    return torch.stack(results)


def norms(gradients: Tensor) -> Tensor:
    size: Tensor = torch.linalg.vector_norm(gradients, dim=1)
    return size


@given(case=cases())
@settings(deadline=None, max_examples=300)
def test_the_combination_is_the_sum_of_explicitly_projected_gradients(case: Case) -> None:
    gradients, orders = case
    update = pcgrad_coefficients(gram(gradients), orders) @ gradients
    expected = projected(gradients, orders).sum(0)
    assert (update - expected).abs().max() <= 1e-12 * norms(gradients).sum()


@given(case=cases(decades=1))
@settings(deadline=None, max_examples=100)
def test_each_projection_depends_on_the_directions_of_the_others_alone(case: Case) -> None:
    gradients, orders = case
    for i in range(len(gradients)):
        scaled = gradients * 1e-30  # so small that the update is the projection of gᵢ
        scaled[i] = gradients[i]
        update = pcgrad_coefficients(gram(scaled), orders) @ scaled
        expected = projected(gradients, orders)[i]
        assert (update - expected).abs().max() <= 1e-12 * norms(gradients)[i] + 1e-27


@given(case=cases())
@settings(deadline=None)
def test_coefficients_are_finite_and_between_one_and_the_ratio_of_norms(case: Case) -> None:
    gradients, orders = case
    coefficients = pcgrad_coefficients(gram(gradients), orders)
    size = norms(gradients)
    assert coefficients.isfinite().all()
    assert (coefficients >= 1).all()
    assert (coefficients * size <= size.sum() * (1 + 1e-12)).all()
    assert (coefficients[size == 0] == 1).all()


@given(case=cases(), power=st.integers(-200, 200))
@settings(deadline=None)
def test_scaling_all_gradients_together_changes_no_coefficient(case: Case, power: int) -> None:
    gradients, orders = case
    sizes = gradients.abs()
    largest = sizes.amax(1, keepdim=True)
    assume(bool(((sizes == 0) | (sizes > 1e-140 * largest.clamp(min=1))).all()))  # smaller products lose digits
    scaled = gradients * 2.0**power
    assert torch.equal(pcgrad_coefficients(gram(gradients), orders), pcgrad_coefficients(gram(scaled), orders))
    assert torch.equal(conflicts(gram(gradients))[0], conflicts(gram(scaled))[0])


@given(case=cases(tasks=2))
@settings(deadline=None)
def test_the_update_of_two_tasks_conflicts_with_neither(case: Case) -> None:
    gradients, orders = case
    update = pcgrad_coefficients(gram(gradients), orders) @ gradients
    size = norms(gradients)
    assert (gradients @ update >= -1e-12 * size * size.sum()).all()


@given(case=cases())
@settings(deadline=None)
def test_without_conflict_the_update_is_the_plain_sum(case: Case) -> None:
    gradients, orders = case[0].abs(), case[1]
    assert (pcgrad_coefficients(gram(gradients), orders) == 1).all()
    assert conflicts(gram(gradients))[1] == 0


@given(case=cases(decades=1))
@settings(deadline=None)
def test_with_a_conflict_the_update_is_not_the_plain_sum(case: Case) -> None:
    gradients, orders = case
    cosines, share = conflicts(gram(gradients))
    assert (share > 0) == bool((cosines < 0).any())
    if cosines.min() < -1e-6:
        assert pcgrad_coefficients(gram(gradients), orders).max() > 1


@given(case=cases())
@settings(deadline=None)
def test_cosines_are_those_of_unit_vectors(case: Case) -> None:
    gradients, _ = case
    size = norms(gradients)[:, None]
    units = torch.where(size > 0, gradients / size, 0.0)
    cosines, share = conflicts(gram(gradients))
    assert (cosines - units @ units.T).abs().max() <= 1e-14
    assert cosines.abs().max() <= 1
    assert 0 <= share <= 1


@given(case=cases(most=4), data=st.data())
@settings(deadline=None)
def test_permuting_the_tasks_permutes_the_coefficients(case: Case, data: st.DataObject) -> None:
    gradients, orders = case
    names = data.draw(st.permutations(range(len(gradients))))  # new place -> old place
    place = [names.index(i) for i in range(len(names))]  # old place -> new place
    renamed = [[place[j] for j in orders[old]] for old in names]
    before = pcgrad_coefficients(gram(gradients), orders) @ gradients
    after = pcgrad_coefficients(gram(gradients)[names][:, names], renamed) @ gradients[names]
    assert (before - after).abs().max() <= 1e-12 * norms(gradients).sum()


@given(tasks=st.integers(1, 8), seed=st.lists(st.integers(0, 2**40), min_size=1, max_size=3))
@settings(deadline=None)
def test_orders_are_permutations_determined_by_the_seed(tasks: int, seed: list[int]) -> None:
    orders = random_orders(tasks, seed)
    assert [sorted(order) for order in orders] == [list(range(tasks))] * tasks
    assert random_orders(tasks, seed) == orders
