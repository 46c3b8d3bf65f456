"""What a run began with: settings, rows, classes and hardware; and whether a resumed run fits to it.

``config.toml`` holds the settings and ``run.json`` the rest.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import torch

from swissbert.config import RunConfig, TrainSettings, differences, make_config
from swissbert.device import Hardware, cores, has_bf16, is_available, resolve_hardware, threads_text
from swissbert.environment import hardware_record
from swissbert.errors import SwissbertError
from swissbert.files import read_object, write_text
from swissbert.model.heads.base import Head
from swissbert.model_folder import layout
from swissbert.mtl.balancing import Balancer, class_name
from swissbert.older_settings import SETTINGS, upgraded_tasks
from swissbert.settings import read_toml
from swissbert.training.preparation import Prepared, provenance

FREE_TO_CHANGE = ("train.on_hardware_change ",)
"""Settings that a resumed run may change."""


def stored_config(out: Path, like: RunConfig | None = None) -> RunConfig:
    """Read the settings of a run folder.

    Args:
        out: The run folder.
        like: Settings with the kinds and formats from outside the package that the stored ones may name.

    Raises:
        SwissbertError: If it has none.
    """
    path = out / layout.RUN_CONFIG
    if not path.is_file():
        raise SwissbertError(f"{out}: there is no run to resume (no {layout.RUN_CONFIG})", argument="out")
    table, record = read_toml(path), out / layout.RUN_RECORD
    version = read_object(record).get("settings", 1) if record.is_file() else 1
    if version != SETTINGS and "tasks" in table:
        table["tasks"] = upgraded_tasks(table["tasks"])
    return make_config(table, str(path), like=like)


def check_settings(config: RunConfig, out: Path, resume: bool) -> None:
    """Raise SwissbertError if a run folder is taken, or a resumed run has other settings than it began with."""
    if not (out / layout.RUN_CONFIG).exists():
        if (out / layout.CHECKPOINTS).exists():
            raise SwissbertError(
                f"{out}: holds checkpoints but no {layout.RUN_CONFIG}, so the settings of their run are not known"
            )
        return
    if not resume:
        raise SwissbertError(f"{out}: holds a run already; resume it, or choose another folder", argument="resume")
    changed = [line for line in differences(stored_config(out, config), config) if not line.startswith(FREE_TO_CHANGE)]
    if changed:
        raise SwissbertError(f"{out}: settings differ from those the run began with: {'; '.join(changed)}")


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
    unit = "gpu" if "gpu" in began and "gpu" in now else "processor"
    before = f"torch {began.get('torch', record.get('torch'))} on {began[unit]}"
    after = f"torch {torch.__version__} on {now[unit]}"
    if before != after:
        lines.append(
            f"this run was trained with {before} and goes on with {after}: the last digits of its losses may differ"
        )
    return here, lines


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


def begin(prepared: Prepared, classes: Mapping[str, object], out: Path, record: Mapping[str, Any] | None) -> None:
    """Write ``run.json`` of a new run, or compare a resumed run with it.

    Args:
        prepared: The run.
        classes: Names of classes from outside the package, from `outside_classes`.
        out: The run folder.
        record: Contents of ``run.json`` if the run is resumed.

    Raises:
        SwissbertError: If rows or classes differ.
    """
    rows = prepared.fingerprints()
    hardware = hardware_record(prepared.hardware)
    if record is None:
        table = {
            "settings": SETTINGS,
            "rows": rows,
            "hardware": hardware,
            **provenance(prepared),
            **classes,
        }
        write_text(out / layout.RUN_RECORD, json.dumps(table, indent=2) + "\n")
        return
    stored = record["rows"]
    changed = sorted(key for key in stored.keys() | rows.keys() if stored.get(key) != rows.get(key))
    if changed:
        raise SwissbertError(f"{out}: the rows of {', '.join(changed)} differ from those the run began with")
    for name in ("balancer", "heads"):
        if record.get(name) != classes.get(name):
            raise SwissbertError(
                f"{out}: this run began with {name} {_shown(record.get(name))}, not {_shown(classes.get(name))}; "
                "pass an object of the same class"
            )
    last, version = _last_hardware(record), str(torch.__version__)
    known = last if isinstance(last, dict) else {}
    if {**known, "torch": known.get("torch", record.get("torch"))} != {**hardware, "torch": version}:
        table = {**record, "resumed": [*record.get("resumed", []), {**hardware, "torch": version}]}
        write_text(out / layout.RUN_RECORD, json.dumps(table, indent=2) + "\n")


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
