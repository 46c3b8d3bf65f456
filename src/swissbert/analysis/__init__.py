"""Figures and reports on trained models. Importing this package does not import torch or matplotlib.

Each function whose name ends in ``_figure`` returns a matplotlib figure (``pip install 'swissbert[report]'``);
`analyse` writes all of them and their tables as one HTML page.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.analysis.answered import AnsweredSplit as AnsweredSplit
    from swissbert.analysis.answered import answer_split as answer_split
    from swissbert.analysis.architecture import architecture_figure as architecture_figure
    from swissbert.analysis.calibration import calibration_figure as calibration_figure
    from swissbert.analysis.distributions import count_splits as count_splits
    from swissbert.analysis.distributions import distribution_figure as distribution_figure
    from swissbert.analysis.heat_maps import attention_figure as attention_figure
    from swissbert.analysis.history import conflict_figure as conflict_figure
    from swissbert.analysis.history import layer_figure as layer_figure
    from swissbert.analysis.history import read_history as read_history
    from swissbert.analysis.history import training_figure as training_figure
    from swissbert.analysis.history import weights_figure as weights_figure
    from swissbert.analysis.label_figures import confusion_figure as confusion_figure
    from swissbert.analysis.label_figures import label_figure as label_figure
    from swissbert.analysis.learning_curve_page import curve_figure as curve_figure
    from swissbert.analysis.mistakes import bucket_errors as bucket_errors
    from swissbert.analysis.mistakes import bucket_figure as bucket_figure
    from swissbert.analysis.mistakes import overlap_figure as overlap_figure
    from swissbert.analysis.pair_attention import attention_shares as attention_shares
    from swissbert.analysis.pair_attention import shares_figure as shares_figure
    from swissbert.analysis.report import analyse as analyse
    from swissbert.analysis.score_figures import metric_scores as metric_scores
    from swissbert.analysis.score_figures import scatter_figure as scatter_figure
    from swissbert.analysis.score_figures import scores_figure as scores_figure
    from swissbert.analysis.task_gradients import gradient_cosines as gradient_cosines
    from swissbert.analysis.thresholds import threshold_curve as threshold_curve
    from swissbert.analysis.thresholds import threshold_figure as threshold_figure
    from swissbert.analysis.train_shares import learning_curve as learning_curve
    from swissbert.analysis.versus import compare as compare
    from swissbert.analysis.versus import versus_figure as versus_figure

_MODULES = {
    "AnsweredSplit": "answered",
    "analyse": "report",
    "answer_split": "answered",
    "architecture_figure": "architecture",
    "attention_figure": "heat_maps",
    "attention_shares": "pair_attention",
    "bucket_errors": "mistakes",
    "bucket_figure": "mistakes",
    "calibration_figure": "calibration",
    "compare": "versus",
    "conflict_figure": "history",
    "confusion_figure": "label_figures",
    "count_splits": "distributions",
    "curve_figure": "learning_curve_page",
    "distribution_figure": "distributions",
    "gradient_cosines": "task_gradients",
    "label_figure": "label_figures",
    "layer_figure": "history",
    "learning_curve": "train_shares",
    "metric_scores": "score_figures",
    "overlap_figure": "mistakes",
    "read_history": "history",
    "scatter_figure": "score_figures",
    "scores_figure": "score_figures",
    "shares_figure": "pair_attention",
    "threshold_curve": "thresholds",
    "threshold_figure": "thresholds",
    "training_figure": "history",
    "versus_figure": "versus",
    "weights_figure": "history",
}
"""Module of each public name."""

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    if name in _MODULES:
        return getattr(import_module(f"swissbert.analysis.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted({*globals(), *_MODULES})
