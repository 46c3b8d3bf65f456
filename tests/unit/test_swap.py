"""Pairs that change places: the tokens are those of the swapped pair, and seed, epoch and row decide."""

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from more_rows import MORE, mood, near, settings, write_rows
from swissbert.data.batches import pack
from swissbert.data.tokens import Tokenizer
from swissbert.errors import SwissbertError
from swissbert.tasks import find_task, make_task
from swissbert.training.preparation import prepare
from swissbert.training.train_rows import swap_line

pytestmark = pytest.mark.usefixtures("one_thread")
PAIRS = [
    ("the film was good", "a dog"),
    ("dog", "the man plays the guitar in the park"),
    ("a", "a"),
    ("", "the cat"),
    ("very good bread", ""),
]


@pytest.mark.parametrize("together", [True, False])
def test_a_swapped_pair_has_the_tokens_of_the_pair_written_the_other_way(tiny: Path, together: bool) -> None:
    tokenizer = Tokenizer(tiny)
    first, second = (list(texts) for texts in zip(*PAIRS, strict=True))
    given = tokenizer.encode(first, second, together=together, max_length=40)
    other = tokenizer.encode(second, first, together=together, max_length=40)
    rows = np.array([3, 0, 4, 1, 2])
    nothing, everything = (pack(given, rows, None, None, np.full(5, swapped)) for swapped in (False, True))
    for batch, expected in ((nothing, pack(given, rows)), (everything, pack(other, rows))):
        assert batch.lengths == expected.lengths
        assert batch.input_ids.tolist() == expected.input_ids.tolist()
        assert batch.token_type_ids.tolist() == expected.token_type_ids.tolist()
    assert nothing.input_ids.tolist() != everything.input_ids.tolist()
    for number in range(5):  # some of a batch
        swapped = np.arange(5) == number
        batch = pack(given, rows, None, None, swapped)
        alone = [pack(other if swap else given, rows[[n]]) for n, swap in enumerate(swapped)]
        half = len(alone[0].lengths)
        parts = [one.input_ids.tolist()[: one.lengths[0]] for one in alone]
        parts += [one.input_ids.tolist()[one.lengths[0] :] for one in alone] if half == 2 else []
        assert batch.input_ids.tolist() == list(chain.from_iterable(parts))


def test_texts_that_are_cut_keep_their_tokens(tiny: Path) -> None:
    tokenizer = Tokenizer(tiny)
    table = tokenizer.encode(["the man plays the guitar"], ["a very good film"], together=True, max_length=8)
    given, swapped = (pack(table, np.array([0]), None, None, np.array([swap])) for swap in (False, True))
    assert sorted(given.input_ids.tolist()) == sorted(swapped.input_ids.tolist())
    ends = [number for number, token in enumerate(swapped.input_ids.tolist()) if token == tokenizer.sep]
    assert swapped.token_type_ids.tolist() == [0] * (ends[0] + 1) + [1] * (ends[1] - ends[0])


def tokens_of_epochs(prepared: Any) -> list[dict[int, list[int]]]:
    """Return the tokens of each row in each epoch."""
    loader, epochs = prepared.batches(), []
    for epoch, steps in enumerate(prepared.plan.epochs()):
        seen: dict[int, list[int]] = {}
        for step in steps:
            for task, number in step:
                rows = loader.rows(task, epoch, number)
                batch = loader._data[task].batch(rows, loader._swapped(task, epoch, number, rows))
                ends = np.cumsum([0, *batch.lengths])
                for row, start, end in zip(rows.tolist(), ends, ends[1:], strict=False):
                    seen[row] = batch.input_ids[start:end].tolist()
        epochs.append(seen)
    return epochs


def test_about_half_of_the_pairs_change_places_anew_in_each_epoch(tiny: Path, tmp_path: Path) -> None:
    write_rows(tmp_path)
    task = near(extra=[{**MORE, "rows": 50}])
    plain = tokens_of_epochs(prepare(settings(tiny, tmp_path, [task])))
    config = settings(tiny, tmp_path, [task], data={"swap_pairs": True})
    prepared = prepare(config)
    swapped = tokens_of_epochs(prepared)
    moved = []
    for before, after in zip(plain, swapped, strict=True):
        assert before.keys() == after.keys()  # own and extra rows
        assert all(sorted(before[row]) == sorted(after[row]) for row in before)
        moved.append(tuple(before[row] != after[row] for row in sorted(before)))
    assert len(set(moved)) == 3
    assert 0.4 < np.mean(moved) < 0.6
    assert tokens_of_epochs(prepare(config)) == swapped
    other = prepare(settings(tiny, tmp_path, [task], data={"swap_pairs": True}, seed=1))
    assert other.batches()._swapped("near", 0, 0, np.arange(80)) is not None
    assert (
        other.batches()._swapped("near", 0, 0, np.arange(80)).tolist()  # type: ignore[union-attr]
        != prepared.batches()._swapped("near", 0, 0, np.arange(80)).tolist()  # type: ignore[union-attr]
    )


def test_a_step_depends_on_nothing_that_was_loaded_before(tiny: Path, tmp_path: Path) -> None:
    write_rows(tmp_path)
    tasks = [near(extra=[{**MORE, "rows": 9}]), mood()]
    prepared = prepare(settings(tiny, tmp_path, tasks, data={"swap_pairs": True}))
    through = prepared.batches()
    for step in range(prepared.total):
        ours, fresh = list(through(step)), list(prepared.batches()(step))
        assert [batch.input_ids.tolist() for _, batch in ours] == [batch.input_ids.tolist() for _, batch in fresh]


def test_only_symmetric_tasks_swap_and_that_is_said(tiny: Path, tmp_path: Path) -> None:
    write_rows(tmp_path)
    entails = near(name="entails", symmetric=False)
    config = settings(tiny, tmp_path, [near(), entails, mood()], data={"swap_pairs": True})
    loader = prepare(config).batches()
    assert loader._swapped("near", 0, 0, np.arange(3)) is not None
    assert loader._swapped("entails", 0, 0, np.arange(3)) is None
    assert loader._swapped("mood", 0, 0, np.arange(3)) is None
    assert swap_line(config) == (
        "the texts of a train pair of near change places in half of the cases; those of entails keep their order"
    )
    assert [config.swaps_pairs(task) for task in config.tasks] == [True, False, False]
    assert swap_line(settings(tiny, tmp_path, [near()])) == ""


def test_pairs_whose_order_has_a_meaning_are_not_swapped(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(SwissbertError, match="symmetric is true, but the task takes single texts"):
        make_task(mood(symmetric=True), "here")
    with pytest.raises(SwissbertError, match=r"data\.swap_pairs is true, but no task declares symmetric = true"):
        settings(tiny, tmp_path, [mood(), near(symmetric=False)], data={"swap_pairs": True})
    assert {name for name in ("sst", "para", "sts", "cfimdb") if find_task(name).symmetric} == {"para", "sts"}
