"""Which settings a resumed run may change, and what it says about those that it changes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swissbert.config import MAY_CHANGE, RunConfig, changed_meaning
from swissbert.errors import SwissbertError
from swissbert.model_folder import layout
from swissbert.setting_tables import shown_change
from swissbert.settings import shown
from swissbert.training.stored_settings import stored_config

FREE = (
    "train.on_hardware_change",
    "train.may_change",
    "train.checkpoint_every",
    "train.keep",
    "train.baseline",
    "train.trackers",
    "data.cache",
)
"""Settings that a resumed run may change, because its losses do not depend on them."""

LOCATION = re.compile(r"data\.dir|encoder\.(name|revision)|tasks\[\w+\]\.((files|label_files)\..+|extra\[\d+\]\.file)")
"""Settings that say where rows and encoder are. They may change, because the content is compared (see `start.begin`)."""

LENGTH = ("train.epochs", "train.max_steps", "train.patience")
"""Settings that a resumed run may raise."""


@dataclass(frozen=True)
class Changes:
    """Settings that a resumed run changes: old and new values by dotted name.

    Attributes:
        moved: Where data and encoder are.
        longer: Limits for the length of the run.
        allowed: Settings that its losses depend on and that ``train.may_change`` names.
    """

    moved: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    longer: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    allowed: dict[str, tuple[Any, Any]] = field(default_factory=dict)


def check_settings(
    config: RunConfig,
    out: Path,
    resume: bool,
    *,
    may_change: bool = True,
    record: Mapping[str, Any] | None = None,
) -> Changes:
    """Compare the settings of a run with those in its folder.

    Args:
        config: The settings.
        out: The run folder, which need not exist.
        resume: Whether the run is resumed.
        may_change: Whether it may become longer.
        record: Contents of its ``run.json``, which is read if left out.

    Returns:
        What changes.

    Raises:
        SwissbertError: If the folder is taken, or a setting that must stay has changed.
    """
    if not (out / layout.RUN_CONFIG).exists():
        if (out / layout.CHECKPOINTS).exists():
            raise SwissbertError(
                f"{out}: holds checkpoints but no {layout.RUN_CONFIG}, so the settings of their run are not known; put "
                "that file back, or choose another folder",
                argument="out",
            )
        return Changes()
    if not resume:
        raise SwissbertError(f"{out}: holds a run already; resume it, or choose another folder", argument="resume")
    stored = stored_config(out, config, record)
    differing = changed_meaning(stored, config)
    moved = {key: values for key, values in differing.items() if _is_location(key, *values)}
    longer = {key: values for key, values in differing.items() if may_change and _is_longer(key, *values)}
    named = config.train.may_change if may_change else []
    allowed = {
        key: values
        for key, values in differing.items()
        if _setting(key) in named and key not in {*FREE, *moved, *longer}
    }
    refused = {key: values for key, values in differing.items() if key not in {*FREE, *moved, *longer, *allowed}}
    if refused:
        changes = "; ".join(shown_change(key, *values) for key, values in refused.items())
        hint = ""
        if may_change and refused.keys() <= set(LENGTH):
            hint = "; a run that goes on can only become longer"
        elif may_change and all(_setting(key) in MAY_CHANGE for key in refused):
            hint = f"; train.may_change = {sorted({*map(_setting, refused), *named})} allows that"
        raise SwissbertError(f"{out}: settings differ from those the run began with: {changes}{hint}")
    if any(stage.share is not None for stage in config.stages) and longer.keys() & {"train.epochs", "train.max_steps"}:
        raise SwissbertError(
            f"{out}: train.epochs and train.max_steps cannot change, because stages have a share of the steps; "
            f"a new run with encoder.name = '{out}' begins with what this one has learned"
        )
    if "train.epochs" in longer and config.sampling.method == "annealed":
        raise SwissbertError(
            f"{out}: train.epochs cannot change, because sampling.method = 'annealed' follows the number of epochs; "
            f"a new run with encoder.name = '{out}' begins with what this one has learned"
        )
    return Changes(moved, longer, allowed)


def _is_location(key: str, old: object, new: object) -> bool:
    """Whether a setting says where something is whose content is compared; as many teachers as before are the same ones."""
    is_list = isinstance(old, list) and isinstance(new, list)
    same_teachers = key == "distillation.teachers" and is_list and len(old) == len(new)  # type: ignore[arg-type]
    return same_teachers or LOCATION.fullmatch(key) is not None


def _setting(key: str) -> str:
    """Return the name by which ``train.may_change`` allows a setting; factors by task go by their table."""
    return "loss.scale" if key.startswith("loss.scale") else key


def _is_longer(key: str, old: object, new: object) -> bool:
    """Whether a setting is a limit for the length of the run that was raised or removed."""
    if key not in LENGTH or old is None:
        return False
    return new is None or (isinstance(old, int) and isinstance(new, int) and new > old)


def moved_lines(changes: Changes, record: Mapping[str, Any]) -> list[str]:
    """Say where data and encoder of a resumed run are now.

    Args:
        changes: The changed settings.
        record: Contents of ``run.json``.
    """
    lines = []
    for key, (old, new) in changes.moved.items():
        compared = "its weights are" if key.startswith("encoder") else "the rows are"
        if key == "distillation.teachers":
            compared = "the models are"
        note = f"{compared} compared with those the run began with"
        if key.startswith("encoder") and "encoder_weights" not in record:
            note = "this run has no record of its weights, so they are not compared"
        lines.append(f"{key} is {shown(new)} now and was {shown(old)}; {note}")
    return lines


def longer_lines(changes: Changes, config: RunConfig, total: int) -> list[str]:
    """Say how much longer a run becomes, and what that means for its losses.

    Args:
        changes: The changed settings.
        config: The new settings.
        total: The new number of steps.
    """
    longer, lines = dict(changes.longer), []
    if config.stages and "train.epochs" in longer:
        old, new = longer.pop("train.epochs")
        lines.append(f"train.epochs {old} became {new}, which changes nothing: the stages say how long this run is")
    if not longer:
        return lines
    return [*lines, _longer_line(longer, config, total)]


def _longer_line(longer: Mapping[str, tuple[Any, Any]], config: RunConfig, total: int) -> str:
    """Word settings that make a run longer, and what that means for its losses."""
    train = config.train
    what = ", ".join(f"{key} {old} became {'unlimited' if new is None else new}" for key, (old, new) in longer.items())
    line = f"this run becomes longer: {what}; it has {total} steps in all"
    if longer.keys() == {"train.patience"}:
        return line
    follows = []
    if train.schedule != "constant" or train.warmup:
        schedule = f"{train.schedule} schedule" if train.schedule != "constant" else "warm-up"
        follows.append(f"its learning rates follow the {schedule} over all of them")
    regularisation = config.regularisation
    if regularisation.proximal and (regularisation.proximal_decay is None or regularisation.proximal_start):
        follows.append("the anchor of regularisation.proximal follows their number")
    if config.distillation.teachers and config.distillation.annealing:
        follows.append("the share of the teachers falls to 0 over all of them")
    if not follows:
        return f"{line}, and with a constant learning rate its losses are those of a run of that length"
    return f"{line}, and from here on {' and '.join(follows)}, so it differs from a run that had that length from the beginning"
