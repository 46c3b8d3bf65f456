"""Training: from settings to a run folder with the best model in it, with exact resume."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.training.building import build as build
    from swissbert.training.callbacks import Callback as Callback
    from swissbert.training.callbacks import EndRun as EndRun
    from swissbert.training.loop import train as train
    from swissbert.training.plan import plan_steps as plan_steps
    from swissbert.training.preparation import Prepared as Prepared
    from swissbert.training.preparation import prepare as prepare
    from swissbert.training.result import Result as Result
    from swissbert.training.result import Stopped as Stopped
    from swissbert.training.run import Run as Run
    from swissbert.training.run_rows import load_splits as load_splits
    from swissbert.training.step import TrainingStep as TrainingStep
    from swissbert.training.step_record import StepRecord as StepRecord

_MODULES = {
    "Callback": "callbacks",
    "EndRun": "callbacks",
    "Prepared": "preparation",
    "Result": "result",
    "Run": "run",
    "StepRecord": "step_record",
    "Stopped": "result",
    "TrainingStep": "step",
    "build": "building",
    "load_splits": "run_rows",
    "plan_steps": "plan",
    "prepare": "preparation",
    "train": "loop",
}
__all__ = [
    "Callback",
    "EndRun",
    "Prepared",
    "Result",
    "Run",
    "StepRecord",
    "Stopped",
    "TrainingStep",
    "build",
    "load_splits",
    "plan_steps",
    "prepare",
    "train",
]


def __getattr__(name: str) -> object:
    """Import public names on first use, because they need torch (PEP 562)."""
    if name in _MODULES:
        return getattr(import_module(f"swissbert.training.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
