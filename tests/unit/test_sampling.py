"""Task sampling: probabilities computed by hand, frequencies, and the end of an epoch."""

import random
from collections import Counter
from itertools import count, islice, pairwise
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swissbert.mtl.sampling import (
    Draw,
    Method,
    in_steps,
    make_plan,
    probabilities,
    round_robin,
    rounds_in_epoch,
    sampled,
    until_exhausted,
)

SIZES = {"sst": 100, "para": 1600, "sts": 400}
PAPER = {"sst": 1.0, "para": 1.7, "sts": 1.0}
METHODS: list[Method] = ["weighted", "proportional", "square_root", "temperature", "annealed"]


def chances(method: Method, temperature: float = 1.0, epoch: int = 1, epochs: int = 1) -> dict[str, float]:
    return probabilities(method, SIZES, PAPER, temperature, epoch, epochs)


def shares(*parts: float) -> Any:
    """Return a value that equals p ∝ `parts`, in the order sst, para, sts, up to rounding."""
    return pytest.approx({task: part / sum(parts) for task, part in zip(SIZES, parts, strict=True)}, rel=1e-12)


def test_weighted_follows_the_weights_and_ignores_the_sizes() -> None:
    assert chances("weighted") == shares(1, 1.7, 1)


def test_a_task_without_a_weight_has_weight_one_and_a_weight_of_zero_is_never_drawn() -> None:
    result = probabilities("weighted", SIZES, {"para": 2.0, "sts": 0.0, "elsewhere": 9.0}, 1.0, 1, 1)
    assert result == pytest.approx({"sst": 1 / 3, "para": 2 / 3, "sts": 0})
    assert {task for step in sampled(result, 300, 2, [1]) for task, _ in step} == {"sst", "para"}


def test_proportional_and_square_root_follow_the_sizes() -> None:
    assert chances("proportional") == shares(1, 16, 4)
    assert chances("square_root") == shares(1, 4, 2)


@pytest.mark.parametrize(
    ("temperature", "expected"), [(1.0, (1, 16, 4)), (2.0, (1, 4, 2)), (4.0, (1, 2, 2**0.5)), (0.5, (1, 256, 16))]
)
def test_temperature_flattens_the_sizes_by_its_inverse(temperature: float, expected: tuple[float, ...]) -> None:
    assert chances("temperature", temperature=temperature) == shares(*expected)


def test_extreme_temperatures_select_the_largest_task_or_all_equally() -> None:
    assert chances("temperature", temperature=1e-5) == shares(0, 1, 0)
    assert chances("temperature", temperature=1e15) == shares(1, 1, 1)


@pytest.mark.parametrize(
    ("epoch", "epochs", "alpha"), [(1, 5, 1.0), (3, 5, 0.6), (5, 5, 0.2), (2, 2, 0.2), (1, 1, 1.0)]
)
def test_annealed_falls_from_one_to_a_fifth(epoch: int, epochs: int, alpha: float) -> None:
    assert chances("annealed", epoch=epoch, epochs=epochs) == shares(1, 16**alpha, 4**alpha)


@pytest.mark.parametrize(("epoch", "epochs"), [(0, 3), (4, 3)])
def test_annealed_refuses_an_epoch_outside_the_run(epoch: int, epochs: int) -> None:
    with pytest.raises(ValueError, match="is not from 1 to 3"):
        chances("annealed", epoch=epoch, epochs=epochs)


@given(
    method=st.sampled_from(METHODS),
    sizes=st.dictionaries(st.text(min_size=1), st.integers(1, 10**12), min_size=1, max_size=6),
    temperature=st.floats(1e-6, 1e6),
    epoch=st.integers(1, 9),
)
@settings(deadline=None)
def test_probabilities_add_up_to_one_and_favour_no_smaller_task(
    method: Method, sizes: dict[str, int], temperature: float, epoch: int
) -> None:
    result = probabilities(method, sizes, {}, temperature, epoch, 9)
    assert list(result) == list(sizes)
    assert sum(result.values()) == pytest.approx(1, abs=1e-12)
    ordered = [result[task] for task in sorted(sizes, key=lambda task: sizes[task])]
    assert all(0 <= one <= other for one, other in pairwise(ordered))
    list(sampled(result, 2, 2, [0]))  # numpy accepts them


