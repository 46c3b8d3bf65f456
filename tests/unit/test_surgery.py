"""Gradient surgery worked out by hand, and against TorchJD's PCGrad."""

from itertools import pairwise, permutations, product

import pytest
import torch
from torch import Tensor
from torchjd.aggregation import PCGrad

from swissbert.mtl.surgery import conflicts, random_orders, surgery_coefficients


def rows(*values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def gram(gradients: Tensor) -> Tensor:
    return gradients.double() @ gradients.double().T


def in_turn(tasks: int) -> list[list[int]]:
    return [list(range(tasks))] * tasks


THREE = rows([1, 0, 0], [-1, 1, 0], [-1, -1, 1])
"""Each conflicts with another, and the order matters."""


def test_two_conflicting_gradients_become_what_the_formula_says() -> None:
    gradients = rows([2, 0], [-1, 1])
    # g1 + (2/2) g2 = (1, 1) and g2 + (2/4) g1 = (0, 1)
    coefficients = surgery_coefficients(gram(gradients), in_turn(2))
    assert coefficients.tolist() == pytest.approx([1.5, 2.0], rel=1e-15)
    assert (coefficients @ gradients).tolist() == pytest.approx([1, 2], rel=1e-15)


def test_a_later_projection_looks_at_the_projected_gradient_and_the_original_other() -> None:
    gradients = rows([-1, -1], [1, 0], [1, 1])
    # g1 off g2: (0, -1); then off g3, with which the inner product is now -1, not -2: (1/2, -1/2)
    # g2 off g1: (1/2, -1/2), no conflict with g3; g3 off g1: zero, no conflict with g2
    coefficients = surgery_coefficients(gram(gradients), [[0, 1, 2], [0, 1, 2], [0, 1, 2]])
    assert (coefficients @ gradients).tolist() == pytest.approx([1, -1], rel=1e-14)
    # the other way round, g1 off g3 is zero, and nothing is left to take off
    coefficients = surgery_coefficients(gram(gradients), [[2, 1, 0], [2, 1, 0], [2, 1, 0]])
    assert (coefficients @ gradients).tolist() == pytest.approx([0.5, -0.5], rel=1e-14)


def test_gradients_without_conflict_are_summed_as_they_are() -> None:
    gradients = rows([3, 0, 1], [0, 7, 0.1], [1, 1, 0])
    assert surgery_coefficients(gram(gradients), in_turn(3)).tolist() == [1, 1, 1]


def test_a_gradient_alone_is_left_alone() -> None:
    assert surgery_coefficients(rows([0.3]), [[0]]).tolist() == [1]
    assert conflicts(rows([0.3]))[1] == 0
    assert conflicts(rows([0.3]))[0].tolist() == [[1]]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_a_zero_gradient_changes_no_other(order: list[int]) -> None:
    gradients = rows([2, 0], [0, 0], [-1, 1])
    coefficients = surgery_coefficients(gram(gradients), [order] * 3)
    assert coefficients.tolist() == pytest.approx([1.5, 1.0, 2.0], rel=1e-15)
    assert surgery_coefficients(torch.zeros(3, 3), [order] * 3).tolist() == [1, 1, 1]


def test_identical_gradients_are_summed_and_opposite_ones_cancel() -> None:
    one = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64)
    alike = torch.stack([one, one, one])
    assert surgery_coefficients(gram(alike), in_turn(3)).tolist() == [1, 1, 1]
    opposite = torch.stack([one, -5 * one])
    coefficients = surgery_coefficients(gram(opposite), in_turn(2))
    assert coefficients.tolist() == pytest.approx([6, 1.2], rel=1e-15)
    assert (coefficients @ opposite).abs().max() < 1e-14


