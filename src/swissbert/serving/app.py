"""The HTTP interface: checks what comes in, hands it to the batcher, and says what came of it. Logs no text."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from swissbert.data.dataset import tokenize
from swissbert.data.formats import unreadable
from swissbert.data.rows import Row
from swissbert.data.tokens import TokenTable
from swissbert.errors import nearest
from swissbert.inference.attention import attended
from swissbert.inference.model import Model
from swissbert.serving.batcher import Batcher, Full, Observer
from swissbert.serving.batcher import Request as Queued
from swissbert.serving.guard import GONE, NO_ROOM, Guard
from swissbert.serving.metrics import Metrics
from swissbert.tasks import Task
from swissbert.version import __version__

PAGE = Path(__file__).parent / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
MOST_ITEMS = 64
"""Inputs of one request."""
MOST_CHARACTERS = 10_000
"""Of one text."""
MOST_TOGETHER = 100_000
"""Characters of all texts of a request."""
FEW_CHARACTERS = 2_000
"""So many are turned into tokens at once; more are, in a thread beside the one that listens."""
MOST_ATTENTION = 64
"""Tokens whose attention is shown: it grows with their square."""


def _sound(text: str) -> str:
    if not text.strip():
        raise ValueError("the text is empty")
    if why := unreadable(text):
        raise ValueError(f"the text has {why}")
    return text.strip()


Text = Annotated[str, Field(max_length=MOST_CHARACTERS), AfterValidator(_sound)]
Name = Annotated[str, Field(min_length=1, max_length=80)]


class Body(BaseModel):
    """Base of what clients send: unknown keys and wrong types are mistakes."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Input(Body):
    """A text, or a pair of texts for tasks of pairs."""

    text: Text
    text_pair: Text | None = None


class PredictBody(Body):
    """One input or up to 64, and the tasks to answer: one, several, or all that read such input if left out."""

    inputs: Input | Annotated[list[Input], Field(min_length=1, max_length=MOST_ITEMS)]
    tasks: Name | Annotated[list[Name], Field(min_length=1, max_length=64)] | None = None


class AttentionBody(Input):
    """A text or pair, and if wanted only one layer or head, from 0."""

    layer: Annotated[int, Field(ge=0, le=1000)] | None = None
    head: Annotated[int, Field(ge=0, le=1000)] | None = None


class AnswerShape(BaseModel):
    """A class with its name and the probabilities of all, or a score."""

    label: int | None = None
    label_name: str | None = None
    probabilities: list[float] | None = None
    score: float | None = None


class PredictShape(BaseModel):
    """Answers by task, one object for each input, in order."""

    answers: list[dict[str, AnswerShape]]


class AttentionShape(BaseModel):
    """Word pieces, where the second sentence begins, and weights ``[layers][heads][from][to]`` of those asked for."""

    tokens: list[str]
    boundary: int | None
    weights: list[list[list[list[float]]]]


class TaskShape(BaseModel):
    """What a task asks for, and its score on dev rows."""

    name: str
    kind: str
    pair: bool
    labels: list[str]
    range: tuple[float, float] | None
    metric: str
    score: float | None


class ErrorShape(BaseModel):
    """What is wrong, in one sentence, and with which field."""

    error: str
    field: str | None


class Refused(Exception):  # noqa: N818 (becomes an answer)
    """A request that cannot be answered: status, sentence, field, and headers."""

    def __init__(
        self, status: int, sentence: str, field: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.field, self.headers = status, sentence, field, headers


NO_JSON = "the body is not valid JSON"
SAID: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorShape, "description": "The body is no JSON"},
    401: {"model": ErrorShape, "description": "A key is missing or wrong"},
    408: {"model": ErrorShape, "description": "The body took too long"},
    413: {"model": ErrorShape, "description": "The body is too large"},
    415: {"model": ErrorShape, "description": "The body is not said to be JSON"},
    422: {"model": ErrorShape, "description": "A field is wrong; it is named"},
    429: {"model": ErrorShape, "description": "No room now; Retry-After says when"},
}