def test_a_step_has_as_many_draws_as_asked_and_numbers_count_up_within_the_epoch() -> None:
    steps = list(sampled(chances("weighted"), 200, 3, [5, 1]))
    assert [len(step) for step in steps] == [3] * 200
    numbers: dict[str, list[int]] = {task: [] for task in SIZES}
    for step in steps:
        for task, number in step:
            numbers[task].append(number)
    assert all(result == list(range(len(result))) and result for result in numbers.values())


def test_tasks_are_drawn_as_often_as_their_probabilities_say() -> None:
    chance = chances("weighted")
    steps = list(sampled(chance, 20_000, 3, [2]))
    for place in range(3):  # within a step: the first draw is distributed like the others
        drawn = Counter(step[place][0] for step in steps)
        for task, p in chance.items():
            assert abs(drawn[task] - 20_000 * p) < 4.5 * (20_000 * p * (1 - p)) ** 0.5


def test_draws_are_independent_within_a_step_and_between_steps() -> None:
    chance = chances("weighted")
    steps = list(sampled(chance, 20_000, 2, [3]))
    within = [(step[0][0], step[1][0]) for step in steps]
    between = [(one[1][0], other[0][0]) for one, other in pairwise(steps)]
    for pairs in (within, between):
        drawn = Counter(pairs)
        for first, p in chance.items():
            for second, q in chance.items():
                expected = len(pairs) * p * q
                assert abs(drawn[first, second] - expected) < 4.5 * (expected * (1 - p * q)) ** 0.5


def test_a_step_may_have_several_batches_of_one_task_and_none_of_another() -> None:
    kinds = {tuple(sorted(task for task, _ in step)) for step in sampled(chances("weighted"), 300, 3, [4])}
    assert ("para", "para", "sst") in kinds
    assert ("para", "para", "para") in kinds
    assert len(kinds) == 10  # every multiset of three


def test_a_single_task_is_always_drawn() -> None:
    only = probabilities("proportional", {"sst": 3}, {}, 1.0, 1, 1)
    assert list(sampled(only, 2, 2, [0])) == [[("sst", 0), ("sst", 1)], [("sst", 2), ("sst", 3)]]


def test_the_seed_alone_determines_the_draws() -> None:
    chance = chances("square_root")
    random.seed(1)
    np.random.seed(1)  # global states must neither matter nor be changed
    following = (random.random(), np.random.random_sample())
    first = list(sampled(chance, 50, 3, [9, 2]))
    random.seed(1)
    np.random.seed(1)
    assert list(sampled(chance, 50, 3, [9, 2])) == first
    assert (random.random(), np.random.random_sample()) == following
    assert (
        list(sampled(dict(reversed(chance.items())), 50, 3, [9, 2])) == first
    )  # the order of the keys does not matter either
    assert list(sampled(chance, 50, 3, [9, 3])) != first
    assert list(sampled(chance, 50, 3, [8, 2])) != first


def test_two_epochs_drawn_in_turns_are_independent() -> None:
    chance = chances("weighted")
    one, other = sampled(chance, 20, 2, [1, 0]), sampled(chance, 20, 2, [1, 1])
    mixed = [(next(one), next(other)) for _ in range(20)]
    assert [first for first, _ in mixed] == list(sampled(chance, 20, 2, [1, 0]))
    assert [second for _, second in mixed] == list(sampled(chance, 20, 2, [1, 1]))


def test_the_first_steps_do_not_depend_on_the_number_of_steps() -> None:
    chance = chances("weighted")
    assert list(islice(sampled(chance, 100, 4, [6]), 30)) == list(sampled(chance, 30, 4, [6]))


def test_probabilities_that_do_not_add_up_to_one_are_refused() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        next(sampled({"sst": 0.5, "para": 0.4}, 1, 1, [0]))


