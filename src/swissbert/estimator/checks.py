"""Conversion and checks of the y that estimators are given."""

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from sklearn.exceptions import DataConversionWarning

from swissbert.data.formats import unreadable
from swissbert.errors import SwissbertError
from swissbert.estimator.texts import listed
from swissbert.kinds import Array, is_missing
from swissbert.settings import shown

COLLECTIONS = (list, set, frozenset)
"""Types that hold the labels of a multilabel row. A tuple is one label, since it is hashable and has an order."""


def one_column(y: object) -> object:
    """Return a y of one column, ``[N, 1]``, as ``[N]``, with scikit-learn's warning; an iterator as a list.

    Any other y is returned as it is.
    """
    if isinstance(y, Iterator):
        return list(y)
    shape = getattr(y, "shape", None)
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[1] != 1 or hasattr(y, "toarray"):
        return y
    warnings.warn(
        f"y has the shape {list(shape)}, one column; its values are taken as one label or number per row, as y of shape "
        f"[{shape[0]}] would be",
        DataConversionWarning,
        stacklevel=3,
    )
    return (y.to_numpy() if hasattr(y, "to_numpy") else np.asarray(y))[:, 0]


def check_classes(classes: Sequence[Any], rows: int) -> None:
    """Check that labels are not measurements: numbers with a fraction that hardly recur.

    Args:
        classes: The different labels.
        rows: Number of rows.

    Raises:
        SwissbertError: If most rows have a number of their own.
    """
    is_fraction = any(isinstance(label, float) and not label.is_integer() for label in classes)
    if is_fraction and 2 * len(classes) > rows and len(classes) > 2:
        raise SwissbertError(
            f"y has {len(classes)} different numbers in {rows} rows, with fractions, so they are no classes; use "
            "SwissbertRegressor, or make classes of them"
        )


def row_values(y: object) -> list[Any]:
    """Turn y into a list with a value for each row.

    Raises:
        SwissbertError: If y is a string, cannot be iterated over, or is empty.
    """
    values = [_plain_label(value) for value in listed(y, "y")]
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
        SwissbertError: If a label is missing, or of a type that cannot be one.
    """
    values = row_values(y)
    for number, value in enumerate(values):
        if is_missing(value):
            raise SwissbertError(
                f"y[{number}] is {shown(value)}, but every row needs a label; leave out rows without one"
            )
        if not _is_label(value):
            raise SwissbertError(
                f"y[{number}] is {shown(value)}, which cannot be a label; labels are texts, numbers, True and False, or "
                "tuples of these"
            )
    return values


def single_numbers(y: object) -> list[float]:
    """Return the number of each row.

    Raises:
        SwissbertError: If one is missing, is not a finite number, or the numbers do not differ.
    """
    values = row_values(y)
    for number, value in enumerate(values):
        if is_missing(value):
            raise SwissbertError(
                f"y[{number}] is {shown(value)}, but every row needs a number; leave out rows without one"
            )
        if not isinstance(value, Real | Decimal) or not math.isfinite(value):
            advice = "; turn texts into numbers first" if isinstance(value, str) else ""
            if isinstance(value, list | tuple | np.ndarray) and len(value) > 1:
                advice = "; for several numbers in each row use scikit-learn's MultiOutputRegressor"
            raise SwissbertError(f"y[{number}] is {shown(value)}, not a finite number{advice}")
    numbers = [float(value) for value in values]
    low, high = min(numbers), max(numbers)
    if low == high:
        rows = "y has one row" if len(numbers) == 1 else f"all {len(numbers)} rows of y are {low:g}"
        raise SwissbertError(f"{rows}, but a regressor needs at least 2 different numbers to learn from")
    if not 1e-15 < high - low < 1e15 or high - low < 1e-4 * max(abs(low), abs(high)):  # limits of fp32
        raise SwissbertError(
            f"y lies between {low} and {high}, which is too narrow or too wide to learn; shift or scale it"
        )
    return numbers


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
        if is_missing(label) or not _is_label(label):
            raise SwissbertError(f"y[{number}] contains {shown(label)}, which is not a label")
    return frozenset(map(_plain_label, value))


def _is_label(value: object) -> bool:
    """Whether a value can be a key of a dictionary; a tuple with a list in it cannot."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _plain_label(value: object) -> object:
    """Return a number, text or truth value of numpy as Python's own; any other value as it is."""
    return value.item() if isinstance(value, np.bool_ | np.number | np.str_) else value


def _indicator(y: object) -> Array | None:
    """Return y as a matrix of 0 and 1, ``[N, C]``; None if it is not a matrix.

    As in scikit-learn, nested lists are a matrix if rows are equally long and all values are 0 or 1.
    """
    for method in ("toarray", "to_pylist", "to_numpy"):  # sparse matrices, pyarrow, pandas
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
        cell = y[row, column]
        advice = "" if is_missing(cell) else "; for columns with other labels use scikit-learn's MultiOutputClassifier"
        raise SwissbertError(f"y[{row}, {column}] is {shown(cell)}, but an indicator matrix holds 0 and 1{advice}")
    return y.astype(np.int64)


def _is_nested_matrix(rows: list[Any]) -> bool:
    if not rows or not all(isinstance(row, list) and len(row) == len(rows[0]) > 1 for row in rows):
        return False
    return all(isinstance(cell, int | float | np.number) and cell in (0, 1) for row in rows for cell in row)


def sorted_classes(values: Iterable[Any]) -> list[Any]:
    """Return the different labels; sorted, or by type and text if they have no common order.

    Warns if a label is there as a text and as a value of another type, such as ``'1'`` and 1.

    Raises:
        SwissbertError: If there are fewer than two.
    """
    classes = list(set(values))
    written = {str(value): value for value in classes if not isinstance(value, str)}
    if twice := [value for value in classes if isinstance(value, str) and value in written]:
        warnings.warn(
            f"y has the labels {shown(min(twice))} and {shown(written[min(twice)])}, which are two classes; use one type if they "
            "are meant to be one",
            stacklevel=3,
        )
    try:
        classes.sort()
    except TypeError:
        classes.sort(key=lambda value: (type(value).__name__, repr(value)))
    if len(classes) < 2:
        given = f"has only the label {shown(classes[0])}" if classes else "has no label"
        raise SwissbertError(f"y {given}, but a classifier needs at least 2 different ones")
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
