"""Distillation: targets of train rows that mix their labels with the answers of trained models.

Hinton et al. (2015), Distilling the knowledge in a neural network; teacher annealing after Clark et al. (2019), BAM! Born-again
multi-task networks for natural language understanding.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch

from swissbert.checksums import Digest
from swissbert.config import RunConfig
from swissbert.config.distillation import DistillationSettings
from swissbert.data.answer_cache import keep_answers, stored_answers
from swissbert.data.batches import PackedBatch
from swissbert.data.cache_entries import cache_folder
from swissbert.data.dataset import TaskData
from swissbert.data.memory import MemoryRows
from swissbert.device import Hardware
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.evaluation import overall, task_scores
from swissbert.kinds import Array
from swissbert.metrics import shown_as
from swissbert.model.multitask import MultitaskModel
from swissbert.tasks import Split, Task
from swissbert.training.split_rows import load_rows
from swissbert.training.teachers import Answering, Teacher, find_teachers

T = TypeVar("T")


@dataclass(frozen=True)
class Teaching:
    """Mean answers of the teachers to the train rows, and their share in the targets of each step.

    Attributes:
        settings: The settings of the distillation.
        tasks: The tasks that have a teacher, by name.
        answers: Mean answers to their train rows in the form of `Kind.soft_labels`, float32 ``[N]`` or ``[N, C]``.
        teachers: The teachers.
        total: Number of steps of the run.
    """

    settings: DistillationSettings
    tasks: Mapping[str, Task]
    answers: Mapping[str, Array]
    teachers: tuple[Teacher, ...]
    total: int

    def share(self, step: int) -> float:
        """Return the share of the teachers in the targets of a step, from 0."""
        return self.settings.share(step, self.total)

    def mixed(self, name: str, batch: PackedBatch, rows: Array, step: int) -> PackedBatch:
        """Return a batch whose labels are mixed with the answers of the teachers.

        Weights of rows stay those of the labels, and ``label_smoothing`` applies to the mixture. A row without a label
        has the answers alone.

        Args:
            name: Name of the task; a task without teachers keeps its labels.
            batch: Its rows, with labels, on the CPU.
            rows: Their numbers, int64 ``[B]``.
            step: Number of the step, from 0.
        """
        if name not in self.answers:
            return batch
        share, answers, task = self.share(step), self.answers[name][rows], self.tasks[name]
        labels = task.kind.soft_labels(task, batch.labels.numpy())
        targets = np.where(np.isnan(labels), answers, share * answers + (1 - share) * labels)
        return replace(batch, labels=torch.from_numpy(targets.astype(np.float32)))

    def conditions(self) -> dict[str, object]:
        """Return what ``run.json`` has about the teachers and a resumed run compares."""
        numbered = [(str(number), teacher) for number, teacher in enumerate(self.teachers, 1)]
        return {
            "teachers": {number: teacher.checksum for number, teacher in numbered},
            "teacher_tasks": {number: list(teacher.tasks) for number, teacher in numbered},
            "teacher_answers": {name: _checksum(answers) for name, answers in self.answers.items()},
        }

    def provenance(self) -> dict[str, str]:
        """Return what a model folder says about the teachers; no path of the machine."""
        settings = self.settings
        course = f"{settings.weight:g}, falling to 0" if settings.annealing else f"{settings.weight:g}"
        return {
            "distilled_from": ", ".join(f"{teacher.name} ({teacher.checksum})" for teacher in self.teachers),
            "distillation": f"share of the teachers in the targets {course}; temperature {settings.temperature:g}",
        }


def _checksum(answers: Array) -> str:
    digest = Digest()
    digest.update(np.ascontiguousarray(answers).tobytes())
    return digest.checksum


class Ensemble:
    """The teachers of a run, and their mean answers to its rows, which are computed once and cached.

    Args:
        config: The settings, with complete tasks.
        network: The network that learns; its heads must take mixtures of labels and answers.
        hardware: Device of the answers, which are fp32.
        display: Receives lines about teachers and progress.
        data: Rows in memory by task.
        recorded: ``teachers`` and ``teacher_tasks`` in ``run.json`` of a resumed run, for teachers that are gone.

    Raises:
        SwissbertError: If a teacher cannot be found or does not fit the run.
    """

    def __init__(
        self,
        config: RunConfig,
        network: MultitaskModel,
        hardware: Hardware,
        display: Display,
        data: Mapping[str, MemoryRows],
        recorded: Mapping[str, object] | None = None,
    ) -> None:
        self.teachers = find_teachers(config, display, recorded)
        self._config, self._hardware, self._display, self._data = config, hardware, display, data
        self._loaded: tuple[Teacher, Answering] | None = None
        self._problems: set[str] = set()
        self.tasks = {
            task.name: task for task in config.tasks if any(task.name in teacher.tasks for teacher in self.teachers)
        }
        for name in self.tasks:
            head = network.head(name)
            if not head.takes_soft_labels:
                raise SwissbertError(
                    f"distillation.teachers: the loss of task '{name}' with the head {type(head).__name__} takes labels only "
                    "and no mixture of labels and answers, so it cannot learn from teachers; another model.pair_head or "
                    "kind can, or teachers without this task"
                )

    def teaching(self, train: Mapping[str, TaskData], total: int) -> Teaching:
        """Return the mean answers to the train rows.

        Args:
            train: Train rows by task.
            total: Number of steps of the run.

        Raises:
            SwissbertError: If a teacher is gone and its answers are not in the cache.
        """
        answers = self._means([train[name] for name in self.tasks], "train")
        return Teaching(self._config.distillation, self.tasks, answers, tuple(self.teachers), total)

    def dev_line(self, dev: Sequence[TaskData]) -> str:
        """Return a line with the dev scores of the mean of the teachers, about the best that the run can learn from them."""
        splits = [rows for rows in dev if rows.task.name in self.tasks]
        means, scores = self._means(splits, "dev", soft=False), {}
        for rows in splits:
            task = rows.task
            scores[task.name] = (task.metric, task_scores(task, rows.labels, means[task.name])[task.metric])
        parts = [f"{name} {metric} {shown_as(metric, value)}" for name, (metric, value) in scores.items()]
        if len(splits) == len(dev) and len(dev) > 1:
            parts.append(f"overall {shown_as('overall', overall(scores)['overall'])}")
        who = f"mean of {len(self.teachers)} teachers" if len(self.teachers) > 1 else "teacher"
        return f"dev scores of the {who}: {'  '.join(parts)}"

    def _means(self, splits: Sequence[TaskData], split: Split, *, soft: bool = True) -> dict[str, Array]:
        """Return the mean answers to splits by task, one teacher after the other, so that one is in memory at a time."""
        sums: dict[str, Array] = {}
        counts: dict[str, int] = {}
        for teacher in sorted(
            self.teachers, key=lambda one: one.checksum
        ):  # a sum depends on the order in its last digits
            for rows in splits:
                if (name := rows.task.name) not in teacher.tasks:
                    continue
                answers = self._answers(teacher, rows, split)
                if soft:
                    answers = rows.task.kind.soft_answers(rows.task, answers, self._config.distillation.temperature)
                sums[name] = sums.get(name, 0.0) + answers.astype(np.float64)
                counts[name] = counts.get(name, 0) + 1
            self._loaded = None
        return {name: (total / counts[name]).astype(np.float32) for name, total in sums.items()}

    def _answers(self, teacher: Teacher, rows: TaskData, split: Split) -> Array:
        """Return the answers of one teacher to one split, fp32 ``[N, C]`` or ``[N]``, from the cache if it has them."""
        task, uses_cache = rows.task, self._config.data.cache
        key = {
            "model": teacher.checksum,
            "rows": rows.rows_digest,
            "task": task.name,
            "labels": task.labels,
            "fitted": split == "dev",
            "device": self._hardware.device.type,
        }
        if uses_cache:
            answers = self._with_cache(stored_answers, key, (len(rows), *task.kind.answer_shape(task)))
            if answers is not None:
                return answers
        if teacher.is_gone:
            raise SwissbertError(
                f"distillation.teachers: there is no model {teacher.setting} any more, and its answers to the rows of "
                f"{task.name} {split} are not in the cache; put the folder back, or name in distillation.teachers where it "
                "is now",
                argument="settings",
            )
        answers = self._ask(teacher, rows, split)
        if uses_cache:
            self._with_cache(keep_answers, key, answers)
        return answers

    def _with_cache(self, use: Callable[..., T], *arguments: object) -> T | None:
        """Call a function of the cache; where it cannot be used, say so once and return None."""
        try:
            return use(*arguments)
        except OSError as error:
            problem = f"answers are not kept: the cache {cache_folder()} cannot be used ({error.strerror or error})"
            if problem not in self._problems:
                self._display.say(problem)
            self._problems.add(problem)
            return None

    def _ask(self, teacher: Teacher, rows: TaskData, split: Split) -> Array:
        """Let a teacher answer rows, which it reads with its own tokenizer and encoding of pairs."""
        if self._loaded is None or self._loaded[0] is not teacher:
            self._loaded = (teacher, Answering(teacher, self._config, self._hardware))
        model, task = self._loaded[1], rows.task
        own = load_rows(
            self._config,
            task,
            split,
            model.tokenizer,
            self._data.get(task.name),
            separate=model.is_separate(task),
            max_length=model.max_length,
        )
        if own.rows_digest != rows.rows_digest:
            raise SwissbertError(f"{rows.source}: these rows changed while they were read; start again")
        return model.answers(task, split, own.table, self._display)
