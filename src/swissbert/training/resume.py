"""Settings of a resumed run: those it began with, where its data and encoder are now, and what may change."""

import os.path
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swissbert.config import MAY_CHANGE, RunConfig, changed_meaning, data_path, make_config
from swissbert.data.source_files import has_split_files
from swissbert.errors import SwissbertError
from swissbert.model_folder import layout
from swissbert.model_folder.encoders import is_local
from swissbert.model_folder.moved import moved_folder
from swissbert.older_settings import upgraded_task, upgraded_tasks, with_pooler
from swissbert.setting_tables import apply_overrides, shown_change
from swissbert.settings import read_toml, shown
from swissbert.training.automatic import adopt_choices
from swissbert.training.record import read_record

FREE = (
    "train.on_hardware_change",
    "train.may_change",
    "train.checkpoint_every",
    "train.keep",
    "train.baseline",
    "train.trackers",
    "data.cache",
)
"""Settings that a resumed run may change, because its losses do not depend on them."""

LOCATION = re.compile(r"data\.dir|encoder\.(name|revision)|tasks\[\w+\]\.((files|label_files)\..+|extra\[\d+\]\.file)")
"""Settings that say where rows and encoder are. They may change, because the content is compared (see `start.begin`)."""

LENGTH = ("train.epochs", "train.max_steps", "train.patience")
"""Settings that a resumed run may raise."""


@dataclass(frozen=True)
class Changes:
    """Settings that a resumed run changes: old and new values by dotted name.

    Attributes:
        moved: Where data and encoder are.
        longer: Limits for the length of the run.
        allowed: Settings that its losses depend on and that ``train.may_change`` names.
    """

    moved: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    longer: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    allowed: dict[str, tuple[Any, Any]] = field(default_factory=dict)


def stored_config(out: Path, like: RunConfig | None = None, record: Mapping[str, Any] | None = None) -> RunConfig:
    """Read the settings that a run was trained with so far: those in its record, whatever became of ``config.toml``.

    Args:
        out: The run folder.
        like: Settings with the kinds and formats from outside the package that the stored ones may name.
        record: Contents of its ``run.json``, which is read if left out.

    Raises:
        SwissbertError: If it has none, or they are not settings of this version.
    """
    record = record or read_record(out) or {}
    edited, settings = _stored_table(out, record), record.get("settings")
    if isinstance(settings, dict):
        return _validated(_with_meaning(settings, record.get("format", 1)), out, like=like)
    return _validated(edited, out, like=like)


def resumable_config(out: Path, overrides: list[str] | None = None, data: str | None = None) -> RunConfig:
    """Read the settings of a run folder and change some.

    A data or encoder folder that is missing is looked for where it lies as seen from the run folder, which may have been
    moved or copied together with it.

    Args:
        out: The run folder.
        overrides: Settings to change, ``key.path=value``; `train` says which ones may.
        data: Value for ``data.dir``.

    Raises:
        SwissbertError: If there are no such settings, or an override is not valid.
    """
    table = _stored_table(out, read_record(out) or {})
    _relocate(table, out)
    sources = apply_overrides(table, overrides or [])
    if data is not None:
        table.setdefault("data", {})["dir"] = data
        sources["data.dir"] = "argument data"
    return _validated(table, out, sources)


