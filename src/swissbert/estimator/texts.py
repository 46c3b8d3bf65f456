"""Conversion and checks of the X that estimators are given."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from swissbert.data.formats import unreadable
from swissbert.errors import SwissbertError
from swissbert.kinds import is_missing
from swissbert.settings import shown

TextInputs = list[str] | list[tuple[str, str]]
"""Texts, or pairs of texts."""


def text_inputs(X: object, is_pair: bool | None = None) -> TextInputs:  # noqa: N803
    """Turn X into a list of texts or of pairs of texts.

    Args:
        X: A list, tuple, array or Series of texts or of pairs; a DataFrame or array with one column of texts, or with
            two columns, which are pairs.
        is_pair: Whether pairs are expected; if left out, the first row decides.

    Raises:
        SwissbertError: If X has another form, or a row is not a text or pair; names the row by its position from 0.
    """
    _check_columns(X)
    rows = [_parts(item) for item in listed(X, "X")]
    if is_pair is None:
        is_pair = bool(rows) and len(rows[0]) == 2
        expected = f"X[0] is {_form(is_pair)}"
    else:
        expected = f"the model takes {_form(is_pair)} for each row"
    for number, parts in enumerate(rows):
        if len(parts) != 1 + is_pair:
            given = _form(len(parts) == 2) if len(parts) in (1, 2) else f"a row of {len(parts)} values"
            value = shown(parts[0] if len(parts) == 1 else tuple(parts))
            raise SwissbertError(f"X[{number}] is {given}, {value}, but {expected}")
        for position, part in enumerate(parts):
            _check_text(part, f"X[{number}]" + (f"[{position}]" if is_pair else ""))
    if is_pair:
        return [(str(first), str(second)) for first, second in rows]
    return [str(text) for (text,) in rows]  # str turns numpy strings into plain ones


def listed(values: object, name: str) -> list[Any]:
    """Return a list, tuple, array or Series as a list of plain values; a row of a matrix becomes a list.

    Args:
        values: The X, y or weights of a caller.
        name: Its name in messages.

    Raises:
        SwissbertError: If it has no order (a set), is a dictionary or text, or cannot be iterated over.
    """
    form = "a list, tuple, array or Series with a value for each row"
    if isinstance(values, Mapping | AbstractSet):
        raise SwissbertError(f"{name} is a {type(values).__name__}, but it must be {form}")
    if hasattr(values, "toarray"):
        raise SwissbertError(f"{name} is a sparse matrix, but it must be {form}")
    for method in ("to_pylist", "to_numpy", "tolist"):  # Arrow; pandas; numpy
        if hasattr(values, method):
            values = getattr(values, method)()
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise SwissbertError(f"{name} is {shown(values)}, but it must be {form}")
    return list(values)


def column_names(X: object) -> list[str]:  # noqa: N803
    """Return the names of the columns of a DataFrame; an empty list for any other X, and if they are not all texts."""
    names = _columns(X) or []
    return names if all(isinstance(name, str) for name in names) else []


def _columns(X: object) -> list[Any] | None:  # noqa: N803
    """Return the columns of a DataFrame; None for any other X."""
    columns = getattr(X, "columns", None)
    return list(columns) if isinstance(columns, Iterable) and not isinstance(X, Mapping) else None


def _check_columns(X: object) -> None:  # noqa: N803
    """Check that a DataFrame or an array has one or two columns."""
    if (names := _columns(X)) is not None:
        if len(names) not in (1, 2):
            raise SwissbertError(
                f"X is a {type(X).__name__} with {len(names)} columns, {shown(names)}, but an estimator reads one "
                "column of texts, or two columns of pairs; select them, for instance X['text']"
            )
    elif isinstance(X, np.ndarray) and X.ndim > 1 and (X.ndim > 2 or X.shape[1] not in (1, 2)):
        raise SwissbertError(
            f"X has the shape {list(X.shape)}, but it must be [N] or [N, 1] for texts, or [N, 2] for pairs of texts"
        )


def _parts(item: object) -> Sequence[Any]:
    return list(item) if isinstance(item, list | tuple | np.ndarray) else [item]


def _form(is_pair: bool) -> str:
    return "a pair of texts" if is_pair else "one text"


def _check_text(value: object, name: str) -> None:
    if is_missing(value):
        raise SwissbertError(f"{name} is {shown(value)}, but every row needs a text; leave out rows without one")
    if not isinstance(value, str):
        raise SwissbertError(f"{name} is {shown(value)}, but it must be a text")
    if why := unreadable(value):
        raise SwissbertError(f"{name}: the text has {why}")
