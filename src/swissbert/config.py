"""The settings of a run: one validated tree, the only place of defaults, and how recipes are read and written.

A recipe is a TOML file with these keys. `load_config` reads one, applies dotted overrides (``train.lr=1e-4``) and
returns a `RunConfig`; `dump_config` writes the effective settings back.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from swissbert.data.bad_rows import MAX_BAD
from swissbert.data.formats import Format
from swissbert.encoder.pooling import POOLINGS
from swissbert.errors import SwissbertError, nearest
from swissbert.model.heads import HEADS
from swissbert.mtl.methods import METHODS, method_names
from swissbert.selection import full_name, with_stratify
from swissbert.setting_tables import absolute_encoder, anchor
from swissbert.setting_tables import apply_overrides as apply_overrides
from swissbert.setting_tables import differences as differences
from swissbert.settings import Settings, read_toml, shown, validated
from swissbert.tasks import Task, find_task, make_task, names_once

RECIPES = Path(__file__).parent / "recipes"
STARTER = Path(__file__).parent / "data" / "starter"

# Numbers are strict: `true` or "3" for a number is a mistake, not a 1 or a 3.
Probability = Annotated[float, Field(ge=0, lt=1, strict=True)]
Rate = Annotated[float, Field(gt=0, le=1, strict=True)]
Count = Annotated[int, Field(ge=1, le=10**9, strict=True)]


MayChange = Literal[
    "seed",
    "train.lr",
    "train.head_lr",
    "train.weight_decay",
    "train.schedule",
    "train.warmup",
    "train.clip",
    "train.tie",
    "train.precision",
    "train.device",
    "train.threads",
    "loss.lr",
    "loss.scale",
    "model.dropout",
    "encoder.dropout",
]
"""Settings that a resumed run may change if ``train.may_change`` names them: its checkpoints fit with any value."""
MAY_CHANGE = get_args(MayChange)


class EncoderSettings(Settings):
    """Which encoder, and how it is used.

    Attributes:
        name: ``minilm`` (from an installed package, offline), a folder, or a hub id (``owner/name``). A folder may also be
            a model folder or a run folder, whose best model is taken; it is kept as an absolute path, see `RunConfig`.
        revision: Branch, tag or commit of a hub id.
        freeze: Train the heads alone (the paper's *pretrain* option); a frozen encoder runs without dropout.
        dropout: Dropout of embeddings, attention and layers, 0 to below 1; left out, the checkpoint's own.
        max_length: Longest sequence in tokens; longer ones are cut.
    """

    name: str = Field(default="minilm", min_length=1)
    revision: str | None = None
    freeze: bool = False
    dropout: Probability | None = None
    max_length: int = Field(default=512, ge=8, le=65_536, strict=True)


class ModelSettings(Settings):
    """Heads and how they read a pair.

    Attributes:
        pooling: How the vectors of a sequence become one: ``pooler`` (the first token through BERT's pooler, as in the
            paper), ``cls`` (the first token alone), ``mean`` (the mean over all tokens) or ``cls_mean`` (both).
        pair_encoding: Encode a pair as ``[CLS] a [SEP] b [SEP]`` in one pass. Otherwise the two sentences are encoded
            separately and their pooled outputs concatenated (paper, Section 4).
        dropout: Dropout of the heads, 0 to below 1.
        layer_sharing: Put a linear layer with a leaky ReLU before the head's own; all pair tasks share one.
        pair_head: ``cosine`` answers binary and regression pair tasks by the cosine of the two sentence vectors (the
            paper), ``similarity`` by a learned curve on it; ``bi_encoder`` answers any pair task by a linear layer on
            both vectors, their difference, product and cosine.
    """

    pooling: str = "pooler"
    pair_encoding: bool = True
    dropout: Probability = 0.3
    layer_sharing: bool = False
    pair_head: str = "linear"

    @field_validator("pooling")
    @classmethod
    def _known_pooling(cls, name: str) -> str:
        if name not in POOLINGS:
            raise ValueError(
                f"model.pooling is '{name}', but it is one of {', '.join(POOLINGS)}{nearest(name, POOLINGS)}"
            )
        return name

    @field_validator("pair_head")
    @classmethod
    def _known_head(cls, name: str) -> str:
        if name not in HEADS:
            raise ValueError(f"model.pair_head is '{name}', but it is one of {', '.join(HEADS)}{nearest(name, HEADS)}")
        return name

    @model_validator(mode="after")
    def _no_contradiction(self) -> Self:
        if self.pair_head != "linear" and self.pair_encoding:
            raise ValueError(
                f"model.pair_head = '{self.pair_head}' and model.pair_encoding = true exclude each other: "
                f"a {self.pair_head} needs one vector per sentence, and a pair that is encoded together has one vector"
            )
        if self.pair_head != "linear" and self.layer_sharing:
            raise ValueError(
                f"model.pair_head = '{self.pair_head}' and model.layer_sharing = true exclude each other: "
                f"a {self.pair_head} head has no layers"
            )
        return self


class LossSettings(Settings):
    """How the losses and gradients of the tasks become one update.

    Attributes:
        weighting: Name of a method in `swissbert.mtl.METHODS` that weights task losses.
        scale: Factor of a task's loss before the weighting; 1 for tasks that are not named. For instance
            ``scale.sts = 0.1`` where squared errors on a scale of 0 to 5 would outweigh cross-entropies.
        lr: Learning rate of the parameters of the methods.
        surgery: Whether and how the gradients of the weighted losses are combined other than by their sum: false, true
            (``pcgrad``, the paper's gradient surgery), or the name of a method in `swissbert.mtl.METHODS` that works on
            the Gram matrix of the task gradients.
    """

    weighting: str = "sum"
    scale: dict[str, Annotated[float, Field(gt=0, strict=True)]] = Field(default={})
    lr: Rate = 1e-4
    surgery: bool | str = False

    @field_validator("weighting")
    @classmethod
    def _known_weighting(cls, name: str) -> str:
        names = method_names("own loss", "all losses")
        if name not in names:
            hint = "; loss.surgery takes this method" if name in METHODS else nearest(name, names)
            raise ValueError(f"loss.weighting is '{name}', but it is one of {', '.join(names)}{hint}")
        return name

    @field_validator("surgery", mode="before")
    @classmethod
    def _known_surgery(cls, value: object) -> object:
        names = method_names("gram")
        if value == "pcgrad":
            return True  # both spellings are the same setting, also where a resumed run is compared with its record
        if not isinstance(value, bool) and value not in names:
            is_method = isinstance(value, str) and value in METHODS
            hint = "; loss.weighting takes this method" if is_method else nearest(str(value), names)
            raise ValueError(f"loss.surgery is '{value}', but it is one of true, false, {', '.join(names)}{hint}")
        return value

    @property
    def gram_method(self) -> str | None:
        """Name of the method that combines task gradients, or None if they are summed."""
        return self.surgery if isinstance(self.surgery, str) else "pcgrad" if self.surgery else None


class SamplingSettings(Settings):
    """Which task the batches of a step are drawn from: see `swissbert.mtl.sampling`.

    Attributes:
        method: ``round_robin`` takes one batch of each task per step (the paper's loop). The other methods draw tasks
            at random, with probabilities from `weights` (``weighted``) or from the number of rows of each task; an
            epoch that ends with the ``longest`` task then has as many batches as all tasks together.
        weights: Relative probability of each task, for ``weighted``.
        temperature: Exponent 1/T on the number of rows, for ``temperature``.
        draws: Tasks drawn per step; the number of tasks if left out.
    """

    method: Literal["round_robin", "weighted", "proportional", "square_root", "temperature", "annealed"] = "round_robin"
    weights: dict[str, Annotated[float, Field(gt=0, strict=True)]] = Field(default={})
    temperature: float = Field(default=2.0, gt=0, strict=True)
    draws: Count | None = None


class TrainSettings(Settings):
    """The training loop. Lengths are in optimizer steps unless stated otherwise.

    What is left out of `epochs`, `batch_size`, `lr`, `head_lr`, `schedule`, `warmup`, `patience` and `tie` is chosen from the
    encoder and the number of rows when training starts (see `swissbert.training.automatic`), shown, and written into
    the run.

    Attributes:
        epochs: Number of epochs.
        batch_size: Rows of a batch.
        epoch_ends: ``shortest`` (the paper: when any task is exhausted), ``longest`` (shorter tasks start over), or a
            number of steps.
        max_steps: Upper limit for the steps of the run.
        lr: Learning rate of the encoder.
        head_lr: Learning rate of heads. Left out it is `lr`, or ten times the rate that is chosen where `lr` is left out.
        weight_decay: Weight decay, except of norms, biases and the parameters of balancing methods.
        schedule: Course of the learning rates after the warm-up. It and `warmup` are chosen only where `lr` is.
        warmup: Share of all steps in which the rates rise linearly.
        clip: Upper limit for the norm of the gradient.
        accumulation: Rounds of batches per step; the last step of an epoch takes those that are left.
        bucket: Number of batches in each stretch of shuffled rows that is sorted by length.
        precision: Precision of the encoder's products: ``auto`` is bf16 where the hardware has it natively, else fp32.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        threads: Thread count of torch; its own default if left out.
        on_hardware_change: What a resumed run does if the device, precision, thread count, processor, environment
            variables, versions or code are not those that it was trained with: ``continue``, which is said and recorded,
            or ``refuse``.
        may_change: Settings that a resumed run may change although its losses depend on them, such as ``["train.lr"]``.
        best_by: The score on dev rows that decides which model is kept: ``overall``, ``overall_normalised``,
            ``task.metric`` (``metric`` alone where one task has it), ``task.loss``, or ``loss``, the sum of the losses of
            the tasks times ``loss.scale``.
        patience: Number of evaluations without a new best after which the run stops; chosen only where `epochs` is.
        tie: Values of `best_by` within this much of the best count as equal, and of these the latest model is kept. With 0
            it is the first one.
        checkpoint_every: Steps between checkpoints; one is written after each epoch anyway.
        keep: Number of checkpoints that are kept.
        baseline: Whether the scores are compared with chance and with TF-IDF and a linear model at the end.
        tensorboard: Whether TensorBoard files are written, if tensorboard is installed.
    """

    epochs: Count = 3
    batch_size: Count = 32
    epoch_ends: Literal["shortest", "longest"] | Count = "shortest"
    max_steps: Count | None = None
    lr: Rate = 1e-5
    head_lr: Rate | None = None
    weight_decay: Probability = 0.0
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup: Probability = 0.0
    clip: float | None = Field(default=None, gt=0, strict=True)
    accumulation: Count = 1
    bucket: Count = 50
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d{1,3})?)$",
        description="auto, cpu, mps, cuda or cuda:N is expected",
    )
    threads: int | None = Field(default=None, ge=1, le=1024, strict=True)
    on_hardware_change: Literal["continue", "refuse"] = "continue"
    may_change: list[MayChange] = Field(default=[])
    best_by: str = "overall"
    patience: Count | None = None
    tie: float = Field(default=0.0, ge=0, strict=True)
    checkpoint_every: Count | None = None
    keep: Count = 2
    baseline: bool = True
    tensorboard: bool = True


class DataSettings(Settings):
    """Where rows come from, and what happens to bad ones.

    Attributes:
        dir: Directory with the tasks' files, kept as an absolute path, or ``starter`` for the corpus that ships.
        bad_rows: ``skip`` (reported and counted) or ``refuse``.
        max_bad: Largest share of bad rows in a split, 0 to 1. A few bad rows are slips, and the others teach the same
            without them; if more than a tenth is bad the cause is mostly one (an encoding, a delimiter, a list of labels)
            that makes what is left a biased sample, so training stops and names it. One bad row never stops it,
            unless the share is 0; rows without a label are counted apart and are not bad.
        limit: Use only this many rows of each split, the first ones in the file.
        cache: Keep tokens on disk: see `swissbert.data.cache`.
    """

    dir: str | None = None
    bad_rows: Literal["skip", "refuse"] = "skip"
    max_bad: float = Field(default=MAX_BAD, ge=0, le=1, strict=True)
    limit: Count | None = None
    cache: bool = Field(default=True, strict=True)

    @field_validator("dir")
    @classmethod
    def _absolute(cls, name: str | None) -> str | None:
        return name if name in (None, "starter") else str(Path(name).absolute())

    @property
    def path(self) -> Path | None:
        """The directory `dir`, with ``starter`` resolved; None if there is none."""
        return data_path(self.dir)


def data_path(name: str | None) -> Path | None:
    """Return a data directory by path, or by the name ``starter`` the corpus that ships; None for None."""
    return None if name is None else STARTER if name == "starter" else Path(name)


class RunConfig(Settings):
    """All settings of one run.

    Relative paths (`data.dir`, and `encoder.name` if it is a folder) become absolute, so that a run can be resumed
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

    @field_validator("encoder")
    @classmethod
    def _absolute_encoder(cls, encoder: EncoderSettings) -> EncoderSettings:
        name = absolute_encoder(encoder.name, Path.cwd())
        return encoder if name == encoder.name else encoder.model_copy(update={"name": name})

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


def recipes() -> dict[str, str]:
    """Return the shipped recipes: names, and the comment on the first line of their files."""
    return {
        path.stem: path.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ")
        for path in sorted(RECIPES.glob("*.toml"))
    }


def load_config(recipe: str | Path, overrides: list[str] | None = None, data: str | None = None) -> RunConfig:
    """Read a recipe.

    Args:
        recipe: Name of a shipped recipe, or path of a TOML file. Relative paths in it start at its folder.
        overrides: Settings to change, ``key.path=value``. Values are TOML (``3``, ``true``, ``[1, 2]``); anything else
            is taken as text. Relative paths start at the current directory.
        data: Value for ``data.dir``.

    Raises:
        SwissbertError: Names source, key, value and what is allowed.
    """
    path = Path(recipe)
    if str(recipe) in recipes():
        path = RECIPES / f"{recipe}.toml"
    elif path.suffix != ".toml" and (path.suffix or len(path.parts) > 1) and not path.exists():
        raise SwissbertError(f"{path}: there is no such file; a recipe of your own ends in .toml")
    elif path.suffix != ".toml":
        raise SwissbertError(
            f"no recipe '{recipe}'{nearest(str(recipe), recipes())} (there are {', '.join(recipes())}; a file of your own ends in .toml)"
        )
    table = read_toml(path)
    anchor(table, path.parent.resolve())
    sources = apply_overrides(table, overrides or [])
    if data is not None and isinstance(section := table.setdefault("data", {}), dict):
        section["dir"] = data
        sources["data.dir"] = "argument data"
    return make_config(table, str(path), sources)


def make_config(
    table: dict[str, Any],
    where: str = "settings",
    overrides: dict[str, str] | None = None,
    *,
    like: RunConfig | None = None,
) -> RunConfig:
    """Validate a table of settings.

    Args:
        table: Nested dictionaries, as read from TOML; ``tasks`` may hold names, paths, tables and `Task` objects.
        where: Name of the table in messages, usually a path.
        overrides: Dotted keys that came from elsewhere, with the name of that source.
        like: Settings whose kinds and formats from outside the package may be named in the table.

    Raises:
        SwissbertError: Names source, key, value and what is allowed.
    """
    known = like.tasks if like else []
    kinds = {task.kind.name: task.kind for task in known}
    formats = {task.format.name: task.format for task in known if isinstance(task.format, Format)}
    tasks = table.get("tasks", [])
    source = (overrides or {}).get("tasks", where)
    if not isinstance(tasks, list):
        raise SwissbertError(f"{source}: 'tasks' is {shown(tasks)}; it must be a list of names, files and tables")
    resolved: list[object] = []
    names: set[str] = set()
    for task in tasks:
        if isinstance(task, str):
            task = find_task(task)
        elif isinstance(task, dict):
            task = make_task(task, f"{source}: tasks", kinds, formats)
        resolved.append(task)
        if not isinstance(task, Task):
            break  # an error of its own, one for all
        if task.name in names:
            raise SwissbertError(f"{source}: tasks: the name '{task.name}' is used twice")
        names.add(task.name)
    return validated(RunConfig, {**table, "tasks": resolved}, where, overrides)


def dump_config(config: RunConfig) -> str:
    """Return the effective settings as TOML, without keys that have no value. `make_config` reads it back unchanged."""
    import tomli_w

    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))
