"""What a run says before its first step: what is trained, on which hardware, and what its settings mean."""

from collections.abc import Iterator

from swissbert.distributed.world import World
from swissbert.model.multitask import part_of
from swissbert.training.coverage import coverage_lines
from swissbert.training.optim import layer_decay_line
from swissbert.training.preparation import Prepared
from swissbert.training.regularisation import Regulariser
from swissbert.training.state import Progress
from swissbert.wording import counted


def introduction_lines(
    prepared: Prepared, progress: Progress, regulariser: Regulariser | None, world: World, *, is_complete: bool
) -> Iterator[str]:
    """Yield the lines.

    Args:
        prepared: The run.
        progress: Steps done, of a resumed run.
        regulariser: Its terms of regularisation, if any.
        world: Its processes.
        is_complete: Whether no step is left.
    """
    train = prepared.config.train
    processes = "" if world.is_alone else f" in each of {world.size} processes"
    yield (
        f"{counted(prepared.total, 'step')} in {counted(len(prepared.plan.ends), 'epoch')} ({' + '.join(prepared.train)}, "
        f"{train.batch_size} rows a batch), {prepared.hardware}{processes}"
        + (f", going on after step {progress.step}" if progress.step else "")
    )
    parts = [part_of(name) for name, _ in prepared.network.encoder.named_parameters()]
    if line := layer_decay_line(train, parts, learns=not prepared.config.encoder.freeze):
        yield line
    if is_complete and progress.step < prepared.total:
        yield (
            f"this run ended at step {progress.step}, after {progress.stale} evaluations without a new best; "
            f"train.patience is {train.patience}, and a larger one lets it go on"
        )
    yield from coverage_lines(prepared.config, prepared.train, prepared.plan)
    if train.heads_first:
        yield f"train.heads_first {train.heads_first}: up to step {train.heads_first} only heads learn"
    if train.ema is not None:
        yield (
            f"train.ema {train.ema:g}: dev scores and the model that is saved are those of a moving average of the weights"
        )
    yield from regulariser.notes(prepared.hardware) if regulariser is not None else []
