"""All settings of a run, and what they demand of each other."""

from pathlib import Path
from typing import Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from swissbert.config.data import DataSettings
from swissbert.config.distillation import DistillationSettings
from swissbert.config.loss import LossSettings, SamplingSettings
from swissbert.config.model import EncoderSettings, ModelSettings
from swissbert.config.train import TrainSettings
from swissbert.selection import full_name, with_stratify
from swissbert.setting_tables import absolute_encoder, absolute_model, differences
from swissbert.settings import Settings, shown
from swissbert.tasks import Task, names_once


class RunConfig(Settings):
    """All settings of one run.

    Relative paths (`data.dir`, and `encoder.name` and `distillation.teachers` if they are folders) become absolute, so that a run can be resumed
    from any directory: those of a recipe start at its folder, others at the current directory.

    Attributes:
        name: Name of the run; default name of its folder.
        seed: Seed of everything random.
        tasks: The tasks; a recipe gives names of shipped tasks, paths of declarations (TOML) or declarations.
        data: Where rows come from.
        encoder: Which encoder.
        model: Heads.
        loss: How task losses become one objective.
        sampling: Which task the batches of a step are drawn from.
        train: The training loop.
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
    train: TrainSettings = TrainSettings()
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
        self._no_contradiction()
        return self

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
        if not self.distillation.teachers and (changed := differences(DistillationSettings(), self.distillation)):
            raise ValueError(
                f"distillation.{changed[0].partition(' ')[0]} is given, but distillation.teachers names no model whose "
                "answers it is about"
            )
