"""The service behind the routes: tokenizes inputs, queues them, and waits for the results."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from fastapi import Request

from swissbert.data.dataset import tokenize
from swissbert.data.rows import Row
from swissbert.data.tokens import TokenTable
from swissbert.errors import SwissbertError, nearest
from swissbert.inference.attention import attention_table, table_attention
from swissbert.inference.explanation import WORD, Variants, decisive, leave_out
from swissbert.inference.model import Model
from swissbert.kinds import Answer
from swissbert.serving.about import worded
from swissbert.serving.api_errors import CLIENT_CLOSED, ApiError
from swissbert.serving.batcher import Batcher
from swissbert.serving.jobs import Answers, Job, QueueFull
from swissbert.serving.schemas import (
    MAX_ATTENTION_TOKENS,
    MAX_TOTAL_CHARACTERS,
    MAX_TOTAL_TOKENS,
    AttentionBody,
    ExampleShape,
    ExplainBody,
    Input,
)
from swissbert.serving.telemetry import ServerMetrics
from swissbert.tasks import Task, tasks_for

PART_JOBS, PART_TOKENS = 64, 8_192
"""Inputs and tokens of a request that are queued at a time, so that a large one leaves room for others."""
WAIT_SECONDS = 0.05
"""Time between attempts to queue the next part of a request."""
INLINE_CHARACTERS = 2_000
INLINE_INPUTS = 16
"""Up to so many characters and inputs a request is tokenized and answered on the event loop, else in a worker thread."""

Result = TypeVar("Result")


class Service:
    """A model, its batcher and its metrics.

    Args:
        model: The model.
        deadline: Seconds that a request may wait for its results.
        name: Name of the model for people.
        examples: Examples that the page offers.
        limits: Keyword arguments of `Batcher`.

    Attributes:
        draining: Whether the server is shutting down.
        worded: The tasks of the model, with words for people.
    """

    def __init__(
        self, model: Model, deadline: float, name: str = "", examples: Sequence[ExampleShape] = (), **limits: int
    ) -> None:
        self.model, self.deadline, self.name, self.examples = model, deadline, name, list(examples)
        self.worded = [worded(task) for task in model.tasks.values()]
        self.metrics = ServerMetrics()
        self.batcher = Batcher(model.engine, on_batch=self.metrics.observe_batch, **limits)
        self.metrics.watch_queue(lambda: self.batcher.queued)
        self.draining = False
        self._half_closed: dict[asyncio.Future[list[Any]], list[Job]] = {}  # of clients that closed their side
        self._tokenizing = self._tokenizing_custom = 0  # jobs in worker threads: not yet queued, but they need room

    @property
    def is_ready(self) -> bool:
        """Whether new requests are accepted."""
        return not self.draining and self.batcher.is_alive

    def retry_after(self) -> int | None:
        """Return the seconds after which there may be room if there is none now, else None."""
        if self.batcher.is_full:
            self._make_room()
        return self.batcher.retry_after if self.batcher.is_full else None

    def tasks_for(self, given: Input, names: list[str] | None, field: str) -> list[Task]:
        """Return the tasks to answer, in the order of `names`.

        Args:
            given: An input.
            names: The tasks that were asked for; None for all that read such input.
            field: Path of the input in the body, for messages.

        Raises:
            ApiError: 422 if a task does not exist, or does not read such input.
        """
        tasks = self.model.tasks
        for name in names or []:
            if name not in tasks:
                known = f"{nearest(name[:80], tasks)} (the tasks are {', '.join(tasks)})"
                raise ApiError(422, f"tasks: there is no task '{name[:80]}'{known}", "tasks")
        try:
            fitting = tasks_for(list(tasks.values()), given.is_pair, names)
        except SwissbertError as error:
            remedy = "leave out text_pair" if given.is_pair else "add text_pair"
            raise ApiError(422, f"{field}: {error}; {remedy}", field) from error
        return [tasks[name] for name in dict.fromkeys(names)] if names else fitting

    async def predict(self, request: Request, inputs: list[Input], tasks: list[list[Task]]) -> bytes:
        """Return the JSON response to the inputs of one request.

        Args:
            request: The HTTP request; if its client disconnects, jobs that wait are cancelled.
            inputs: The inputs.
            tasks: The tasks of each input.

        Raises:
            ApiError: 422 for too many characters or tokens, 429 if the queue is full or the deadline passes.
        """
        characters = sum(given.characters for given in inputs)
        if characters > MAX_TOTAL_CHARACTERS:
            message = f"inputs: {characters:,} characters in all; at most {MAX_TOTAL_CHARACTERS:,} are allowed"
            raise ApiError(422, message, "inputs")
        tables = await self._tokenize(characters, min(len(inputs), PART_JOBS), lambda: self._tables(inputs, tasks))
        tokens = sum(len(table.ids) for table in tables)
        if tokens > MAX_TOTAL_TOKENS:
            message = f"inputs: {tokens:,} tokens in all; at most {MAX_TOTAL_TOKENS:,} are allowed in one request"
            raise ApiError(422, message, "inputs")
        loop = asyncio.get_running_loop()
        jobs = [
            Job(table, [task.name for task in chosen], loop.create_future())
            for table, chosen in zip(tables, tasks, strict=True)
        ]
        results: list[Answers] = await self._results(request, jobs)
        if len(jobs) <= INLINE_INPUTS:
            return answers_json(tasks, tables, results)
        return await asyncio.to_thread(answers_json, tasks, tables, results)

    async def attention(self, request: Request, body: AttentionBody) -> bytes:
        """Return the JSON response of an attention request.

        Raises:
            ApiError: 422 for a layer or head that does not exist or too many tokens, 429 if the queue is full or the deadline passes.
        """
        config = self.model.engine.config
        for field, number, count in (("layer", body.layer, config.layers), ("head", body.head, config.heads)):
            if number is not None and number >= count:
                raise ApiError(422, f"{field}: {number} is out of range; this model has 0 to {count - 1}", field)
        table = await self._tokenize(body.characters, 1, lambda: self._attention_table(body), is_custom=True)
        job = Job(
            table, [], asyncio.get_running_loop().create_future(), lambda: attention_json(self.model, table, body)
        )
        (content,) = await self._results(request, [job])
        return bytes(content)

    async def explain(self, request: Request, body: ExplainBody, tasks: list[Task]) -> bytes:
        """Return the JSON response of a request for an explanation.

        The variants of the input are jobs like any others: queued in parts, counted in the limits of the queue, and dropped
        if the client disconnects.

        Args:
            request: The HTTP request.
            body: Its body.
            tasks: The tasks, all of single texts or all of pairs.

        Raises:
            ApiError: 429 if the queue is full or the deadline passes.
        """
        words = len(WORD.findall(body.text)) + len(WORD.findall(body.text_pair or ""))  # as `leave_out` finds them
        variants = await self._tokenize(
            body.characters,
            min(1 + words, PART_JOBS),
            lambda: leave_out(self.model, tasks[0], body.text, body.text_pair),
        )
        loop = asyncio.get_running_loop()
        names = [task.name for task in tasks]
        tables = [variants.whole, *variants.without]
        jobs = [Job(table, names, loop.create_future()) for table in tables]
        results: list[Answers] = await self._results(request, jobs)
        if len(jobs) * len(tasks) <= INLINE_INPUTS:
            return explanation_json(body, tasks, variants, results)
        return await asyncio.to_thread(explanation_json, body, tasks, variants, results)

    async def _tokenize(
        self, characters: int, jobs: int, make: Callable[[], Result], is_custom: bool = False
    ) -> Result:
        """Check that the queue has room for jobs, then tokenize them: on the event loop, or in a worker thread."""
        custom = self._tokenizing_custom + 1 if is_custom else 0
        self._find_room(lambda: self.batcher.check_room(self._tokenizing + jobs, custom))
        if characters <= INLINE_CHARACTERS and jobs <= INLINE_INPUTS:
            return make()
        self._tokenizing += jobs
        self._tokenizing_custom += is_custom
        try:
            return await asyncio.to_thread(make)
        finally:
            self._tokenizing -= jobs
            self._tokenizing_custom -= is_custom

    def _tables(self, inputs: list[Input], tasks: list[list[Task]]) -> list[TokenTable]:
        model = self.model
        return [
            tokenize(
                model.tokenizer,
                chosen[0],  # the tasks of one input are all single or all pair tasks, which are tokenized alike
                [Row(1, "1", given.text, given.text_pair, None)],
                **model.token_options(chosen[0]),
            )
            for given, chosen in zip(inputs, tasks, strict=True)
        ]

    def _attention_table(self, body: AttentionBody) -> TokenTable:
        """Tokenize an attention request. Raises `ApiError` 422 for more than `MAX_ATTENTION_TOKENS`."""
        table = attention_table(self.model, body.text, body.text_pair, self.model.engine.config.max_positions)
        if len(table.ids) > MAX_ATTENTION_TOKENS:
            message = f"text: {len(table.ids)} tokens; attention is available for at most {MAX_ATTENTION_TOKENS}"
            raise ApiError(422, message, "text")
        if len(table.ids) > self.model.description.encoder.max_length:  # only of a model trained on shorter texts
            return attention_table(self.model, body.text, body.text_pair)
        return table

    async def _results(self, request: Request, jobs: list[Job]) -> list[Any]:
        """Queue the jobs of one request and wait for their results; many jobs are queued in parts.

        Raises:
            ApiError: 429 if the queue is full or the deadline passes; 499 if the client disconnects.
        """
        first, *rest = _parts(jobs)
        self._find_room(lambda: self.batcher.submit(first))
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

    def _find_room(self, attempt: Callable[[], None]) -> None:
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


def _answer(task: Task, result: Answers, table: TokenTable) -> Answer:
    """Return the answer of one task to one input."""
    answer = task.kind.answer(task, result[task.name])
    return answer._replace(cut=True) if table.cut_rows.any() else answer


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


def answers_json(tasks: list[list[Task]], tables: list[TokenTable], results: list[Answers]) -> bytes:
    """Write the answers to the inputs of a request as JSON.

    Args:
        tasks: The tasks of each input.
        tables: The tokens of each input.
        results: What the model gave for each input.
    """
    answers = (
        {task.name: _answer(task, result, table).as_json() for task in chosen}
        for chosen, table, result in zip(tasks, tables, results, strict=True)
    )
    # one input at a time: a single call of json.dumps would hold the GIL until it ends
    rows = [json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":")) for row in answers]
    return f'{{"answers":[{",".join(rows)}]}}'.encode()


def attention_json(model: Model, table: TokenTable, body: AttentionBody) -> bytes:
    """Compute attention over a table and write it as JSON, with four digits.

    Args:
        model: The model.
        table: The tokens of the request.
        body: The request: `layer` and `head` choose one of each.
    """
    result = table_attention(model, table)
    layers = slice(None) if body.layer is None else slice(body.layer, body.layer + 1)
    heads = slice(None) if body.head is None else slice(body.head, body.head + 1)
    weights = np.round(result.weights[layers, heads].astype(float), 4)
    boundary = result.boundary if body.text_pair is not None else None
    # one head at a time: a single call of json.dumps would hold the GIL until it ends
    rows = (f"[{','.join(json.dumps(head.tolist()) for head in layer)}]" for layer in weights)
    start = json.dumps({"tokens": result.tokens, "boundary": boundary})[:-1]
    return f'{start}, "weights": [{",".join(rows)}]}}'.encode()


def explanation_json(body: ExplainBody, tasks: list[Task], variants: Variants, results: list[Answers]) -> bytes:
    """Write the effects of words as JSON.

    Args:
        body: The request.
        tasks: The tasks.
        variants: The input and its variants.
        results: What the model gave for the input and for each variant.
    """
    fields = {"text": body.text, "text_pair": body.text_pair or ""}
    words = [
        {"field": name, "start": span.start, "end": span.end, "text": fields[name][span.start : span.end]}
        for span in variants.spans
        for name in [list(fields)[span.part]]
    ]
    rows = []
    for task in tasks:
        label, numbers = decisive(task, [result[task.name] for result in results])
        value, *without = (round(float(number), 5) for number in numbers)
        effects = {"label": label, "value": value, "without": without}
        rows.append({"answer": _answer(task, results[0], variants.whole).as_json(), **effects})
    by_task = dict(zip((task.name for task in tasks), rows, strict=True))
    return json.dumps({"words": words, "tasks": by_task}, ensure_ascii=False, allow_nan=False).encode()
