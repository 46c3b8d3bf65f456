"""The jobs of each request: put into the queue in parts, and waited for until a deadline or the client disconnects."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import Request

from swissbert.serving.api_errors import CLIENT_CLOSED, ApiError
from swissbert.serving.batcher import Batcher
from swissbert.serving.jobs import Job, QueueFull
from swissbert.serving.telemetry import ServerMetrics

PART_JOBS, PART_TOKENS = 64, 8_192
"""Inputs and tokens of a request that are queued at a time, so that a large one leaves room for others."""
WAIT_SECONDS = 0.05
"""Time between attempts to queue the next part of a request."""


class RequestQueue:
    """The queue of a batcher as requests use it.

    Args:
        batcher: The batcher.
        metrics: Counts jobs that were dropped and requests that were rejected.
        deadline: Seconds that a request may wait for its results.
    """

    def __init__(self, batcher: Batcher, metrics: ServerMetrics, deadline: float) -> None:
        self.batcher, self.metrics, self.deadline = batcher, metrics, deadline
        self._half_closed: dict[asyncio.Future[list[Any]], list[Job]] = {}  # of clients that closed their side

    def retry_after(self) -> int | None:
        """Return the seconds after which there may be room if there is none now, else None."""
        if self.batcher.is_full:
            self._make_room()
        return self.batcher.retry_after if self.batcher.is_full else None

    async def results(self, request: Request, jobs: list[Job]) -> list[Any]:
        """Queue the jobs of one request and wait for their results; many jobs are queued in parts.

        Raises:
            ApiError: 429 if the queue is full or the deadline passes; 499 if the client disconnects.
        """
        first, *rest = _parts(jobs)
        self.find_room(lambda: self.batcher.submit(first))
        results = asyncio.ensure_future(self._all_parts(first, rest))
        disconnected = asyncio.ensure_future(_disconnected(request))
        both: set[asyncio.Future[Any]] = {results, disconnected}
        state = request.scope.get("state", {})
        state["on_half_closed"] = lambda: self._half_closed.update({results: jobs})
        if "is_half_closed" in state:
            self._half_closed[results] = jobs
        try:
            done, _ = await asyncio.wait(both, timeout=self.deadline, return_when=asyncio.FIRST_COMPLETED)
            if results in done and not results.cancelled():
                return results.result()
            if results in done:
                raise ApiError.overloaded(self.batcher.retry_after)
            if disconnected in done:
                raise ApiError(CLIENT_CLOSED, "the client closed the connection")
            raise ApiError.overloaded(
                self.batcher.retry_after, f"no result within {self.deadline:g} s; try again later"
            )
        finally:
            state.pop("on_half_closed", None)
            self._half_closed.pop(results, None)
            self.metrics.dropped.inc(self.batcher.cancel(jobs))
            disconnected.cancel()
            if not results.cancel() and not results.cancelled():
                results.exception()  # marks it as seen, so that asyncio does not log it
            for job in jobs:
                job.future.cancel()

    async def _all_parts(self, part: list[Job], rest: list[list[Job]]) -> list[Any]:
        """Return the results of the part that is queued and of those after it, which wait for room one after the other."""
        results: list[Any] = []
        for following in [*rest, []]:
            results += await asyncio.gather(*(job.future for job in part), return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result
            while following:
                try:
                    self.batcher.submit(following)
                    break
                except QueueFull:
                    await asyncio.sleep(WAIT_SECONDS)
            part = following
        return results

    def find_room(self, attempt: Callable[[], None]) -> None:
        """Do something that needs room in the queue, if need be in the place of clients that have probably gone.

        Raises:
            ApiError: 429 if there is no room.
        """
        for is_last in (False, True):
            try:
                attempt()
            except QueueFull as error:
                if is_last or not self._make_room():
                    self.metrics.rejected.inc()
                    raise ApiError.overloaded(error.retry_after) from error
            else:
                break

    def _make_room(self) -> bool:
        """Drop the work of clients that closed their side: most have gone. Returns whether there were any."""
        gone, self._half_closed = self._half_closed, {}
        for results, jobs in gone.items():
            self.metrics.dropped.inc(self.batcher.cancel(jobs))
            results.cancel()
        return bool(gone)


def _parts(jobs: list[Job]) -> list[list[Job]]:
    """Split jobs into parts of at most `PART_JOBS` jobs and `PART_TOKENS` tokens; a single job may have more."""
    parts: list[list[Job]] = [[]]
    tokens = 0
    for job in jobs:
        if parts[-1] and (len(parts[-1]) == PART_JOBS or tokens + job.tokens > PART_TOKENS):
            parts.append([])
            tokens = 0
        parts[-1].append(job)
        tokens += job.tokens
    return parts


async def _disconnected(request: Request) -> None:
    """Return once the client disconnects."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
