"""Every setting of a run in one validated tree, and the only home of defaults.

A recipe is a TOML file with these keys. `load_config` reads one, applies dotted overrides (``train.lr=1e-4``) and
returns a `RunConfig`; `dump_config` writes the effective settings back.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from swissbert.errors import SwissbertError, nearest
from swissbert.mtl.methods import METHODS, method_names
from swissbert.settings import Settings, read_toml, shown, validated
from swissbert.tasks import Task, find_task, make_task

RECIPES = Path(__file__).parent / "recipes"
STARTER = Path(__file__).parent / "data" / "starter"

# Numbers are strict: `true` or "3" for a number is a mistake, not a 1 or a 3.
Probability = Annotated[float, Field(ge=0, lt=1, strict=True)]
Rate = Annotated[float, Field(gt=0, le=1, strict=True)]
Count = Annotated[int, Field(ge=1, le=10**9, strict=True)]


class EncoderSettings(Settings):
    """Which encoder, and how it is used.

    `name` is ``minilm`` (from an installed package, offline), a folder, or a hub id; `revision` pins a hub id.
    `freeze` trains the heads alone (the paper's *pretrain* option); a frozen encoder runs without dropout.
    `dropout` is that of embeddings, attention and layers; left out, the checkpoint's own.
    """

    name: str = Field(default="google-bert/bert-base-uncased", min_length=1)
    revision: str | None = None
    freeze: bool = False
    dropout: Probability | None = None
    max_length: int = Field(default=512, ge=8, le=65_536, strict=True)


class ModelSettings(Settings):
    """Heads. `pair_encoding` reads ``[CLS] a [SEP] b [SEP]`` in one pass; without it the two sentences are encoded
    separately and their pooled outputs concatenated (paper, Section 4). `dropout` is that of the heads.

    `layer_sharing` puts a linear layer with a leaky ReLU before each head's own, one for all pair tasks. `pair_head`
    ``cosine`` replaces the heads of binary and regression pair tasks by the cosine of the two sentence vectors.
    """

    pair_encoding: bool = True
    dropout: Probability = 0.3
    layer_sharing: bool = False
    pair_head: Literal["linear", "cosine"] = "linear"

    @model_validator(mode="after")
    def _no_contradiction(self) -> Self:
        if self.pair_head == "cosine" and self.pair_encoding:
            raise ValueError(
                "model.pair_head = 'cosine' and model.pair_encoding = true exclude each other: "
                "a cosine needs a vector of each sentence, and a pair encoded together has one"
            )
        if self.pair_head == "cosine" and self.layer_sharing:
            raise ValueError(
                "model.pair_head = 'cosine' and model.layer_sharing = true exclude each other: a cosine has no layer to share"
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
    """Which task each batch of a step is of: see `swissbert.mtl.sampling`.

    ``round_robin`` takes one batch of each task a step (the paper's loop). The other methods draw a task `draws` times
    (the number of tasks if left out), with probabilities from `weights` (``weighted``) or from the number of rows of
    each task; an epoch that ends with the ``longest`` task then has as many batches as all tasks together.
    """

    method: Literal["round_robin", "weighted", "proportional", "square_root", "temperature", "annealed"] = "round_robin"
    weights: dict[str, Annotated[float, Field(gt=0, strict=True)]] = Field(default={})
    temperature: float = Field(default=2.0, gt=0, strict=True)
    draws: Count | None = None


class TrainSettings(Settings):
    """The training loop. Lengths are in optimizer steps unless stated otherwise.

    Attributes:
        epochs: Number of epochs.
        batch_size: Rows of a batch.
        epoch_ends: ``shortest`` (the paper: when any task is exhausted), ``longest`` (shorter tasks start over), or a
            number of steps.
        max_steps: Upper limit for the steps of the run.
        lr: Learning rate of the encoder.
        head_lr: Learning rate of heads; `lr` if left out.
        weight_decay: Weight decay, except of norms, biases and the parameters of balancing methods.
        schedule: Course of the learning rates after the warm-up.
        warmup: Share of all steps in which the rates rise linearly.
        clip: Upper limit for the norm of the gradient.
        accumulation: Rounds of batches per step.
        bucket: Number of batches in each stretch of shuffled rows that is sorted by length.
        precision: Precision of the encoder's products: ``auto`` is bf16 where the hardware has it natively, else fp32.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        threads: Thread count of torch; its own default if left out.
        on_hardware_change: What a resumed run does if it cannot keep the device, precision or thread count that it
            began with and that were left to the machine: ``continue`` with what there is, or ``refuse``.
        best_by: The score that decides which model is kept: ``overall``, ``overall_normalised`` or ``task.metric``.
        patience: Number of evaluations without a new best after which the run stops.
        checkpoint_every: Steps between checkpoints; one is written after each epoch anyway.
        keep: Number of checkpoints that are kept.
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
    best_by: str = "overall"
    patience: Count | None = None
    checkpoint_every: Count | None = None
    keep: Count = 2
    tensorboard: bool = True


class DataSettings(Settings):
    """Where rows come from, and what happens to bad ones: ``skip`` (reported and counted) or ``refuse``.

    `dir` is a path, kept as an absolute one, or ``starter`` for the small corpus that ships. `limit` takes only that
    many rows of each split, the first ones in the file. `cache` keeps tokens on disk: see `swissbert.data.cache`.
    """

    dir: str | None = None
    bad_rows: Literal["skip", "refuse"] = "skip"
    limit: Count | None = None
    cache: bool = Field(default=True, strict=True)

    @field_validator("dir")
    @classmethod
    def _absolute(cls, name: str | None) -> str | None:
        return name if name in (None, "starter") else str(Path(name).absolute())

    @property
    def path(self) -> Path | None:
        """Where `dir` points; ``starter`` is the corpus that ships."""
        return data_path(self.dir)


def data_path(name: str | None) -> Path | None:
    """A data directory by path, or ``starter`` for the corpus that ships."""
    return None if name is None else STARTER if name == "starter" else Path(name)


class RunConfig(Settings):
    """One run. `tasks` holds shipped names, paths of declarations, or declarations themselves."""

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

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [task.name for task in self.tasks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"tasks: the name '{name}' is used twice")
        for key, table in (("loss.scale", self.loss.scale), ("sampling.weights", self.sampling.weights)):
            for name in table:
                if name not in names:
                    raise ValueError(f"{key} names '{name}', but the tasks are {', '.join(names)}")
        self._no_contradiction()
        allowed = ["overall", "overall_normalised"]
        for task in self.tasks:
            allowed += [f"{task.name}.{metric}" for metric in task.kind.metrics]
        if self.train.best_by not in allowed:
            raise ValueError(f"train.best_by is '{self.train.best_by}', but it is one of {', '.join(allowed)}")
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
        if self.sampling.weights and method != "weighted":
            raise ValueError(
                f"sampling.weights is given, but sampling.method is '{method}'; only 'weighted' looks at them"
            )
        if self.sampling.draws is not None and method == "round_robin":
            raise ValueError(
                "sampling.draws is given, but sampling.method = 'round_robin' takes one batch of each task"
            )


def recipes() -> dict[str, str]:
    """Shipped recipes: name to the comment on the file's first line."""
    return {
        path.stem: path.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ")
        for path in sorted(RECIPES.glob("*.toml"))
    }


def load_config(recipe: str | Path, overrides: list[str] | None = None, data: str | None = None) -> RunConfig:
    """Read a shipped recipe by name or a TOML file by path, apply ``key.path=value`` overrides and validate.

    Values of overrides are TOML (``3``, ``true``, ``[1, 2]``); what is not TOML is taken as a string. Paths in a recipe
    are relative to its folder, those in overrides to the current one. `data`, if given, is ``data.dir`` as it stands.
    Raises SwissbertError that names the key, the value and what is allowed.
    """
    path = Path(recipe)
    if str(recipe) in recipes():
        path = RECIPES / f"{recipe}.toml"
    elif path.suffix != ".toml":
        raise SwissbertError(
            f"no recipe '{recipe}'{nearest(str(recipe), recipes())} (there are {', '.join(recipes())}; a file of your own ends in .toml)"
        )
    table = read_toml(path)
    _anchor(table, path.parent)
    sources = apply_overrides(table, overrides or [])
    if data is not None and isinstance(section := table.setdefault("data", {}), dict):
        section["dir"] = data
        sources["data.dir"] = "--data"
    return make_config(table, str(path), sources)


def apply_overrides(table: dict[str, Any], overrides: list[str]) -> dict[str, str]:
    """Put ``key.path=value`` overrides into a settings table. Returns what to call each dotted key in messages."""
    sources: dict[str, str] = {}
    for override in overrides:
        source = f"--set {' '.join(override.split())}"[:200]
        sources[_override(table, override, source)] = source
    return sources


def make_config(table: dict[str, Any], where: str, overrides: dict[str, str] | None = None) -> RunConfig:
    """Validate a settings table; names and paths in ``tasks`` become declarations. Raises SwissbertError.

    `where` is what the table is called in messages, `overrides` what the dotted keys are that came from elsewhere.
    """
    tasks = table.get("tasks", [])
    whence = (overrides or {}).get("tasks", where)
    if not isinstance(tasks, list):
        raise SwissbertError(f"{whence}: 'tasks' is {shown(tasks)}; it is a list of names, files and tables")
    resolved = [
        find_task(task)
        if isinstance(task, str)
        else make_task(task, f"{whence}: tasks")
        if isinstance(task, dict)
        else task
        for task in tasks
    ]
    return validated(RunConfig, {**table, "tasks": resolved}, where, overrides)


def dump_config(config: RunConfig) -> str:
    """The effective settings as TOML; keys without a value are left out. `make_config` reads it back unchanged."""
    import tomli_w

    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))


