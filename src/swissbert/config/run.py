"""All settings of a run, and what they demand of each other."""

from collections.abc import Container
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from swissbert.config.data import DataSettings
from swissbert.config.distillation import DistillationSettings
from swissbert.config.loss import LossSettings, SamplingSettings
from swissbert.config.model import EncoderSettings, ModelSettings
from swissbert.config.regularisation import RegularisationSettings
from swissbert.config.stages import Stage
from swissbert.config.train import TrainSettings
from swissbert.errors import nearest
from swissbert.holdouts import with_stratify
from swissbert.selection import full_name
from swissbert.setting_tables import absolute_encoder, absolute_model, differences
from swissbert.settings import Settings, shown
from swissbert.tasks import Task, names_once


class RunConfig(Settings):
    """All settings of one run.

    Relative paths (`data.dir`, and `encoder.name` and `distillation.teachers` if they are folders) become absolute, so that a
    run can be resumed from any directory: those of a recipe start at its folder, others at the current directory.

    Attributes:
        name: Name of the run; default name of its folder.
        seed: Seed of everything random.
        tasks: The tasks; a recipe gives names of shipped tasks, paths of declarations (TOML) or declarations, which may begin
            with that of a task (``base``).
        data: Where rows come from.
        encoder: Which encoder.
        model: Heads.
        loss: How task losses become one objective.
        sampling: Which task the batches of a step are drawn from.
        regularisation: Terms that are added to the losses of the tasks.
        train: The training loop.
        stages: Parts of the run that follow each other; without any the whole run reads all tasks and rows.
        distillation: Which trained models teach the run.

    Example::

        config = swissbert.load_config("quickstart", ["train.epochs=1"])
        config.train.epochs
    """

    name: str = Field(
        default="run",
        pattern=r"^[\w-][\w.-]{0,99}$",
        description="up to 100 letters, digits, '_', '-' and '.' are expected, no '.' first",
    )
    seed: int = Field(default=0, ge=0, lt=2**31, strict=True)
    tasks: list[Task] = Field(min_length=1)
    data: DataSettings = DataSettings()
    encoder: EncoderSettings = EncoderSettings()
    model: ModelSettings = ModelSettings()
    loss: LossSettings = LossSettings()
    sampling: SamplingSettings = SamplingSettings()
    regularisation: RegularisationSettings = RegularisationSettings()
    train: TrainSettings = TrainSettings()
    stages: list[Stage] = []
    distillation: DistillationSettings = DistillationSettings()

    @field_validator("encoder")
    @classmethod
    def _absolute_encoder(cls, encoder: EncoderSettings) -> EncoderSettings:
        name = absolute_encoder(encoder.name, Path.cwd())
        return encoder if name == encoder.name else encoder.model_copy(update={"name": name})

    @field_validator("distillation")
    @classmethod
    def _absolute_teachers(cls, distillation: DistillationSettings) -> DistillationSettings:
        names = [absolute_model(name, Path.cwd()) for name in distillation.teachers]
        return distillation.model_copy(update={"teachers": names}) if names != distillation.teachers else distillation

    @field_validator("tasks")
    @classmethod
    def _with_stratify(cls, tasks: list[Task]) -> list[Task]:
        return with_stratify(tasks)

    @field_validator("train")
    @classmethod
    def _with_full_name(cls, train: TrainSettings, info: ValidationInfo) -> TrainSettings:
        tasks = info.data.get("tasks")
        name = train.best_by if tasks is None else full_name(train.best_by, tasks)  # None: the tasks are not valid
        return train if name == train.best_by else train.model_copy(update={"best_by": name})

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = names_once(self.tasks)
        for key, table in (("loss.scale", self.loss.scale), ("sampling.weights", self.sampling.weights)):
            for name in table:
                if name not in names:
                    raise ValueError(f"{key} names '{name}', but the tasks are {', '.join(names)}")
        for name in self.regularisation.tasks or []:
            if name not in names:
                raise ValueError(
                    f"regularisation.tasks names '{name}', but the tasks are {', '.join(names)}{nearest(name, names)}"
                )
        self._no_contradiction()
        self._stages_fit(names)
        self._rows_fit()
        self._has_teachers()
        return self

    def stage_tasks(self, stage: Stage) -> list[str]:
        """Return the names of the tasks of a stage, in the order of the run."""
        named = [task for task in self.tasks if not stage.tasks or task.name in stage.tasks]
        return [task.name for task in named if task.extra or stage.tasks or stage.rows != "extra"]

    def swaps_pairs(self, task: Task) -> bool:
        """Return whether pairs of a task change places in half of the cases."""
        return task.symmetric and self.data.swap_pairs

    def _rows_fit(self) -> None:
        """Raise ValueError for settings of rows that no task fits."""
        if self.data.swap_pairs and not any(task.symmetric for task in self.tasks):
            raise ValueError(
                "data.swap_pairs is true, but no task declares symmetric = true, which says that the order of a pair has no "
                "meaning"
            )

    def _has_teachers(self) -> None:
        """Raise ValueError for settings that need teachers, if there are none."""
        if self.distillation.teachers:
            return
        if changed := differences(DistillationSettings(), self.distillation):
            raise ValueError(
                f"distillation.{changed[0].partition(' ')[0]} is given, but distillation.teachers names no model whose "
                "answers it is about"
            )
        for task in self.tasks:
            for extra in task.extra:
                if extra.unlabelled:
                    raise ValueError(
                        f"extra file '{extra.file}' of task '{task.name}' is unlabelled, but distillation.teachers names no "
                        "model whose answers could be the targets of its rows"
                    )

    def _stages_fit(self, names: Container[str]) -> None:
        """Raise ValueError for stages that do not fit tasks, each other or other settings."""
        known: set[str] = set()
        for stage in self.stages:
            where = f"stages: stage '{stage.name}'"
            if stage.name in known:
                raise ValueError(f"stages: the name '{stage.name}' is used twice")
            known.add(stage.name)
            for name in stage.tasks or []:
                if name not in names:
                    tasks = [task.name for task in self.tasks]
                    raise ValueError(
                        f"{where} names '{name}', but the tasks are {', '.join(tasks)}{nearest(name, tasks)}"
                    )
            if stage.rows == "extra":
                chosen = [task for task in self.tasks if task.name in (stage.tasks or names) and not task.extra]
                if stage.tasks and chosen:
                    raise ValueError(f"{where} has rows = 'extra', but task '{chosen[0].name}' has no extra files")
                if not self.stage_tasks(stage):
                    raise ValueError(f"{where} has rows = 'extra', but no task has extra files (tasks.extra)")
        if sum(stage.share or 0.0 for stage in self.stages) > 1 + 1e-9:
            raise ValueError("stages: the shares add up to more than 1")
        if self.stages and self.sampling.method == "annealed":
            raise ValueError(
                "stages and sampling.method = 'annealed' exclude each other: it follows the number of epochs of one course"
            )

    def _no_contradiction(self) -> None:
        """Raise ValueError for settings that exclude each other, naming both."""
        method = self.sampling.method
        shared = self.model.layer_sharing and any(task.is_pair for task in self.tasks)
        surgery = f"loss.surgery = {'true' if self.loss.surgery is True else shown(self.loss.surgery)}"
        if self.loss.surgery and self.encoder.freeze and not shared:
            raise ValueError(f"{surgery} and encoder.freeze = true exclude each other: nothing that tasks share learns")
        if self.loss.surgery and len(self.tasks) == 1:
            raise ValueError(f"{surgery} needs at least two tasks in tasks: one gradient has nothing to conflict with")
        if self.encoder.freeze and self.model.pair_head == "cosine" and any(task.is_pair for task in self.tasks):
            raise ValueError(
                "encoder.freeze = true and model.pair_head = 'cosine' exclude each other: a pair task has nothing to learn"
            )
        if self.encoder.freeze and self.train.heads_first:
            raise ValueError(
                "encoder.freeze = true and train.heads_first exclude each other: with a frozen encoder only heads learn anyway"
            )
        smooth = next((task.name for task in self.tasks if task.is_pair and task.label_smoothing), None)
        if self.model.pair_head == "cosine" and smooth:
            raise ValueError(
                f"label_smoothing of task '{smooth}' and model.pair_head = 'cosine' exclude each other: "
                "the loss of a cosine has no targets to smooth"
            )
        if self.sampling.weights and method != "weighted":
            raise ValueError(
                f"sampling.weights is given, but sampling.method is '{method}'; only 'weighted' looks at them"
            )
        if self.sampling.draws is not None and method == "round_robin":
            raise ValueError(
                "sampling.draws is given, but sampling.method = 'round_robin' takes one batch of each task"
            )
