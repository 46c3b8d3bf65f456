"""Data sets on the Hugging Face hub."""

from collections.abc import Iterator

from swissbert.data.class_labels import class_names, with_names
from swissbert.data.formats import Cells, NumberedCells
from swissbert.errors import SwissbertError, clipped
from swissbert.tasks import HubData, Task

REASON_SHOWN = 200
"""Characters of an error of the library that a message shows."""


def read_hub(hub: HubData, split: str, task: Task) -> Iterator[NumberedCells]:
    """Yield the rows of a hub data set, through the datasets library, which runs no code from the hub.

    Args:
        hub: The data set.
        split: Name of the split on the hub.
        task: The task, for messages and for the names of its classes.

    Raises:
        SwissbertError: If the data set cannot be loaded.
    """
    import datasets

    try:
        table = datasets.load_dataset(hub.dataset, hub.config, split=split, revision=hub.revision)
    except Exception as error:  # the library has no common base class for its errors
        raise _unreadable(hub, split, task, "loaded", error) from error
    names = class_names(getattr(table, "features", None), task)
    columns = list(getattr(table, "column_names", None) or [])
    read = {name if name in columns else name.partition(".")[0] for name in task.read_options.columns}
    others: Cells = {}
    if read and read.issubset(columns) and hasattr(table, "select_columns"):  # pictures, sound and the like stay packed
        table, others = table.select_columns(sorted(read)), dict.fromkeys(columns)
    rows = enumerate(with_names(iter(table), names, task.columns.label), 1)
    while True:
        try:
            number, cells = next(rows)
        except StopIteration:
            return
        except Exception as error:  # a value that the library cannot decode, or no connection
            raise _unreadable(hub, split, task, "read", error) from error
        if others:  # the first row names all columns
            cells, others = others | cells, {}
        yield number, cells


def _unreadable(hub: HubData, split: str, task: Task, what: str, error: Exception) -> SwissbertError:
    """Word the error for a data set that the library fails on."""
    reason = clipped((str(error).strip().splitlines() or [type(error).__name__])[0], REASON_SHOWN)
    return SwissbertError(f"task '{task.name}': data set '{hub.dataset}', split '{split}', cannot be {what} ({reason})")
