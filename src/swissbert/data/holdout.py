"""Dev rows that are held out of the train rows, where no dev rows are given."""

import hashlib
import json
from collections.abc import Iterator

from swissbert.data.rows import BadRow, Row
from swissbert.tasks import Split


def text_key(row: Row) -> tuple[str, str]:
    """Return a key that is equal for rows with the same texts, whatever their case, white space or order in a pair."""
    first, second = (" ".join((text or "").casefold().split()) for text in (row.text, row.text_pair))
    return min(first, second), max(first, second)


def held_out(row: Row, share: float) -> bool:
    """Return whether a row is among the `share` held out for dev. Depends on its texts alone, so repeats stay together."""
    digest = hashlib.sha256(json.dumps(text_key(row)).encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def rows_of_side(rows: Iterator[Row | BadRow], split: Split, share: float) -> Iterator[Row | BadRow]:
    """Yield the rows of a source with train and dev rows that belong to one of them.

    Args:
        rows: All rows of the source.
        split: ``train`` or ``dev``. Bad rows come with the train rows, so that each is reported once.
        share: Share of rows that is held out for dev.
    """
    for row in rows:
        if split == "train" if isinstance(row, BadRow) else held_out(row, share) == (split == "dev"):
            yield row
