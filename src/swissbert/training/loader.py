"""The batches of each step of a plan."""

from collections.abc import Iterator, Mapping
from zlib import crc32

import numpy as np

from swissbert.config import RunConfig
from swissbert.data.batches import PackedBatch
from swissbert.data.dataset import TaskData
from swissbert.mtl.sampling import Plan
from swissbert.training.distillation import Teaching


class BatchLoader:
    """Cuts, shuffles and packs the batches of a step. The seed of the run determines them, whatever was loaded before.

    Args:
        config: Seed, batch size and bucket.
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
        self._data, self._plan, self._teaching = data, plan, teaching
        self._order = list(data)
        self._shuffled: dict[tuple[str, int, int], list[np.ndarray]] = {}  # the present pass over each task

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self._plan.steps)

    def __call__(self, step: int) -> Iterator[tuple[str, PackedBatch]]:
        """Yield task and batch for each draw of a step, from 0; the batches of a task follow each other."""
        epoch = self._plan.epoch(step)
        for task, number in sorted(self._plan.steps[step], key=lambda draw: self._order.index(draw[0])):
            rows = self.rows(task, epoch, number)
            batch = self._data[task].batch(rows)
            yield task, batch if self._teaching is None else self._teaching.mixed(task, batch, rows, step)

    def rows(self, task: str, epoch: int, number: int) -> np.ndarray:
        """Return the row numbers of a batch of an epoch. Past its last batch a task is shuffled again and starts over."""
        data, size = self._data[task], self._settings.batch_size
        turn, index = divmod(number, -(-len(data) // size))
        key = (task, epoch, turn)
        if key not in self._shuffled:
            self._shuffled = {k: v for k, v in self._shuffled.items() if k[0] != task}
            seed = [self._seed, crc32(task.encode()), epoch, turn]
            self._shuffled[key] = data.shuffled(size, self._settings.bucket, seed)
        return self._shuffled[key][index]
