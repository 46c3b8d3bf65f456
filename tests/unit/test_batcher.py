"""Requests share encoder passes, and nobody notices the others."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from swissbert.data.dataset import tokenize
from swissbert.data.rows import Row
from swissbert.inference.model import Model, load
from swissbert.serving.batcher import MOST_WORK, Batcher, Full, Observer, Request

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trained(tiny_run: Path) -> Model:
    return load(tiny_run)


class Gate:
    """Holds the model thread at its next pass until it is opened, and counts passes and their sequences."""

    def __init__(self, trained: Model, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.passes: list[list[int]] = []
        pool = trained.network.pool

        def held(batch: Any) -> torch.Tensor:
            self.passes.append(batch.lengths)
            self.entered.set()
            assert self.open.wait(10)
            return pool(batch)

        monkeypatch.setattr(trained.network, "pool", held)


@pytest.fixture
def gate(trained: Model, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate(trained, monkeypatch)
    yield made
    made.open.set()


def request(trained: Model, *tasks: str, text: str = "a good film", pair: str | None = None) -> Request:
    task = trained.task(tasks[0])
    table = tokenize(trained.tokenizer, task, [Row(1, "1", text, pair, None)], **trained.token_options(task))
    return Request(table, list(tasks), asyncio.get_running_loop().create_future())


def run(batcher: Batcher, check: Any) -> Any:
    """Run a coroutine function beside a batcher, and close it afterwards."""
    try:
        return asyncio.run(check())
    finally:
        batcher.close()


def test_requests_that_wait_share_a_pass_whatever_their_tasks(trained: Model, gate: Gate) -> None:
    seen: list[tuple[int, int]] = []
    batcher = Batcher(trained.network, observer=Observer(batch=lambda tokens, inputs: seen.append((tokens, inputs))))

    async def check() -> None:
        first = request(trained, "sst")
        batcher.submit([first])
        await asyncio.to_thread(gate.entered.wait, 5)
        rest = [
            request(trained, "sst"),
            request(trained, "para", "sts", pair="a bad film"),
            request(trained, "sst", text="no"),
        ]
        for each in rest:
            batcher.submit([each])
        assert batcher.waiting == 3
        gate.open.set()
        answers = await asyncio.gather(*(each.future for each in [first, *rest]))
        assert [set(answer) for answer in answers] == [{"sst"}, {"sst"}, {"para", "sts"}, {"sst"}]

    run(batcher, check)
    assert [len(each) for each in gate.passes] == [1, 3], "a lone request starts at once, the others go together"
    assert [inputs for _, inputs in seen] == [1, 3]
    assert seen[0][0] == 5


def test_answers_are_those_of_each_alone(trained: Model) -> None:
    texts = ["a good film", "the dog runs in the park and it was a very good day", "no", "it is not bad at all"] * 5
    batcher = Batcher(trained.network, budget=400)

    async def answers(together: bool) -> list[dict[str, np.ndarray]]:
        asked = [
            request(trained, "sst", text=text) if i % 3 else request(trained, "para", "sts", text=text, pair="a dog")
            for i, text in enumerate(texts)
        ]
        found = []
        if together:
            batcher.submit(asked)
            return list(await asyncio.gather(*(each.future for each in asked)))
        for each in asked:
            batcher.submit([each])
            found.append(await each.future)
        return found

    async def check() -> None:
        for alone, among in zip(await answers(False), await answers(True), strict=True):
            assert alone.keys() == among.keys()
            for name in alone:
                assert among[name] == pytest.approx(alone[name], abs=1e-6)

    run(batcher, check)


def test_a_pass_stays_within_its_budget_and_the_oldest_goes_first(trained: Model, gate: Gate) -> None:
    batcher = Batcher(trained.network, budget=60)
    long = " ".join(["film"] * 28)  # 30 tokens

    async def check() -> None:
        first = request(trained, "sst")
        batcher.submit([first])
        await asyncio.to_thread(gate.entered.wait, 5)
        asked = [request(trained, "sst", text=text) for text in (long, "a", "a", "a", "a")]
        batcher.submit(asked)
        gate.open.set()
        await asyncio.gather(*(each.future for each in asked))

    run(batcher, check)
    assert [sorted(each) for each in gate.passes] == [[5], [3, 30], [3, 3, 3]]


def test_what_there_is_no_room_for_is_refused_at_once(trained: Model, gate: Gate) -> None:
    batcher = Batcher(trained.network, most_requests=3, most_tokens=40)

    async def check() -> None:
        batcher.submit([request(trained, "sst")])
        await asyncio.to_thread(gate.entered.wait, 5)
        batcher.submit([request(trained, "sst"), request(trained, "sst")])
        with pytest.raises(Full) as full:
            batcher.submit([request(trained, "sst"), request(trained, "sst")])
        assert full.value.seconds >= 1
        assert batcher.waiting == 2, "all or none"
        with pytest.raises(Full):
            batcher.submit([request(trained, "sst", text=" ".join(["film"] * 30))])
        batcher.submit([request(trained, "sst")])
        gate.open.set()

    run(batcher, check)


def test_whoever_leaves_is_not_computed_and_makes_room(trained: Model, gate: Gate) -> None:
    left: list[int] = []
    batcher = Batcher(trained.network, most_requests=1)

    async def check() -> None:
        first, second, third = (request(trained, "sst") for _ in range(3))
        batcher.submit([first])
        await asyncio.to_thread(gate.entered.wait, 5)
        batcher.submit([second])
        left.extend([batcher.leave([second]), batcher.leave([second, first])])
        batcher.submit([third])
        gate.open.set()
        await third.future
        assert not second.future.done()

    run(batcher, check)
    assert left == [1, 0]
    assert [len(each) for each in gate.passes] == [1, 1]


def test_closing_answers_what_waits_and_takes_no_more(trained: Model, gate: Gate) -> None:
    batcher = Batcher(trained.network)

    async def check() -> None:
        asked = [request(trained, "sst") for _ in range(5)]
        batcher.submit([asked[0]])
        await asyncio.to_thread(gate.entered.wait, 5)
        batcher.submit(asked[1:])
        closing = asyncio.create_task(asyncio.to_thread(batcher.close))
        await asyncio.sleep(0.05)
        with pytest.raises(Full):
            batcher.submit([request(trained, "sst")])
        gate.open.set()
        await asyncio.gather(*(each.future for each in asked))
        await closing

    run(batcher, check)


def test_an_empty_queue_takes_what_is_larger_than_its_bounds(trained: Model) -> None:
    batcher = Batcher(trained.network, most_requests=2, most_tokens=10)

    async def check() -> None:
        asked = [request(trained, "sst", text=" ".join(["film"] * 20)) for _ in range(5)]
        batcher.submit(asked)
        await asyncio.gather(*(each.future for each in asked))

    run(batcher, check)


def test_work_of_its_own_is_bounded_and_alternates_with_answers(trained: Model, gate: Gate) -> None:
    order: list[str] = []
    batcher = Batcher(trained.network, observer=Observer(batch=lambda tokens, inputs: order.append("pass")))

    async def check() -> None:
        batcher.submit([request(trained, "sst")])
        await asyncio.to_thread(gate.entered.wait, 5)
        work = [request(trained, "sst") for _ in range(MOST_WORK)]
        for each in work:
            each.work = lambda: order.append("work")
            batcher.submit([each])
        with pytest.raises(Full):
            batcher.check_room(1, work=True)
        asked = request(trained, "sst")
        batcher.submit([asked])
        gate.open.set()
        await asyncio.gather(asked.future, *(each.future for each in work))

    run(batcher, check)
    assert order[:4] == ["pass", "work", "pass", "pass"], "an answer does not wait for all the work before it"


def test_a_pass_that_fails_says_so_to_its_own_and_harms_no_other(trained: Model) -> None:
    batcher = Batcher(trained.network)

    def fails() -> None:
        raise ValueError("no")

    async def check() -> None:
        bad, good = request(trained, "sst"), request(trained, "sst")
        bad.work, good.work = fails, lambda: 7
        after = request(trained, "sst")
        for each in (bad, good, after):
            batcher.submit([each])
        with pytest.raises(ValueError, match="no"):
            await bad.future
        assert await good.future == 7
        assert set(await after.future) == {"sst"}

    run(batcher, check)


def test_what_one_text_does_to_a_shared_pass_happens_to_it_alone(
    trained: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = trained.network.pool
    sizes = []

    def fragile(batch: Any) -> torch.Tensor:
        sizes.append(len(batch.lengths))
        if 12 in batch.lengths:
            raise RuntimeError("a text of twelve tokens")
        return pool(batch)

    monkeypatch.setattr(trained.network, "pool", fragile)
    batcher = Batcher(trained.network)

    async def check() -> None:
        asked = [request(trained, "sst", text=text) for text in ("a good film", "no " * 10, "dull")]
        batcher.submit(asked)
        found = await asyncio.gather(*(each.future for each in asked), return_exceptions=True)
        assert [type(each) for each in found] == [dict, RuntimeError, dict]

    run(batcher, check)
    assert sizes == [3, 1, 1, 1]


def test_many_threads_of_requests_all_get_their_own_answer(trained: Model) -> None:
    batcher = Batcher(trained.network, budget=256, most_requests=10_000, most_tokens=10**6)
    words = ["good", "bad", "great", "awful", "fine", "dull", "man", "woman"]

    async def check() -> None:
        expected = {}
        for word in words:
            one = request(trained, "sst", text=word)
            batcher.submit([one])
            expected[word] = (await one.future)["sst"]
        began = time.monotonic()
        asked = [(word, request(trained, "sst", text=word)) for _ in range(50) for word in words]
        for _, each in asked:
            batcher.submit([each])
        for word, each in asked:
            assert (await each.future)["sst"] == pytest.approx(expected[word], abs=1e-6)
        assert time.monotonic() - began < 30

    run(batcher, check)