@pytest.mark.parametrize("seed", range(20))
def test_two_gradients_are_combined_as_torchjd_combines_them(seed: int) -> None:
    gradients = torch.randn(2, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    if seed % 2:
        gradients[1] = gradients[1] * 0.3 - gradients[0]  # surely in conflict
    found = surgery_coefficients(gram(gradients), random_orders(2, [seed])) @ gradients
    torch.testing.assert_close(found, PCGrad()(gradients), rtol=1e-12, atol=1e-12)


def test_what_torchjd_makes_of_three_is_among_the_updates_of_all_orders() -> None:
    others = [list(permutations([j for j in range(3) if j != i])) for i in range(3)]
    updates = [surgery_coefficients(gram(THREE), orders) @ THREE for orders in product(*others)]
    assert len(updates) == 8
    met = set()
    with torch.random.fork_rng():
        for seed in range(30):
            torch.manual_seed(seed)
            theirs = PCGrad()(THREE)
            distances = [(update - theirs).abs().max().item() for update in updates]
            assert min(distances) < 1e-12
            met.add(tuple(round(value, 9) for value in theirs.tolist()))
    assert len(met) > 1
    assert met == {tuple(round(value, 9) for value in update.tolist()) for update in updates}


def test_three_in_conflict_give_other_coefficients_in_another_order() -> None:
    found = {tuple(surgery_coefficients(gram(THREE), random_orders(3, [1, step])).tolist()) for step in range(30)}
    assert len(found) > 1


def test_every_order_of_the_others_is_equally_frequent_for_every_task() -> None:
    counts: dict[tuple[int, ...], int] = {}
    for step in range(2000):
        for i, order in enumerate(random_orders(4, [7, step])):
            assert sorted(order) == [0, 1, 2, 3]
            key = (i, *(j for j in order if j != i))
            counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 4 * 6
    spread = (2000 * (1 / 6) * (5 / 6)) ** 0.5
    assert all(abs(count - 2000 / 6) < 5 * spread for count in counts.values())


def test_the_orders_of_two_tasks_in_a_step_are_independent() -> None:
    same = sum(first == second for first, second in (random_orders(4, [3, step])[:2] for step in range(1000)))
    assert same < 80  # 1 in 24 is 42


def test_the_seed_alone_decides_the_orders() -> None:
    torch.manual_seed(1)
    first = [random_orders(5, [11, step]) for step in range(10)]
    torch.manual_seed(2)
    again = [random_orders(5, [11, step]) for step in reversed(range(10))]
    assert first == again[::-1]
    assert first != [random_orders(5, [12, step]) for step in range(10)]
    assert all(one != other for one, other in pairwise(first))


def test_surgery_draws_nothing_and_changes_nothing_that_it_is_given() -> None:
    matrix, orders = gram(THREE), random_orders(3, [0])
    kept, before = matrix.clone(), torch.random.get_rng_state()
    one, other = (surgery_coefficients(matrix, orders) for _ in range(2))
    conflicts(matrix)
    assert torch.equal(one, other)
    assert torch.equal(matrix, kept)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_coefficients_and_cosines_are_float64_without_gradient(dtype: torch.dtype) -> None:
    matrix = torch.tensor([[4.0, -2.0], [-2.0, 2.0]], dtype=dtype, requires_grad=True)
    coefficients, (cosines, _) = surgery_coefficients(matrix, in_turn(2)), conflicts(matrix)
    assert coefficients.dtype == cosines.dtype == torch.float64
    assert not coefficients.requires_grad
    assert not cosines.requires_grad
    assert coefficients.tolist() == pytest.approx([1.5, 2.0], rel=1e-15)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", [(0, 0), (0, 1)])
def test_a_value_that_is_not_finite_is_refused(value: float, place: tuple[int, int]) -> None:
    matrix = torch.eye(2)
    matrix[place] = value
    with pytest.raises(ValueError, match="not finite"):
        surgery_coefficients(matrix, in_turn(2))
    with pytest.raises(ValueError, match="not finite"):
        conflicts(matrix)


@pytest.mark.parametrize("shape", [(2, 3), (4,), (2, 2, 2)])
def test_a_matrix_that_is_not_square_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="square"):
        conflicts(torch.zeros(shape))


@pytest.mark.parametrize("count", [2, 4])
def test_another_number_of_orders_than_of_tasks_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="zip"):
        surgery_coefficients(torch.eye(3), [[0, 1, 2]] * count)


def test_cosines_and_the_share_of_conflicts_are_those_of_the_angles() -> None:
    gradients = rows([1, 0], [-3, 3], [0, 1e-9], [0, 0])
    cosines, share = conflicts(gram(gradients))
    half = 0.5**0.5
    expected = [[1, -half, 0, 0], [-half, 1, half, 0], [0, half, 1, 0], [0, 0, 0, 0]]
    torch.testing.assert_close(cosines, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-15)
    assert share == pytest.approx(1 / 6)


def test_the_share_of_conflicts_is_one_where_all_point_apart_and_zero_where_none_does() -> None:
    assert conflicts(gram(rows([1, 0], [-1, 2], [-1, -2])))[1] == 1
    assert conflicts(torch.eye(3))[1] == 0


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_float32_gradients_of_any_size_are_handled_when_summed_in_float64(scale: float) -> None:
    gradients = (rows([2, 0], [-1, 1]) * scale).float()
    coefficients = surgery_coefficients(gram(gradients), in_turn(2))
    assert coefficients.tolist() == pytest.approx([1.5, 2.0], rel=1e-6)


def test_the_largest_and_smallest_norms_of_all_still_give_finite_coefficients() -> None:
    big, small = 1.7e308, 1.1e-300  # squared norms
    matrix = rows([big, -((big * small) ** 0.5)], [-((big * small) ** 0.5), small])
    coefficients = surgery_coefficients(matrix, in_turn(2))
    assert coefficients.isfinite().all()
    assert coefficients[1] > 1e300
    tiny = rows([big, -1e-20], [-1e-20, 5e-324])  # the second norm is below what can be told from zero
    assert surgery_coefficients(tiny, in_turn(2)).tolist() == [1, 1]
    assert conflicts(tiny)[1] == 0
