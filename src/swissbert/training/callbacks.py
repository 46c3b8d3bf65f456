"""Callbacks: functions that a run calls while it trains."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.evaluation import Scores
    from swissbert.training.result import Result
    from swissbert.training.run import Run
    from swissbert.training.step_record import StepRecord


class EndRun(Exception):  # noqa: N818 (a request, not an error)
    """Raised by a callback to end the run early, with a result: ``raise EndRun("half an hour is over")``.

    The run is evaluated after the present step, unless it just was, saves a checkpoint, and returns its `Result` as if it
    were complete. Resumed later, it goes on with the next step; the additional evaluation counts for the best model and for
    ``train.patience``. Raised in ``on_start``, it takes effect after the next step; in ``on_checkpoint`` after the next step, or
    at once if the step was evaluated; in ``on_end`` it has no effect.
    """


class Callback:
    """Base class of callbacks, whose functions do nothing. Any object with some of these functions is a callback too.

    In a run they are called in this order:

    1. ``on_start``, once before the first step;
    2. ``on_step`` after each step, when its line is in ``metrics.jsonl``;
    3. ``on_evaluation`` after the step if dev rows were scored, when the model is saved if it is the best so far;
    4. ``on_checkpoint`` after the step if a checkpoint was written;
    5. ``on_end``, once if the run is complete.

    A callback may end the run by raising `EndRun`. Any other exception is passed on to the caller of `train`: the run ends
    without a further checkpoint, because the callback may have left the network in any state, and can be resumed from the
    last one.

    Of several processes, process 0 alone calls callbacks. Values of parameters that ``on_start`` changes are copied to the
    others; it must not freeze parameters, and other functions must not change the network: a run in which the processes
    differ is ended. ``on_step`` has 10 minutes, after which the other processes take process 0 to be lost; the other
    functions may take as long as they need.

    Example::

        class Losses(Callback):
            def on_step(self, step, record):
                print(step, record.loss)


        train("quickstart", "runs/one", callbacks=[Losses()])
    """

    def on_start(self, run: "Run") -> None:
        """Called once before the first step, of a resumed run too; ``run.progress.step`` tells them apart."""

    def on_step(self, step: int, record: "StepRecord") -> None:
        """Called after each optimizer step.

        Args:
            step: Number of steps done, from 1.
            record: Losses, weights, cosines, tokens and duration.
        """

    def on_evaluation(self, step: int, scores: "Scores") -> None:
        """Called after each evaluation on dev rows, when the model is saved if it is the best so far.

        Args:
            step: Number of steps done.
            scores: Scores of all tasks.
        """

    def on_checkpoint(self, step: int, folder: Path) -> None:
        """Called after each checkpoint, which is on disk by then.

        Args:
            step: Number of steps done.
            folder: The checkpoint; ``train.keep`` says how many later ones it outlives.
        """

    def on_end(self, result: "Result") -> None:
        """Called once when the run is complete or a callback has ended it; not after an interrupt or an error."""


def notify(callbacks: Sequence[object], event: str, *arguments: object) -> EndRun | None:
    """Call a function of all callbacks that have it, in order; return the first `EndRun` that one of them raises."""
    ending = None
    for callback in callbacks:
        function = getattr(callback, event, None)
        if function is not None:
            try:
                function(*arguments)
            except EndRun as request:
                ending = ending or request
    return ending
