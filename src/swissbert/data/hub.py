"""Data sets on the Hugging Face hub."""

from collections.abc import Iterator

from swissbert.data.class_labels import class_names, with_names
from swissbert.data.formats import NumberedCells
from swissbert.errors import SwissbertError
from swissbert.tasks import HubData, Task


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
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SwissbertError(
            f"task '{task.name}': data set '{hub.dataset}', split '{split}', cannot be loaded ({reason})"
        ) from error
    names = class_names(getattr(table, "features", None), task)
    yield from enumerate(with_names(iter(table), names, task.columns.label), 1)
