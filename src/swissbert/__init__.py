"""swissBERT: one BERT encoder fine-tuned for several sentence-level tasks at once.

The public names are imported when first used, so that ``import swissbert`` is quick and needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.config import RunConfig, load_config
    from swissbert.errors import SwissbertError
    from swissbert.estimator import SwissbertClassifier as SwissbertClassifier
    from swissbert.estimator import SwissbertRegressor as SwissbertRegressor
    from swissbert.evaluation import evaluate
    from swissbert.ready import Model, load
    from swissbert.tasks import Task
    from swissbert.training.loop import train

__version__ = "0.1.0"
# The estimators are not in it: ``from swissbert import *`` works without scikit-learn.
__all__ = ["Model", "RunConfig", "SwissbertError", "Task", "evaluate", "load", "load_config", "train"]

_HOMES = {
    "Model": ("swissbert.ready", "Model"),
    "RunConfig": ("swissbert.config", "RunConfig"),
    "SwissbertError": ("swissbert.errors", "SwissbertError"),
    "SwissbertClassifier": ("swissbert.estimator", "SwissbertClassifier"),
    "SwissbertRegressor": ("swissbert.estimator", "SwissbertRegressor"),
    "Task": ("swissbert.tasks", "Task"),
    "evaluate": ("swissbert.evaluation", "evaluate"),
    "load": ("swissbert.ready", "load"),
    "load_config": ("swissbert.config", "load_config"),
    "train": ("swissbert.training.loop", "train"),
}


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'swissbert' has no attribute '{name}'")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
