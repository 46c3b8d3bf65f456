"""Rows of one split of a run, as tokens of one tokenizer."""

from swissbert.config import RunConfig
from swissbert.data.cache import cached_split
from swissbert.data.dataset import SplitOptions, TaskData, load_split
from swissbert.data.memory import MemoryRows
from swissbert.data.tokens import Tokenizer
from swissbert.tasks import Split, Task


def load_rows(
    config: RunConfig,
    task: Task,
    split: Split,
    tokenizer: Tokenizer,
    memory: MemoryRows | None,
    *,
    separate: bool,
    max_length: int,
) -> TaskData:
    """Load and tokenize the rows of a split.

    Args:
        config: Data folder, and what happens to bad rows.
        task: The task.
        split: Which split.
        tokenizer: The tokenizer of the network that reads them.
        memory: Rows in memory; files are read if it is None.
        separate: Whether the two sentences of a pair are sequences of their own.
        max_length: Longest sequence in tokens.

    Raises:
        SwissbertError: If rows are missing or unusable.
    """
    options: SplitOptions = {
        "separate": separate,
        "max_length": max_length,
        "refuse": config.data.bad_rows == "refuse",
        "limit": config.data.limit,
        "max_bad": config.data.max_bad,
    }
    if memory is not None:
        return load_split(task, split, memory, tokenizer, **options)
    load = cached_split if config.data.cache else load_split
    return load(task, split, config.data.path, tokenizer, **options)
