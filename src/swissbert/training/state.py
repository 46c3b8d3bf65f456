"""Checkpoints of a run: complete, atomic, without pickle, and exact.

Batch order and dropout are functions of seed and step, so a checkpoint needs no generator state: parameters,
optimizer moments, loss weights and the step say everything.
"""

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from swissbert.errors import SwissbertError
from swissbert.files import write_folder
from swissbert.settings import shown


@dataclass(frozen=True)
class Progress:
    """How far a run is. `best` is the best dev value so far, `stale` the evaluations since then."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_step: int | None = None
    stale: int = 0

    def judged(self, value: float) -> "Progress":
        """After an evaluation that gave `value` at the present step."""
        if self.best is None or value > self.best:
            return replace(self, best=value, best_step=self.step, stale=0)
        return replace(self, stale=self.stale + 1)


def save_checkpoint(
    folder: Path, modules: nn.ModuleDict, optimizer: torch.optim.Optimizer, progress: Progress, keep: int
) -> None:
    """Write ``step-N`` into `folder`, whole or not at all, then remove all but the last `keep`."""

    def fill(new: Path) -> None:
        save_file(
            {name: t.detach().contiguous().cpu() for name, t in modules.state_dict().items()},
            new / "parameters.safetensors",
        )
        moments: dict[str, Tensor] = {}
        for number, values in optimizer.state_dict()["state"].items():
            moments |= {f"{number}.{key}": value.detach().contiguous().cpu() for key, value in values.items()}
        save_file(moments, new / "optimizer.safetensors")
        (new / "progress.json").write_text(json.dumps(asdict(progress)), encoding="utf-8")

    write_folder(folder / f"step-{progress.step}", fill)
    for step in checkpoints(folder)[:-keep]:
        shutil.rmtree(folder / f"step-{step}", ignore_errors=True)
    for left in folder.glob(".step-*"):  # by a process that was killed while it wrote
        shutil.rmtree(left, ignore_errors=True)


def checkpoints(folder: Path) -> list[int]:
    """Steps of the complete checkpoints in a folder, ascending."""
    names = [path.name.removeprefix("step-") for path in folder.glob("step-*") if path.is_dir()]
    return sorted(int(name) for name in names if name.isdigit())


def load_checkpoint(folder: Path, modules: nn.ModuleDict, optimizer: torch.optim.Optimizer) -> Progress:
    """Put the last checkpoint of `folder` into modules and optimizer. Without one, nothing changes and the run begins.

    Raises SwissbertError where it does not fit or cannot be read.
    """
    steps = checkpoints(folder)
    if not steps:
        return Progress()
    path = folder / f"step-{steps[-1]}"
    try:
        modules.load_state_dict(load_file(path / "parameters.safetensors"))
        progress = _progress(json.loads((path / "progress.json").read_text(encoding="utf-8")), steps[-1])
        state = optimizer.state_dict()
        state["state"] = {}
        for name, value in load_file(path / "optimizer.safetensors").items():
            number, _, key = name.partition(".")
            state["state"].setdefault(int(number), {})[key] = value
        shapes = [parameter.shape for group in optimizer.param_groups for parameter in group["params"]]
        for number, values in state["state"].items():  # none of a parameter that no step has had a gradient for
            if number >= len(shapes) or any(v.shape not in (shapes[number], ()) for v in values.values()):
                raise ValueError("the optimizer's parameters are not those of this run")
        optimizer.load_state_dict(state)
        return progress
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError, RecursionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SwissbertError(
            f"{path}: this checkpoint cannot be read ({reason}); remove the folder to go on from the one before"
        ) from error


def _progress(table: object, step: int) -> Progress:
    """What progress.json of ``step-N`` says. Raises ValueError where it cannot be true."""
    if not isinstance(table, dict) or table.keys() != asdict(Progress()).keys():
        raise ValueError(f"progress.json is not a table of {', '.join(asdict(Progress()))}")
    progress = Progress(**table)
    counts = {"step": progress.step, "tokens": progress.tokens, "stale": progress.stale}
    counts |= {} if progress.best_step is None else {"best_step": progress.best_step}
    for name, count in counts.items():
        if type(count) is not int or count < 0 or (name == "step" and count != step):
            raise ValueError(f"progress.json: {name} is {shown(count)}")
    for name, number in (("seconds", progress.seconds), ("best", progress.best or 0.0)):
        if type(number) not in (int, float):
            raise ValueError(f"progress.json: {name} is {shown(number)}")
    return progress


def recorded_rows(path: Path) -> dict[str, str]:
    """Fingerprints of the rows that a run began with, from its run.json. Raises SwissbertError."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        rows = table.get("rows") if isinstance(table, dict) else None
        if not isinstance(rows, dict):
            raise ValueError("no table of rows in it")
    except (OSError, ValueError, RecursionError) as error:
        raise SwissbertError(
            f"{path}: cannot be read ({error}); without this file the run goes on, its rows uncompared"
        ) from error
    return {str(name): str(value) for name, value in rows.items()}
