"""Rows of a run, its own and those of extra files, as tokens of the network that reads them."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from swissbert.config import RunConfig
from swissbert.data.cache import cached_split
from swissbert.data.dataset import SplitOptions, TaskData, load_split
from swissbert.data.extra_files import check_read_once, naming_labels
from swissbert.data.memory import MemoryRows
from swissbert.data.row_counts import share_read
from swissbert.data.row_filter import extra_filter
from swissbert.data.splits import Chooses
from swissbert.data.tokens import Tokenizer
from swissbert.display import Display
from swissbert.holdouts import uneven_holdouts
from swissbert.tasks import Split, Task
from swissbert.training.train_rows import guard_of, held_of


class SplitRows:
    """Reads the rows of a run, the same ones with every tokenizer: the network that learns and its teachers have their own.

    Args:
        config: Tasks and data folder, and what happens to bad rows.
        memory: Rows in memory by task; other tasks are read from files.
        display: Receives a line for each task whose test rows cannot be compared with train rows and each two tasks that
            hold different rows of a file out, and shows progress.
    """

    def __init__(self, config: RunConfig, memory: Mapping[str, MemoryRows], display: Display) -> None:
        self._config, self._memory, self._display = config, memory, display
        self._held = held_of(config, memory, display)
        for note in uneven_holdouts([task for task in config.tasks if task.name not in memory]):
            display.say(note)

    def load(self, task: Task, split: Split, tokenizer: Tokenizer, *, separate: bool, max_length: int) -> TaskData:
        """Load and tokenize the rows of a split, without train rows that the guard of the task leaves out.

        Args:
            task: The task.
            split: Which split.
            tokenizer: The tokenizer of the network that reads them.
            separate: Whether the two sentences of a pair are sequences of their own.
            max_length: Longest sequence in tokens.

        Raises:
            SwissbertError: If rows are missing or unusable.
        """
        options = self._options(separate, max_length, guard_of(task, self._held) if split == "train" else None)
        if task.name in self._memory:
            return load_split(task, split, self._memory[task.name], tokenizer, **options)
        return self._from_files(task, split, tokenizer, options, f"reading {task.name} {split}")

    def load_extra(self, task: Task, number: int, tokenizer: Tokenizer, *, separate: bool, max_length: int) -> TaskData:
        """Load and tokenize the rows of the extra file of a task with a number, from 0; other arguments as for `load`.

        Rows of an unlabelled file have the label NaN.

        Raises:
            SwissbertError: If the file is missing or unusable, is read already, or none of its rows is left.
        """
        check_read_once(task, self._config.data.path, in_memory=task.name in self._memory)
        assert self._held is not None  # a task of the run has extra files
        choose = extra_filter(task, task.extra[number], self._held)
        options = self._options(separate, max_length, choose)
        is_unlabelled = task.extra[number].unlabelled
        if is_unlabelled:
            options["labelled"] = False
        with naming_labels(task.extra[number]):
            rows = self._from_files(task.of_extra(number), "train", tokenizer, options, f"reading {task.name} extra")
        labels = np.full(rows.labels.shape, np.nan) if is_unlabelled else rows.labels
        return replace(rows, task=task, labels=labels)

    def _options(self, separate: bool, max_length: int, choose: Chooses | None) -> SplitOptions:
        data = self._config.data
        return {
            "separate": separate,
            "max_length": max_length,
            "refuse": data.bad_rows == "refuse",
            "limit": data.limit,
            "max_bad": data.max_bad,
            "choose": choose,
        }

    def _from_files(
        self, task: Task, split: Split, tokenizer: Tokenizer, options: SplitOptions, label: str
    ) -> TaskData:
        load = cached_split if self._config.data.cache else load_split
        folder = self._config.data.path
        with self._display.rows(label, share_read(task, split, folder)) as bar:
            options["on_row"] = bar.advance
            return load(task, split, folder, tokenizer, **options)
