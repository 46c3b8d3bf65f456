"""Distillation: targets of train rows that mix their labels with the answers of trained models.

Hinton et al. (2015), Distilling the knowledge in a neural network; teacher annealing after Clark et al. (2019), BAM! Born-again
multi-task networks for natural language understanding.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import NamedTuple, TypeVar

import numpy as np
import torch

from swissbert.checksums import Digest
from swissbert.config import RunConfig
from swissbert.config.distillation import DistillationSettings
from swissbert.data.answer_cache import keep_answers, stored_answers
from swissbert.data.batches import PackedBatch
from swissbert.data.cache_entries import cache_folder
from swissbert.data.dataset import TaskData, TokenOptions
from swissbert.device import Hardware
from swissbert.display import Display
from swissbert.errors import SettingsError, SwissbertError
from swissbert.evaluation import overall, task_scores
from swissbert.kinds import Array
from swissbert.metrics import shown_as
from swissbert.model.multitask import MultitaskModel
from swissbert.tasks import Split, Task
from swissbert.training.split_rows import SplitRows
from swissbert.training.teachers import Answering, Teacher, find_teachers

T = TypeVar("T")


@dataclass(frozen=True)
class Teaching:
    """Mean answers of the teachers to the train rows, and their share in the targets of each step.

    Rows have the numbers of `swissbert.data.passes.Passes`: a task's own rows, then those of each of its extra files.

    Attributes:
        settings: The settings of the distillation.
        tasks: The tasks that have a teacher, by name.
        answers: Mean answers to their N train rows, own and extra ones, in the form of `Kind.soft_labels`, float32 ``[N]`` or ``[N, C]``.
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

        Weights of rows stay those of the labels, and ``label_smoothing`` or ``ordinal_smoothing`` applies to the mixture. A
        row without a label has the answers alone. A pair that changes places has the answer to the pair as it is in its file.

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


class Part(NamedTuple):
    """Rows that teachers answer: a split of a task, or one of its extra files.

    Attributes:
        rows: The rows, as the network that learns reads them.
        split: Which split.
        extra: Number of the extra file from 0; None for the split itself.
    """

    rows: TaskData
    split: Split
    extra: int | None = None

    @property
    def name(self) -> str:
        """Name of the split, or ``extra1`` and so on as ``run.json`` has it."""
        return self.split if self.extra is None else f"extra{self.extra + 1}"


def train_parts(rows: TaskData) -> list[Part]:
    """Return the train rows of a task in the order in which they are numbered: its own, then those of each extra file."""
    return [Part(rows, "train"), *(Part(extra.data, "train", number) for number, extra in enumerate(rows.extra))]


