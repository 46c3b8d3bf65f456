"""Distribution of work over cores."""

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from swissbert.data.packing import batches_by_tokens
from swissbert.evaluation import table_answers
from swissbert.evaluation.predictions import CORE_BUDGET
from swissbert.inference.int8 import has_int8
from swissbert.inference.loading import Precision, load
from swissbert.threads import on_each_core


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_as_many_items_run_at_once_as_torch_has_threads_each_on_one() -> None:
    together = threading.Barrier(3, timeout=30)  # passes only when three workers wait
    workers = set()

    def work(item: int) -> tuple[int, int]:
        together.wait()
        workers.add(threading.get_ident())
        return item * item, torch.get_num_threads()

    assert on_each_core(work, range(6)) == [(item * item, 1) for item in range(6)]
    assert len(workers) == 3
    assert torch.get_num_threads() == 3
    assert in_a_new_thread(torch.get_num_threads) == 3


def test_a_thread_that_starts_meanwhile_has_all_threads() -> None:
    assert on_each_core(lambda _: in_a_new_thread(torch.get_num_threads), range(6)) == [3] * 6


def in_a_new_thread(work: Callable[[], int]) -> int:
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


@pytest.mark.parametrize(("threads", "items"), [(1, 4), (3, 2), (3, 0)])
def test_with_too_few_items_the_caller_does_the_work(threads: int, items: int) -> None:
    torch.set_num_threads(threads)
    caller = threading.get_ident()
    assert (
        on_each_core(lambda _: (threading.get_ident(), torch.get_num_threads()), range(items))
        == [(caller, threads)] * items
    )


def test_an_error_cancels_the_remaining_items() -> None:
    done: list[int] = []

    def work(item: int) -> None:
        if item == 0:
            raise ValueError("item 0")
        done.append(item)
        threading.Event().wait(0.02)

    with pytest.raises(ValueError, match="item 0"):
        on_each_core(work, range(200))
    assert len(done) < 100
    assert torch.get_num_threads() == 3


int8 = pytest.param("int8", marks=pytest.mark.skipif(not has_int8(), reason="onnxruntime is not installed"))


@pytest.mark.parametrize("precision", ["fp32", int8])
def test_answers_do_not_depend_on_the_number_of_threads(precision: Precision, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = load("mini", "cpu", precision)
    task = trained.task("sst")
    texts = [f"It is {'very ' * (i % 40)}good, film number {i}." for i in range(120)]
    table = trained.tokenizer.encode(texts, None, together=False, max_length=64)
    assert len(batches_by_tokens(table.lengths, CORE_BUDGET)) > 2
    results = [table_answers(trained.engine, task, table)]  # three passes at a time, each on one thread
    torch.set_num_threads(1)
    results += [table_answers(trained.engine, task, table)]  # one pass on one thread
    torch.set_num_threads(3)
    monkeypatch.setattr("swissbert.evaluation.predictions.CORE_BUDGET", 10**6)
    results += [table_answers(trained.engine, task, table)]  # one on three
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], rtol=0, atol=1e-6)
