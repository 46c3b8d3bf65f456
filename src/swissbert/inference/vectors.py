"""Sentence vectors: what the encoder makes of a text, for search, clustering and comparison."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from swissbert.errors import SwissbertError
from swissbert.evaluation.predictions import pooled_rows
from swissbert.inference.inputs import check_input
from swissbert.inference.texts import given_texts
from swissbert.kinds import Array
from swissbert.settings import shown

if TYPE_CHECKING:
    from swissbert.inference.model import Model

CHUNK = 1024
"""Texts that are tokenized, sorted by length and encoded together."""


def encode(model: "Model", texts: str | Iterable[str], *, normalise: bool = True) -> Array:
    """Encode single texts; see `Model.encode`."""
    given = given_texts(texts, None, False)
    source = _checked(given.items)
    parts = []
    while chunk := list(islice(source, CHUNK)):
        length = model.description.encoder.max_length
        parts.append(pooled_rows(model.engine, model.tokenizer.encode(chunk, None, together=False, max_length=length)))
    vectors: np.ndarray = np.concatenate(parts) if parts else np.empty((0, model.engine.width), np.float32)
    if normalise:
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors[0] if given.form == "one" else vectors


def _checked(texts: Iterable[Any]) -> Iterator[str]:
    """Yield texts without spaces around them. Raises SwissbertError that names the first that is none."""
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str):
            raise SwissbertError(f"input {number}: a text is expected, not {shown(text)}")
        check_input([text], number)
        yield text.strip()
