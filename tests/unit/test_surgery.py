"""Gradient surgery: values computed by hand, and TorchJD's PCGrad as oracle."""

from itertools import pairwise, permutations, product

import pytest
import torch
from torch import Tensor
from torchjd.aggregation import PCGrad

from swissbert.mtl import StepView
from swissbert.mtl.gram import conflicts, pair_cosines, weighted_gram
from swissbert.mtl.methods.pcgrad import PCGrad as OurPCGrad
from swissbert.mtl.methods.pcgrad import pcgrad_coefficients, random_orders


def rows(*values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def gram(gradients: Tensor) -> Tensor:
    return gradients.double() @ gradients.double().T


def in_turn(tasks: int) -> list[list[int]]:
    return [list(range(tasks))] * tasks


THREE = rows([1, 0, 0], [-1, 1, 0], [-1, -1, 1])
"""Each gradient conflicts with another one, and the order matters."""


def test_two_conflicting_gradients_follow_the_formula() -> None:
    gradients = rows([2, 0], [-1, 1])
    # g1 + (2/2) g2 = (1, 1) and g2 + (2/4) g1 = (0, 1)
    coefficients = pcgrad_coefficients(gram(gradients), in_turn(2))
    assert coefficients.tolist() == pytest.approx([1.5, 2.0], rel=1e-15)
    assert (coefficients @ gradients).tolist() == pytest.approx([1, 2], rel=1e-15)


def test_a_later_projection_uses_the_projected_gradient_and_the_original_other() -> None:
    gradients = rows([-1, -1], [1, 0], [1, 1])
    # g1 off g2: (0, -1); then off g3, with which the inner product is now -1, not -2: (1/2, -1/2)
    # g2 off g1: (1/2, -1/2), no conflict with g3; g3 off g1: zero, no conflict with g2
    coefficients = pcgrad_coefficients(gram(gradients), [[0, 1, 2], [0, 1, 2], [0, 1, 2]])
    assert (coefficients @ gradients).tolist() == pytest.approx([1, -1], rel=1e-14)
    # in the other order g1 off g3 is zero, and there is nothing left to project
    coefficients = pcgrad_coefficients(gram(gradients), [[2, 1, 0], [2, 1, 0], [2, 1, 0]])
    assert (coefficients @ gradients).tolist() == pytest.approx([0.5, -0.5], rel=1e-14)


def test_gradients_without_conflict_are_summed() -> None:
    gradients = rows([3, 0, 1], [0, 7, 0.1], [1, 1, 0])
    assert pcgrad_coefficients(gram(gradients), in_turn(3)).tolist() == [1, 1, 1]


def test_a_single_gradient_is_unchanged() -> None:
    assert pcgrad_coefficients(rows([0.3]), [[0]]).tolist() == [1]
    assert conflicts(rows([0.3]))[1] == 0
    assert conflicts(rows([0.3]))[0].tolist() == [[1]]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_a_zero_gradient_does_not_change_the_others(order: list[int]) -> None:
    gradients = rows([2, 0], [0, 0], [-1, 1])
    coefficients = pcgrad_coefficients(gram(gradients), [order] * 3)
    assert coefficients.tolist() == pytest.approx([1.5, 1.0, 2.0], rel=1e-15)
    assert pcgrad_coefficients(torch.zeros(3, 3), [order] * 3).tolist() == [1, 1, 1]


def test_identical_gradients_are_summed_and_opposite_ones_cancel() -> None:
    one = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64)
    alike = torch.stack([one, one, one])
    assert pcgrad_coefficients(gram(alike), in_turn(3)).tolist() == [1, 1, 1]
    opposite = torch.stack([one, -5 * one])
    coefficients = pcgrad_coefficients(gram(opposite), in_turn(2))
    assert coefficients.tolist() == pytest.approx([6, 1.2], rel=1e-15)
    assert (coefficients @ opposite).abs().max() < 1e-14