class Service:
    """A model, its batcher, and how requests wait for it."""

    def __init__(self, model: Model, deadline: float, **bounds: int) -> None:
        self.model, self.deadline = model, deadline
        self.metrics = Metrics()
        observer = Observer(batch=self._observe)
        self.batcher = Batcher(model.network, observer=observer, **bounds)
        self.metrics.watch(lambda: self.batcher.waiting)
        self.draining = False
        self._preparing = 0

    def _observe(self, tokens: int, inputs: int) -> None:
        self.metrics.batch_tokens.observe(tokens)
        self.metrics.batch_inputs.observe(inputs)

    def tasks_for(self, given: Input, names: list[str] | None, field: str) -> list[Task]:
        """The tasks that answer an input. Raises `Refused`."""
        tasks = self.model.tasks
        for name in names or []:
            if name not in tasks:
                raise Refused(
                    422,
                    f"there is no task '{name[:80]}'{nearest(name[:80], tasks)} (there are {', '.join(tasks)})",
                    "tasks",
                )
        pair = given.text_pair is not None
        chosen = [tasks[name] for name in dict.fromkeys(names or tasks)]
        fitting = [task for task in chosen if task.is_pair == pair]
        if not fitting or (names and len(fitting) < len(chosen)):
            takes = "one text" if pair else "a pair: text and text_pair"
            other = next(task for task in chosen if task.is_pair != pair)
            raise Refused(422, f"task '{other.name}' takes {takes}", field)
        return fitting

    async def answer(self, http: Request, inputs: list[Input], tasks: list[list[Task]]) -> list[Any]:
        """Answers of the inputs of a request, each of its own tasks. Raises `Refused`."""
        size = sum(len(given.text) + len(given.text_pair or "") for given in inputs)
        if size > MOST_TOGETHER:
            raise Refused(
                422, f"inputs have {size:,} characters in all, but at most {MOST_TOGETHER:,} are taken", "inputs"
            )
        self.check_room(len(inputs))
        if size <= FEW_CHARACTERS:
            tables = self._tables(inputs, tasks)
        else:
            self._preparing += len(inputs)
            try:
                tables = await asyncio.to_thread(self._tables, inputs, tasks)
            finally:
                self._preparing -= len(inputs)
        loop = asyncio.get_running_loop()
        queued = [
            Queued(table, [task.name for task in some], loop.create_future())
            for table, some in zip(tables, tasks, strict=True)
        ]
        return await self.wait(http, queued)

    def check_room(self, inputs: int, work: bool = False) -> None:
        """Raise `Refused` where so many inputs more would not be taken now."""
        try:
            self.batcher.check_room(self._preparing + inputs, work)
        except Full as full:
            raise self._full(full) from full

    def _full(self, full: Full) -> Refused:
        self.metrics.rejected.inc()
        return Refused(429, NO_ROOM, None, {"Retry-After": str(full.seconds)})

    def _tables(self, inputs: list[Input], tasks: list[list[Task]]) -> list[TokenTable]:
        trained = self.model
        return [
            tokenize(
                trained.tokenizer,
                some[0],
                [Row(1, "1", given.text, given.text_pair, None)],
                **trained.token_options(some[0]),
            )
            for given, some in zip(inputs, tasks, strict=True)
        ]

    async def wait(self, http: Request, queued: list[Queued]) -> list[Any]:
        """Results of inputs that share a request. Raises `Refused` where there is no room or time for them."""
        try:
            self.batcher.submit(queued)
        except Full as full:
            raise self._full(full) from full
        answers = asyncio.gather(*(each.future for each in queued), return_exceptions=True)
        gone = asyncio.ensure_future(_gone(http))
        both: set[asyncio.Future[Any]] = {answers, gone}
        try:
            done, _ = await asyncio.wait(both, timeout=self.deadline, return_when=asyncio.FIRST_COMPLETED)
            if answers in done:
                for result in answers.result():
                    if isinstance(result, BaseException):
                        raise result
                return answers.result()
            if gone in done:
                raise Refused(GONE, "the client has left")
            said = f"there was no time within {self.deadline:g} s"
            raise Refused(429, said, None, {"Retry-After": str(self.batcher.patience)})
        finally:
            dropped = self.batcher.leave(queued)
            self.metrics.dropped.inc(dropped)
            gone.cancel()
            for each in queued:
                each.future.cancel()


