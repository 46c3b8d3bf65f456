"""Every setting of a run in one validated tree, and the only home of defaults.

A recipe is a TOML file with these keys. `load_config` reads one, applies dotted overrides (``train.lr=1e-4``) and
returns a `RunConfig`; `dump_config` writes the effective settings back.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from swissbert.errors import SwissbertError, nearest
from swissbert.tasks import Settings, Task, explain, find_task, make_task, read_toml

RECIPES = Path(__file__).parent / "recipes"
STARTER = Path(__file__).parent / "data" / "starter"

# Numbers are strict: `true` or "3" for a number is a mistake, not a 1 or a 3.
Probability = Annotated[float, Field(ge=0, lt=1, strict=True)]
Rate = Annotated[float, Field(gt=0, le=1, strict=True)]
Count = Annotated[int, Field(ge=1, strict=True)]


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
    max_length: int = Field(default=512, ge=8, strict=True)


class ModelSettings(Settings):
    """Heads. `pair_encoding` reads ``[CLS] a [SEP] b [SEP]`` in one pass; without it the two sentences are encoded
    separately and their pooled outputs concatenated (paper, Section 4). `dropout` is that of the heads.
    """

    pair_encoding: bool = True
    dropout: Probability = 0.3


class LossSettings(Settings):
    """How task losses become one objective: see `swissbert.mtl.weighting`. `lr` is the rate of learned weights.

    `scale` multiplies a task's loss first, 1 where a task is not named: for instance ``scale.sts = 0.1`` where squared
    errors on a scale of 0 to 5 would outweigh cross-entropies.
    """

    weighting: Literal["sum", "learnable", "uncertainty", "automatic"] = "sum"
    scale: dict[str, Annotated[float, Field(gt=0, strict=True)]] = Field(default={})
    lr: Rate = 1e-4


class TrainSettings(Settings):
    """The loop. Lengths of things are in optimizer steps unless said otherwise.

    `epoch_ends` is ``shortest`` (the paper: when any task is exhausted), ``longest`` (shorter tasks start over) or a
    number of steps. `accumulation` rounds of batches make one step. `warmup` is a share of all steps.
    `best_by` is ``overall``, ``overall_normalised`` or ``task.metric``. `patience` counts evaluations without a new
    best before the run stops. `bucket` batches of like length are cut from each shuffled stretch of that many batches.
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
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    threads: Count | None = None
    best_by: str = "overall"
    patience: Count | None = None
    checkpoint_every: Count | None = None
    keep: Count = 2
    tensorboard: bool = True


class DataSettings(Settings):
    """Where rows come from, and what happens to bad ones: ``skip`` (reported and counted) or ``refuse``.

    `dir` is a path, or ``starter`` for the small corpus that ships. `limit` takes only that many rows of each split, the first ones in the file.
    """

    dir: str | None = None
    bad_rows: Literal["skip", "refuse"] = "skip"
    limit: Count | None = None

    @property
    def path(self) -> Path | None:
        """Where `dir` points; ``starter`` is the corpus that ships."""
        return data_path(self.dir)


def data_path(name: str | None) -> Path | None:
    """A data directory by path, or ``starter`` for the corpus that ships."""
    return None if name is None else STARTER if name == "starter" else Path(name)


class RunConfig(Settings):
    """One run. `tasks` holds shipped names, paths of declarations, or declarations themselves."""

    name: str = Field(default="run", pattern=r"^[\w.-]+$")
    seed: int = Field(default=0, ge=0, lt=2**31, strict=True)
    tasks: list[Task] = Field(min_length=1)
    data: DataSettings = DataSettings()
    encoder: EncoderSettings = EncoderSettings()
    model: ModelSettings = ModelSettings()
    loss: LossSettings = LossSettings()
    train: TrainSettings = TrainSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [task.name for task in self.tasks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"tasks: the name '{name}' is used twice")
        for name in self.loss.scale:
            if name not in names:
                raise ValueError(f"loss.scale names '{name}', but the tasks are {', '.join(names)}")
        allowed = ["overall", "overall_normalised"]
        for task in self.tasks:
            metrics = ["pearson", "spearman"] if task.kind == "regression" else ["accuracy", "macro_f1"]
            allowed += [f"{task.name}.{metric}" for metric in metrics]
        if self.train.best_by not in allowed:
            raise ValueError(f"train.best_by is '{self.train.best_by}', but it is one of {', '.join(allowed)}")
        return self


def recipes() -> dict[str, str]:
    """Shipped recipes: name to the comment on the file's first line."""
    return {
        path.stem: path.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ")
        for path in sorted(RECIPES.glob("*.toml"))
    }


def load_config(recipe: str | Path, overrides: list[str] | None = None) -> RunConfig:
    """Read a shipped recipe by name or a TOML file by path, apply ``key.path=value`` overrides and validate.

    Values of overrides are TOML (``3``, ``true``, ``[1, 2]``); what is not TOML is taken as a string.
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
    for override in overrides or []:
        _override(table, override)
    return make_config(table, str(path), path.parent)


def make_config(table: dict[str, Any], where: str, base: Path | None = None) -> RunConfig:
    """Validate a settings table; names and paths in ``tasks`` become declarations. Raises SwissbertError."""
    tasks = table.get("tasks", [])
    if not isinstance(tasks, list):
        raise SwissbertError(f"{where}: 'tasks' is {tasks!r}; it is a list of names, files and tables")
    resolved = [
        find_task(task, base)
        if isinstance(task, str)
        else make_task(task, f"{where}: tasks")
        if isinstance(task, dict)
        else task
        for task in tasks
    ]
    try:
        return RunConfig.model_validate({**table, "tasks": resolved})
    except ValidationError as error:
        raise explain(error, RunConfig, where) from error


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


def _override(table: dict[str, Any], override: str) -> None:
    """Put one ``key.path=value`` into a settings table."""
    path, sign, text = override.partition("=")
    keys = path.strip().split(".")
    if not sign or not all(keys):
        raise SwissbertError(f"--set {override}: write it as key=value, for instance train.lr=1e-4")
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        parsed = {}
    value = parsed["value"] if len(parsed) == 1 else text.strip()
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise SwissbertError(f"--set {override}: '{key}' is not a table of settings")
    table[keys[-1]] = value
