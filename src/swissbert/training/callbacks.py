"""Callbacks: functions that a run calls while it trains."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.evaluation import Scores
    from swissbert.training.result import Result
    from swissbert.training.run import Run
    from swissbert.training.step_record import StepRecord


class Callback:
    """Base class of callbacks, whose functions do nothing. Any object with some of these functions is a callback too.

    An exception in a callback ends the run with its own traceback; the last checkpoint stays, and the run can be resumed.

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

    def on_end(self, result: "Result") -> None:
        """Called once when the run is complete; not after an interrupt or an error."""


def notify(callbacks: Sequence[object], event: str, *arguments: object) -> None:
    """Call a function of all callbacks that have it, in order."""
    for callback in callbacks:
        function = getattr(callback, event, None)
        if function is not None:
            function(*arguments)
