"""Rows of a split that are train rows too, compared by their texts (see `swissbert.data.holdout.text_key`)."""

from collections.abc import Sequence

import numpy as np

from swissbert.data.holdout import row_hash
from swissbert.data.rows import Row
from swissbert.data.splits import OnRow, Source, holds_out, open_split
from swissbert.errors import SwissbertError
from swissbert.kinds import Array
from swissbert.metrics import higher_is_better, is_row_share
from swissbert.tasks import Split, Task

SMALL_SHARE = 0.05
"""Share of the rows below which those that are train rows change a score little."""


def overlap_note(shared: int, rows: int, split: Split, metric: str) -> list[str]:
    """Word how many of the rows of a split are train rows, and what that does to its scores; empty if none is.

    Args:
        shared: Number of rows that are train rows.
        rows: Number of rows of the split.
        split: The split.
        metric: Name of the metric that the task declares.
    """
    if not shared:
        return []
    count = f"all {rows:,}" if shared == rows else f"{shared:,} of {rows:,}"
    which = f"1 of {rows:,} {split} rows is a train row" if shared == 1 else f"{count} {split} rows are train rows"
    if shared >= SMALL_SHARE * rows:
        return [f"{which}, so the scores do not show what the model does with new texts"]
    if is_row_share(metric):
        tenths = -(-1000 * shared // rows)  # rounded up, as it is an upper bound
        return [f"{which} too, so its {metric.replace('_', ' ')} may be up to {tenths / 10:.1f} points too high"]
    if higher_is_better(metric):
        return [f"{which} too, so its scores may be slightly too high"]
    return [f"{which} too, so its errors may be slightly too low"]


def overlap_notes(
    task: Task, split: Split, source: Source, keys: Array | Sequence[int], on_row: OnRow | None = None
) -> list[str]:
    """Count the rows of a split that are train rows, reading the train rows once; empty if none is.

    Nothing is said where the train rows are not there, or were chosen so that none is shared.

    Args:
        task: The task.
        split: The split.
        source: Where its rows come from.
        keys: Hash of the texts of each row of the split, uint64 ``[N]``.
        on_row: Called after each train row.
    """
    if split == "train" or (split == "dev" and holds_out(task, source)):
        return []
    keys = np.asarray(keys, np.uint64)
    wanted, is_shared = set(keys.tolist()), set()
    try:
        for row in open_split(task, "train", source, on_row=on_row)[1]:
            if isinstance(row, Row) and (key := row_hash(row)) in wanted:
                is_shared.add(key)
    except SwissbertError:
        return []
    return overlap_note(sum(key in is_shared for key in keys.tolist()), len(keys), split, task.metric)
