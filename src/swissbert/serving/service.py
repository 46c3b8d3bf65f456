"""The service behind the routes: tokenizes the inputs of a request, has them computed, and writes the response."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from fastapi import Request

from swissbert.data.dataset import tokenize
from swissbert.data.rows import Row
from swissbert.data.token_table import TokenTable
from swissbert.errors import SwissbertError, nearest
from swissbert.inference.attention import attention_table
from swissbert.inference.explanation import WORD, leave_out
from swissbert.inference.model import Model
from swissbert.serving.about import worded
from swissbert.serving.api_errors import ApiError
from swissbert.serving.batcher import Batcher
from swissbert.serving.jobs import Answers, Job
from swissbert.serving.request_queue import PART_JOBS, RequestQueue
from swissbert.serving.responses import answers_json, attention_json, explanation_json
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
        self.queue = RequestQueue(self.batcher, self.metrics, deadline)
        self.draining = False
        self._tokenizing = self._tokenizing_custom = 0  # jobs in worker threads: not yet queued, but they need room

    @property
    def is_ready(self) -> bool:
        """Whether new requests are accepted."""
        return not self.draining and self.batcher.is_alive

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
        results: list[Answers] = await self.queue.results(request, jobs)
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
        (content,) = await self.queue.results(request, [job])
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
        results: list[Answers] = await self.queue.results(request, jobs)
        if len(jobs) * len(tasks) <= INLINE_INPUTS:
            return explanation_json(body, tasks, variants, results)
        return await asyncio.to_thread(explanation_json, body, tasks, variants, results)

    async def _tokenize(
        self, characters: int, jobs: int, make: Callable[[], Result], is_custom: bool = False
    ) -> Result:
        """Check that the queue has room for jobs, then tokenize them: on the event loop, or in a worker thread."""
        custom = self._tokenizing_custom + 1 if is_custom else 0
        self.queue.find_room(lambda: self.batcher.check_room(self._tokenizing + jobs, custom))
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
