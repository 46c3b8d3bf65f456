"""The batches of each step of a plan."""

from collections.abc import Iterator, Mapping
from zlib import crc32

import numpy as np

from swissbert.config import RunConfig
from swissbert.data.batches import PackedBatch
from swissbert.data.dataset import TaskData
from swissbert.data.passes import Passes
from swissbert.mtl.sampling import Plan
from swissbert.training.distillation import Teaching


class BatchLoader:
    """Cuts, shuffles and packs the batches of a step. The seed of the run determines them, whatever was loaded before.

    Args:
        config: Seed, batch size, bucket and which pairs may change places.
        data: Training rows by task.
        plan: Draws of all steps.
        teaching: Answers of teachers that labels are mixed with; None without distillation.

    Example::

        for task, batch in BatchLoader(config, data, plan)(step):
            ...
    """

    def __init__(
        self, config: RunConfig, data: Mapping[str, TaskData], plan: Plan, teaching: Teaching | None = None
    ) -> None:
        self._seed, self._settings = config.seed, config.train
        self._data, self._plan = {name: Passes(rows) for name, rows in data.items()}, plan
        self._teaching = teaching
        self._order = list(data)
        self._swapping = {task.name for task in config.tasks if config.swaps_pairs(task)}
        self._shuffled: dict[tuple[str, int, int], list[np.ndarray]] = {}  # the present pass over each task
        self._swaps: dict[tuple[str, int, int], np.ndarray] = {}  # likewise

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self._plan.steps)

    def __call__(self, step: int) -> Iterator[tuple[str, PackedBatch]]:
        """Yield task and batch for each draw of a step, from 0; the batches of a task follow each other."""
        epoch = self._plan.epoch(step)
        for task, number in sorted(self._plan.steps[step], key=lambda draw: self._order.index(draw[0])):
            rows = self.rows(task, epoch, number)
            batch = self._data[task].batch(rows, self._swapped(task, epoch, number, rows))
            yield task, batch if self._teaching is None else self._teaching.mixed(task, batch, rows, step)

    def rows(self, task: str, epoch: int, number: int) -> np.ndarray:
        """Return the row numbers of a batch of an epoch. Past its last batch a task is shuffled again and starts over.

        Rows of extra files have numbers from the number of the task's own rows on.
        """
        data, settings = self._data[task], self._settings
        origin = self._plan.origin(epoch)
        turn, index = self._place(task, epoch, number)
        key = (task, epoch, turn)
        if key not in self._shuffled:
            self._shuffled = {k: v for k, v in self._shuffled.items() if k[0] != task}
            self._shuffled[key] = data.batches(settings.batch_size, settings.bucket, self._seeds(*key), origin)
        return self._shuffled[key][index]

    def _place(self, task: str, epoch: int, number: int) -> tuple[int, int]:
        """Return the pass of an epoch that has a batch, and the number of the batch within it."""
        size = self._data[task].size(self._plan.origin(epoch))
        return divmod(number, -(-size // self._settings.batch_size))

    def _seeds(self, task: str, epoch: int, turn: int) -> list[int]:
        """Return the numbers that determine a pass over a task."""
        return [self._seed, crc32(task.encode()), epoch, turn]

    def _swapped(self, task: str, epoch: int, number: int, rows: np.ndarray) -> np.ndarray | None:
        """Return which rows of a batch are pairs that change places, bool ``[B]``; None if those of the task never do."""
        if task not in self._swapping:
            return None
        key = (task, epoch, self._place(task, epoch, number)[0])
        if key not in self._swaps:
            self._swaps = {k: v for k, v in self._swaps.items() if k[0] != task}
            self._swaps[key] = self._data[task].swaps(self._seeds(*key))
        swapped: np.ndarray = self._swaps[key][rows]
        return swapped
