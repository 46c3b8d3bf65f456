"""The interface keeps what its own OpenAPI document says, whatever is sent."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings

from swissbert.inference.model import load
from swissbert.serving.app import make_app

schemathesis = pytest.importorskip("schemathesis")
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/attention", "/v1/tasks", "/livez", "/readyz", "/metrics"])
def test_every_answer_is_one_that_the_document_knows(path: str, tiny_run: Path) -> None:
    torch.set_num_threads(1)
    schema = schemathesis.openapi.from_asgi("/openapi.json", make_app(load(tiny_run)))
    found = [each.ok() for each in schema.get_all_operations() if each.ok().path == path]
    assert found
    for operation in found:
        modes = [schemathesis.GenerationMode.POSITIVE]
        if operation.body:  # without one there is nothing to get wrong
            modes.append(schemathesis.GenerationMode.NEGATIVE)
        for mode in modes:
            kept = answered(operation, mode)
            assert max(kept) < 500
            assert 200 in kept or mode != schemathesis.GenerationMode.POSITIVE, "what is allowed is answered"


def answered(operation: Any, mode: Any) -> list[int]:
    """Ask as the document allows, or as it does not, and check each answer by the document: the statuses that came."""
    kept: list[int] = []

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        # that a task exists and reads a pair is more than a schema can say
        response = case.call()
        if response.status_code != 413:  # nor how many bytes a body may have
            case.validate_response(response, excluded_checks=[positive_data_acceptance])
        kept.append(response.status_code)

    check()
    return kept