def differences(old: RunConfig, new: RunConfig) -> list[str]:
    """Dotted names of the settings in which two runs differ, with both values, sorted."""
    flat_old, flat_new = _flat(old.model_dump(mode="json")), _flat(new.model_dump(mode="json"))
    keys = sorted(flat_old.keys() | flat_new.keys())
    return [
        f"{key} ({flat_old.get(key)!r} became {flat_new.get(key)!r})"
        for key in keys
        if flat_old.get(key) != flat_new.get(key)
    ]


def _flat(node: object, prefix: str = "") -> dict[str, object]:
    """Dotted names of all leaves; a list of tables goes by their names, whose order is a leaf too."""
    leaves: dict[str, object] = {}
    if isinstance(node, dict):
        children = {f"{prefix}.{key}" if prefix else str(key): value for key, value in node.items()}
    elif isinstance(node, list) and node and all(isinstance(item, dict) for item in node):
        leaves[prefix] = [item["name"] for item in node]
        children = {f"{prefix}[{item['name']}]": item for item in node}
    else:
        return {prefix: node}
    for name, value in children.items():
        leaves |= _flat(value, name)
    return leaves


def _anchor(table: dict[str, Any], base: Path) -> None:
    """Put the folder of a recipe before the relative paths in it."""
    data, tasks = table.get("data"), table.get("tasks")
    if isinstance(data, dict) and isinstance(data.get("dir"), str) and data["dir"] != "starter":
        data["dir"] = str(base / data["dir"])
    if isinstance(tasks, list):
        table["tasks"] = [str(base / t) if isinstance(t, str) and t.endswith(".toml") else t for t in tasks]


def _override(table: dict[str, Any], override: str, source: str) -> str:
    """Put one ``key.path=value``, called `source` in messages, into a settings table; return its dotted key."""
    path, sign, text = override.partition("=")
    keys = path.strip().split(".")
    if not sign or not all(keys):
        raise SwissbertError(f"{source}: write it as key=value, for instance train.lr=1e-4")
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        parsed = {}
    value = parsed["value"] if len(parsed) == 1 else text.strip()
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise SwissbertError(f"{source}: '{key}' is not a table of settings")
    table[keys[-1]] = value
    return ".".join(keys)
