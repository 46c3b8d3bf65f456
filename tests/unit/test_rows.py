"""Fingerprints and labels of rows."""

import hashlib
import math

import numpy as np
from declared import Writer, scores
from hypothesis import given, settings
from hypothesis import strategies as st

from swissbert.data.rows import Row, labels_of
from swissbert.data.splits import read_split


def fingerprint(rows: list[Row]) -> str:
    return hashlib.sha256(b"".join(row.digested() for row in rows)).hexdigest()


def test_the_fingerprint_does_not_depend_on_how_rows_are_stored(write: Writer) -> None:
    first = read_split(scores(), "train", write("text\tlabel\na\t1\nb\t2.5\n"))
    other = read_split(scores("rows.csv"), "train", write('\ufefflabel,text\r\n1.0,"a"\r\n2.50, b \r\n', "rows.csv"))
    assert fingerprint(first.rows) == fingerprint(other.rows)


def test_the_fingerprint_of_known_rows_never_changes() -> None:
    rows = [Row(2, "x", "héllo", None, 1.0), Row(3, "y", "a", "b", None)]
    raw = b'["x", "h\\u00e9llo", null, 1.0]["y", "a", "b", null]'  # runs that were begun remember it
    assert fingerprint(rows) == hashlib.sha256(raw).hexdigest()


@given(
    rows=st.lists(
        st.builds(
            Row,
            number=st.just(1),
            id=st.text("ab", max_size=2),
            text=st.text('ab[]",', min_size=1, max_size=3),
            text_pair=st.none() | st.text("ab", min_size=1, max_size=2),
            label=st.none() | st.integers(0, 2).map(float),
            spellings=st.just(()),
            weight=st.just(1.0),
        ),
        min_size=1,
        max_size=4,
    ),
    data=st.data(),
)
@settings(deadline=None, max_examples=60)
def test_the_fingerprint_changes_with_any_text_label_id_or_order(rows: list[Row], data: st.DataObject) -> None:
    before = fingerprint(rows)
    at = data.draw(st.integers(0, len(rows) - 1))
    row = rows[at]
    changes = [
        row._replace(text=row.text + "x"),
        row._replace(text_pair=(row.text_pair or "") + "x"),
        row._replace(label=3.0 + (row.label if isinstance(row.label, float) else 0.0)),
        row._replace(label=None if row.label is not None else 0.0),
        row._replace(id=row.id + "x"),
    ]
    for change in changes:
        assert fingerprint([*rows[:at], change, *rows[at + 1 :]]) != before
    assert fingerprint([*rows[:at], *rows[at + 1 :]]) != before
    if rows[::-1] != rows:
        assert fingerprint(rows[::-1]) != before


def test_missing_labels_are_nan() -> None:
    labels = labels_of([Row(1, "1", "a", None, None), Row(2, "2", "b", None, 0.5)])
    assert labels.dtype == np.float64
    assert math.isnan(labels[0])
    assert labels[1] == 0.5
