"""Load a trained model by its name, in fp32 or with eight-bit products, and evaluate one by its name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from swissbert.data.bad_rows import MAX_BAD
from swissbert.data.tokens import Tokenizer
from swissbert.errors import SwissbertError
from swissbert.evaluation import Scores
from swissbert.inference.int8 import has_int8, need_int8
from swissbert.inference.int8_model import Int8Model, int8_of_arrays, int8_of_network
from swissbert.inference.model import Model
from swissbert.kinds import Kind
from swissbert.metrics import Metric
from swissbert.missing import has_torch, may_have_gpu, need_torch
from swissbert.model_folder.description import Description
from swissbert.model_folder.load import StoredArrays, read_array_model, read_model
from swissbert.settings import shown
from swissbert.tasks import Split

if TYPE_CHECKING:
    from swissbert.model.heads.base import Head
    from swissbert.model.multitask import MultitaskModel

Precision = Literal["auto", "fp32", "int8"]
"""Precision of answers: ``auto`` is eight-bit products on a CPU where onnxruntime is installed, else fp32."""


def load(
    name: str | Path = "mini",
    device: str = "auto",
    precision: Precision | None = None,
    *,
    heads: "Mapping[str, type[Head]] | None" = None,
    kinds: Mapping[str, Kind] | None = None,
) -> Model:
    """Load a trained model.

    Args:
        name: ``mini`` (which ships), a model folder, a run folder (its best model), or a hub id (``owner/name`` or
            ``owner/name@revision``).
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        precision: ``int8`` answers faster on a CPU with eight-bit matrix products (``pip install 'swissbert[int8]'``)
            and moves scores by a few tenths of a point at most; it imports no torch. ``auto`` takes it where it is
            installed. None is ``fp32`` where torch is installed, else ``int8``.
        heads: Head classes from outside the package, by task name, for models that were trained with them.
        kinds: Kinds from outside the package, by name.

    Raises:
        SwissbertError: Names file and reason.
    """
    for argument, value, types in (("name", name, str | Path), ("device", device, str)):
        if not isinstance(value, types):
            raise SwissbertError(f"{argument} is {shown(value)}, but it must be a text", argument=argument)
    for argument, table in (("heads", heads), ("kinds", kinds)):
        if not isinstance(table, Mapping | None):
            raise SwissbertError(f"{argument} is {shown(table)}, but it must be a dictionary by name")
    if precision is not None and precision not in get_args(Precision):
        raise SwissbertError(f"precision is {shown(precision)}, but it must be one of {', '.join(get_args(Precision))}")
    asked = precision or ("fp32" if has_torch() else "int8")
    if asked == "int8":
        need_int8()
    target = None  # the CPU, which is known without torch
    if asked == "fp32" or not has_int8() or not (device == "cpu" or (device == "auto" and not may_have_gpu())):
        need_torch(f"precision '{asked}' on the device '{device}'")
        from swissbert.device import pick_device

        target = pick_device(device)
    is_on_cpu = target is None or target.type == "cpu"
    if asked == "int8" and not is_on_cpu:
        raise SwissbertError(f"precision is 'int8', which runs on a CPU only, but device is '{target}'")
    if asked != "fp32" and is_on_cpu and has_int8():
        engine, tokenizer, description, folder, fingerprint, own = _read_int8(name, heads, kinds)
        engine.encoder.prepare()  # after the arrays that were read are freed, so that the two do not add up in memory
        return Model(engine, tokenizer, description, folder, "int8", fingerprint, own)
    network, tokenizer, description, folder, fingerprint = read_model(name, heads=heads, kinds=kinds)
    return Model(network.to(target), tokenizer, description, folder, "fp32", fingerprint)


def _read_int8(
    name: str | Path, heads: "Mapping[str, type[Head]] | None", kinds: Mapping[str, Kind] | None
) -> "tuple[Int8Model, Tokenizer, Description, Path, str, MultitaskModel | None]":
    """Read a model in int8, without torch unless a head or kind from outside the package needs it."""
    stored: StoredArrays | None = None if heads else read_array_model(name, kinds)
    if stored is not None and all(task.kind.has_plain_answers for task in stored.description.tasks):
        _, _, tokenizer, description, folder, fingerprint = stored
        return int8_of_arrays(stored), tokenizer, description, folder, fingerprint, None
    network, tokenizer, description, folder, fingerprint = read_model(name, heads=heads, kinds=kinds)
    return int8_of_network(network), tokenizer, description, folder, fingerprint, network


def evaluate(
    model: Model | str | Path,
    data: str | Path | None = None,
    split: Split = "dev",
    metrics: Sequence[Metric] = (),
    max_bad: float | None = MAX_BAD,
) -> Scores:
    """Score a labelled split of every task of a model, with 95 % intervals.

    Args:
        model: A `Model`, or a name that `load` takes.
        data: As for `Model.evaluate`.
        split: As for `Model.evaluate`.
        metrics: As for `Model.evaluate`.
        max_bad: As for `Model.evaluate`.

    Raises:
        SwissbertError: If the model cannot be loaded, or as `Model.evaluate`.
    """
    return (model if isinstance(model, Model) else load(model)).evaluate(data, split, metrics, max_bad)
