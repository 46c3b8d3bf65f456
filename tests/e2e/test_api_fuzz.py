"""Responses match the server's own OpenAPI document, whatever is sent."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from swissbert.inference.loading import load
from swissbert.serving import make_app

schemathesis = pytest.importorskip("schemathesis")
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    "path", ["/v1/predict", "/v1/attention", "/v1/tasks", "/v1/limits", "/livez", "/readyz", "/metrics"]
)
def test_every_response_is_documented(path: str, tiny_run: Path) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", make_app(load(tiny_run, device="cpu")))
    operations = [result.ok() for result in schema.get_all_operations() if result.ok().path == path]
    assert operations
    for operation in operations:
        modes = [schemathesis.GenerationMode.POSITIVE]
        if operation.body:  # a request without a body cannot be invalid
            modes.append(schemathesis.GenerationMode.NEGATIVE)
        for mode in modes:
            statuses = fuzz(operation, mode)
            assert max(statuses) < 500
            assert 200 in statuses or mode != schemathesis.GenerationMode.POSITIVE


def fuzz(operation: Any, mode: Any) -> list[int]:
    """Send valid or invalid requests, check each response against the document, and return the statuses."""
    statuses: list[int] = []

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        response = case.call()
        if response.status_code != 413:  # a schema cannot express the size of a body
            # nor that a task exists and takes pairs
            case.validate_response(response, excluded_checks=[positive_data_acceptance])
        statuses.append(response.status_code)

    check()
    return statuses
