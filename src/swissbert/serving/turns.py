"""Turns of the event loop: only so much work begins in one round, so that health checks wait for no more than that."""

import asyncio
from collections import deque

MAX_COST = 8
"""Cost of the requests that begin in one round of the event loop, where a short request costs 1."""
BYTES = 16 * 1024
"""Bytes of a body that cost as much as a short request."""


class Turns:
    """Requests that begin to be handled, a few in each round of the event loop, in the order in which they came."""

    def __init__(self) -> None:
        self._left = MAX_COST
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._is_scheduled = False

    async def wait(self, size: int) -> None:
        """Wait for a turn.

        Args:
            size: Bytes of the request's body.
        """
        cost = min(MAX_COST, 1 + size // BYTES)
        loop = asyncio.get_running_loop()
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._next_round, loop)
        if not self._waiting and cost <= self._left:
            self._left -= cost
            return
        turn = loop.create_future()
        self._waiting.append((cost, turn))
        await turn

    def _next_round(self, loop: asyncio.AbstractEventLoop) -> None:
        self._left = MAX_COST
        while self._waiting and self._waiting[0][0] <= self._left:
            cost, turn = self._waiting.popleft()
            if not turn.done():  # it is done if the server is shutting down
                turn.set_result(None)
                self._left -= cost
        self._is_scheduled = bool(self._waiting)
        if self._is_scheduled:
            loop.call_soon(self._next_round, loop)
