"""Several labels in one cell: lists, lists that were written as text, and names with a separator between."""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import TypeGuard

import numpy as np

SEPARATORS = ("|", ";", ",")
"""Separators of several labels in a text cell, in the order in which they are tried."""
OTHER_SEPARATORS = ("/", "+", "&", "#", ":", "\t", "\n", " ")
"""Further separators. Messages offer them as a setting, but they are not tried, because they may be part of a name."""
BRACKETS = {"[": "]", "(": ")", "{": "}"}
ITEM = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s,'"\[\](){}]+"""


def label_items(labels: Sequence[str], cell: object, separator: str | None = None) -> list[object]:
    """Return the labels of a cell one by one, unchecked.

    Args:
        labels: The declared names; a cell that is one of them is one label.
        cell: A list, tuple, set or array; or the text of one, as JSON, Python or numpy writes it; or names with a
            separator between.
        separator: The declared separator; without one `SEPARATORS` are tried.
    """
    if is_list(cell):
        return [*cell]
    text = str(cell).strip()
    if (items := written_list(text)) is not None and text not in labels:
        return items
    if separator:
        return _parts(text, separator)
    if text in labels:
        return [text]
    return next((_parts(text, mark) for mark in SEPARATORS if mark in text), [text])


def is_list(cell: object) -> TypeGuard[Iterable[object]]:
    """Return whether a cell holds several values."""
    return isinstance(cell, list | tuple | set | frozenset | np.ndarray)


def written_list(text: str) -> list[object] | None:
    """Return the items of a list that was written as text, such as ``["a", "b"]``, ``['a' 'b']`` or ``{a, b}``.

    None if the text is not in brackets, or what is in them is not a plain list.
    """
    if len(text) < 2 or BRACKETS.get(text[0]) != text[-1]:
        return None
    if text[0] == "[":
        try:
            items = json.loads(text)
            return items if isinstance(items, list) else None
        except (ValueError, RecursionError):
            pass
    body = text[1:-1].strip()
    if "'" not in body and '"' not in body and "," in body:
        return [part.strip() for part in body.split(",") if part.strip()]
    if not re.fullmatch(rf"(?:(?:{ITEM})(?:\s*,\s*|\s+|$))*", body):
        return None
    return [re.sub(r"\\(.)", r"\1", item[1:-1]) if item[0] in "'\"" else item for item in re.findall(ITEM, body)]


def several(labels: Collection[str], text: str) -> str | None:
    """Return how to declare the labels of a cell that are several known ones, or None if they are not."""
    items = written_list(text)
    if items and all(isinstance(item, str) and item in labels for item in items):
        return 'kind = "multilabel" takes lists of labels'
    mark = separator_of(labels, text)
    return f'kind = "multilabel" with separator = {json.dumps(mark)} takes several of them' if mark else None


def separator_of(labels: Collection[str], text: str) -> str | None:
    """Return what separates known labels in a text, or None if it is not known labels with a separator between."""
    for mark in (*SEPARATORS, *OTHER_SEPARATORS):
        parts = _parts(text, mark) if mark in text else []
        if len(parts) > 1 and all(part in labels for part in parts):
            return mark
    return None


def _parts(text: str, separator: str) -> list[object]:
    return [part for part in (part.strip() for part in text.split(separator)) if part]
