"""The train and dev rows of all tasks of a run, with a line about each split."""

from collections.abc import Mapping

from swissbert.config import RunConfig
from swissbert.data.bad_rows import bad_lines
from swissbert.data.dataset import TaskData, TokenOptions
from swissbert.data.memory import MemoryRows
from swissbert.data.tokens import Tokenizer
from swissbert.display import Display
from swissbert.errors import SwissbertError, nearest
from swissbert.tasks import Split
from swissbert.training.split_rows import SplitRows
from swissbert.training.train_rows import with_extra

Data = Mapping[str, object]
"""Rows in memory by task: train rows, or a tuple of train rows and dev rows; `MemoryRows` lists the accepted forms."""


def load_splits(
    config: RunConfig, tokenizer: Tokenizer, display: Display, data: Data | None = None
) -> tuple[dict[str, TaskData], list[TaskData]]:
    """Load and tokenize the train and dev rows of every task.

    Args:
        config: Tasks, data folder and truncation.
        tokenizer: The encoder's tokenizer.
        display: Receives a line per split, and the first bad rows.
        data: Rows in memory by task; other tasks are read from ``data.dir``.

    Returns:
        Train rows by task, and the dev rows of every task.

    Raises:
        SwissbertError: If rows are missing or unusable, or a name in `data` is not a task.
    """
    return load_rows(config, tokenizer, display, row_source(config, display, data))


def row_source(config: RunConfig, display: Display, data: Data | None) -> SplitRows:
    """Return what reads the rows of a run; arguments and errors as for `load_splits`."""
    refuse_unknown("data", data or {}, config)
    return SplitRows(config, in_memory(data), display)


def load_rows(
    config: RunConfig, tokenizer: Tokenizer, display: Display, source: SplitRows
) -> tuple[dict[str, TaskData], list[TaskData]]:
    """Load the rows of `load_splits` from what reads them."""
    train: dict[str, TaskData] = {}
    dev: list[TaskData] = []
    notes: dict[str, None] = {}  # those of held-out rows are those of train rows again

    def report(rows: TaskData, what: str) -> None:
        for note in rows.source_notes:
            if note not in notes:
                display.say(f"  {note}")
        notes.update(dict.fromkeys(rows.source_notes))
        _report(rows, what, config.encoder.max_length, display)

    for task in config.tasks:
        options: TokenOptions = {
            "separate": task.is_pair and not config.model.pair_encoding,
            "max_length": config.encoder.max_length,
        }
        splits: tuple[Split, ...] = ("train", "dev")
        for split in splits:
            rows = source.load(task, split, tokenizer, **options)
            report(rows, split)
            if split == "train":
                train[task.name] = rows
            else:
                dev.append(rows)
        extra = [source.load_extra(task, number, tokenizer, **options) for number in range(len(task.extra))]
        for rows in extra:
            report(rows, "extra")
        train[task.name] = with_extra(train[task.name], extra)
    return train, dev


def in_memory(data: Data | None) -> dict[str, MemoryRows]:
    """Return rows in memory in their common form, so that they can be read more than once.

    Raises:
        SwissbertError: If they are not given by task.
    """
    if data and not isinstance(data, Mapping):
        raise SwissbertError(
            f"data is a {type(data).__name__}, but a dictionary with the rows of each task is expected, {{'NAME': rows}}",
            argument="data",
        )
    return {name: memory_rows(rows) for name, rows in (data or {}).items()}


def memory_rows(rows: object) -> MemoryRows:
    """Return the rows of one task in `Data` in their common form."""
    if isinstance(rows, MemoryRows):
        return rows
    return MemoryRows(*rows) if isinstance(rows, tuple) and len(rows) == 2 else MemoryRows(rows)


def refuse_unknown(argument: str, table: Mapping[str, object], config: RunConfig) -> None:
    """Raise SwissbertError for a key that is not the name of a task."""
    names = [task.name for task in config.tasks]
    for name in table:
        if name not in names:
            raise SwissbertError(
                f"{argument} has an entry for '{name}', but the tasks are {', '.join(names)}{nearest(name, names)}"
            )


def _report(data: TaskData, split: str, max_length: int, display: Display) -> None:
    cut = int((data.table.lengths >= max_length * data.table.per_row).sum())
    note = f", {cut} cut at {max_length} tokens" if cut else ""
    unlabelled = f"{data.label_notes.without_label()}, " if data.label_notes.unlabelled else ""
    rows = f"{len(data):,} rows from {data.source}"
    display.say(f"{data.task.name} {split}: {rows}, {unlabelled}{len(data.bad)} bad{note}")
    for line in [*bad_lines(data.bad, 5), *filter(None, [data.label_notes.other_spellings()])]:
        display.say(f"  {line}")
