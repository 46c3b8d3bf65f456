"""Checkpoints of a run: complete, atomic, without pickle, and exact.

Batch order and dropout are functions of seed and step, so a checkpoint needs no state of random generators: parameters,
optimizer moments, balancing methods and the step determine all that follows.
"""

import json
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from swissbert.checksums import KEY, check_files, check_own, checksum, recorded, sealed, unsealed, warn
from swissbert.errors import SwissbertError
from swissbert.files import remove_folder, write_folder
from swissbert.model_folder import layout
from swissbert.reading import read_object
from swissbert.settings import shown


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
        log_bytes: Size of ``metrics.jsonl``, which belongs to a checkpoint; None where that is not known.
        log_checksum: Its checksum.
        best_checksum: Checksum of the description of the best model, which has those of its other files.
    """

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_step: int | None = None
    stale: int = 0
    run: str = field(default="", compare=False)
    log_bytes: int | None = field(default=None, compare=False)
    log_checksum: str | None = field(default=None, compare=False)
    best_checksum: str | None = field(default=None, compare=False)

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
    """Write ``step-N`` atomically, with checksums in ``progress.json``, then remove all but the last checkpoints.

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
        tensors = [new / layout.CHECKPOINT_PARAMETERS, new / layout.CHECKPOINT_OPTIMIZER]
        table = sealed(asdict(progress), layout.CHECKPOINT_PROGRESS, tensors)
        (new / layout.CHECKPOINT_PROGRESS).write_text(json.dumps(table), encoding="utf-8")

    write_folder(folder / f"step-{progress.step}", fill)
    remove_old_checkpoints(folder, keep)
    for left in folder.glob(".step-*.damaged"):
        remove_folder(left)


def remove_old_checkpoints(folder: Path, keep: int) -> None:
    """Remove all but the last checkpoints. `keep` is the number of those that remain, from 1."""
    for step in checkpoints(folder)[:-keep]:
        remove_folder(folder / f"step-{step}")


def checkpoints(folder: Path) -> list[int]:
    """Return the steps of the complete checkpoints in a folder, ascending."""
    names = [path.name.removeprefix("step-") for path in folder.glob("step-*") if path.is_dir()]
    return sorted(int(name) for name in names if name.isdigit())


def load_checkpoint(
    folder: Path, modules: nn.ModuleDict, optimizer: torch.optim.Optimizer, log: Callable[[str], object] = warn
) -> Progress:
    """Load the last checkpoint into modules and optimizer; if it is damaged, the one before.

    Args:
        folder: Folder of all checkpoints.
        modules: Modules with state.
        optimizer: The optimizer of their parameters.
        log: Receives a line about each damaged checkpoint, which is set aside until another one is written.

    Returns:
        Its progress. Without a checkpoint nothing is changed, and the progress is that of a run that begins.

    Raises:
        SwissbertError: If no checkpoint can be read or fits; nothing is set aside then.
    """
    damaged: dict[Path, str] = {}
    for step in reversed(checkpoints(folder)):
        path = folder / f"step-{step}"
        try:
            progress = _load(path, step, modules, optimizer)
        except (SwissbertError, OSError, SafetensorError, ValueError, LookupError, TypeError, RuntimeError) as error:
            damaged[path] = " ".join(str(error).split()) or type(error).__name__
            continue
        _set_aside(damaged, path, log)
        return progress
    if not damaged:
        return Progress()
    path, reason = next(iter(damaged.items()))
    raise SwissbertError(
        f"{path}: this checkpoint cannot be read ({reason}), and there is no other that can; remove {folder} to train the "
        "run from its beginning"
    )


def set_aside_damaged(folder: Path, log: Callable[[str], object] = warn) -> None:
    """Set checkpoints aside that are newer than the last whole one, as `load_checkpoint` does, without loading any."""
    damaged: dict[Path, str] = {}
    for step in reversed(checkpoints(folder)):
        path = folder / f"step-{step}"
        try:
            _checked(path, step)
        except (SwissbertError, OSError, ValueError, LookupError, TypeError) as error:
            damaged[path] = " ".join(str(error).split()) or type(error).__name__
            continue
        _set_aside(damaged, path, log)
        return


def _set_aside(damaged: dict[Path, str], last: Path, log: Callable[[str], object]) -> None:
    for path, reason in damaged.items():
        log(f"{path}: this checkpoint cannot be used ({reason}); the run goes on from the one before, {last.name}")
        path.rename(path.with_name(f".{path.name}.damaged"))


def _checked(path: Path, step: int) -> Progress:
    """Read the progress of ``step-N`` and compare its files with their checksums; errors are of any kind."""
    record = path / layout.CHECKPOINT_PROGRESS
    table = read_object(record)
    progress = _progress({key: value for key, value in table.items() if key != KEY}, step)
    check_own(table, record)
    if not (sums := recorded(table, record)):
        warn(f"{path}: was written without checksums, so damage to it would not be noticed")
    check_files(sums, record)
    return progress


def _load(path: Path, step: int, modules: nn.ModuleDict, optimizer: torch.optim.Optimizer) -> Progress:
    """Load ``step-N`` into modules and optimizer; errors are of any kind."""
    progress = _checked(path, step)
    modules.load_state_dict(load_file(path / layout.CHECKPOINT_PARAMETERS))
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


def _progress(table: dict[str, Any], step: int) -> Progress:
    """Check the contents of progress.json of ``step-N``; raise ValueError if they are impossible."""
    names = asdict(Progress()).keys()
    if not names - {"log_bytes", "log_checksum", "best_checksum", "run"} <= table.keys() <= names:
        raise ValueError(f"{layout.CHECKPOINT_PROGRESS} is not a table of {', '.join(names)}")
    progress = Progress(**table)
    counts = {"step": progress.step, "tokens": progress.tokens, "stale": progress.stale}
    optional = {"best_step": progress.best_step, "log_bytes": progress.log_bytes}
    counts |= {name: count for name, count in optional.items() if count is not None}
    for name, count in counts.items():
        if type(count) is not int or count < 0 or (name == "step" and count != step):
            raise ValueError(f"{layout.CHECKPOINT_PROGRESS}: {name} is {shown(count)}")
    if type(progress.run) is not str:
        raise ValueError(f"{layout.CHECKPOINT_PROGRESS}: run is {shown(progress.run)}")
    for name, number in (("seconds", progress.seconds), ("best", progress.best or 0.0)):
        if type(number) not in (int, float):
            raise ValueError(f"{layout.CHECKPOINT_PROGRESS}: {name} is {shown(number)}")
    return progress


def check_log(run: Path) -> None:
    """Log a line if ``metrics.jsonl`` of a run folder is not as it was when the last checkpoint was written."""
    log, folder = run / layout.METRICS_LOG, run / layout.CHECKPOINTS
    with suppress(SwissbertError, ValueError, TypeError, IndexError):  # a run that trains may remove the checkpoint
        step = checkpoints(folder)[-1]
        progress = _progress(unsealed(folder / f"step-{step}" / layout.CHECKPOINT_PROGRESS), step)
        if progress.log_checksum is not None and checksum(log, progress.log_bytes) != progress.log_checksum:
            warn(f"{log}: is not as it was when step {step} was saved, so what is read from it may be wrong")
