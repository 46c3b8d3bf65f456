"""Teachers of a run: trained models, the tasks that each of them answers, and their answers to rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swissbert.config import RunConfig
from swissbert.data.token_table import TokenTable
from swissbert.device import Hardware
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.evaluation import table_answers
from swissbert.evaluation.predictions import untuned_answers
from swissbert.kinds import Array, Kind
from swissbert.model_folder import layout
from swissbert.model_folder.load import Stored, read_identity, read_model, resolve_folder
from swissbert.tasks import Task
from swissbert.wording import distinct_names, in_list, joined, shortened

SHOWN = 8
"""Labels that a message names."""


@dataclass(frozen=True)
class Teacher:
    """A trained model whose answers are targets of a run.

    Attributes:
        setting: Its entry in ``distillation.teachers``.
        name: What it is called in lines and in model folders: see `teacher_names`.
        checksum: Checksum of everything that its answers depend on.
        tasks: Names of the tasks of the run that it answers.
        columns: For a task with labels: the number of each label of the run among those of the teacher, int64 ``[C]``.
        is_gone: Whether there is no such model any more; its answers can be in the cache.
    """

    setting: str
    name: str
    checksum: str
    tasks: tuple[str, ...]
    columns: Mapping[str, Array]
    is_gone: bool = False


def teacher_names(settings: Sequence[str]) -> list[str]:
    """Return what teachers are called: names that are no paths as they are, else the last folder of the path.

    For the best model of a run this is the run folder. Folders of the same name are told apart by those above them.
    """
    paths = [Path(setting) for setting in settings if Path(setting).is_absolute()]
    folders = [path.parent if path.name == layout.BEST_MODEL else path for path in paths]
    names = iter(distinct_names(folders))
    return [next(names) if Path(setting).is_absolute() else setting for setting in settings]


class Answering:
    """A teacher that was loaded to answer rows.

    Args:
        teacher: The teacher.
        config: Settings of the run, whose kinds the teacher's tasks may name.
        hardware: Device of the run; answers are fp32.

    Raises:
        SwissbertError: If the model cannot be read, or is not the one that `teacher` was found with.
    """

    def __init__(self, teacher: Teacher, config: RunConfig, hardware: Hardware) -> None:
        self._teacher = teacher
        self._model: Stored = read_model(teacher.setting, kinds=_kinds(config))
        if self._model.fingerprint != teacher.checksum:
            raise SwissbertError(
                f"{teacher.setting}: this teacher was replaced while the run was prepared; a model that is still training "
                "teaches nothing certain, so wait until it is done"
            )
        self._model.network.to(hardware.device)
        self.tokenizer = self._model.tokenizer
        self.max_length = self._model.description.encoder.max_length

    def is_separate(self, task: Task) -> bool:
        """Whether this model encodes the two sentences of a task separately."""
        return self._model.network.separate(task)

    def answers(
        self, task: Task, table: TokenTable, display: Display, name: str, on_share: Callable[[float], object]
    ) -> Array:
        """Answer rows in the order of the labels of the run: fp32 ``[N, C]`` or ``[N]``.

        Thresholds that heads fit on train rows count for dev rows, which are scored, and not for targets.

        Args:
            task: A task of the run.
            table: Their tokens, for this model.
            display: Shows progress.
            name: What the rows are: ``train``, ``dev``, or ``extra1`` and so on.
            on_share: Called with the share of the work that has just been done, from any thread.
        """
        network, total = self._model.network, float(table.lengths.sum())
        own = network.tasks[task.name]
        with display.work(f"teacher {self._teacher.name} answers {task.name} {name}", total) as done:

            def on_batch(tokens: int) -> None:
                done(tokens)
                on_share(tokens / total)

            answer = table_answers if name == "dev" else untuned_answers
            answers = answer(network, own, table, on_batch)
        columns = self._teacher.columns.get(task.name)
        return answers if columns is None else np.ascontiguousarray(answers[:, columns])


def find_teachers(config: RunConfig, display: Display, recorded: Mapping[str, object] | None = None) -> list[Teacher]:
    """Find the teachers of a run and what each of them answers; reads no weights.

    Args:
        config: The settings, with complete tasks.
        display: Receives a line about each teacher and about tasks without any.
        recorded: ``teachers`` and ``teacher_tasks`` of ``run.json`` of a resumed run, for teachers that are gone.

    Raises:
        SwissbertError: If there is no such model, it has none of the tasks, or a task of it is another one.
    """
    teachers: list[Teacher] = []
    settings = config.distillation.teachers
    for number, (setting, name) in enumerate(zip(settings, teacher_names(settings), strict=True), 1):
        teacher = _find(setting, name, number, config, display, recorded or {})
        same = next((other for other in teachers if other.checksum == teacher.checksum), None)
        if same is not None:
            raise SwissbertError(
                f"distillation.teachers: '{same.setting}' and '{setting}' are the same model; each counts once in the mean"
            )
        teachers.append(teacher)
    taught = {name for teacher in teachers for name in teacher.tasks}
    if teachers and (alone := [task.name for task in config.tasks if task.name not in taught]):
        display.say(f"no teacher for {joined(alone)}, trained on labels alone")
    return teachers


def teacher_checksums(config: RunConfig) -> list[str]:
    """Return a checksum of each teacher of a configuration, in its order.

    Raises:
        SwissbertError: If there is no such model.
    """
    return [read_identity(setting, _kinds(config))[1] for setting in config.distillation.teachers]


def _find(
    setting: str, name: str, number: int, config: RunConfig, display: Display, recorded: Mapping[str, object]
) -> Teacher:
    """Find one teacher, the `number`-th from 1."""
    try:
        resolve_folder(setting)
    except SwissbertError as error:
        if (gone := _recorded(setting, name, str(number), recorded)) is not None:
            return gone
        raise SwissbertError(f"distillation.teachers: {error}", argument="teacher") from error
    description, checksum = read_identity(setting, _kinds(config))
    own = {task.name: task for task in description.tasks}
    answered = [task for task in config.tasks if task.name in own]
    if not answered:
        raise SwissbertError(
            f"distillation.teachers: {setting} has none of the tasks of this run ({', '.join(t.name for t in config.tasks)}); "
            f"its tasks are {', '.join(own)}"
        )
    columns = {task.name: _columns(task, own[task.name], setting) for task in answered}
    teacher = Teacher(
        setting,
        name,
        checksum,
        tuple(task.name for task in answered),
        {name: order for name, order in columns.items() if order is not None},
    )
    lacking = [task.name for task in config.tasks if task.name not in own]
    moved = [name for name, order in teacher.columns.items() if (np.diff(order) < 0).any()]
    parts = [f"teacher {teacher.name} answers {joined(teacher.tasks)}"]
    parts += [f"has no {joined(lacking)}"] if lacking else []
    parts += [f"has the labels of {joined(moved)} in another order, which are matched by name"] if moved else []
    display.say("; ".join(parts))
    return teacher


def _recorded(setting: str, name: str, number: str, recorded: Mapping[str, object]) -> Teacher | None:
    """Return a teacher as a run recorded it; None if it did not."""
    checksums, tasks = recorded.get("teachers"), recorded.get("teacher_tasks")
    if not (isinstance(checksums, Mapping) and isinstance(tasks, Mapping)):
        return None
    checksum, names = checksums.get(number), tasks.get(number)
    if not (isinstance(checksum, str) and isinstance(names, list)):
        return None
    return Teacher(setting, name, checksum, tuple(map(str, names)), {}, is_gone=True)


def _columns(task: Task, own: Task, setting: str) -> Array | None:
    """Match a task of the run with that of a teacher, and return where the teacher has each label; None without labels.

    Raises:
        SwissbertError: If kind, inputs, labels or range differ.
    """
    where = f"distillation.teachers: task '{task.name}' of {setting}"
    if own.kind != task.kind:
        raise SwissbertError(f"{where} is a {own.kind.name}, but this run's is a {task.kind.name}")
    if own.is_pair != task.is_pair:
        reads = ("single texts", "pairs of texts")
        raise SwissbertError(f"{where} reads {reads[own.is_pair]}, but this run's reads {reads[task.is_pair]}")
    if own.range != task.range:
        ranges = [f"{low:g} to {high:g}" for low, high in filter(None, (own.range, task.range))]
        raise SwissbertError(f"{where} has scores from {ranges[0]}, but this run's are from {ranges[-1]}")
    if set(own.labels) != set(task.labels):
        raise SwissbertError(
            f"{where} has the labels {shortened([*map(in_list, own.labels)], SHOWN)}, but this run's are {shortened([*map(in_list, task.labels)], SHOWN)}; "
            "labels are matched by name, so both need the same names"
        )
    return np.array([own.labels.index(label) for label in task.labels]) if task.labels else None


def _kinds(config: RunConfig) -> dict[str, Kind]:
    return {task.kind.name: task.kind for task in config.tasks}
