"""Short runs with trackers, and what their logs hold."""

import json
from pathlib import Path
from typing import Any

from swissbert.config import RunConfig, make_config


def tracked_settings(encoder: Path, *trackers: str, loss: dict[str, Any] | None = None, **changes: Any) -> RunConfig:
    """Return settings of a run of four steps on one thread; `changes` are to the table ``train``."""
    table: dict[str, Any] = {
        "name": "mine",
        "tasks": ["sst", "sts"],
        "data": {"dir": "starter", "limit": 24},
        "encoder": {"name": str(encoder), "dropout": 0.1, "max_length": 16},
        "loss": loss or {},
        "train": {
            "batch_size": 4,
            "epochs": 1,
            "max_steps": 4,
            "checkpoint_every": 2,
            "device": "cpu",
            "precision": "fp32",
            "threads": 1,
            "baseline": False,
            "trackers": [*trackers],
            **changes,
        },
    }
    return make_config(table, "here")


def entries(out: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's log without times."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]