class Ensemble:
    """The teachers of a run, and their mean answers to its rows, which are computed once and cached.

    Args:
        config: The settings, with complete tasks.
        network: The network that learns; its heads must take mixtures of labels and answers.
        hardware: Device of the answers, which are fp32.
        display: Receives lines about teachers and progress.
        source: Reads the rows of the run, with the tokenizers of the teachers.
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
        source: SplitRows,
        recorded: Mapping[str, object] | None = None,
    ) -> None:
        self.teachers = find_teachers(config, display, recorded)
        self._config, self._hardware, self._display, self._source = config, hardware, display, source
        self._loaded: tuple[Teacher, Answering] | None = None
        self._problems: set[str] = set()
        self.tasks = {
            task.name: task for task in config.tasks if any(task.name in teacher.tasks for teacher in self.teachers)
        }
        for name in self.tasks:
            head = network.head(name)
            if not head.takes_soft_labels:
                raise SettingsError(
                    f"distillation.teachers: the loss of task '{name}' with the head {type(head).__name__} takes labels only "
                    "and no mixture of labels and answers, so it cannot learn from teachers; another model.pair_head or "
                    "kind can, or teachers without this task"
                )
        for task in config.tasks:
            unlabelled = [extra.file for extra in task.extra if extra.unlabelled]
            if unlabelled and task.name not in self.tasks:
                raise SwissbertError(
                    f"extra file '{unlabelled[0]}' of task '{task.name}' is unlabelled, but none of distillation.teachers has "
                    "this task, so there are no targets for its rows"
                )

    def teaching(self, train: Mapping[str, TaskData], total: int) -> Teaching:
        """Return the mean answers to the train rows.

        Args:
            train: Train rows by task.
            total: Number of steps of the run.

        Raises:
            SwissbertError: If a teacher is gone and its answers are not in the cache.
        """
        parts = [part for name in self.tasks for part in train_parts(train[name])]
        means: dict[str, list[Array]] = {name: [] for name in self.tasks}
        for part, mean in zip(parts, self._means(parts), strict=True):
            means[part.rows.task.name].append(mean)
        answers = {name: np.concatenate(each) for name, each in means.items()}
        return Teaching(self._config.distillation, self.tasks, answers, tuple(self.teachers), total)

    def dev_line(self, dev: Sequence[TaskData]) -> str:
        """Return a line with the dev scores of the mean of the teachers, about the best that the run can learn from them."""
        splits = [rows for rows in dev if rows.task.name in self.tasks]
        scores = {}
        for rows, mean in zip(splits, self._means([Part(rows, "dev") for rows in splits], soft=False), strict=True):
            task = rows.task
            scores[task.name] = (task.metric, task_scores(task, rows.labels, mean)[task.metric])
        parts = [f"{name} {metric} {shown_as(metric, value)}" for name, (metric, value) in scores.items()]
        if len(splits) == len(dev) and len(dev) > 1:
            parts.append(f"overall {shown_as('overall', overall(scores)['overall'])}")
        who = f"mean of {len(self.teachers)} teachers" if len(self.teachers) > 1 else "teacher"
        return f"dev scores of the {who}: {'  '.join(parts)}"

    def _means(self, parts: Sequence[Part], *, soft: bool = True) -> list[Array]:
        """Return the mean answers to each of some rows, one teacher after the other, so that one is in memory at a time."""
        sums: list[Array | float] = [0.0] * len(parts)
        counts = [0] * len(parts)
        tokens = [float(part.rows.table.lengths.sum()) for part in parts]
        total = sum(
            amount * sum(part.rows.task.name in teacher.tasks for teacher in self.teachers)
            for part, amount in zip(parts, tokens, strict=True)
        )
        # A sum depends on the order in its last digits.
        with self._display.work("answers of all teachers", total, announce=False) as done:
            for teacher in sorted(self.teachers, key=lambda one: one.checksum):
                for number, part in enumerate(parts):
                    task = part.rows.task
                    if task.name not in teacher.tasks:
                        continue
                    answers = self._answers(teacher, part, _by_share(done, tokens[number]))
                    if soft:
                        answers = task.kind.soft_answers(task, answers, self._config.distillation.temperature)
                    sums[number] = sums[number] + answers.astype(np.float64)
                    counts[number] += 1
                self._loaded = None
        return [np.asarray(total / count, np.float32) for total, count in zip(sums, counts, strict=True)]

    def _answers(self, teacher: Teacher, part: Part, on_share: Callable[[float], object]) -> Array:
        """Return the answers of one teacher to rows, fp32 ``[N, C]`` or ``[N]``, from the cache if it has them.

        Args:
            teacher: The teacher.
            part: The rows.
            on_share: Called with the share of the rows that has just been answered.
        """
        rows, task, uses_cache = part.rows, part.rows.task, self._config.data.cache
        key = {
            "model": teacher.checksum,
            "rows": rows.rows_digest,
            "task": task.name,
            "labels": task.labels,
            "fitted": part.split == "dev",
            "device": self._hardware.device.type,
            "versions": {name: version(name) for name in ("swissbert", "tokenizers", "torch")},
        }
        if uses_cache:
            answers = self._with_cache(stored_answers, key, (len(rows), *task.kind.answer_shape(task)))
            if answers is not None:
                on_share(1.0)
                return answers
        if teacher.is_gone:
            raise SwissbertError(
                f"distillation.teachers: there is no model {teacher.setting} any more, and its answers to the rows of "
                f"{task.name} {part.name} are not in the cache; put the folder back, or name in distillation.teachers where it "
                "is now",
                argument="settings",
            )
        answers = self._ask(teacher, part, on_share)
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

    def _ask(self, teacher: Teacher, part: Part, on_share: Callable[[float], object]) -> Array:
        """Let a teacher answer rows, which it reads with its own tokenizer and encoding of pairs."""
        if self._loaded is None or self._loaded[0] is not teacher:
            self._loaded = (teacher, Answering(teacher, self._config, self._hardware))
        model, task = self._loaded[1], part.rows.task
        options: TokenOptions = {"separate": model.is_separate(task), "max_length": model.max_length}
        if part.extra is None:
            own = self._source.load(task, part.split, model.tokenizer, **options)
        else:
            own = self._source.load_extra(task, part.extra, model.tokenizer, **options)
        if own.rows_digest != part.rows.rows_digest:
            raise SwissbertError(f"{part.rows.source}: these rows changed while they were read; start again")
        return model.answers(task, own.table, self._display, part.name, on_share)


def _by_share(done: Callable[[float], object], amount: float) -> Callable[[float], object]:
    """Return a function that counts a share of an amount of work as done."""
    return lambda share: done(share * amount)