async def _gone(http: Request) -> None:
    """Comes back when the client has left."""
    while (await http.receive())["type"] != "http.disconnect":
        pass


def make_app(model: Model, *, key: str | None = None, deadline: float = 30.0, **bounds: int) -> FastAPI:
    """The application. `key` is what clients must show, `deadline` the seconds a request may take, `bounds` the batcher's.

    Raises SwissbertError for a model whose answers are no numbers.
    """
    for task in model.tasks.values():
        model.numbers(task.name, [("a", "b") if task.is_pair else "a"])
    service = Service(model, deadline, **bounds)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.batcher.close)

    app = FastAPI(
        title="swissBERT",
        version=__version__,
        description="One encoder pass answers several tasks about a sentence or a pair of sentences.",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service

    @app.exception_handler(Refused)
    async def refused(http: Request, error: Refused) -> JSONResponse:
        return JSONResponse({"error": error.sentence, "field": error.field}, error.status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(http: Request, error: RequestValidationError) -> JSONResponse:
        broken = error.errors()[0]["type"] == "json_invalid"
        return JSONResponse(_first(error), 400 if broken else 422)

    @app.exception_handler(HTTPException)
    async def other(http: Request, error: HTTPException) -> JSONResponse:
        said = NO_JSON if error.status_code == 400 else str(error.detail)
        return JSONResponse({"error": said, "field": None}, error.status_code, error.headers)

    @app.post("/v1/predict", responses=SAID, response_model=PredictShape)
    async def predict(http: Request, body: PredictBody) -> Response:
        """Answer one input or many, for one task, several, or all that fit."""
        many = isinstance(body.inputs, list)
        inputs = body.inputs if isinstance(body.inputs, list) else [body.inputs]
        names = [body.tasks] if isinstance(body.tasks, str) else body.tasks
        tasks = [service.tasks_for(given, names, f"inputs.{i}" if many else "inputs") for i, given in enumerate(inputs)]
        found = await service.answer(http, inputs, tasks)
        answers = [
            {name: model.tasks[name].kind.answer(model.tasks[name], answer).as_json() for name, answer in each.items()}
            for each in found
        ]
        return JSONResponse({"answers": answers})

    @app.post("/v1/attention", responses=SAID, response_model=AttentionShape)
    async def attention(http: Request, body: AttentionBody) -> Response:
        """Attention over a sentence or pair, of every layer and head or of those asked for."""
        config = model.network.encoder.config
        for field, given, limit in (("layer", body.layer, config.layers), ("head", body.head, config.heads)):
            if given is not None and given >= limit:
                raise Refused(422, f"{field} is {given}, but this model has 0 to {limit - 1}", field)
        trained = model
        pairs = [body.text_pair] if body.text_pair is not None else None
        table = trained.tokenizer.encode([body.text], pairs, together=True, max_length=config.max_positions)
        if len(table.ids) > MOST_ATTENTION:
            raise Refused(
                422, f"the text has {len(table.ids)} tokens, but attention is shown of at most {MOST_ATTENTION}", "text"
            )

        service.check_room(1, work=True)

        def work() -> bytes:
            found = attended(trained, body.text, body.text_pair)
            layers = slice(None) if body.layer is None else slice(body.layer, body.layer + 1)
            heads = slice(None) if body.head is None else slice(body.head, body.head + 1)
            weights = np.round(found.weights[layers, heads].numpy().astype(float), 4)
            boundary = found.boundary if body.text_pair is not None else None
            # head by head, since nothing else runs in this process while numbers become JSON
            rows = (f"[{','.join(json.dumps(head.tolist()) for head in layer)}]" for layer in weights)
            start = json.dumps({"tokens": found.tokens, "boundary": boundary})[:-1]
            return f'{start}, "weights": [{",".join(rows)}]}}'.encode()

        queued = Queued(table, [], asyncio.get_running_loop().create_future(), work)
        (content,) = await service.wait(http, [queued])
        return Response(content, media_type="application/json")

    @app.get("/v1/tasks", responses={401: SAID[401]})
    async def tasks() -> list[TaskShape]:
        """The tasks of this model."""
        scores = model.description.scores
        return [
            TaskShape(
                name=task.name,
                kind=task.kind.name,
                pair=task.is_pair,
                labels=task.labels,
                range=task.range,
                metric=task.metric,
                score=scores.get(f"{task.name}.{task.metric}"),
            )
            for task in model.tasks.values()
        ]

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        """Whether the process is alive."""
        return {"status": "alive"}

    @app.get("/readyz", responses={503: {"description": "Shutting down"}})
    async def readyz() -> JSONResponse:
        """Whether new requests are welcome."""
        ready = not service.draining and service.batcher.alive
        return JSONResponse({"status": "ready" if ready else "draining"}, 200 if ready else 503)

    @app.get("/metrics", responses={401: SAID[401]}, response_class=Response)
    async def metrics() -> Response:
        """Counts for Prometheus."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    for name, kind in (("index.html", "text/html"), ("page.css", "text/css"), ("page.js", "text/javascript")):
        _add_page(app, "/" if name == "index.html" else f"/page/{name}", (PAGE / name).read_bytes(), kind)

    paths = {"/v1/predict", "/v1/attention", "/v1/tasks", "/livez", "/readyz", "/metrics", "/openapi.json", "/"}
    app.add_middleware(Guard, metrics=service.metrics, paths=paths, key=key, full=lambda: service.batcher.full)
    return app


def _add_page(app: FastAPI, path: str, content: bytes, kind: str) -> None:
    """One file of the page, which may load and ask nothing but this server."""

    @app.get(path, include_in_schema=False)
    async def page() -> Response:
        return Response(content, media_type=f"{kind}; charset=utf-8", headers={"content-security-policy": POLICY})


OTHER_SHAPE = ("model_attributes_type", "model_type", "list_type", "dict_type")
FIELDS = {name for shape in (Input, PredictBody, AttentionBody) for name in shape.model_fields}


def _first(error: RequestValidationError) -> dict[str, str | None]:
    """One sentence for the first thing wrong, without what the client sent."""
    first = min(error.errors(), key=_strangeness)
    if first["type"] == "json_invalid":
        return {"error": NO_JSON, "field": None}
    *place, last = first["loc"]
    extra = first["type"] == "extra_forbidden"
    named = [
        str(part) for part in place if isinstance(part, int) or part in FIELDS
    ]  # without pydantic's names of branches
    field = (
        ".".join([*named, *([repr(str(last)[:80])[1:-1]] if extra or isinstance(last, int) or last in FIELDS else [])])
        or None
    )
    said = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] in OTHER_SHAPE:
        said = "an object with a text is expected, or a list of them" if field == "inputs" else "an object is expected"
    return {"error": f"{field or 'the body'}: {said[:1].lower()}{said[1:]}", "field": field}


def _strangeness(found: dict[str, Any]) -> int:
    """Where a value may be of several shapes each one complains; the one that it was meant to be says most."""
    return 2 * (found["type"] in OTHER_SHAPE) + int(str(found["loc"][-1]).endswith("str"))
