"""What a run reads of its train rows: counted against the batches that it draws."""

from collections import Counter
from types import SimpleNamespace
from typing import Any, Literal, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swissbert.config import RunConfig, make_config
from swissbert.data.dataset import TaskData
from swissbert.data.packing import shuffled_batches
from swissbert.errors import SwissbertError
from swissbert.training.coverage import coverage, coverage_lines
from swissbert.training.loader import BatchLoader
from swissbert.training.plan import plan_steps


class Rows:
    """Rows of a task whose lengths are their numbers."""

    extra = ()

    def __init__(self, number: int) -> None:
        self.lengths = np.arange(number)

    def __len__(self) -> int:
        return len(self.lengths)

    def shuffled(self, size: int, bucket: int, seed: list[int]) -> list[np.ndarray]:
        return shuffled_batches(self.lengths, size, bucket, np.random.default_rng(seed))

    def batch(self, rows: np.ndarray) -> Any:
        return SimpleNamespace(rows=rows)


def settings(sampling: dict[str, Any] | None = None, **train: Any) -> RunConfig:
    return make_config(
        {"tasks": ["sst", "para"], "sampling": sampling or {}, "train": {"batch_size": 4, **train}}, "here"
    )


def data(sst: int, para: int) -> dict[str, TaskData]:
    return cast(dict[str, TaskData], {"sst": Rows(sst), "para": Rows(para)})


def lines(config: RunConfig, sst: int, para: int) -> list[str]:
    rows = data(sst, para)
    return coverage_lines(config, rows, plan_steps(config, rows))


METHODS = ("round_robin", "weighted", "proportional", "square_root", "temperature", "annealed")


@given(
    method=st.sampled_from(METHODS),
    sizes=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    ends=st.sampled_from(["shortest", "longest", 3]),
    accumulation=st.integers(1, 3),
    most=st.sampled_from([None, 1, 4]),
    seed=st.integers(0, 9),
)
def test_rows_are_those_of_the_batches_that_the_loader_draws(
    method: str,
    sizes: tuple[int, int],
    ends: Literal["shortest", "longest"] | int,
    accumulation: int,
    most: int | None,
    seed: int,
) -> None:
    config = settings({"method": method}, epoch_ends=ends, accumulation=accumulation, max_steps=most, epochs=3)
    config = config.model_copy(update={"seed": seed})
    rows = data(*sizes)
    try:
        plan = plan_steps(config, rows)
    except SwissbertError:  # no step fits into an epoch
        return
    loader = BatchLoader(config, rows, plan)
    epochs: dict[int, dict[str, Counter[int]]] = {}
    for step in range(len(loader)):
        counts = epochs.setdefault(plan.epoch(step), {"sst": Counter(), "para": Counter()})
        for task, batch in loader(step):
            counts[task].update(cast(Any, batch).rows.tolist())
    complete = list(epochs.values())[: len(epochs) - plan.is_cut]
    for result in coverage(config, rows, plan):
        assert result.rows == len(rows[result.task])
        assert result.run == len({row for counts in epochs.values() for row in counts[result.task]})
        if complete:
            different = [len(counts[result.task]) for counts in complete]
            assert result.epoch == (min(different), max(different))
            assert result.times * sum(different) == pytest.approx(sum(c[result.task].total() for c in complete))
        else:
            assert (result.epoch is None) == isinstance(ends, int)


def test_one_line_is_enough_where_all_rows_are_read() -> None:
    assert lines(settings(epochs=1), 10, 10) == ["an epoch reads all 10 rows of sst and all 10 rows of para"]
    assert lines(settings(epochs=2, epoch_ends="longest"), 4, 40) == [
        "an epoch reads all 4 rows of sst 10 times and all 40 rows of para"
    ]


def test_a_small_share_is_said_with_the_setting_that_helps_and_a_large_one_without() -> None:
    reads, advice = lines(settings(epochs=2), 4, 400)
    assert reads == (
        "an epoch reads all 4 rows of sst and 4 of 400 rows of para (1 %); the whole run reads 8 of 400 rows of para (2 %)"
    )
    assert advice.startswith("most rows of para are never read, because train.epoch_ends = 'shortest'")
    assert "train.epoch_ends = 'longest' reads all rows of every task" in advice
    assert len(lines(settings(epochs=1), 20, 40)) == 1


def test_a_run_that_max_steps_shortens_gets_advice_for_what_its_epochs_leave_out_only() -> None:
    assert lines(settings(max_steps=1), 40, 40) == [
        "an epoch reads all 40 rows of sst and all 40 rows of para; the whole run reads 4 of 40 rows of sst (10 %) and 4 "
        "of 40 rows of para (10 %)"
    ]
    _, advice = lines(settings(max_steps=1), 8, 400)
    assert "most rows of para are never read" in advice


def test_a_task_that_is_drawn_rarely_is_named_with_the_sampling_method() -> None:
    (reads, advice) = lines(
        settings({"method": "temperature", "temperature": 0.5}, epoch_ends="longest", epochs=1), 4, 400
    )
    assert "0 of 4 rows of sst (0 %)" in reads
    assert advice == (
        "most rows of sst are never read, because sampling.method = 'temperature' draws tasks by their number of rows; "
        "'round_robin' draws every task equally often"
    )


def test_epochs_without_a_step_are_said() -> None:
    config = settings({"method": "weighted"}, epochs=50)
    (note,) = [line for line in lines(config, 4, 4) if "have no step" in line]
    assert " of 50 epochs have no step, because their first draws take more batches of a task than it has" in note
    assert not any("have no step" in line for line in lines(config, 400, 400))
