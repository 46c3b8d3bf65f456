"""Dynamic batching: jobs that wait are computed in one encoder pass, up to a token budget.

One thread computes. It does not wait for a batch to fill: a lone job starts at once, and jobs that arrive during a pass
form the next one. A pass holds sequences of any task; each head reads the rows of its own jobs.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from swissbert.data.token_table import TokenTable
from swissbert.evaluation.predictions import to_array
from swissbert.forking import renew_after_fork
from swissbert.serving.jobs import Answers, Job, QueueFull

if TYPE_CHECKING:
    from swissbert.inference.int8_model import Int8Model
    from swissbert.model.multitask import MultitaskModel

MAX_CUSTOM_JOBS = 8
"""Jobs with a `compute` function that may wait at a time."""


class Batcher:
    """A bounded queue, and the thread that computes its jobs.

    Args:
        model: The model; it is put into eval mode.
        token_budget: Limit of an encoder pass: number of sequences times tokens of the longest one. A single job may
            exceed it.
        max_jobs: Jobs that may wait.
        max_tokens: Tokens of all jobs that may wait.
        on_batch: Called in the model thread after each pass with its tokens and jobs.
    """

    def __init__(
        self,
        model: "MultitaskModel | Int8Model",
        *,
        token_budget: int = 2048,
        max_jobs: int = 256,
        max_tokens: int = 32_768,
        on_batch: Callable[[int, int], None] = lambda tokens, jobs: None,
    ) -> None:
        self.model, self.token_budget = model.eval(), token_budget
        self.max_jobs, self.max_tokens = max_jobs, max_tokens
        self.on_batch = on_batch
        self._tokens_per_second = 2000.0  # moving average
        self._closed = self._last_was_custom = False
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Start with an empty queue and a model thread, also in a process that was forked after the batcher was made."""
        self._queue: deque[Job] = deque()
        self._tokens = 0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="swissbert-model", daemon=True)
        self._thread.start()

    @property
    def queued(self) -> int:
        """Number of jobs that wait."""
        return len(self._queue)

    @property
    def is_alive(self) -> bool:
        """Whether the model thread runs."""
        return self._thread.is_alive()

    @property
    def is_full(self) -> bool:
        """Whether there is no room for a single job."""
        return len(self._queue) >= self.max_jobs

    @property
    def retry_after(self) -> int:
        """Estimate of the seconds until the queue is empty, at least 1."""
        return max(1, round(self._tokens / self._tokens_per_second))

    def check_room(self, jobs: int, custom: int = 0) -> None:
        """Check that jobs would be accepted now, before they are tokenized.

        An empty queue accepts any number of jobs without `compute`.

        Args:
            jobs: Number of jobs.
            custom: How many of them have a `compute` function.

        Raises:
            QueueFull: If there is no room, or the batcher is closed.
        """
        queued = len(self._queue)
        has_room = not queued or queued + jobs <= self.max_jobs
        if self._closed or not has_room or (custom and self._custom_jobs() + custom > MAX_CUSTOM_JOBS):
            raise QueueFull(self.retry_after)

    def _custom_jobs(self) -> int:
        return sum(job.compute is not None for job in list(self._queue))  # a copy: the model thread changes the queue

    def submit(self, jobs: list[Job]) -> None:
        """Queue the jobs of one request, all or none. An empty queue accepts any number of jobs without `compute`.

        Raises:
            QueueFull: If there is no room for all of them, or the batcher is closed.
        """
        tokens = sum(job.tokens for job in jobs)
        with self._changed:
            self.check_room(len(jobs), sum(job.compute is not None for job in jobs))
            if self._queue and self._tokens + tokens > self.max_tokens:
                raise QueueFull(self.retry_after)
            self._queue.extend(jobs)
            self._tokens += tokens
            self._changed.notify()

    def cancel(self, jobs: list[Job]) -> int:
        """Remove jobs from the queue; those that are done or under way are left alone.

        Returns:
            How many were removed.
        """
        with self._changed:
            cancelled = set(jobs)
            removed = [job for job in self._queue if job in cancelled]
            if removed:
                self._queue = deque(job for job in self._queue if job not in cancelled)
                self._tokens -= sum(job.tokens for job in removed)
        return len(removed)

    def close(self) -> None:
        """Compute what is queued, then stop the thread. Further jobs are rejected."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next_batch():
            batch.sort(key=lambda job: job.longest)  # similar lengths side by side: less padding in attention
            for job, result in zip(batch, self._results(batch), strict=True):
                job.deliver(result)

    def _next_batch(self) -> list[Job]:
        """Wait for jobs and take those of the next pass, or one custom job. Empty once closed and done."""
        with self._changed:
            while not self._queue:
                if self._closed:
                    return []
                self._changed.wait()
            if self._last_was_custom:  # custom jobs alternate with passes
                self._queue.rotate(-next((i for i, job in enumerate(self._queue) if job.compute is None), 0))
            first = self._queue.popleft()
            self._last_was_custom = first.compute is not None
            batch = [first] if self._last_was_custom else self._fill(first)
            self._tokens -= sum(job.tokens for job in batch)
            return batch

    def _fill(self, first: Job) -> list[Job]:
        """Take the jobs that fit into one pass beside the first one, the oldest first."""
        batch, rest = [first], deque[Job]()
        sequences, longest = first.sequences, first.longest
        while self._queue:
            job = self._queue.popleft()
            count, width = sequences + job.sequences, max(longest, job.longest)
            if job.compute is None and count * width <= self.token_budget:
                batch.append(job)
                sequences, longest = count, width
            else:
                rest.append(job)
        self._queue = rest
        return batch

    def _results(self, batch: list[Job]) -> list[Any]:
        """Return a result or an exception per job. If a shared pass fails, compute every job alone."""
        try:
            start, compute = time.perf_counter(), batch[0].compute
            results: list[Any] = [compute()] if compute else list(self._forward(batch))
            tokens = sum(job.tokens for job in batch)
            rate = tokens / max(1e-6, time.perf_counter() - start)
            self._tokens_per_second += 0.1 * (rate - self._tokens_per_second)
            self.on_batch(tokens, len(batch))
            return results
        except BaseException as error:  # the thread has to survive any failure, also a panic of a library
            if len(batch) == 1:
                return [error]
        return [self._results([job])[0] for job in batch]

    def _forward(self, batch: list[Job]) -> list[Answers]:
        """Run the encoder once over all sequences, and each head once over the rows of its jobs."""
        table = TokenTable.join([job.table for job in batch], per_row=1)  # a row per sequence, whatever the task
        pooled: Any = self.model.pool_rows(table, np.arange(len(table)))  # [sequences, W]
        starts = np.cumsum([0, *(job.sequences for job in batch[:-1])])
        results: list[Answers] = [{} for _ in batch]
        for name in dict.fromkeys(name for job in batch for name in job.tasks):
            members = [i for i, job in enumerate(batch) if name in job.tasks]
            per_row = 2 if self.model.separate(self.model.tasks[name]) else 1
            rows = np.concatenate([starts[members] + part for part in range(per_row)])  # all first texts, then second
            answers = to_array(self.model.answers_of(pooled[rows], name))
            for i, answer in zip(members, answers, strict=True):
                results[i][name] = answer
        return results
