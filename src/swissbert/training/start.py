"""The start of a run: write its record, ``run.json``, or compare a resumed run with it and record what changed."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from swissbert.config import RunConfig, TrainSettings
from swissbert.environment import hardware_record, numeric_variables, software, torch_settings
from swissbert.errors import SwissbertError
from swissbert.family.config import DIFFERENCES, BertConfig
from swissbert.model_folder import layout
from swissbert.mtl.balancing import class_name
from swissbert.training.code_fingerprint import code_fingerprints
from swissbert.training.conditions import Comparison, compare, last_conditions, parts
from swissbert.training.outside import Outside
from swissbert.training.preparation import Prepared, provenance
from swissbert.training.record import RUN_FORMAT, write_record
from swissbert.training.resume import Changes


def present_conditions(prepared: Prepared, outside: Outside, *, processes: int = 1) -> dict[str, Any]:
    """Return the conditions that `swissbert.training.conditions` compares, in the form of ``run.json``.

    Args:
        prepared: The run.
        outside: What takes part in it from outside the package.
        processes: Number of its processes.
    """
    names = outside.names()
    return {
        "encoder_weights": prepared.encoder_fingerprint(),
        "encoder_config": _encoder_config(prepared),
        "tokenizer": prepared.tokenizer.fingerprint,
        "balancer": names.get("balancer"),
        "heads": names.get("heads"),
        **(prepared.teaching.conditions() if prepared.teaching else {}),
        **hardware_record(prepared.hardware),
        "processes": processes,
        "variables": numeric_variables(),
        "torch_settings": torch_settings(),
        **software(),
        "code": code_fingerprints(outside.classes()),
        "callbacks": [class_name(callback) for callback in outside.callbacks],
    }


def _encoder_config(prepared: Prepared) -> dict[str, Any]:
    """Return the sizes, rates and functions of the encoder, without a dropout that the settings name."""
    config = asdict(prepared.network.encoder.config)
    named = ("dropout", "attention_dropout") if prepared.config.encoder.dropout is not None else ()
    unused = [key for key in DIFFERENCES if config[key] == getattr(BertConfig, key)]  # older records lack them
    return {key: value for key, value in config.items() if key not in (*named, *unused)}


def begin(
    prepared: Prepared,
    conditions: Mapping[str, Any],
    classes: Mapping[str, object],
    out: Path,
    *,
    run: str | None = None,
    step: int = 0,
) -> dict[str, Any]:
    """Write ``run.json`` of a new run, or of one that has lost it, and return its contents.

    Args:
        prepared: The run.
        conditions: Result of `present_conditions`.
        classes: Names of classes from outside the package.
        out: The run folder.
        run: Name of the run in its checkpoints; a new one if left out.
        step: Step of the last checkpoint.
    """
    hardware = hardware_record(prepared.hardware)
    others = {key: value for key, value in conditions.items() if key not in hardware and value is not None}
    table = {
        "format": RUN_FORMAT,
        "run": uuid4().hex if run is None else run,
        "rows": prepared.fingerprints(),
        "counts": prepared.counts(),
        "hardware": hardware,
        **provenance(prepared),
        **others,
        **classes,
        "folder": str(out.resolve()),
        "settings": stored_settings(prepared.config),
    }
    if step:
        table["resumed"] = [{"after_step": step, "unknown": ["everything, since run.json was missing"]}]
    return write_record(out, table)


def stored_settings(config: RunConfig) -> dict[str, Any]:
    """Return settings as ``run.json`` has them: those of ``config.toml``, which a person may edit."""
    return config.model_dump(mode="json", exclude_none=True)


def compare_start(
    prepared: Prepared, conditions: Mapping[str, Any], out: Path, record: Mapping[str, Any], step: int
) -> Comparison:
    """Compare a resumed run with its record.

    Args:
        prepared: The run.
        conditions: Result of `present_conditions`.
        out: The run folder.
        record: Contents of ``run.json``.
        step: Step of the last checkpoint.

    Returns:
        Differences that the settings allow.

    Raises:
        SwissbertError: If something differs that must not.
    """
    result = compare(last_conditions(record, step), conditions)
    if result.refused:
        raise SwissbertError(f"{out}: this run began otherwise: {'; '.join(result.refused)}", argument="settings")
    _compare_rows(prepared, out, record)
    if "settings" not in record:
        result.unknown.append("settings, if config.toml was edited")
    if result.differing and prepared.config.train.on_hardware_change == "refuse":
        raise SwissbertError(
            f"{out}: this run would not go on as the same run: {'; '.join(result.differing)}; "
            "train.on_hardware_change = 'continue' allows that"
        )
    return result


def difference_lines(result: Comparison, changes: Changes, step: int) -> list[str]:
    """Say in what a resumed run differs from its steps so far, and what could not be compared.

    Args:
        result: Result of `compare_start`.
        changes: Changed settings.
        step: Step of the last checkpoint.
    """
    lines = []
    differing = [f"{key} was {old} and is {new}" for key, (old, new) in changes.allowed.items()] + result.differing
    if differing:
        hint = " (train.on_hardware_change = 'refuse' stops instead)" if result.differing else ""
        lines.append(
            f"from step {step + 1} on this is not the same run: {'; '.join(differing)}; its losses may differ from those of "
            f"an uninterrupted run{hint}"
        )
    if result.unknown:
        lines.append(f"this run has no record of some things, which are not compared: {', '.join(result.unknown)}")
    return lines


def without_record(out: Path, train: TrainSettings) -> str:
    """Return a line about a run whose ``run.json`` is missing.

    Raises:
        SwissbertError: If ``train.on_hardware_change`` is ``refuse``.
    """
    line = f"{out}: {layout.RUN_RECORD} is missing, so nothing is compared with how this run began, neither rows nor versions"
    if train.on_hardware_change == "refuse":
        raise SwissbertError(f"{line}; put it back, or train.on_hardware_change = 'continue' allows that")
    return f"{line}; its losses may differ from those of an uninterrupted run"


def go_on(
    prepared: Prepared,
    conditions: Mapping[str, Any],
    out: Path,
    record: Mapping[str, Any],
    result: Comparison,
    changes: Changes,
    step: int,
) -> dict[str, Any]:
    """Write into ``run.json`` what differs from a step on, and return its contents.

    Args:
        prepared: The run.
        conditions: Result of `present_conditions`.
        out: The run folder.
        record: Contents of ``run.json``.
        result: Result of `compare_start`.
        changes: Changed settings.
        step: Step of the last checkpoint.
    """
    table = {
        **record,
        "folder": str(out.resolve()),
        "settings": stored_settings(prepared.config),
    }
    kept = parts(record, step)
    if result.differing or result.unknown or changes.allowed:
        part = {"after_step": step, "differing": result.differing, "unknown": result.unknown, **conditions}
        kept = [*kept, part | ({"changed_settings": changes.allowed} if changes.allowed else {})]
    if kept or "resumed" in record:
        table["resumed"] = kept
    if changes.longer:
        table["longer"] = [*record.get("longer", []), {"after_step": step, "settings": changes.longer}]
    return write_record(out, table) if table != record else table


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
