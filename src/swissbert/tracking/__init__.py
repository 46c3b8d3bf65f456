"""Trackers: programs and services that show the numbers of runs. A new one is a `Tracker` in a file here and one line in `TRACKERS`."""

from importlib import import_module

from swissbert.tracking.base import Status, TrackedRun, Tracker

TRACKERS: dict[str, str] = {
    "tensorboard": "swissbert.tracking.tensorboard:TensorBoard",
    "wandb": "swissbert.tracking.wandb:WandB",
    "trackio": "swissbert.tracking.trackio:Trackio",
    "mlflow": "swissbert.tracking.mlflow:MLflow",
}
"""The trackers by name, as ``module:class``: a name in a settings file is looked up without importing anything of theirs."""

__all__ = ["TRACKERS", "Status", "TrackedRun", "Tracker", "find_tracker"]


def find_tracker(name: str) -> type[Tracker]:
    """Import the class of a name in `TRACKERS`. The package that it needs is imported when a run starts."""
    module, _, attribute = TRACKERS[name].partition(":")
    tracker: type[Tracker] = getattr(import_module(module), attribute)
    return tracker
