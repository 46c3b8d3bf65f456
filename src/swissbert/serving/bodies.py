"""A bound on the number of values in a body, before it is decoded: decoding cannot be interrupted."""

import re

from swissbert.serving.api_errors import ApiError

MAX_VALUES = 8192
"""Values in a body. Valid ones have fewer: 1,024 inputs of two texts, and 64 tasks."""
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""A JSON string; at the end of the body perhaps without its end."""


def check_values(body: bytes) -> None:
    """Count the values of a body by the quotes around texts and the commas outside of them.

    Raises:
        ApiError: 422 if there are more than `MAX_VALUES`.
    """
    quotes = body.count(b'"') - body.count(b'\\"')  # those in texts have a backslash before them
    has_commas = body.count(b",") >= MAX_VALUES  # perhaps in texts
    if quotes > 2 * MAX_VALUES or (has_commas and _TEXT.sub(b"", body).count(b",") >= MAX_VALUES):
        raise ApiError(422, f"the body: more than {MAX_VALUES:,} values, but at most {MAX_VALUES:,} are allowed")
