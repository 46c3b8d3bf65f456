"""swissBERT: one BERT encoder fine-tuned for several sentence-level tasks at once.

Public names are imported on first use, so that ``import swissbert`` is fast and imports no torch.
"""

from importlib import import_module

from swissbert.version import __version__

TYPE_CHECKING = (
    False  # as in typing, whose import takes the time in which Ctrl-C would still end a command with a traceback
)

if TYPE_CHECKING:
    from swissbert.config import RunConfig, load_config, make_config
    from swissbert.errors import SwissbertError
    from swissbert.estimator import SwissbertClassifier as SwissbertClassifier
    from swissbert.estimator import SwissbertRegressor as SwissbertRegressor
    from swissbert.evaluation import Scores
    from swissbert.inference import Model, evaluate, load
    from swissbert.kinds import Answer
    from swissbert.model_folder.convert import convert_weights
    from swissbert.sweeps import sweep as sweep
    from swissbert.tasks import Task
    from swissbert.training import Callback, EndRun, Result, Stopped, train
    from swissbert.training.soup import soup

_MODULES = {
    "Answer": "swissbert.kinds",
    "Callback": "swissbert.training",
    "EndRun": "swissbert.training",
    "Model": "swissbert.inference",
    "Result": "swissbert.training",
    "RunConfig": "swissbert.config",
    "Scores": "swissbert.evaluation",
    "Stopped": "swissbert.training",
    "SwissbertClassifier": "swissbert.estimator",
    "SwissbertError": "swissbert.errors",
    "SwissbertRegressor": "swissbert.estimator",
    "Task": "swissbert.tasks",
    "convert_weights": "swissbert.model_folder.convert",
    "evaluate": "swissbert.inference",
    "load": "swissbert.inference",
    "load_config": "swissbert.config",
    "make_config": "swissbert.config",
    "soup": "swissbert.training.soup",
    "sweep": "swissbert.sweeps",
    "train": "swissbert.training",
}
# The estimators and `sweep` are left out of __all__, so that ``from swissbert import *`` imports neither scikit-learn nor Optuna.
__all__ = [
    "Answer",
    "Callback",
    "EndRun",
    "Model",
    "Result",
    "RunConfig",
    "Scores",
    "Stopped",
    "SwissbertError",
    "Task",
    "__version__",
    "convert_weights",
    "evaluate",
    "load",
    "load_config",
    "make_config",
    "soup",
    "train",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'swissbert' has no attribute '{name}'")
    try:
        return getattr(import_module(_MODULES[name]), name)
    except ModuleNotFoundError as error:
        from swissbert.missing import explained

        if (reason := explained(error)) is None:
            raise
        raise reason from error


def __dir__() -> list[str]:
    """List all public names, imported or not."""
    return sorted({*globals(), *_MODULES})
