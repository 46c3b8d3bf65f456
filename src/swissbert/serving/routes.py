"""The routes of the HTTP API."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from swissbert.inference.explanation import MAX_TOKENS as MAX_EXPLAIN_TOKENS
from swissbert.serving.about import not_for
from swissbert.serving.api_errors import ERROR_RESPONSES
from swissbert.serving.guard import MAX_BODY_BYTES
from swissbert.serving.schemas import (
    MAX_ATTENTION_TOKENS,
    MAX_CHARACTERS,
    MAX_INPUTS,
    MAX_TOTAL_CHARACTERS,
    MAX_TOTAL_TOKENS,
    AttentionBody,
    AttentionShape,
    ExplainBody,
    ExplainShape,
    LimitsShape,
    ModelShape,
    PredictBody,
    PredictShape,
    TaskShape,
)
from swissbert.serving.service import Service
from swissbert.tasks import Task

router = APIRouter()
_KEY_RESPONSES: dict[int | str, dict[str, Any]] = {status: ERROR_RESPONSES[status] for status in (401, 403)}


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


@router.post("/v1/predict", responses=ERROR_RESPONSES, response_model=PredictShape)
async def predict(request: Request, body: PredictBody) -> Response:
    """Answer one input or several, for one task, several, or all that read such input."""
    service = _service(request)
    is_list = isinstance(body.inputs, list)
    inputs = body.inputs if isinstance(body.inputs, list) else [body.inputs]
    names = [body.tasks] if isinstance(body.tasks, str) else body.tasks
    chosen: dict[bool, list[Task]] = {}  # for single texts and for pairs
    for i, given in enumerate(inputs):
        if given.is_pair not in chosen:
            chosen[given.is_pair] = service.tasks_for(given, names, f"inputs.{i}" if is_list else "inputs")
    content = await service.predict(request, inputs, [chosen[given.is_pair] for given in inputs])
    return Response(content, media_type="application/json")


@router.post("/v1/attention", responses=ERROR_RESPONSES, response_model=AttentionShape)
async def attention(request: Request, body: AttentionBody) -> Response:
    """Return the attention weights over a sentence or pair, of every layer and head or of one."""
    return Response(await _service(request).attention(request, body), media_type="application/json")


@router.post("/v1/explain", responses=ERROR_RESPONSES, response_model=ExplainShape)
async def explain(request: Request, body: ExplainBody) -> Response:
    """Find which words made the answers: how they change when each word is left out of the text."""
    service = _service(request)
    names = [body.tasks] if isinstance(body.tasks, str) else body.tasks
    content = await service.explain(request, body, service.tasks_for(body, names, "text"))
    return Response(content, media_type="application/json")


@router.get("/v1/model", responses=_KEY_RESPONSES)
async def model(request: Request) -> ModelShape:
    """Return what the model is, what it is not for, and examples."""
    service = _service(request)
    description = service.model.description
    date = description.provenance.get("date")
    return ModelShape(
        name=service.name,
        encoder=description.encoder.name,
        date=date[:10] if isinstance(date, str) else None,
        max_tokens=description.encoder.max_length,
        precision=service.model.precision,
        not_for=not_for(service.model),
        examples=service.examples,
    )


@router.get("/v1/tasks", responses=_KEY_RESPONSES)
async def tasks(request: Request) -> list[TaskShape]:
    """List the tasks of this model."""
    service = _service(request)
    scores = service.model.description.scores
    return [
        TaskShape(
            name=task.name,
            title=task.title or task.name,
            help=task.help,
            kind=task.kind.name,
            pair=task.is_pair,
            labels=task.labels,
            range=task.range,
            ends=task.ends,
            metric=task.metric,
            score=scores.get(f"{task.name}.{task.metric}"),
        )
        for task in service.worded
    ]


@router.get("/v1/limits", responses=_KEY_RESPONSES)
async def limits(request: Request) -> LimitsShape:
    """Return the limits of requests."""
    service = _service(request)
    return LimitsShape(
        inputs=MAX_INPUTS,
        characters_per_text=MAX_CHARACTERS,
        characters=MAX_TOTAL_CHARACTERS,
        tokens=MAX_TOTAL_TOKENS,
        tokens_per_text=service.model.description.encoder.max_length,
        attention_tokens=MAX_ATTENTION_TOKENS,
        explain_tokens=MAX_EXPLAIN_TOKENS,
        body_bytes=MAX_BODY_BYTES,
        seconds=service.deadline,
    )


@router.get("/livez")
async def livez() -> dict[str, str]:
    """Whether the process is alive."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"description": "The server is shutting down"}})
async def readyz(request: Request) -> JSONResponse:
    """Whether new requests are accepted."""
    is_ready = _service(request).is_ready
    return JSONResponse({"status": "ready" if is_ready else "draining"}, 200 if is_ready else 503)


@router.get("/metrics", responses=_KEY_RESPONSES, response_class=Response)
async def metrics(request: Request) -> Response:
    """Return the server's metrics for Prometheus."""
    return Response(_service(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
