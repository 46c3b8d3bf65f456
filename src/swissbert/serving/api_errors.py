"""Error responses of the HTTP API: one sentence, and the field that it is about."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from swissbert.serving.schemas import BODY_FIELDS, EMPTY, ErrorShape

CLIENT_CLOSED = 499
"""Status that is counted where the client disconnected before a response began."""
OVERLOADED = "the server is overloaded; try again later"
INVALID_JSON = "the body is not valid JSON"
ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorShape, "description": "The body is not valid JSON"},
    401: {"model": ErrorShape, "description": "The API key is missing or wrong"},
    403: {"model": ErrorShape, "description": "The header Host or Origin names another server or page"},
    408: {"model": ErrorShape, "description": "The body took too long to arrive"},
    413: {"model": ErrorShape, "description": "The body is too large"},
    415: {"model": ErrorShape, "description": "The content type is not application/json, or the body is compressed"},
    422: {"model": ErrorShape, "description": "A field is invalid; the response names it"},
    429: {"model": ErrorShape, "description": "The server is overloaded; see the Retry-After header"},
}
"""Error responses of the POST routes, for the OpenAPI document."""
FORMS = {
    "predict": '{"inputs": ["a text", "another text"], "tasks": ["a task"]}',
    "attention": '{"text": "a text"}',
    "explain": '{"text": "a text", "tasks": "a task"}',
}
"""A valid body of each POST route, by the end of its path."""
_LENGTHS = {
    "too_short": "{actual_length} items, but at least {min_length} is needed",
    "too_long": "{actual_length} items, but at most {max_length} are allowed",
    "string_too_short": "it is empty",
    "string_too_long": "at most {max_length} characters are allowed",
    "string_type": "a text is expected",
    "string_unicode": "the text has half of a surrogate pair",
}
"""Wording of pydantic's errors about lengths and texts."""
_WRONG_TYPE = ("model_attributes_type", "model_type", "list_type", "dict_type")


class ApiError(Exception):
    """An error response.

    Attributes:
        status: HTTP status.
        message: One sentence for the client.
        field: Path of the field that it is about, for instance ``inputs.0.text``.
        headers: Further response headers.
    """

    def __init__(
        self, status: int, message: str, field: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.field, self.headers = status, message, field, headers

    @classmethod
    def overloaded(cls, retry_after: int, message: str = OVERLOADED) -> "ApiError":
        """Return a 429 with the header Retry-After, in seconds."""
        return cls(429, message, None, {"Retry-After": str(retry_after)})

    @property
    def content(self) -> dict[str, str | None]:
        """The response body."""
        return {"error": self.message, "field": self.field}


def add_error_handlers(app: FastAPI) -> None:
    """Answer `ApiError`, invalid bodies and the framework's own errors in the same form."""

    @app.exception_handler(ApiError)
    async def api_error(request: Request, error: ApiError) -> JSONResponse:
        return JSONResponse(error.content, error.status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
        return await api_error(request, from_validation(error, FORMS.get(request.url.path.rpartition("/")[2])))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        message = _http_message(request, error)
        headers = dict(error.headers) if error.headers else None
        return await api_error(request, ApiError(error.status_code, message, None, headers))


def _http_message(request: Request, error: HTTPException) -> str:
    """Word an error of the framework."""
    allowed = {name.lower(): value for name, value in (error.headers or {}).items()}.get("allow")
    if error.status_code == 405 and allowed:
        return f"{request.method} is not allowed here; send {allowed.replace(', ', ' or ')}"
    if error.status_code == 404:
        return "there is no such path; /livez and /readyz tell whether the server runs, /docs lists all paths"
    return f"{INVALID_JSON} in UTF-8" if error.status_code == 400 else str(error.detail)


def from_validation(error: RequestValidationError, form: str | None = None) -> ApiError:
    """Word the most specific of pydantic's errors, without what the client sent.

    Args:
        error: The error.
        form: A valid body, which is shown where a field is missing or unknown.
    """
    first = min(error.errors(), key=_generality)
    if first["type"] == "json_invalid":
        why, position = first.get("ctx", {}).get("error"), first["loc"][-1]
        where = f" at character {position + 1}" if isinstance(position, int) else ""
        return ApiError(400, f"{INVALID_JSON} ({why}{where})" if why else INVALID_JSON)
    field = _field(first)
    message = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] in _WRONG_TYPE:
        message = _expected(field)
    if first["type"] == "extra_forbidden":
        message = "there is no such field"
    if first["type"] == "missing" and not field:
        message = "it is empty"
    if counts := _LENGTHS.get(first["type"]):
        message = counts.format(**first.get("ctx", {}))
    if form and (first["type"] in ("extra_forbidden", "missing") or not field):
        message = f"{message}; a body is for instance {form}"
    if first["type"] == "string_type" and field and field.startswith("tasks"):
        message = "the name of a task, or a list of names, is expected"
    if message == EMPTY and field and field.endswith("text_pair"):
        message = f"{message}; leave text_pair out of a single text"
    return ApiError(422, f"{field or 'the body'}: {message[:1].lower()}{message[1:]}", field)


def _expected(field: str | None) -> str:
    """Say what is expected where a value has the wrong type."""
    if field == "inputs":
        return "a text, an object with a text, or a list of them is expected"
    if field and field.startswith("inputs."):
        return "a text, a pair of texts or an object with a text is expected"
    return "an object is expected"


def _field(detail: dict[str, Any]) -> str | None:
    """Return the path of a field without pydantic's names of union branches; None for the whole body."""
    *parents, last = detail["loc"]
    parts = [str(part) for part in parents if isinstance(part, int) or part in BODY_FIELDS]
    if detail["type"] == "extra_forbidden" or isinstance(last, int) or last in BODY_FIELDS:
        parts.append(repr(str(last)[:80])[1:-1])
    return ".".join(parts) or None


def _generality(detail: dict[str, Any]) -> tuple[int, int]:
    """For union types pydantic reports one error per branch; rank the most specific one, or the deepest, lowest."""
    is_wrong_type = detail["type"] in _WRONG_TYPE
    rank = 2 * is_wrong_type + int(str(detail["loc"][-1]).endswith("str"))
    return rank, -len(detail["loc"]) if is_wrong_type else 0
