"""Dev rows that are held out of the train rows, where no dev rows are given."""

import hashlib
import json
from collections.abc import Callable, Iterator

import numpy as np

from swissbert.data.rows import BadRow, Row
from swissbert.kinds import Array
from swissbert.tasks import Split, Task


def text_key(row: Row) -> tuple[str, str]:
    """Return a key that is equal for rows with the same texts, whatever their case, white space or order in a pair."""
    first, second = (" ".join((text or "").casefold().split()) for text in (row.text, row.text_pair))
    return min(first, second), max(first, second)


def row_hash(row: Row) -> int:
    """Return a hash of the texts of a row, of 64 bits; equal for rows with the same `text_key`."""
    digest = hashlib.sha256(json.dumps(text_key(row)).encode()).digest()
    return int.from_bytes(digest[:8], "big")


def held_out(row: Row, share: float) -> bool:
    """Return whether a row is among the `share` held out for dev. Depends on its texts alone, so repeats stay together."""
    return row_hash(row) < share * 2**64


def held_out_by_label(hashes: Array, classes: Array, share: float) -> Array:
    """Choose the texts that are held out for dev, label by label.

    Of each label the texts with the smallest hashes are chosen: the share of them, rounded, but at least one of two or
    more, and never all. A text with several labels counts for the first of them.

    Args:
        hashes: Hash of each row's texts, uint64 ``[N]``.
        classes: Class number of each row, ``[N]``.
        share: Share of the texts that is held out.

    Returns:
        Hashes of the chosen texts, uint64, sorted.
    """
    order = np.lexsort((classes, hashes))
    hashes, classes = hashes[order], classes[order]
    first = np.append(True, hashes[1:] != hashes[:-1])  # one entry for each text, with its lowest class number
    hashes, classes = hashes[first], classes[first]
    chosen = []
    for label in np.unique(classes):
        texts = hashes[classes == label]  # ascending
        chosen.append(texts[: min(max(1, round(share * len(texts))), len(texts) - 1)])
    return np.sort(np.concatenate(chosen))


def rows_of_side(
    rows: Iterator[Row | BadRow], split: Split, task: Task, again: Callable[[], Iterator[Row | BadRow]]
) -> Iterator[Row | BadRow]:
    """Yield the rows of a source with train and dev rows that belong to one of them.

    Args:
        rows: All rows of the source.
        split: ``train`` or ``dev``. Bad rows come with the train rows, so that each is reported once.
        task: Says which share of the rows is held out for dev, and whether label by label.
        again: Opens the rows once more, to see which labels there are; 16 bytes of each row are kept meanwhile.
    """
    chosen = set(_chosen(again(), task.holdout).tolist()) if task.stratifies else None
    for row in rows:
        if isinstance(row, BadRow):
            is_dev = False
        else:
            is_dev = held_out(row, task.holdout) if chosen is None else row_hash(row) in chosen
        if is_dev == (split == "dev"):
            yield row


def _chosen(rows: Iterator[Row | BadRow], share: float) -> Array:
    labelled = (row for row in rows if isinstance(row, Row) and isinstance(row.label, float | int))
    pairs = np.fromiter(
        ((row_hash(row), int(row.label)) for row in labelled),  # type: ignore[arg-type]
        np.dtype([("hash", np.uint64), ("label", np.int32)]),
    )
    return held_out_by_label(pairs["hash"], pairs["label"], share) if len(pairs) else pairs["hash"]