@pytest.mark.parametrize("seed", range(20))
def test_two_gradients_are_combined_as_by_torchjd(seed: int) -> None:
    gradients = torch.randn(2, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    if seed % 2:
        gradients[1] = gradients[1] * 0.3 - gradients[0]  # certainly in conflict
    update = pcgrad_coefficients(gram(gradients), random_orders(2, [seed])) @ gradients
    torch.testing.assert_close(update, PCGrad()(gradients), rtol=1e-12, atol=1e-12)


def test_the_update_of_torchjd_for_three_gradients_is_that_of_one_of_the_orders() -> None:
    others = [list(permutations([j for j in range(3) if j != i])) for i in range(3)]
    updates = [pcgrad_coefficients(gram(THREE), orders) @ THREE for orders in product(*others)]
    assert len(updates) == 8
    seen = set()
    with torch.random.fork_rng():
        for seed in range(30):
            torch.manual_seed(seed)
            theirs = PCGrad()(THREE)
            distances = [(update - theirs).abs().max().item() for update in updates]
            assert min(distances) < 1e-12
            seen.add(tuple(round(value, 9) for value in theirs.tolist()))
    assert len(seen) > 1
    assert seen == {tuple(round(value, 9) for value in update.tolist()) for update in updates}


def test_the_order_changes_the_coefficients_of_three_conflicting_gradients() -> None:
    results = {tuple(pcgrad_coefficients(gram(THREE), random_orders(3, [1, step])).tolist()) for step in range(30)}
    assert len(results) > 1


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


def test_the_seed_alone_determines_the_orders() -> None:
    torch.manual_seed(1)
    first = [random_orders(5, [11, step]) for step in range(10)]
    torch.manual_seed(2)
    again = [random_orders(5, [11, step]) for step in reversed(range(10))]
    assert first == again[::-1]
    assert first != [random_orders(5, [12, step]) for step in range(10)]
    assert all(one != other for one, other in pairwise(first))


def test_surgery_draws_no_random_numbers_and_leaves_its_arguments_unchanged() -> None:
    matrix, orders = gram(THREE), random_orders(3, [0])
    kept, before = matrix.clone(), torch.random.get_rng_state()
    one, other = (pcgrad_coefficients(matrix, orders) for _ in range(2))
    conflicts(matrix)
    assert torch.equal(one, other)
    assert torch.equal(matrix, kept)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_coefficients_and_cosines_are_float64_without_gradient(dtype: torch.dtype) -> None:
    matrix = torch.tensor([[4.0, -2.0], [-2.0, 2.0]], dtype=dtype, requires_grad=True)
    coefficients, (cosines, _) = pcgrad_coefficients(matrix, in_turn(2)), conflicts(matrix)
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
        pcgrad_coefficients(matrix, in_turn(2))
    with pytest.raises(ValueError, match="not finite"):
        conflicts(matrix)


@pytest.mark.parametrize("shape", [(2, 3), (4,), (2, 2, 2)])
def test_a_matrix_that_is_not_square_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="square"):
        conflicts(torch.zeros(shape))


@pytest.mark.parametrize("count", [2, 4])
def test_a_number_of_orders_other_than_the_number_of_tasks_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="zip"):
        pcgrad_coefficients(torch.eye(3), [[0, 1, 2]] * count)


def test_cosines_and_the_share_of_conflicts_are_those_of_the_angles() -> None:
    gradients = rows([1, 0], [-3, 3], [0, 1e-9], [0, 0])
    cosines, share = conflicts(gram(gradients))
    half = 0.5**0.5
    expected = [[1, -half, 0, 0], [-half, 1, half, 0], [0, half, 1, 0], [0, 0, 0, 0]]
    torch.testing.assert_close(cosines, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-15)
    assert share == pytest.approx(1 / 6)


def test_the_share_of_conflicts_is_one_if_all_pairs_conflict_and_zero_if_none_does() -> None:
    assert conflicts(gram(rows([1, 0], [-1, 2], [-1, -2])))[1] == 1
    assert conflicts(torch.eye(3))[1] == 0


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_float32_gradients_of_any_size_are_handled_when_summed_in_float64(scale: float) -> None:
    gradients = (rows([2, 0], [-1, 1]) * scale).float()
    coefficients = pcgrad_coefficients(gram(gradients), in_turn(2))
    assert coefficients.tolist() == pytest.approx([1.5, 2.0], rel=1e-6)


def test_the_largest_and_smallest_norms_of_all_still_give_finite_coefficients() -> None:
    big, small = 1.7e308, 1.1e-300  # squared norms
    matrix = rows([big, -((big * small) ** 0.5)], [-((big * small) ** 0.5), small])
    coefficients = pcgrad_coefficients(matrix, in_turn(2))
    assert coefficients.isfinite().all()
    assert coefficients[1] > 1e300
    tiny = rows([big, -1e-20], [-1e-20, 5e-324])  # the second norm counts as zero
    assert pcgrad_coefficients(tiny, in_turn(2)).tolist() == [1, 1]
    assert conflicts(tiny)[1] == 0


def test_the_method_combines_with_orders_from_seed_and_step() -> None:
    for step in range(5):
        view = StepView(("a", "b", "c"), torch.ones(3), gram(THREE), step, seed=7)
        expected = pcgrad_coefficients(gram(THREE), random_orders(3, [7, step]))
        assert torch.equal(OurPCGrad().setup(["a", "b", "c"]).coefficients(view), expected)


def test_pair_cosines_name_the_two_tasks() -> None:
    cosines = pair_cosines(gram(rows([1, 0], [-3, 3], [0, 2])), ["a", "b", "c"])
    assert cosines == pytest.approx({"a-b": -(0.5**0.5), "a-c": 0.0, "b-c": 0.5**0.5})


def test_the_gram_matrix_of_weighted_gradients_is_weighted_on_both_sides() -> None:
    weights = torch.tensor([0.5, 2.0, 3.0], dtype=torch.float64)
    expected = gram(weights[:, None] * THREE)
    torch.testing.assert_close(weighted_gram(gram(THREE), weights), expected, rtol=1e-14, atol=0)


def test_a_step_without_a_gram_matrix_says_what_a_method_must_declare() -> None:
    losses = torch.ones(2, dtype=torch.float64)
    with pytest.raises(ValueError, match="no Gram matrix: a method that reads it has needs = 'gram'"):
        _ = StepView(("a", "b"), losses, None, 0, 0).needed_gram
    matrix = torch.eye(2, dtype=torch.float64)
    assert StepView(("a", "b"), losses, matrix, 0, 0).needed_gram is matrix
