"""Decision on bad rows: when a split has too many of them, and which reason is the most frequent one."""

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from swissbert.errors import SwissbertError
from swissbert.wording import shortened

if TYPE_CHECKING:
    from swissbert.data.rows import BadRow
    from swissbert.tasks import Task

MAX_BAD = 0.1
"""Default of ``data.max_bad``: largest share of bad rows in a split."""
TOLERATED = 1
"""Bad rows that no share forbids, so that a table of a few rows survives one slip."""
EARLY_ROWS, EARLY_SHARE = 1000, 0.9
"""Rows after which reading may stop before the end, and the share of bad rows from which it does."""
OTHERS_SHOWN = 5
"""Further rows that a line about bad rows names."""

QUOTED = re.compile(r"""column '[^']*'|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
"""Names of columns, which stay in a reason, and values, which differ from row to row."""


def refuse_bad(bad: Sequence["BadRow"]) -> None:
    """Raise SwissbertError for the first bad row, if there is one."""
    if bad:
        raise SwissbertError(f"{bad[0]} (data.bad_rows is 'refuse'; 'skip' leaves such rows out and counts them)")


def refuse_many_bad(bad: Sequence["BadRow"], usable: int, largest: float | None, task: str) -> None:
    """Raise SwissbertError if too many rows are bad.

    Args:
        bad: The bad rows.
        usable: Number of usable rows.
        largest: Largest share of bad rows, 0 to 1; None for any.
        task: Name of the task in messages.

    Raises:
        SwissbertError: Names the most frequent reason, how many rows have it, the first of them, and the setting.
    """
    total = len(bad) + usable
    if largest is None or len(bad) <= max(TOLERATED if largest else 0, largest * total):
        return
    reason, rows = most_frequent(bad)
    many = f"{len(bad):,} of {total:,} rows read for task '{task}' cannot be used"
    raise SwissbertError(
        f"{rows[0].file}: {many}, {_in_words(reason, rows, bad)}; if the rest is enough, a data.max_bad above "
        f"{_sufficient(len(bad), total):.12g} leaves them out (it is {largest:g}, the largest share of bad rows)",
        argument="max_bad",
    )


def _sufficient(bad: int, total: int) -> float:
    """Return a share of few digits that allows so many bad rows, rounded up, below 1 if the share is."""
    share = bad / total
    digits = max(2, 1 - math.floor(math.log10(share)))
    while (rounded := math.ceil(share * 10.0**digits) / 10.0**digits) * total < bad or rounded >= 1 > share:
        digits += 1
    return rounded


def refuse_counting_from_one(bad: Sequence["BadRow"], task: "Task") -> None:
    """Raise SwissbertError if a label is just behind the last one; call it for rows of which none has the first label.

    Labels counted from 1 would otherwise be read as their neighbours, and only the rows of the last one would be bad.
    """
    from swissbert.kinds.class_names import FROM_ZERO  # imports numpy, which the command line does without

    row = next((row for row in bad if row.reason.endswith(FROM_ZERO)), None)
    if row is not None:
        count = len(task.labels)
        raise SwissbertError(
            f"{row}, but the labels of task '{task.name}' here seem to count from 1 to {count}, since none is 0; "
            f'declare labels = ["1", ..., "{count}"], or write names'
        )


def is_hopeless(bad: int, usable: int) -> bool:
    """Return whether nearly all of the many rows read so far are bad, so that the rest need not be read."""
    return bad + usable >= EARLY_ROWS and bad > EARLY_SHARE * (bad + usable)


def bad_lines(bad: Sequence["BadRow"], limit: int) -> list[str]:
    """Return lines about bad rows, one for each reason in the order of their first rows, at most `limit`."""
    groups: dict[str, list[BadRow]] = {}
    for row in bad:
        groups.setdefault(row.reason, []).append(row)
    return [f"{rows[0]}{_others(rows[1:])}" for rows in list(groups.values())[:limit]]


def _others(rows: Sequence["BadRow"]) -> str:
    """Word which further rows have the same reason; empty for none."""
    if not rows:
        return ""
    return f" (also row {shortened([str(row.number) for row in rows], OTHERS_SHOWN)})"


def most_frequent(bad: Sequence["BadRow"]) -> tuple[str, list["BadRow"]]:
    """Return the most frequent reason, in the words of its first row, and all rows with it; values and hints may differ."""
    groups: dict[str, list[BadRow]] = {}
    patterns: dict[str, str] = {}
    for row in bad:
        if row.reason not in patterns:
            patterns[row.reason] = _pattern(row.reason)
        groups.setdefault(patterns[row.reason], []).append(row)
    rows = max(groups.values(), key=len)
    return rows[0].reason, rows


def most_frequent_in_words(bad: Sequence["BadRow"]) -> str:
    """Word the most frequent reason as a clause: how many rows have it, and the first of them."""
    return _in_words(*most_frequent(bad), bad)


def _in_words(reason: str, rows: Sequence["BadRow"], bad: Sequence["BadRow"]) -> str:
    """Word the result of `most_frequent`."""
    same = "all" if len(rows) == len(bad) else f"{len(rows):,} of them"
    return f"{same} like row {rows[0].number}: {reason}"


def _pattern(reason: str) -> str:
    """Return a reason without the values that differ from row to row, cells and numbers, and without the hint after it.

    Names of columns stay.
    """
    reason = re.sub(r"^(column '[^']*' is ).*(, (?:but a|not text))", r"\1\2", reason)
    reason = QUOTED.sub(lambda match: match[0] if match[0].startswith("column") else "", reason)
    return re.sub(r"[\d.,-]+", "", reason.partition("; ")[0])
