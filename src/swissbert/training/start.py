"""The record of a run's rows, encoder, classes and hardware, ``run.json``, and its comparison with a resumed run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import torch

from swissbert.config import TrainSettings
from swissbert.device import Hardware, cores, has_bf16, is_available, resolve_hardware, threads_text
from swissbert.environment import hardware_record, software
from swissbert.errors import SwissbertError
from swissbert.model.heads.base import Head
from swissbert.model_folder import layout
from swissbert.mtl.balancing import Balancer, class_name
from swissbert.training.preparation import Prepared, provenance
from swissbert.training.resume import Changes
from swissbert.training.state import RUN_FORMAT, checkpoints, write_run_record


def resumed_hardware(train: TrainSettings, record: Mapping[str, Any], out: Path) -> tuple[Hardware, list[str]]:
    """Choose the hardware of a resumed run: what the settings name, else what it began with, else what there is.

    Args:
        train: Settings of the run.
        record: Contents of its ``run.json``.
        out: The run folder, for the error message.

    Returns:
        The hardware, and lines that say what differs from the record.

    Raises:
        SwissbertError: If something cannot be kept and ``train.on_hardware_change`` is ``refuse``.
    """
    began = _last_hardware(record)
    if not _is_complete(began):
        here = resolve_hardware(train.device, train.precision, train.threads)
        line = f"the hardware of this run so far is not known; it goes on in {here}"
        if train.on_hardware_change == "refuse" and "auto" in (train.precision, train.device):
            raise SwissbertError(f"{out}: {line}; train.on_hardware_change = 'continue' allows that")
        return here, [line]
    device = began["device"] if train.device == "auto" and is_available(began["device"]) else train.device
    threads = train.threads or _kept_threads(began["threads"])
    here = resolve_hardware(device, train.precision, threads)
    if train.precision == "auto":
        keeps = began["precision"] == "float32" or has_bf16(here.device)
        here = Hardware(here.device, getattr(torch, began["precision"]) if keeps else torch.float32, here.threads)
    now = hardware_record(here)
    lines = []
    if any(now[name] != began[name] for name in ("device", "precision", "threads")):
        change = (
            f"this run was trained in {began['precision']} on {began['device']} with {threads_text(began['threads'])} "
            f"({began.get('gpu', began['processor'])})"
        )
        if train.on_hardware_change == "refuse":
            raise SwissbertError(
                f"{out}: {change}, which this machine cannot keep: it would go on in {here}; "
                "train.on_hardware_change = 'continue' allows that"
            )
        lines.append(f"{change} and goes on in {here}: losses will not be bit for bit those of an uninterrupted run")
    lines += _last_digits(record, began, now)
    return here, lines


def _last_digits(record: Mapping[str, Any], began: Mapping[str, Any], now: Mapping[str, object]) -> list[str]:
    """Return a line that names what differs and may change the last digits of losses; empty if nothing does."""
    unit = "gpu" if "gpu" in began and "gpu" in now else "processor"
    names = [*software(), *(["kernels"] if unit == "processor" else []), unit]
    before = {name: began.get(name, record.get(name)) for name in names}
    after = {**now, **software()}
    changed = [name for name in names if before[name] not in (None, after[name])]
    if not changed:
        return []

    def text(table: Mapping[str, object]) -> str:
        versions = [f"{name} {table[name]}" for name in software() if name == "torch" or name in changed]
        kernels = [f"kernels for {table['kernels']}"] if "kernels" in changed else []
        return f"{', '.join(versions + kernels)} on {table[unit]}"

    return [
        f"this run was trained with {text(before)} and goes on with {text(after)}: the last digits of its losses may differ"
    ]


def _last_hardware(record: Mapping[str, Any]) -> object:
    """Return the hardware that a run was last trained on; records of swissbert 0.1.0 have it in words."""
    resumed = record.get("resumed")
    if isinstance(resumed, list) and resumed:
        return resumed[-1]
    if "hardware" in record:
        return record["hardware"]
    device, _, threads = str(record.get("device")).partition(", ")
    machine = str(record.get("machine")).partition(", ")[2].rpartition(", ")[0]
    count = threads.partition(" ")[0]
    return {
        "device": device,
        "precision": record.get("precision"),
        "threads": int(count) if count.isdigit() else None,
        "processor": machine,
    }


def _is_complete(began: object) -> TypeGuard[dict[str, Any]]:
    """Whether the record of the hardware has what a resume compares."""
    kinds = {"device": str, "precision": str, "threads": int, "processor": str}
    return (
        isinstance(began, dict)
        and all(isinstance(began.get(name), kind) for name, kind in kinds.items())
        and began["precision"] in ("float32", "bfloat16")
    )


def _kept_threads(began: int) -> int:
    """Return the thread count of the record, or torch's own where there are fewer cores."""
    here = torch.get_num_threads()
    return began if began in range(1, max(cores(), here) + 1) else here