def _stored_table(out: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Read ``config.toml``, and convert settings of an earlier release, which its record tells, to their meaning today."""
    table = read_toml(_config_file(out))
    version = record.get("format", 1)
    if version == 1 and "tasks" in table:
        table["tasks"] = upgraded_tasks(table["tasks"])
    return _with_meaning(table, version)


def _with_meaning(table: dict[str, Any], version: int) -> dict[str, Any]:
    """Return stored settings with the pooling of their run, which runs before version 3 do not name."""
    return with_pooler(table) if version < 3 else table


def _config_file(out: Path) -> Path:
    """Return the path of ``config.toml``, or raise SwissbertError that says what the folder is instead."""
    path = out / layout.RUN_CONFIG
    if path.is_file():
        return path
    around = layout.run_folder(out)
    if around is not None:
        raise SwissbertError(f"{out}: this is the model of the run {around}; resume that folder", argument="out")
    if layout.is_model_folder(out):
        raise SwissbertError(
            f"{out}: this is a model without its run, so it cannot be resumed; encoder.name = '{out}' begins a new run "
            "with its encoder",
            argument="out",
        )
    if not out.is_dir():
        raise SwissbertError(f"{out}: there is no run to resume, because there is no such folder", argument="out")
    raise SwissbertError(
        f"{out}: there is no run to resume (no {layout.RUN_CONFIG}); name the folder that training wrote",
        argument="out",
    )


def as_begun(config: RunConfig, out: Path, record: Mapping[str, Any] | None = None) -> RunConfig:
    """Return settings of a run that is resumed, with what was chosen when it began wherever they leave it open.

    Args:
        config: The settings.
        out: The run folder, which has its settings.
        record: Contents of its ``run.json``, which is read if left out.

    Raises:
        SwissbertError: If the stored settings cannot be read.
    """
    return with_stored_meaning(adopt_choices(config, stored_config(out, config, record)), out)


def with_stored_meaning(config: RunConfig, out: Path) -> RunConfig:
    """Fill in what swissbert 0.1.0 had no settings for, ``stratify`` and ``scale``, with what it did.

    Args:
        config: Settings of the run that is resumed.
        out: Its folder.
    """
    stored = read_toml(_config_file(out)).get("tasks", [])
    old = {
        task["name"]: task for task in stored if isinstance(task, dict) and "stratify" not in task and "name" in task
    }
    tasks = []
    for task in config.tasks:
        upgraded = upgraded_task({**old[task.name], "kind": task.kind.name}) if task.name in old else {}
        update: dict[str, object] = {"stratify": upgraded["stratify"]} if upgraded else {}
        if "scale" in upgraded and "scale" not in task.model_fields_set:
            update["scale"] = upgraded["scale"]
        tasks.append(task.model_copy(update=update))
    return config.model_copy(update={"tasks": tasks})


def _validated(
    table: dict[str, Any], out: Path, sources: dict[str, str] | None = None, like: RunConfig | None = None
) -> RunConfig:
    """Validate stored settings; where those of the file are not valid, name the version that wrote them."""
    where = str(out / layout.RUN_CONFIG)
    try:
        return make_config(table, where, sources, like=like)
    except SwissbertError as error:
        if not str(error).startswith(where):
            raise
        version = (read_record(out) or {}).get("swissbert")
        writer = f"swissbert {version}" if version else "another version of swissbert"
        raise SwissbertError(
            f"{error}; this run was written by {writer} or edited: resume it with that version, or start a new run in "
            "another folder"
        ) from error


def _relocate(table: dict[str, Any], out: Path) -> None:
    """Replace missing data and encoder folders by those that lie likewise from the run folder, in place."""
    config = _validated(table, out)
    name, data = config.encoder.name, config.data.dir
    for number, teacher in enumerate(config.distillation.teachers):
        if os.path.isabs(teacher) and not os.path.isdir(teacher) and (folder := moved_folder(out, teacher)) is not None:
            table["distillation"]["teachers"][number] = str(folder)
    if not os.path.isdir(name):
        encoder = moved_folder(out, name)
        if encoder is not None and (encoder / layout.CONFIG).is_file():
            table["encoder"]["name"] = str(encoder)
    if data is not None and not os.path.isdir(data):
        folder, tasks = moved_folder(out, data), [task for task in config.tasks if task.files]
        if folder is not None and all(has_split_files(task, "train", folder) for task in tasks):
            table["data"]["dir"] = str(folder)


def check_settings(
    config: RunConfig,
    out: Path,
    resume: bool,
    *,
    may_change: bool = True,
    record: Mapping[str, Any] | None = None,
) -> Changes:
    """Compare the settings of a run with those in its folder.

    Args:
        config: The settings.
        out: The run folder, which need not exist.
        resume: Whether the run is resumed.
        may_change: Whether it may become longer.
        record: Contents of its ``run.json``, which is read if left out.

    Returns:
        What changes.

    Raises:
        SwissbertError: If the folder is taken, or a setting that must stay has changed.
    """
    if not (out / layout.RUN_CONFIG).exists():
        if (out / layout.CHECKPOINTS).exists():
            raise SwissbertError(
                f"{out}: holds checkpoints but no {layout.RUN_CONFIG}, so the settings of their run are not known; put "
                "that file back, or choose another folder",
                argument="out",
            )
        return Changes()
    if not resume:
        raise SwissbertError(f"{out}: holds a run already; resume it, or choose another folder", argument="resume")
    stored = stored_config(out, config, record)
    differing = changed_meaning(stored, config)
    moved = {key: values for key, values in differing.items() if _is_location(key, *values)}
    longer = {key: values for key, values in differing.items() if may_change and _is_longer(key, *values)}
    named = config.train.may_change if may_change else []
    allowed = {
        key: values
        for key, values in differing.items()
        if _setting(key) in named and key not in {*FREE, *moved, *longer}
    }
    refused = {key: values for key, values in differing.items() if key not in {*FREE, *moved, *longer, *allowed}}
    if refused:
        changes = "; ".join(shown_change(key, *values) for key, values in refused.items())
        hint = ""
        if may_change and refused.keys() <= set(LENGTH):
            hint = "; a run that goes on can only become longer"
        elif may_change and all(_setting(key) in MAY_CHANGE for key in refused):
            hint = f"; train.may_change = {sorted({*map(_setting, refused), *named})} allows that"
        raise SwissbertError(f"{out}: settings differ from those the run began with: {changes}{hint}")
    if any(stage.share is not None for stage in config.stages) and longer.keys() & {"train.epochs", "train.max_steps"}:
        raise SwissbertError(
            f"{out}: train.epochs and train.max_steps cannot change, because stages have a share of the steps; "
            f"a new run with encoder.name = '{out}' begins with what this one has learned"
        )
    if "train.epochs" in longer and config.sampling.method == "annealed":
        raise SwissbertError(
            f"{out}: train.epochs cannot change, because sampling.method = 'annealed' follows the number of epochs; "
            f"a new run with encoder.name = '{out}' begins with what this one has learned"
        )
    return Changes(moved, longer, allowed)


def _is_location(key: str, old: object, new: object) -> bool:
    """Whether a setting says where something is whose content is compared; as many teachers as before are the same ones."""
    is_list = isinstance(old, list) and isinstance(new, list)
    same_teachers = key == "distillation.teachers" and is_list and len(old) == len(new)  # type: ignore[arg-type]
    return same_teachers or LOCATION.fullmatch(key) is not None


def _setting(key: str) -> str:
    """Return the name by which ``train.may_change`` allows a setting; factors by task go by their table."""
    return "loss.scale" if key.startswith("loss.scale") else key


def _is_longer(key: str, old: object, new: object) -> bool:
    """Whether a setting is a limit for the length of the run that was raised or removed."""
    if key not in LENGTH or old is None:
        return False
    return new is None or (isinstance(old, int) and isinstance(new, int) and new > old)


def need_locations(config: RunConfig, out: Path, *, reads_files: bool) -> None:
    """Raise SwissbertError if the data or the encoder of a resumed run are not where its settings say.

    Args:
        config: The settings.
        out: The run folder.
        reads_files: Whether a task reads files.
    """
    folder = data_path(config.data.dir)
    if reads_files and folder is not None and not folder.is_dir():
        raise SwissbertError(
            f"{out}: the data of this run were in {folder}, which does not exist here; data.dir names the folder where "
            "they are now",
            argument="data",
        )
    name = config.encoder.name
    if is_local(name) and not os.path.isdir(name):
        raise SwissbertError(
            f"{out}: the encoder of this run was the folder {name}, which does not exist here; encoder.name names the "
            "folder where it is now",
            argument="settings",
        )


def with_stored_data(config: RunConfig, out: Path) -> RunConfig:
    """Return settings with the ``data.dir`` of the run in a folder, if they have none."""
    if config.data.dir is not None or not (out / layout.RUN_CONFIG).is_file():
        return config
    stored = read_toml(out / layout.RUN_CONFIG).get("data", {}).get("dir")
    return config.model_copy(update={"data": config.data.model_copy(update={"dir": stored})})


def moved_lines(changes: Changes, record: Mapping[str, Any]) -> list[str]:
    """Say where data and encoder of a resumed run are now.

    Args:
        changes: The changed settings.
        record: Contents of ``run.json``.
    """
    lines = []
    for key, (old, new) in changes.moved.items():
        compared = "its weights are" if key.startswith("encoder") else "the rows are"
        if key == "distillation.teachers":
            compared = "the models are"
        note = f"{compared} compared with those the run began with"
        if key.startswith("encoder") and "encoder_weights" not in record:
            note = "this run has no record of its weights, so they are not compared"
        lines.append(f"{key} is {shown(new)} now and was {shown(old)}; {note}")
    return lines


def longer_lines(changes: Changes, config: RunConfig, total: int) -> list[str]:
    """Say how much longer a run becomes, and what that means for its losses.

    Args:
        changes: The changed settings.
        config: The new settings.
        total: The new number of steps.
    """
    longer, lines = dict(changes.longer), []
    if config.stages and "train.epochs" in longer:
        old, new = longer.pop("train.epochs")
        lines.append(f"train.epochs {old} became {new}, which changes nothing: the stages say how long this run is")
    if not longer:
        return lines
    return [*lines, _longer_line(longer, config, total)]


def _longer_line(longer: Mapping[str, tuple[Any, Any]], config: RunConfig, total: int) -> str:
    """Word settings that make a run longer, and what that means for its losses."""
    train = config.train
    what = ", ".join(f"{key} {old} became {'unlimited' if new is None else new}" for key, (old, new) in longer.items())
    line = f"this run becomes longer: {what}; it has {total} steps in all"
    if longer.keys() == {"train.patience"}:
        return line
    follows = []
    if train.schedule != "constant" or train.warmup:
        schedule = f"{train.schedule} schedule" if train.schedule != "constant" else "warm-up"
        follows.append(f"its learning rates follow the {schedule} over all of them")
    regularisation = config.regularisation
    if regularisation.proximal and (regularisation.proximal_decay is None or regularisation.proximal_start):
        follows.append("the anchor of regularisation.proximal follows their number")
    if config.distillation.teachers and config.distillation.annealing:
        follows.append("the share of the teachers falls to 0 over all of them")
    if not follows:
        return f"{line}, and with a constant learning rate its losses are those of a run of that length"
    return f"{line}, and from here on {' and '.join(follows)}, so it differs from a run that had that length from the beginning"
