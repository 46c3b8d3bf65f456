"""What a run would do: a summary for a person, or all settings as TOML."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from swissbert.cli.results import fitted, result_table

if TYPE_CHECKING:
    from swissbert.training.preparation import Prepared

INTRODUCED = ("name", "tasks", "data.dir", "encoder.name")
"""Settings that the summary names anyway."""


def plan_toml(prepared: "Prepared") -> str:
    """Return the effective settings of a run as TOML, with its steps and parameters as comments."""
    from swissbert.config import dump_config

    return "\n".join([dump_config(prepared.config), *(f"# {line}" for line in _lines(prepared))])


def plan_summary(prepared: "Prepared") -> str:
    """Return tasks, encoder, steps and hardware of a run, and the settings that are not the defaults."""
    config = prepared.config
    dev = {rows.task.name: rows for rows in prepared.dev}
    rows = [
        [name, task.kind.name, task.metric, f"{len(prepared.train[name]):,}", f"{len(dev[name]):,}"]
        for name, task in ((task.name, task) for task in config.tasks)
    ]
    header = ["task", "kind", "metric", "train rows", "dev rows"]
    parts = [
        result_table(f"Plan of '{config.name}'; nothing is trained", header, rows, left=3),
        "\n".join(
            map(
                fitted,
                [
                    f"encoder {config.encoder.name}, texts of up to {config.encoder.max_length} tokens, "
                    f"{config.train.batch_size} rows a batch, {prepared.hardware}",
                    *_lines(prepared),
                ],
            )
        ),
    ]
    if changed := [f"  {key} = {value}" for key, value in _changed(prepared)]:
        parts.append("\n".join(["Settings that are not the defaults", *map(fitted, changed)]))
    return "\n\n".join(parts)


def _lines(prepared: "Prepared") -> list[str]:
    """Word steps, parameters, and which rows are read."""
    from swissbert.training.coverage import coverage_lines
    from swissbert.wording import counted

    trainable = sum(p.numel() for p in prepared.network.parameters() if p.requires_grad)
    length = f"{counted(prepared.total, 'step')} in {counted(len(prepared.plan.ends), 'epoch')}"
    return [
        f"{length}; {trainable:,} trainable parameters",
        *coverage_lines(prepared.config, prepared.train, prepared.plan),
    ]


def _changed(prepared: "Prepared") -> Iterator[tuple[str, str]]:
    """Yield settings that are not the defaults, under their dotted names."""
    import json

    def walk(node: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
        for name, value in node.items():
            key = f"{prefix}{name}"
            if key in INTRODUCED:
                continue
            if isinstance(value, dict) and value and key != "loss.scale":
                yield from walk(value, f"{key}.")
            else:
                yield key, json.dumps(value, ensure_ascii=False)

    yield from walk(prepared.config.model_dump(mode="json", exclude_defaults=True), "")
