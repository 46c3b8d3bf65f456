"""The guard: bodies that drip make room, a panic is answered, requests take turns, and values are counted first."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import ValidationError

from swissbert.serving import guard as guard_module
from swissbert.serving.api_errors import ApiError
from swissbert.serving.bodies import MAX_VALUES, check_values
from swissbert.serving.guard import MAX_UPLOADS, Guard
from swissbert.serving.schemas import AttentionBody, PredictBody
from swissbert.serving.telemetry import ServerMetrics
from swissbert.serving.turns import BYTES, MAX_COST, Turns


class Panic(BaseException):
    """Stands for ``pyo3_runtime.PanicException``, which is no `Exception`."""


async def answering(scope: Any, receive: Any, send: Any) -> None:
    """Answer 200."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def panicking(scope: Any, receive: Any, send: Any) -> None:
    """Fail as a library in Rust does."""
    raise Panic("a text")


def guarded(app: Callable[..., Awaitable[None]]) -> Guard:
    return Guard(app, ServerMetrics(), set(), None, lambda: None)


async def post(guard: Guard, body: bytes | None) -> int:
    """Return the status of a POST with a body; None for one that never comes."""
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        if body is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "path": "/v1/predict",
        "method": "POST",
        "headers": [(b"content-type", b"application/json")],
    }
    await guard(scope, receive, send)  # type: ignore[arg-type]
    return statuses[0]


def test_dripping_bodies_make_room_for_others() -> None:
    async def scenario() -> None:
        guard = guarded(answering)
        dripping = [asyncio.create_task(post(guard, None)) for _ in range(MAX_UPLOADS * 2)]
        await asyncio.sleep(0.1)
        assert len(guard.uploads) == MAX_UPLOADS
        assert [await post(guard, b"{}") for _ in range(40)] == [200] * 40
        done = [task for task in dripping if task.done()]
        assert {task.result() for task in done} == {429}
        assert done == dripping[: len(done)], "those that have taken longest"
        for task in dripping:
            task.cancel()
        await asyncio.gather(*dripping, return_exceptions=True)
        assert not guard.uploads

    asyncio.run(scenario())


def test_a_body_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "UPLOAD_SECONDS", 0.05)
    assert asyncio.run(post(guarded(answering), None)) == 408


def test_a_panic_is_answered_and_logged_without_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert asyncio.run(post(guarded(panicking), b"{}")) == 500
    assert capsys.readouterr().err == "swissbert: Panic while handling other\n"


def test_requests_begin_a_few_in_a_round() -> None:
    async def scenario() -> None:
        turns, began = Turns(), 0

        async def request(size: int) -> None:
            nonlocal began
            await turns.wait(size)
            began += 1

        for size, most in ((0, MAX_COST), (MAX_COST * BYTES, 1)):
            began = 0
            tasks = [asyncio.create_task(request(size)) for _ in range(50)]
            before = 0
            while before < 50:
                await asyncio.sleep(0)
                assert began - before <= most
                before = began
            await asyncio.gather(*tasks)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": {"text": "x", **{f"k{i}": 0 for i in range(40_000)}}},
        {"inputs": "x", **{f"k{i}": 0 for i in range(40_000)}},
        {"inputs": [{"text": "x", **{f"k{i}": 0 for i in range(600)}}] * 64},
        {"inputs": [{"text": "x", **{f"k{i}": 0 for i in range(15)}}] * 1024},
        {"inputs": [1] * 170_000},
        {"inputs": [[1]] * 1024},
        {"inputs": [""] * 1024},
        {"inputs": "x", "tasks": [1] * 170_000},
        {"inputs": "x", "tasks": [""] * 64},
    ],
    ids=range(9),
)
def test_a_refused_body_is_not_an_error_for_each_of_its_parts(body: Any) -> None:
    with pytest.raises(ValidationError) as error:
        PredictBody.model_validate(body)
    assert error.value.error_count() <= 20
    with pytest.raises(ValidationError) as error:
        AttentionBody.model_validate(body)
    assert error.value.error_count() <= 20


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"1," * 200_000,
        b'["' + b'","' * 150_000,
        b'{"a": [' + b"[]," * 150_000,
        b'"' + b'\\"' * 9 + b'"' + b"," * 9000,
    ],
    ids=range(4),
)
def test_values_are_counted_before_they_are_decoded(body: bytes) -> None:
    with pytest.raises(ApiError, match="more than 8,192 values"):
        check_values(body)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"inputs": [{"text": "a, b", "text_pair": "c, d"}] * 1024, "tasks": ["sst"] * 64}).encode(),
        json.dumps({"inputs": "," * 100_000 + '\\"' * 10_000}).encode(),
        b'"' + b"\\" * 9999 + b"," * 50_000,
        b"",
    ],
    ids=range(4),
)
def test_commas_in_texts_are_no_values(body: bytes) -> None:
    assert MAX_VALUES == 8192
    check_values(body)


def test_counting_values_takes_linear_time() -> None:
    for part in (b'\\"', b'"', b'",', b"\\", b'"\\'):
        start = time.perf_counter()
        with contextlib.suppress(ApiError):
            check_values(b'"' + part * (500_000 // len(part)) + b"," * 9000)
        assert time.perf_counter() - start < 2, "quadratic time would be minutes"
