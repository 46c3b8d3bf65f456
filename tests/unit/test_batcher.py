"""Requests share encoder passes without changing each other's results."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from swissbert.data.dataset import tokenize
from swissbert.data.rows import Row
from swissbert.inference.loading import load
from swissbert.inference.model import Model
from swissbert.serving.batcher import MAX_CUSTOM_JOBS, Batcher
from swissbert.serving.jobs import Answers, Job, QueueFull

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(tiny_run: Path) -> Model:
    return load(tiny_run, device="cpu")


class Gate:
    """Blocks the model thread at its next pass until `open` is set, and records the lengths of each pass."""

    def __init__(self, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.passes: list[list[int]] = []
        pool = model.network.pool

        def gated(batch: Any) -> torch.Tensor:
            self.passes.append(batch.lengths)
            self.entered.set()
            assert self.open.wait(10)
            return pool(batch)

        monkeypatch.setattr(model.network, "pool", gated)


@pytest.fixture
def gate(model: Model, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(model, monkeypatch)
    yield gate
    gate.open.set()


def job(model: Model, *tasks: str, text: str = "a good film", pair: str | None = None) -> Job:
    task = model.task(tasks[0])
    table = tokenize(model.tokenizer, task, [Row(1, "1", text, pair, None)], **model.token_options(task))
    return Job(table, list(tasks), asyncio.get_running_loop().create_future())


def run(batcher: Batcher, scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a coroutine function, and close the batcher afterwards."""

    async def main() -> None:
        await scenario()

    try:
        asyncio.run(main())
    finally:
        batcher.close()


def test_queued_jobs_share_a_pass_whatever_their_tasks(model: Model, gate: Gate) -> None:
    batches: list[tuple[int, int]] = []
    batcher = Batcher(model.network, on_batch=lambda tokens, jobs: batches.append((tokens, jobs)))

    async def scenario() -> None:
        first = job(model, "sst")
        batcher.submit([first])
        await asyncio.to_thread(gate.entered.wait, 5)
        others = [job(model, "sst"), job(model, "para", "sts", pair="a bad film"), job(model, "sst", text="no")]
        for other in others:
            batcher.submit([other])
        assert batcher.queued == 3
        gate.open.set()
        results = await asyncio.gather(*(one.future for one in [first, *others]))
        assert [set(result) for result in results] == [{"sst"}, {"sst"}, {"para", "sts"}, {"sst"}]

    run(batcher, scenario)
    assert [len(lengths) for lengths in gate.passes] == [1, 3], "a lone job starts at once, the others share a pass"
    assert [jobs for _, jobs in batches] == [1, 3]
    assert batches[0][0] == 5


def test_results_in_a_batch_equal_results_alone(model: Model) -> None:
    texts = ["a good film", "the dog runs in the park and it was a very good day", "no", "it is not bad at all"] * 5
    batcher = Batcher(model.network, token_budget=400)

    async def results(together: bool) -> list[Answers]:
        jobs = [
            job(model, "sst", text=text) if i % 3 else job(model, "para", "sts", text=text, pair="a dog")
            for i, text in enumerate(texts)
        ]
        if together:
            batcher.submit(jobs)
            return list(await asyncio.gather(*(one.future for one in jobs)))
        answers = []
        for one in jobs:
            batcher.submit([one])
            answers.append(await one.future)
        return answers

    async def scenario() -> None:
        for alone, batched in zip(await results(False), await results(True), strict=True):
            assert alone.keys() == batched.keys()
            for name in alone:
                assert batched[name] == pytest.approx(alone[name], abs=1e-6)

    run(batcher, scenario)


def test_a_pass_stays_within_the_token_budget_and_takes_the_oldest_first(model: Model, gate: Gate) -> None:
    batcher = Batcher(model.network, token_budget=60)
    long = " ".join(["film"] * 28)  # 30 tokens

    async def scenario() -> None:
        batcher.submit([job(model, "sst")])
        await asyncio.to_thread(gate.entered.wait, 5)
        jobs = [job(model, "sst", text=text) for text in (long, "a", "a", "a", "a")]
        batcher.submit(jobs)
        gate.open.set()
        await asyncio.gather(*(one.future for one in jobs))

    run(batcher, scenario)
    assert [sorted(lengths) for lengths in gate.passes] == [[5], [3, 30], [3, 3, 3]]


def test_jobs_beyond_the_limits_are_rejected_all_or_none(model: Model, gate: Gate) -> None:
    batcher = Batcher(model.network, max_jobs=3, max_tokens=40)

    async def scenario() -> None:
        batcher.submit([job(model, "sst")])
        await asyncio.to_thread(gate.entered.wait, 5)
        batcher.submit([job(model, "sst"), job(model, "sst")])
        with pytest.raises(QueueFull) as error:
            batcher.submit([job(model, "sst"), job(model, "sst")])
        assert error.value.retry_after >= 1
        assert batcher.queued == 2
        with pytest.raises(QueueFull):
            batcher.submit([job(model, "sst", text=" ".join(["film"] * 30))])
        batcher.submit([job(model, "sst")])
        assert batcher.is_full
        gate.open.set()

    run(batcher, scenario)


