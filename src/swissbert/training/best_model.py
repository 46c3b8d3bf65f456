"""Whether the model in a run folder is the best one of the steps that its checkpoint has."""

from dataclasses import replace
from pathlib import Path

from swissbert.checksums import check_all, checksum
from swissbert.config import TrainSettings
from swissbert.errors import SwissbertError
from swissbert.model_folder import layout
from swissbert.model_folder.load import resolve_folder
from swissbert.reading import read_object
from swissbert.training.state import Progress


def need_best_model(out: Path, progress: Progress) -> None:
    """Check that the best model of a resumed run is still there and whole, as it may stay the best.

    Args:
        out: The run folder.
        progress: Progress of the checkpoint.

    Raises:
        SwissbertError: If it is not; says what to do.
    """
    if progress.best_step is None:
        return
    try:
        check_all(resolve_folder(out) / layout.DESCRIPTION)
    except SwissbertError as error:
        raise SwissbertError(
            f"{out / layout.BEST_MODEL}: the best model so far, of step {progress.best_step}, is missing or damaged ({error}); "
            f"put a copy of it there, or remove {out / layout.CHECKPOINTS} and resume, which trains the run from its beginning"
        ) from error


def check_best_model(out: Path, progress: Progress, train: TrainSettings, *, is_same: bool) -> tuple[Progress, str]:
    """Compare ``model/`` of a resumed run with its progress.

    A run that was killed between an evaluation and its checkpoint holds the model of a later step, which the run repeats.
    If it goes on as another run that model may not come again, and the best model is chosen anew.

    Args:
        out: The run folder.
        progress: Progress of the checkpoint.
        train: Settings of the run.
        is_same: Whether the run goes on as the same run.

    Returns:
        The progress, and a line about the model; empty if there is nothing to say.

    Raises:
        SwissbertError: If the model is of another run.
    """
    path = out / layout.BEST_MODEL / layout.DESCRIPTION
    if progress.best_step is None or not path.exists():
        return progress, ""
    description = read_object(path)
    made, scores = description.get("provenance"), description.get("scores")
    step = made.get("step") if isinstance(made, dict) else None
    if isinstance(step, int) and step > progress.step:
        if is_same:
            return progress, ""
        line = f"the best model so far, of step {progress.best_step}, was replaced by that of step {step}, which is not kept"
        return replace(progress, best=None, best_step=None, stale=0), line
    is_other = progress.best_checksum is not None and checksum(path) != progress.best_checksum
    value = scores.get(train.best_by) if isinstance(scores, dict) else None
    is_other_value = value is not None and progress.best is not None and not train.tie and value != progress.best
    if step != progress.best_step or is_other_value or is_other:
        raise SwissbertError(
            f"{out / layout.BEST_MODEL}: is not the best model of this run, of step {progress.best_step} with "
            f"{train.best_by} {progress.best}, but of step {step} with {value}; put that model back, or start a new run in "
            "another folder"
        )
    return progress, ""