def test_the_epoch_ends_before_the_first_step_that_needs_a_missing_batch() -> None:
    steps: list[list[Draw]] = [
        [("sst", 0), ("para", 0)],
        [("sst", 1), ("para", 1)],  # the last batch of sst does not end the epoch
        [("para", 2), ("para", 3)],
        [("para", 4), ("sst", 2)],  # sst has no third batch
        [("para", 5), ("para", 6)],
    ]
    assert list(until_exhausted(steps, {"sst": 2, "para": 50})) == steps[:3]
    assert list(until_exhausted(steps, {"sst": 3, "para": 7})) == steps
    assert list(until_exhausted(steps, {"sst": 3, "para": 3})) == steps[:2]  # an incomplete step is left out
    assert list(until_exhausted(steps, {"sst": 0, "para": 50})) == []


def test_nothing_is_drawn_beyond_the_step_that_ends_the_epoch() -> None:
    source = ([("sst", number)] for number in count())
    assert len(list(until_exhausted(source, {"sst": 4}))) == 4
    assert next(source) == [("sst", 5)]


@given(
    batches=st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.integers(1, 12), min_size=1),
    draws=st.integers(1, 5),
    seed=st.integers(0, 2**32),
)
@settings(deadline=None)
def test_a_sampled_epoch_draws_each_batch_at_most_once_and_ends_when_one_is_missing(
    batches: dict[str, int], draws: int, seed: int
) -> None:
    chance = probabilities("proportional", batches, {}, 1.0, 1, 1)
    most = sum(batches.values()) // draws + 1
    steps = list(sampled(chance, most, draws, [seed]))
    epoch = list(until_exhausted(steps, batches))
    assert len(epoch) < most
    assert epoch == steps[: len(epoch)]
    drawn = [draw for step in epoch for draw in step]
    assert len(set(drawn)) == len(drawn)
    assert all(number < batches[task] for task, number in drawn)
    assert any(number >= batches[task] for task, number in steps[len(epoch)])


BATCHES = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 20), min_size=1)


@given(batches=BATCHES)
def test_round_robin_ends_the_epoch_as_in_the_paper(batches: dict[str, int]) -> None:
    endless = round_robin(list(batches), rounds_in_epoch(batches, 99, 1))
    rounds = list(until_exhausted(endless, batches))
    assert len(rounds) == rounds_in_epoch(batches, "shortest", 1) == min(batches.values())
    assert rounds == [[(task, number) for task in batches] for number in range(len(rounds))]


@given(batches=BATCHES, accumulation=st.integers(1, 30), ends=st.sampled_from(["shortest", "longest"]))
def test_the_last_batches_of_an_epoch_make_a_smaller_step(
    batches: dict[str, int], accumulation: int, ends: Literal["shortest", "longest"]
) -> None:
    number = rounds_in_epoch(batches, ends, accumulation)
    plan = make_plan([in_steps(round_robin(list(batches), number), accumulation)], len(batches))
    assert [draw for step in plan.steps for draw in step] == [(t, n) for n in range(number) for t in batches]
    rounds = [plan.rounds(step) for step in range(len(plan.steps))]
    assert sum(rounds) == number
    assert rounds[:-1] == [accumulation] * (len(rounds) - 1)
    assert 1 <= rounds[-1] <= accumulation


@given(batches=BATCHES, accumulation=st.integers(2, 9), seed=st.integers(0, 99))
def test_a_sampled_epoch_reads_the_same_batches_whatever_the_accumulation(
    batches: dict[str, int], accumulation: int, seed: int
) -> None:
    chance = dict.fromkeys(batches, 1 / len(batches))
    rounds = list(until_exhausted(sampled(chance, 100, 2, [seed]), batches))
    steps = list(in_steps(until_exhausted(sampled(chance, 100, 2, [seed]), batches), accumulation))
    assert [draw for step in steps for draw in step] == [draw for turn in rounds for draw in turn]
    assert len(steps) == -(-len(rounds) // accumulation)


def test_a_plan_knows_its_epochs_and_whether_the_last_one_is_cut() -> None:
    def epochs() -> list[list[list[Draw]]]:
        return [[[("a", number)] for number in range(3)] for _ in range(2)]

    whole, cut, even = (make_plan(epochs(), 1, most) for most in (None, 5, 3))
    assert [len(epoch) for epoch in whole.epochs()] == [3, 3]
    assert [len(epoch) for epoch in cut.epochs()] == [3, 2]
    assert (whole.is_cut, cut.is_cut, even.is_cut) == (False, True, False)
