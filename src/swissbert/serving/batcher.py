"""Shares encoder passes among requests: whatever waits is answered together, up to a token budget.

One thread computes. It never waits for more requests to come: a lone request starts at once, and those that arrive while a
pass is under way form the next one. A pass holds sequences of any task, and heads read their own rows of its result.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from swissbert.data.batches import pack
from swissbert.data.tokens import TokenTable
from swissbert.model.multitask import MultitaskModel

MOST_WORK = 8
"""Requests with work of their own that may wait."""

Answers = dict[str, np.ndarray]
"""Answers of one input by task: probabilities ``[C]``, or a score ``[]``."""


class Full(Exception):  # noqa: N818 (no error: the client is told when to come again)
    """There is no room for this request; `seconds` is when there may be."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"no room; try again in {seconds} s")
        self.seconds = seconds


@dataclass(eq=False)
class Request:
    """One input: its sequences in a table of one row, its tasks, and where the answer goes.

    `work`, if given, is called by the model thread instead, and its result is the answer.
    """

    table: TokenTable
    tasks: list[str]
    future: "asyncio.Future[Any]"
    work: Callable[[], Any] | None = None

    @property
    def tokens(self) -> int:
        """How much room it takes."""
        return int(self.table.offsets[-1])

    @property
    def sequences(self) -> int:
        """Sequences the encoder reads: two where the sentences of a pair are encoded one by one."""
        return len(self.table.offsets) - 1

    @property
    def longest(self) -> int:
        """Tokens of its longest sequence."""
        return int(np.diff(self.table.offsets).max(initial=0))


@dataclass
class Observer:
    """What the batcher tells of its work, for metrics."""

    batch: Callable[[int, int], None] = lambda tokens, requests: None


class Batcher:
    """The queue, its bounds, and the thread that computes.

    At most `most_requests` and `most_tokens` wait; a pass takes sequences whose number times the longest one stays
    within `budget`, the oldest first.
    """

    def __init__(
        self,
        model: MultitaskModel,
        *,
        budget: int = 2048,
        most_requests: int = 256,
        most_tokens: int = 32_768,
        observer: Observer | None = None,
    ) -> None:
        self.model, self.budget = model.eval(), budget
        self.most_requests, self.most_tokens = most_requests, most_tokens
        self.observer = observer or Observer()
        self._waiting: deque[Request] = deque()
        self._tokens = 0
        self._pace = 2000.0  # tokens a second, smoothed
        self._changed = threading.Condition()
        self._closed = self._worked = False
        self._thread = threading.Thread(target=self._run, name="swissbert-model", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Requests that no pass has begun with."""
        return len(self._waiting)

    @property
    def alive(self) -> bool:
        """Whether the model thread runs."""
        return self._thread.is_alive()

    @property
    def patience(self) -> int:
        """Seconds after which there may be room, at least 1."""
        return max(1, round(self._tokens / self._pace))

    @property
    def full(self) -> int | None:
        """Seconds after which there may be room where there is none for a single request, else None."""
        return self.patience if len(self._waiting) >= self.most_requests else None

    def check_room(self, requests: int, work: bool = False) -> None:
        """Raise `Full` where so many more would not be taken now: before anything is spent on them."""
        waiting = len(self._waiting)
        full = waiting and waiting + requests > self.most_requests
        if self._closed or full or (work and sum(each.work is not None for each in [*self._waiting]) >= MOST_WORK):
            raise Full(self.patience)

    def submit(self, requests: list[Request]) -> None:
        """Queue the inputs of one client, all or none. Raises `Full`, at once, where there is no room for them.

        An empty queue takes whatever one client may send.
        """
        tokens = sum(request.tokens for request in requests)
        with self._changed:
            self.check_room(len(requests), work=requests[0].work is not None)
            if self._waiting and self._tokens + tokens > self.most_tokens:
                raise Full(self.patience)
            self._waiting.extend(requests)
            self._tokens += tokens
            self._changed.notify()

    def leave(self, requests: list[Request]) -> int:
        """Nobody waits for these any more: what no pass has begun with is not computed. Returns how many those are."""
        with self._changed:
            left = [request for request in requests if request in self._waiting]
            for request in left:
                self._waiting.remove(request)
                self._tokens -= request.tokens
        return len(left)

    def close(self) -> None:
        """Answer what waits, then stop the thread. Nothing more is taken."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _take(self) -> list[Request]:
        """The next pass: the oldest request and those behind it that fit beside it. Empty when closed and done."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return []
                self._changed.wait()
            if self._worked:  # after work of its own for one request, the others have a turn
                self._waiting.rotate(-next((i for i, each in enumerate(self._waiting) if each.work is None), 0))
            taken = [self._waiting.popleft()]
            self._worked = taken[0].work is not None
            if taken[0].work is None:
                left: deque[Request] = deque()
                sequences, longest = taken[0].sequences, taken[0].longest
                while self._waiting:
                    request = self._waiting.popleft()
                    more = sequences + request.sequences
                    wider = max(longest, request.longest)
                    if request.work is None and more * wider <= self.budget:
                        taken.append(request)
                        sequences, longest = more, wider
                    else:
                        left.append(request)
                self._waiting = left
            self._tokens -= sum(request.tokens for request in taken)
            return taken

    def _run(self) -> None:
        while taken := self._take():
            taken.sort(key=lambda request: request.longest)  # like lengths side by side: less padding in attention
            for request, result in zip(taken, self._results(taken), strict=True):
                _deliver(request, result)

    def _results(self, requests: list[Request]) -> list[Any]:
        """An answer each, or the exception that it met; where a shared pass fails, each has one of its own."""
        try:
            began, work = time.perf_counter(), requests[0].work
            results: list[Any] = [work()] if work else list(self._answer(requests))
            tokens = sum(request.tokens for request in requests)
            self._pace += 0.1 * (tokens / max(1e-6, time.perf_counter() - began) - self._pace)
            self.observer.batch(tokens, len(requests))
            return results
        except Exception as error:  # the thread must outlive whatever one pass does
            if len(requests) == 1:
                return [error]
        return [self._results([request])[0] for request in requests]

    @torch.inference_mode()
    def _answer(self, requests: list[Request]) -> list[Answers]:
        """One encoder pass over all sequences; then each task's head once, over the rows that ask for it."""
        joined = TokenTable.join([request.table for request in requests], per_row=1)
        count = len(joined)
        device = next(self.model.parameters()).device
        features = self.model.pool(pack(joined, np.arange(count)).to(device))
        starts = np.cumsum([0, *(request.sequences for request in requests[:-1])])
        results: list[Answers] = [{} for _ in requests]
        for name in dict.fromkeys(name for request in requests for name in request.tasks):
            asking = [i for i, request in enumerate(requests) if name in request.tasks]
            per_row = 2 if self.model.separate(self.model.tasks[name]) else 1
            rows = np.concatenate([starts[asking] + part for part in range(per_row)])
            answers = self.model.answers_of(features[torch.from_numpy(rows).to(device)], name).cpu().numpy()
            for i, answer in zip(asking, answers, strict=True):
                results[i][name] = answer
        return results


def _deliver(request: Request, result: Any) -> None:
    """Hand a result, or an exception, to the event loop that waits for it."""

    def settle() -> None:
        if request.future.done():
            return
        if isinstance(result, Exception):
            request.future.set_exception(result)
        else:
            request.future.set_result(result)

    with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
        request.future.get_loop().call_soon_threadsafe(settle)