def begin(
    prepared: Prepared,
    classes: Mapping[str, object],
    out: Path,
    record: Mapping[str, Any] | None,
    changes: Changes | None = None,
) -> None:
    """Write ``run.json`` of a new run, or compare a resumed run with it and record what changed.

    Args:
        prepared: The run.
        classes: Names of classes from outside the package, from `outside_classes`.
        out: The run folder.
        record: Contents of ``run.json`` if the run is resumed.
        changes: Changed settings of a resumed run.

    Raises:
        SwissbertError: If rows, encoder or classes differ.
    """
    hardware = hardware_record(prepared.hardware)
    if record is None:
        table: dict[str, Any] = {
            "format": RUN_FORMAT,
            "rows": prepared.fingerprints(),
            "counts": prepared.counts(),
            "encoder_weights": prepared.encoder_fingerprint(),
            "hardware": hardware,
            **provenance(prepared),
            **software(),
            **classes,
            "folder": str(out.resolve()),
        }
        write_run_record(out / layout.RUN_RECORD, table)
        return
    _compare_encoder(prepared, out, record)
    _compare_rows(prepared, out, record)
    for name in ("balancer", "heads"):
        if record.get(name) != classes.get(name):
            raise SwissbertError(
                f"{out}: this run began with {name} {_shown(record.get(name))}, not {_shown(classes.get(name))}; "
                "pass an object of the same class"
            )
    table = {**record, "folder": str(out.resolve())}
    last = _last_hardware(record)
    known = last if isinstance(last, dict) else {}
    here = {**hardware, **software()}
    if any(known.get(name, record.get(name)) != value for name, value in here.items()):
        table["resumed"] = [*record.get("resumed", []), here]
    if changes is not None and changes.longer:
        step = (checkpoints(out / layout.CHECKPOINTS) or [0])[-1]
        table["longer"] = [*record.get("longer", []), {"after_step": step, "settings": changes.longer}]
    if table != record:
        write_run_record(out / layout.RUN_RECORD, table)


def _compare_rows(prepared: Prepared, out: Path, record: Mapping[str, Any]) -> None:
    """Raise SwissbertError if rows differ from those that a run began with, naming the splits and what can be done."""
    stored, rows = record["rows"], prepared.fingerprints()
    changed = sorted(key for key in stored.keys() | rows.keys() if stored.get(key) != rows.get(key))
    if not changed:
        return
    before, now, sources = record.get("counts", {}), prepared.counts(), prepared.sources()
    parts = []
    for key in changed:
        old, new = before.get(key), now.get(key)
        count = f"{0 if new is None else new:,} rows"
        if old == new:
            count += " as before, but other texts, labels, ids, order or tokens"
        elif old is not None:
            count += f" now, {old:,} before"
        parts.append(f"{sources.get(key, key)}: {count}")
    raise SwissbertError(
        f"{out}: the rows of {', '.join(changed)} differ from those the run began with ({'; '.join(parts)}); put the "
        f"earlier rows back to go on with it, or start a new run in another folder, where encoder.name = '{out}' begins "
        "with what this one has learned; nothing in this folder was changed"
    )


def _compare_encoder(prepared: Prepared, out: Path, record: Mapping[str, Any]) -> None:
    """Raise SwissbertError if the encoder has other weights than the one that a run began with."""
    stored = record.get("encoder_weights")
    if stored is not None and stored != prepared.encoder_fingerprint():
        raise SwissbertError(
            f"{out}: the weights of the encoder {prepared.config.encoder.name} differ from those the run began with; "
            "encoder.name must lead to the same weights, or start a new run in another folder",
            argument="settings",
        )


def outside_classes(
    balancer: Balancer | Sequence[Balancer] | None, heads: Mapping[str, type[Head]] | None
) -> dict[str, object]:
    """Return the names of classes from outside the package, for ``run.json`` and provenance; empty without any."""
    classes: dict[str, object] = {}
    if balancer is not None:
        classes["balancer"] = [class_name(one) for one in (balancer if isinstance(balancer, Sequence) else [balancer])]
    if heads:
        classes["heads"] = {task: class_name(head) for task, head in heads.items()}
    return classes


def _shown(names: object) -> str:
    """Return recorded class names as text."""
    if isinstance(names, dict):
        names = [f"{task}: {name}" for task, name in names.items()]
    return ", ".join(map(str, names)) if isinstance(names, list) else "none"
