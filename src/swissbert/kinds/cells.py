"""Cells of data: which ones hold no value, their text, and their number.

Every reader of labels and texts asks these functions, so that a missing value is the same thing in files, hub data sets,
rows in memory and the y of an estimator.
"""

import math
from decimal import Decimal

import numpy as np

MINUS = "\u2212"
"""The minus sign of typographers, which is no part of a number here."""
MISSING_TYPES = ("NAType", "NaTType", "MaskedConstant")
"""Names of the types of missing values in pandas and numpy; the libraries need not be imported to know them."""

SHEET_ERRORS = ("#n/a", "#ref!", "#value!", "#div/0!", "#name?", "#null!", "#num!", "#spill!", "#calc!", "#error!")
"""What spreadsheet programs write into a cell whose formula has no value, in small letters."""
MISSING_WORDS = frozenset({"na", "n/a", "#na", "<na>", "nan", "-nan", "nat", "null", "none", "\\n", *SHEET_ERRORS})
"""Words that programs write into a cell without a value, in small letters; for label cells only: a text may be "none"."""


def is_missing(cell: object) -> bool:
    """Return whether a cell holds no value: None, NaN, the NA and NaT of pandas, an empty or blank text."""
    if cell is None:
        return True
    if isinstance(cell, str):
        return not cell.strip()
    if isinstance(cell, float):
        return math.isnan(cell)
    if isinstance(cell, Decimal):
        return cell.is_nan()
    return type(cell).__name__ in MISSING_TYPES or (isinstance(cell, np.generic) and bool(cell != cell))


def is_no_label(cell: object) -> bool:
    """Return whether a cell that is not a label stands for none: a word such as "NaN", or -1 as public benchmarks have it.

    Ask only about cells that the task does not take as labels: ``None`` may be the name of a label, and -1 a score.
    """
    text = cell_text(cell)
    return text.casefold() in MISSING_WORDS or number_of(text) == -1


def cell_text(cell: object) -> str:
    """Return the text of a cell without space around it; of a time at midnight its date."""
    text = str(cell).strip()
    return text.removesuffix(" 00:00:00") if hasattr(cell, "isoformat") else text


def number_of(text: str) -> float | None:
    """Return the finite number that a text is, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None
