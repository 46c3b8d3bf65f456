"""The contents of ``swissbert.json``: tasks, settings, scores and provenance of a model."""

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Self

from pydantic import FailFast, Field, field_validator, model_validator

from swissbert.checksums import check_own
from swissbert.config import EncoderSettings, ModelSettings
from swissbert.errors import SwissbertError
from swissbert.kinds import Kind
from swissbert.model_folder.encoders import is_local
from swissbert.model_folder.layout import DESCRIPTION
from swissbert.older_settings import OLD_POOLING, upgraded_tasks
from swissbert.reading import read_object
from swissbert.settings import Settings, shown, validated
from swissbert.tasks import Task, names_once

MOST_PROVENANCE, PROVENANCE_CHARACTERS = 100, 1_000_000
"""Most keys and characters of provenance; a dozen and a few thousand are written."""
FORMAT = 2
"""Version of the model folder's layout. Format 1, of swissbert 0.1.0, differs in the meaning of settings only."""


class Description(Settings):
    """Everything about a model that is not weights or vocabulary.

    Attributes:
        format: `FORMAT` of the folder's layout; a folder of format 1 is converted when it is read.
        tasks: The tasks, in order.
        encoder: The encoder settings of the run. `save_model` writes the name of an encoder that is a folder without
            the folders above it.
        model: The settings of heads and pair encoding. Folders without ``model.pooling``, those of earlier releases,
            read the pooler.
        scores: Scores on dev rows by dotted name; those that are undefined are left out.
        notes: What a reader of the scores must know, by task.
        provenance: Versions, machine, recipe, seed and date; free keys.
        compact: Checksums of what a compact folder takes from its base encoder; None for a full one.
        checksums: Checksums of the files of the folder (see `swissbert.checksums`), from `save_model`. Folders of
            swissbert 0.1.0 have none.
    """

    format: int
    tasks: Annotated[list[Task], FailFast()] = Field(min_length=1)
    encoder: EncoderSettings
    model: ModelSettings
    scores: dict[str, float] = Field(default={})
    notes: dict[str, Annotated[list[str], FailFast()]] | None = None
    provenance: dict[str, Any] = Field(default={})
    compact: dict[str, str] | None = None
    checksums: dict[str, str] | None = None

    @field_validator("model")
    @classmethod
    def _with_pooling(cls, model: ModelSettings) -> ModelSettings:
        return model if model.pooling else model.model_copy(update={"pooling": OLD_POOLING})

    @model_validator(mode="after")
    def _different_names(self) -> Self:
        names_once(self.tasks)
        for task in self.tasks:
            if not task.is_complete:
                raise ValueError(f"tasks: '{task.name}' has neither labels nor range")
        return self


def read_description(folder: Path, kinds: Mapping[str, Kind] | None = None) -> Description:
    """Read ``swissbert.json`` of a model folder, without local paths (see `without_paths`).

    Args:
        folder: The model folder.
        kinds: Kinds from outside the package, by name.

    Raises:
        SwissbertError: If it is missing, damaged, of another format, or belongs to an exported ONNX folder.
    """
    path = folder / DESCRIPTION
    stored = read_object(path)
    description = validated(
        Description,
        without_paths(_upgraded(stored, path)),
        str(path),
        context={"kinds": dict(kinds or {}), "any_format": True},
    )
    check_own(stored, path)  # afterwards, because a key misspelt by hand has a better message
    return description


def read_table(folder: Path) -> dict[str, Any]:
    """Read ``swissbert.json`` of a model folder, check its format alone, and convert one of an earlier format.

    Raises:
        SwissbertError: If it is missing, is not JSON, is of another format, has more provenance than any, or belongs to an exported ONNX folder.
    """
    return _upgraded(read_object(folder / DESCRIPTION), folder / DESCRIPTION)


def _upgraded(stored: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Check the format of a description, and convert one of an earlier format."""
    table = dict(stored)
    version = table.get("format")
    if version == "onnx":
        raise SwissbertError(f"{path.parent}: an exported ONNX folder, for onnxruntime; a model folder is expected")
    if type(version) is not int or not 1 <= version <= FORMAT:
        raise SwissbertError(
            f"{path}: format is {shown(version)}, but this version of swissbert reads formats 1 to {FORMAT}; a newer "
            "swissbert may read it"
        )
    provenance = table.get("provenance")
    many = isinstance(provenance, dict) and len(provenance) > MOST_PROVENANCE
    if many or len(json.dumps(provenance)) > PROVENANCE_CHARACTERS:
        raise SwissbertError(
            f"{path}: provenance has more than {MOST_PROVENANCE:,} keys or {PROVENANCE_CHARACTERS:,} characters"
        )
    if version < FORMAT:
        table["format"] = FORMAT
        if "tasks" in table:
            table["tasks"] = upgraded_tasks(table["tasks"])
    return table


def without_paths(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description in which no path of the machine is left: paths are cut to their last component.

    Extra train files are left out: nothing reads them from a model folder, and two of them may have the same last component.

    Args:
        table: A description as JSON, valid or not. Parts that are not of the expected type stay as they are.
    """
    clean = dict(table)
    encoder, provenance, tasks = (table.get(key) for key in ("encoder", "provenance", "tasks"))
    paths: dict[str, str] = {}  # what provenance may mention inside a text
    if isinstance(encoder, dict) and isinstance(name := encoder.get("name"), str) and is_local(name):
        paths[name] = PurePosixPath(_last(name)).name or name
        clean["encoder"] = {**encoder, "name": paths[name]}
    if isinstance(provenance, dict):
        paths |= {value: _last(value) for value in provenance.values() if isinstance(value, str)}
        clean["provenance"] = _clean(provenance, {path: name for path, name in paths.items() if path != name})
    if isinstance(tasks, list):
        clean["tasks"] = [
            {
                key: _clean(value, {}) if key in ("files", "label_files") else value
                for key, value in task.items()
                if key != "extra"
            }
            if isinstance(task, dict)
            else task
            for task in tasks
        ]
    return clean


def _clean(node: object, paths: Mapping[str, str]) -> Any:
    """Cut absolute paths in a tree of dictionaries and lists, and replace `paths` wherever they occur in a text."""
    if isinstance(node, dict):
        return {key: _clean(value, paths) for key, value in node.items()}
    if isinstance(node, list):
        return [_clean(item, paths) for item in node]
    if not isinstance(node, str):
        return node
    for path in sorted((path for path in paths if path in node), key=len, reverse=True):
        name = paths[path].replace("\\", "\\\\")
        node = re.sub(rf"(?<![\w./-]){re.escape(path)}(?![\w-])", name, node)
    return _last(node)


def _last(text: str) -> str:
    """Return the last component of an absolute path; any other text, and the root, as it is."""
    for path in (PurePosixPath(text), PureWindowsPath(text)):
        if path.is_absolute():
            return path.name or text
    return text
