"""Conversion and checks of the X and y that estimators are given."""

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from swissbert.data.formats import unreadable
from swissbert.errors import SwissbertError
from swissbert.kinds import Array
from swissbert.settings import shown

COLLECTIONS = (list, set, frozenset)
"""Types that hold the labels of a multilabel row. A tuple is one label, since it is hashable and has an order."""


def text_inputs(X: object) -> list[Any]:  # noqa: N803
    """Turn X into a list of texts, or of tuples of texts.

    Args:
        X: A list, array, Series or DataFrame. A single column counts as texts, two columns as pairs. Items that are
            not text are kept, because `swissbert.inference.inputs.rows_of` reports them with their number.

    Raises:
        SwissbertError: If X is a string or cannot be iterated over.
    """
    items = [list(item) if isinstance(item, list | tuple | np.ndarray) else [item] for item in _plain_list(X, "X")]
    plain = [[str(part) if isinstance(part, str) else part for part in item] for item in items]  # no numpy strings
    return [parts[0] if len(parts) == 1 else tuple(parts) for parts in plain]


def row_values(y: object) -> list[Any]:
    """Turn y into a list with a value for each row.

    Raises:
        SwissbertError: If y is a string, cannot be iterated over, or is empty.
    """
    values = _plain_list(y, "y")
    if not values:
        raise SwissbertError("y has no rows")
    return values


def check_same_length(texts: Sequence[Any], labels: Sequence[Any]) -> None:
    """Check that there is a label for each text.

    Raises:
        SwissbertError: Names both lengths.
    """
    if len(texts) != len(labels):
        raise SwissbertError(f"X has {len(texts)} rows, but y has {len(labels)}")


def single_labels(y: object) -> list[Any]:
    """Return the label of each row.

    Raises:
        SwissbertError: If a label is missing.
    """
    values = row_values(y)
    for number, value in enumerate(values):
        if _is_missing(value):
            raise SwissbertError(f"y[{number}] is {value}, but every text needs a label")
    return values


def is_multilabel(y: object) -> bool:
    """Whether y is an indicator matrix, or has lists or sets of labels as rows."""
    return _indicator(y) is not None or any(isinstance(value, COLLECTIONS) for value in row_values(y))


def label_sets(y: object, classes: Sequence[Any] | None = None) -> tuple[list[frozenset[Any]], list[Any] | None]:
    """Return the labels of each row of a multilabel y.

    Args:
        y: An indicator matrix ``[N, C]``, or a list of lists or sets of labels.
        classes: Names of the columns of a matrix that is not a DataFrame; column numbers if not given.

    Returns:
        The labels of each row, and the names of the columns, None for lists.

    Raises:
        SwissbertError: Names the row, and what is wrong with it.
    """
    matrix = _indicator(y)
    if matrix is None:
        return [_label_set(value, number) for number, value in enumerate(row_values(y))], None
    columns = list(y.columns) if hasattr(y, "columns") else list(classes or range(matrix.shape[1]))
    if len(columns) != matrix.shape[1]:
        raise SwissbertError(f"y has {matrix.shape[1]} columns, but the classifier has {len(columns)} labels")
    if len(set(columns)) < len(columns):
        raise SwissbertError(f"the columns of y are {shown(columns)}, but their names must be different")
    return [frozenset(columns[column] for column in np.flatnonzero(row)) for row in matrix], columns


def _label_set(value: object, number: int) -> frozenset[Any]:
    if not isinstance(value, COLLECTIONS):
        raise SwissbertError(f"y[{number}] is {shown(value)}, but other rows are lists or sets of labels")
    for label in value:
        if _is_missing(label) or not isinstance(label, Hashable):
            raise SwissbertError(f"y[{number}] contains {shown(label)}, which is not a label")
    return frozenset(value)


def _indicator(y: object) -> Array | None:
    """Return y as a matrix of 0 and 1, ``[N, C]``; None if it is not a matrix.

    As in scikit-learn, nested lists are a matrix if rows are equally long and all values are 0 or 1.
    """
    for method in ("toarray", "to_numpy"):  # sparse matrices, pandas
        if hasattr(y, method):
            y = getattr(y, method)()
    if isinstance(y, list) and _is_nested_matrix(y):
        y = np.array(y)
    if not isinstance(y, np.ndarray) or y.ndim < 2:
        return None
    if y.ndim > 2 or y.shape[1] < 2:
        raise SwissbertError(
            f"y has the shape {list(y.shape)}; use one label per row, [N], or an indicator matrix with a column for each"
            " of at least 2 labels, [N, C]"
        )
    if not len(y):
        raise SwissbertError("y has no rows")
    wrong = np.argwhere((y != 0) & (y != 1))
    if len(wrong):
        row, column = (int(index) for index in wrong[0])
        raise SwissbertError(f"y[{row}, {column}] is {shown(y[row, column])}, but an indicator matrix holds 0 and 1")
    return y.astype(np.int64)


def _is_nested_matrix(rows: list[Any]) -> bool:
    if not rows or not all(isinstance(row, list) and len(row) == len(rows[0]) > 1 for row in rows):
        return False
    return all(isinstance(cell, int | float | np.number) and cell in (0, 1) for row in rows for cell in row)


def sorted_classes(values: Iterable[Any]) -> list[Any]:
    """Return the different labels; sorted, or by type and text if they have no common order.

    Raises:
        SwissbertError: If a label is not hashable, or there are fewer than two.
    """
    try:
        classes = list(set(values))
    except TypeError as error:
        raise SwissbertError("y has a label that is not hashable; use strings or numbers for instance") from error
    try:
        classes.sort()
    except TypeError:
        classes.sort(key=lambda value: (type(value).__name__, repr(value)))
    if len(classes) < 2:
        raise SwissbertError(f"y has {len(classes)} different label(s), but a classifier needs at least 2")
    return classes


def class_names(classes: Sequence[Any]) -> list[str]:
    """Return names for labels in a model folder: their text, or ``class N`` for all if some text cannot be a name."""
    names = [str(value) for value in classes]
    if len(set(names)) < len(names) or any(not name or name != name.strip() or unreadable(name) for name in names):
        return [f"class {number}" for number in range(len(classes))]
    return names


def array_of(values: Sequence[Any]) -> Array:
    """Return values as an array ``[N]``: of numbers or strings if all are of one such type, else of objects."""
    if {type(value) for value in values} in ({str}, {int}, {float}, {bool}):
        return np.asarray(values)
    array = np.empty(len(values), object)
    for number, value in enumerate(values):  # one by one, because numpy would unpack tuples
        array[number] = value
    return array


def _plain_list(values: object, name: str) -> list[Any]:
    """Return a list, array or Series as a list of plain values; a row of a matrix becomes a list."""
    for method in ("to_numpy", "tolist"):
        if hasattr(values, method):
            values = getattr(values, method)()
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise SwissbertError(f"{name} is {shown(values)}, but it is a list, array or Series with a value for each row")
    return list(values)


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
