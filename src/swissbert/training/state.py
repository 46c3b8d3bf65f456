"""Checkpoints of a run: complete, atomic, without pickle, and exact.

Batch order and dropout are functions of seed and step, so a checkpoint needs no state of random generators: parameters,
optimizer moments, balancing methods and the step determine all that follows.
"""

import json
import math
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from swissbert.errors import SwissbertError
from swissbert.files import remove_folder, write_folder
from swissbert.model_folder import layout
from swissbert.settings import shown

RUN_FORMAT = 2
"""Version of what ``run.json`` means. Runs of version 1, which have no ``format``, leave out the last batches of an epoch
that are fewer than ``train.accumulation`` rounds."""


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        step: Steps done.
        tokens: Tokens read.
        seconds: Time spent in steps.
        best: Best dev value so far; None before the first evaluation, or if it has not been defined.
        best_step: Step of the evaluation whose model is kept.
        stale: Number of evaluations since then.
        run: Name of the run in ``run.json``; empty for runs of swissbert 0.1.0.
    """

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_step: int | None = None
    stale: int = 0
    run: str = field(default="", compare=False)

    def after_step(self, tokens: int, seconds: float) -> "Progress":
        """Return the progress after one more step."""
        return replace(self, step=self.step + 1, tokens=self.tokens + tokens, seconds=self.seconds + seconds)

    def judged(self, value: float, *, higher_is_better: bool = True, tie: float = 0.0) -> "Progress":
        """Return the progress after an evaluation that gave `value` at the present step.

        A value that is undefined, NaN, is worse than any other; while there is no other, the latest model is kept. Where
        `tie` is above 0, the latest model of those within `tie` of the best is kept, since it has seen more rows; only a
        better value resets `stale`.
        """
        is_defined = not math.isnan(value)
        if self.best is None:
            return replace(self, best=value if is_defined else None, best_step=self.step, stale=0)
        if is_defined and (value > self.best if higher_is_better else value < self.best):
            return replace(self, best=value, best_step=self.step, stale=0)
        if is_defined and tie > 0 and abs(value - self.best) <= tie:
            return replace(self, best_step=self.step, stale=self.stale + 1)
        return replace(self, stale=self.stale + 1)


def save_checkpoint(
    folder: Path, modules: nn.ModuleDict, optimizer: torch.optim.Optimizer, progress: Progress, keep: int
) -> None:
    """Write ``step-N`` atomically, then remove all but the last checkpoints.

    Args:
        folder: Folder of all checkpoints.
        modules: Modules with state; their parameters and buffers are written.
        optimizer: The optimizer, whose moments are written.
        progress: Progress, whose step is N.
        keep: Number of checkpoints that remain.
    """

    def fill(new: Path) -> None:
        save_file(
            {name: t.detach().contiguous().cpu() for name, t in modules.state_dict().items()},
            new / layout.CHECKPOINT_PARAMETERS,
        )
        moments: dict[str, Tensor] = {}
        for number, values in optimizer.state_dict()["state"].items():
            moments |= {f"{number}.{key}": value.detach().contiguous().cpu() for key, value in values.items()}
        save_file(moments, new / layout.CHECKPOINT_OPTIMIZER)
        (new / layout.CHECKPOINT_PROGRESS).write_text(json.dumps(asdict(progress)), encoding="utf-8")

    write_folder(folder / f"step-{progress.step}", fill)
    for step in checkpoints(folder)[:-keep]:
        remove_folder(folder / f"step-{step}")


def checkpoints(folder: Path) -> list[int]:
    """Return the steps of the complete checkpoints in a folder, ascending."""
    names = [path.name.removeprefix("step-") for path in folder.glob("step-*") if path.is_dir()]
    return sorted(int(name) for name in names if name.isdigit())


def load_checkpoint(folder: Path, modules: nn.ModuleDict, optimizer: torch.optim.Optimizer) -> Progress:
    """Load the last checkpoint into modules and optimizer.

    Returns:
        Its progress. Without a checkpoint nothing is changed, and the progress is that of a run that begins.

    Raises:
        SwissbertError: If the checkpoint cannot be read or does not fit.
    """
    steps = checkpoints(folder)
    if not steps:
        return Progress()
    path = folder / f"step-{steps[-1]}"
    try:
        modules.load_state_dict(load_file(path / layout.CHECKPOINT_PARAMETERS))
        progress = _progress(json.loads((path / layout.CHECKPOINT_PROGRESS).read_text(encoding="utf-8")), steps[-1])
        state = optimizer.state_dict()
        state["state"] = {}
        for name, value in load_file(path / layout.CHECKPOINT_OPTIMIZER).items():
            number, _, key = name.partition(".")
            state["state"].setdefault(int(number), {})[key] = value
        shapes = [parameter.shape for group in optimizer.param_groups for parameter in group["params"]]
        for number, values in state["state"].items():  # a parameter that has had no gradient yet has no moments
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
    """Check the contents of progress.json of ``step-N``; raise ValueError if they are impossible."""
    if not isinstance(table, dict) or {"run", *table} != asdict(Progress()).keys():
        raise ValueError(f"{layout.CHECKPOINT_PROGRESS} is not a table of {', '.join(asdict(Progress()))}")
    progress = Progress(**table)
    counts = {"step": progress.step, "tokens": progress.tokens, "stale": progress.stale}
    counts |= {} if progress.best_step is None else {"best_step": progress.best_step}
    for name, count in counts.items():
        if type(count) is not int or count < 0 or (name == "step" and count != step):
            raise ValueError(f"{layout.CHECKPOINT_PROGRESS}: {name} is {shown(count)}")
    if type(progress.run) is not str:
        raise ValueError(f"{layout.CHECKPOINT_PROGRESS}: run is {shown(progress.run)}")
    for name, number in (("seconds", progress.seconds), ("best", progress.best or 0.0)):
        if type(number) not in (int, float):
            raise ValueError(f"{layout.CHECKPOINT_PROGRESS}: {name} is {shown(number)}")
    return progress


def read_run_record(path: Path) -> dict[str, Any]:
    """Read ``run.json``.

    Raises:
        SwissbertError: If it cannot be read, has no table of rows, or is of a later version.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(table, dict) or not isinstance(table.get("rows"), dict):
            raise ValueError("it has no table of rows")
    except (OSError, ValueError, RecursionError) as error:
        raise SwissbertError(
            f"{path}: cannot be read ({error}); remove it to resume without checking that the rows are unchanged"
        ) from error
    version = table.get("format", 1)
    if version not in range(1, RUN_FORMAT + 1):
        raise SwissbertError(
            f"{path}: its format is {shown(version)}, and this version of swissbert reads formats up to {RUN_FORMAT}; "
            f"resume the run with the version that wrote it (swissbert {table.get('swissbert', 'unknown')}), or start a "
            "new run in another folder"
        )
    return table


def recorded_rows(path: Path) -> dict[str, str]:
    """Return the checksums of the rows that a run began with, from its ``run.json``; errors as `read_run_record`."""
    return {str(name): str(value) for name, value in read_run_record(path)["rows"].items()}
