"""The sharded job on Ray: workers of a cluster answer chunks of rows, and this process reads them and writes the shards."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from swissbert.errors import SwissbertError
from swissbert.inference.job_chunks import AnsweredChunk, Answers, Chunk, Work
from swissbert.inference.loading import Precision, load
from swissbert.inference.model import Model

CHUNKS = 2
"""Chunks that a worker has at a time: the next one is there when it finishes one."""
AHEAD = 4
"""Chunks for each worker that are read before the first of them is written; bounds memory if one worker is slow."""
PATIENCE = 60.0
"""Seconds without a worker after which a sentence says so."""
RESTARTS = 3
"""How often a worker that ended is started again, on another machine if its own is gone, and a chunk is answered again."""


class Worker:
    """Answers chunks in a process of its own, on one thread.

    Args:
        name: Name of the model, as `swissbert.load` takes it.
        precision: Precision of the answers.
        fingerprint: Checksum of the model of the process that began the job.
        work: What to answer.
    """

    def __init__(self, name: str, precision: Precision, fingerprint: str | None, work: Work) -> None:
        self._name, self._precision, self._fingerprint, self._work = name, precision, fingerprint, work
        self._model: Model | None = None

    def load(self) -> str | None:
        """Load the model; return why that is not possible. An exception would arrive as a traceback of Ray."""
        import torch

        torch.set_num_threads(1)
        try:
            model = load(self._name, precision=self._precision)
        except SwissbertError as error:
            return str(error)
        if model.fingerprint != self._fingerprint:
            return f"{model.folder}: this is another model than on the machine that began the job; copy it there"
        self._model = model
        return None

    def answer(self, chunk: Chunk) -> AnsweredChunk | str:
        """Answer a chunk; return why that is not possible. A worker that was started again loads the model first."""
        problem = self.load() if self._model is None else None
        if problem is not None or self._model is None:
            return str(problem)
        try:
            return self._work.answer(self._model, chunk)
        except SwissbertError as error:
            return str(error)


class RayEngine:
    """An `Engine` for `answer_file`: as many workers as the cluster has GPUs, or else cores.

    Ray is started on this machine, or joined where a cluster is running or ``RAY_ADDRESS`` names one. Ray's own reports of use
    are off unless ``RAY_USAGE_STATS_ENABLED`` says otherwise.

    Args:
        name: Name of the model, as `swissbert.load` takes it; a local folder must exist on every machine.
        workers: Number of workers; None for all GPUs or cores of the cluster.
        log: Called with a sentence about the cluster.
    """

    def __init__(
        self, name: str | Path, workers: int | None = None, log: Callable[[str], object] = lambda line: None
    ) -> None:
        self.name = str(Path(name).resolve() if Path(name).is_dir() else name)
        self.workers, self.log = workers, log

    def __call__(self, model: Model, work: Work, chunks: Iterable[Chunk]) -> Answers:
        """Yield the answers to chunks, in their order.

        Raises:
            SwissbertError: If Ray cannot be started or joined, a worker cannot load the model or fails, or workers keep ending.
        """
        import ray

        with cluster():
            total = ray.cluster_resources()
            gpus, cores = int(total.get("GPU", 0)), int(total.get("CPU", 1))
            options = {"num_cpus": 1, "num_gpus": int(gpus > 0), "max_restarts": RESTARTS, "max_task_retries": RESTARTS}
            start = ray.remote(**options)(Worker)
            count = self.workers or gpus or max(1, cores)
            machines = sum(node["Alive"] for node in ray.nodes())
            self.log(f"Ray: {count:,} worker(s) on {machines:,} machine(s) with {cores:,} cores and {gpus:,} GPUs")
            workers = [start.remote(self.name, model.precision, model.fingerprint, work) for _ in range(count)]
            try:
                yield from _in_order(workers, chunks, self.log)
            except ray.exceptions.RayError as error:
                raise _refusal(error) from error
            finally:
                for worker in workers:
                    ray.kill(worker)


def _in_order(workers: list[Any], chunks: Iterable[Chunk], log: Callable[[str], object]) -> Iterator[AnsweredChunk]:
    """Send each chunk to the next worker that is free, and yield the answers in the order of the chunks."""
    import ray

    rest = iter(chunks)
    loading = {worker.load.remote(): worker for worker in workers}  # no chunk waits for a machine that is not there yet
    running: dict[Any, Any] = {}
    order: deque[Any] = deque()
    free: deque[Any] = deque()
    while True:
        while free and len(order) < AHEAD * len(workers) and (chunk := next(rest, None)) is not None:
            answer = free[0].answer.remote(chunk)
            running[answer] = free.popleft()
            order.append(answer)
        if order and order[0] not in running:
            yield _checked(ray.get(order.popleft()))
            continue
        if free and not order:  # there was no chunk for it
            return
        ready, _ = ray.wait([*running, *loading], timeout=PATIENCE)
        if not ready and len(loading) == len(workers):
            log("Ray: no worker has started yet; the cores of the cluster may be taken, or new machines on their way")
        for result in ready:
            if result in loading:
                _checked(ray.get(result))
                free.extend([loading.pop(result)] * CHUNKS)
            else:
                free.append(running.pop(result))


def _refusal(error: Exception) -> SwissbertError:
    """Return an error of Ray in one sentence."""
    import ray

    cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else error
    reason = (str(cause).strip().splitlines() or [""])[0]
    if isinstance(cause, ray.exceptions.RayError):  # a process or a machine is lost
        return SwissbertError(
            f"Ray cannot go on ({reason or type(cause).__name__}); the same command goes on where it ended"
        )
    return SwissbertError(f"a worker of Ray failed ({type(cause).__name__}{f': {reason}' * bool(reason)})")


def _checked(result: Any) -> Any:
    """Return what a worker returned, unless it is a sentence that says what is wrong."""
    if isinstance(result, str):
        raise SwissbertError(result)
    return result


@contextmanager
def cluster() -> Iterator[None]:
    """Start Ray or join a cluster, and leave it at the end, unless this process has done so before.

    Raises:
        SwissbertError: If that is not possible.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SwissbertError(f"Ray cannot be started or joined: {reason}") from error
    if before is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray has set its own
    try:
        yield
    finally:
        ray.shutdown()