def test_a_cancelled_job_is_not_computed_and_makes_room(model: Model, gate: Gate) -> None:
    removed: list[int] = []
    batcher = Batcher(model.network, max_jobs=1)

    async def scenario() -> None:
        first, second, third = (job(model, "sst") for _ in range(3))
        batcher.submit([first])
        await asyncio.to_thread(gate.entered.wait, 5)
        batcher.submit([second])
        removed.extend([batcher.cancel([second]), batcher.cancel([second, first])])
        batcher.submit([third])
        gate.open.set()
        await third.future
        assert not second.future.done()

    run(batcher, scenario)
    assert removed == [1, 0]
    assert [len(lengths) for lengths in gate.passes] == [1, 1]


def test_close_computes_what_is_queued_and_rejects_more(model: Model, gate: Gate) -> None:
    batcher = Batcher(model.network)

    async def scenario() -> None:
        jobs = [job(model, "sst") for _ in range(5)]
        batcher.submit([jobs[0]])
        await asyncio.to_thread(gate.entered.wait, 5)
        batcher.submit(jobs[1:])
        closing = asyncio.create_task(asyncio.to_thread(batcher.close))
        await asyncio.sleep(0.05)
        with pytest.raises(QueueFull):
            batcher.submit([job(model, "sst")])
        gate.open.set()
        await asyncio.gather(*(one.future for one in jobs))
        await closing
        assert not batcher.is_alive

    run(batcher, scenario)


def test_an_empty_queue_accepts_more_than_its_limits(model: Model) -> None:
    batcher = Batcher(model.network, max_jobs=2, max_tokens=10)

    async def scenario() -> None:
        jobs = [job(model, "sst", text=" ".join(["film"] * 20)) for _ in range(5)]
        batcher.submit(jobs)
        await asyncio.gather(*(one.future for one in jobs))

    run(batcher, scenario)


def test_custom_jobs_are_limited_and_alternate_with_passes(model: Model, gate: Gate) -> None:
    order: list[str] = []
    batcher = Batcher(model.network, on_batch=lambda tokens, jobs: order.append("batch"))

    async def scenario() -> None:
        batcher.submit([job(model, "sst")])
        await asyncio.to_thread(gate.entered.wait, 5)
        custom = [job(model, "sst") for _ in range(MAX_CUSTOM_JOBS)]
        for one in custom:
            batcher.check_room(1, custom=1)
            one.compute = lambda: order.append("compute")
            batcher.submit([one])
        with pytest.raises(QueueFull):
            batcher.check_room(1, custom=1)
        batcher.check_room(1)
        ordinary = job(model, "sst")
        batcher.submit([ordinary])
        gate.open.set()
        await asyncio.gather(ordinary.future, *(one.future for one in custom))

    run(batcher, scenario)
    # on_batch is called after custom jobs, too
    assert order[:4] == ["batch", "compute", "batch", "batch"], "the ordinary job comes after one custom job"


def test_a_failing_job_gets_its_exception_and_the_thread_goes_on(model: Model) -> None:
    batcher = Batcher(model.network)

    def fail() -> None:
        raise ValueError("no")

    async def scenario() -> None:
        bad, good, after = job(model, "sst"), job(model, "sst"), job(model, "sst")
        bad.compute, good.compute = fail, lambda: 7
        for one in (bad, good, after):
            batcher.submit([one])
        with pytest.raises(ValueError, match="no"):
            await bad.future
        assert await good.future == 7
        assert set(await after.future) == {"sst"}

    run(batcher, scenario)


def test_a_panic_of_a_library_fails_its_job_alone(model: Model) -> None:
    class Panic(BaseException):
        """Stands for ``pyo3_runtime.PanicException``, which is no `Exception`."""

    batcher = Batcher(model.network)

    def fail() -> None:
        raise Panic("no")

    async def scenario() -> None:
        bad, after = job(model, "sst"), job(model, "sst")
        bad.compute = fail
        batcher.submit([bad])
        batcher.submit([after])
        with pytest.raises(Panic, match="no"):
            await bad.future
        assert set(await after.future) == {"sst"}
        assert batcher.is_alive

    run(batcher, scenario)


def test_an_input_that_breaks_a_shared_pass_fails_alone(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = model.network.pool
    sizes = []

    def fragile(batch: Any) -> torch.Tensor:
        sizes.append(len(batch.lengths))
        if 12 in batch.lengths:
            raise RuntimeError("a text of twelve tokens")
        return pool(batch)

    monkeypatch.setattr(model.network, "pool", fragile)
    batcher = Batcher(model.network)

    async def scenario() -> None:
        jobs = [job(model, "sst", text=text) for text in ("a good film", "no " * 10, "dull")]
        batcher.submit(jobs)
        results = await asyncio.gather(*(one.future for one in jobs), return_exceptions=True)
        assert [type(result) for result in results] == [dict, RuntimeError, dict]

    run(batcher, scenario)
    assert sizes == [3, 1, 1, 1]


def test_many_jobs_all_get_their_own_result(model: Model) -> None:
    batcher = Batcher(model.network, token_budget=256, max_jobs=10_000, max_tokens=10**6)
    words = ["good", "bad", "great", "awful", "fine", "dull", "man", "woman"]

    async def scenario() -> None:
        expected = {}
        for word in words:
            one = job(model, "sst", text=word)
            batcher.submit([one])
            expected[word] = (await one.future)["sst"]
        start = time.monotonic()
        jobs = [(word, job(model, "sst", text=word)) for _ in range(50) for word in words]
        for _, one in jobs:
            batcher.submit([one])
        for word, one in jobs:
            assert (await one.future)["sst"] == pytest.approx(expected[word], abs=1e-6)
        assert time.monotonic() - start < 30

    run(batcher, scenario)
