"""Settings of a run that is stored: those it began with, and where its data and encoder are now."""

import os.path
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swissbert.config import RunConfig, data_path, make_config
from swissbert.data.source_files import has_split_files
from swissbert.errors import SwissbertError
from swissbert.model_folder import layout
from swissbert.model_folder.encoders import is_local
from swissbert.model_folder.moved import moved_folder
from swissbert.older_settings import upgraded_task, upgraded_tasks, with_pooler
from swissbert.setting_tables import apply_overrides
from swissbert.settings import read_toml
from swissbert.training.automatic import adopt_choices
from swissbert.training.record import read_record


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
