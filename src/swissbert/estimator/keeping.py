"""Storage of a fitted estimator: the files of its model, and a record of its parameters and labels."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np

from swissbert.device import is_available
from swissbert.errors import SwissbertError
from swissbert.files import temporary_folder
from swissbert.inference.loading import load
from swissbert.inference.model import Model
from swissbert.kinds import Array
from swissbert.model_folder import layout
from swissbert.model_folder.encoders import is_local
from swissbert.model_folder.save import save_model
from swissbert.reading import read_object
from swissbert.settings import Settings, shown, validated
from swissbert.version import __version__

FILES = "_model_files"
"""Key of the model's files in the state of an estimator."""


class Record(Settings):
    """Parameters and labels of an estimator, as ``estimator.json`` holds them.

    Attributes:
        task: Name of the task that the estimator answers.
        classes: Labels in the order of the task's, with their types; None if there are none.
        parameters: Parameters by name.
        swissbert: Version that wrote it.
    """

    task: str
    classes: list[Any] | None = None
    parameters: dict[str, Any] = {}
    swissbert: str = __version__


def model_files(model: Model) -> dict[str, bytes]:
    """Return the files of a model folder by name."""
    with temporary_folder(Path(gettempdir()), "swissbert-") as temporary:
        folder = temporary / "model"
        save_model(folder, model.network, model.tokenizer, model.description)
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def model_from_files(files: Mapping[str, bytes], device: str, owner: str) -> Model:
    """Read a model from the files that `model_files` returned.

    Args:
        files: Contents by name.
        device: Where the model is put; ``auto`` is taken with a warning if there is no such device.
        owner: Name of the estimator.

    Raises:
        SwissbertError: If a file is damaged, or has a name that model folders do not have.
    """
    if unknown := sorted(set(files) - set(layout.MODEL_FILES)):
        raise SwissbertError(f"{owner}: the stored model has a file {shown(unknown[0])}, which no model folder has")
    if device != "auto" and not is_available(device):
        warnings.warn(f"this {owner} was on '{device}', which is not here; it is put on another device", stacklevel=2)
        device = "auto"
    with temporary_folder(Path(gettempdir()), "swissbert-") as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        model = load(folder, device)
    return Model(model.network, model.tokenizer, model.description, Path(f"{owner} in memory"), model.precision)


def record_of(task: str, classes: Array | None, parameters: Mapping[str, Any], model: Model) -> str:
    """Return the text of ``estimator.json``.

    Args:
        task: Name of the task that the estimator answers.
        classes: Its labels ``[C]``; None for a regressor.
        parameters: Parameters by name.
        model: The fitted model.

    Raises:
        SwissbertError: If a label cannot be written as JSON.
    """
    stored = {key: value.item() if isinstance(value, np.generic) else value for key, value in parameters.items()}
    del stored["device"]
    if is_local(stored["encoder"]):
        stored["encoder"] = Path(stored["encoder"]).name
    if isinstance(stored["random_state"], np.random.RandomState):
        stored |= {"random_state": None, "seed": model.description.provenance.get("seed", stored["seed"])}
    if isinstance(stored.get("class_weight"), Mapping):
        stored["class_weight"] = [[_stored(label), float(w)] for label, w in stored["class_weight"].items()]
    labels = None if classes is None else [_stored(label) for label in classes.tolist()]
    record = Record(task=task, classes=labels, parameters=stored)
    return json.dumps(record.model_dump(), indent=2, ensure_ascii=False) + "\n"


def read_record(model: Model, task: str | None = None) -> Record:
    """Return what `record_of` wrote beside a model, or what the declaration of a task says where there is no record.

    Args:
        model: A model that was loaded from a folder.
        task: The task to answer; if left out, the one of the record, or the only one.

    Raises:
        SwissbertError: If the record is damaged, `task` is left out and there are several, or there is no such task.
    """
    path = model.folder / layout.ESTIMATOR
    if path.is_file():
        record = validated(Record, read_object(path), str(path))
        if task in (None, record.task):
            return _checked(record, model, path)
    if task is None and len(model.tasks) > 1:
        names = list(model.tasks)
        raise SwissbertError(
            f"{model.folder}: this model has {len(names)} tasks ({', '.join(names)}), and an estimator answers one; "
            f"choose it, for instance task='{names[0]}'"
        )
    encoder = model.description.encoder
    return Record(task=model.task(task).name, parameters={"encoder": encoder.name, "max_length": encoder.max_length})


def _checked(record: Record, model: Model, path: Path) -> Record:
    """Return a record with labels and parameters of the types that they had; check that it fits the model."""
    count = len(model.task(record.task).labels)
    if record.classes is not None and len(record.classes) != count:
        raise SwissbertError(
            f"{path}: classes has {len(record.classes)} labels, but task '{record.task}' has {count}; save the estimator "
            "again"
        )
    classes = None if record.classes is None else [_label(value) for value in record.classes]
    parameters = dict(record.parameters)
    if isinstance(weights := parameters.get("class_weight"), list):
        parameters["class_weight"] = {_label(label): weight for label, weight in weights}
    return record.model_copy(update={"classes": classes, "parameters": parameters})


def _stored(label: object) -> object:
    """Return a label as JSON; a tuple becomes a list.

    Raises:
        SwissbertError: If it has another type.
    """
    if isinstance(label, np.generic):
        label = label.item()
    if type(label) in (str, int, float, bool):
        return label
    if type(label) is tuple:
        return [_stored(part) for part in label]
    raise SwissbertError(
        f"the label {shown(label)} is a {type(label).__name__}, but save writes labels that are texts, numbers, True, "
        "False or tuples of these; fit on str(...) of the labels, or pickle the estimator"
    )


def _label(value: object) -> Any:
    """Return the label that `_stored` stored."""
    return tuple(_label(part) for part in value) if isinstance(value, list) else value
