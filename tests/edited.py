"""JSON files of models and runs as earlier releases or other people would have written them."""

import json
from pathlib import Path
from typing import Any


def rewrite(path: Path, *without: str, **changes: Any) -> dict[str, Any]:
    """Write a JSON file again without its checksums and other keys, and with changes; return its contents."""
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    table = {key: value for key, value in table.items() if key not in ("checksums", *without)} | changes
    path.write_text(json.dumps(table), encoding="utf-8")
    return table


def without_name(run: Path) -> None:
    """Remove what swissbert 0.1.0 did not write into a run folder: the name of the run, its settings and checksums."""
    rewrite(run / "run.json", "run", "settings")
    for path in run.glob("checkpoints/*/progress.json"):
        rewrite(path, "run", "log_bytes", "log_checksum", "best_checksum")
