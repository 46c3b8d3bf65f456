"""How figures look: colours that colour-blind people tell apart, no frames, text that is never taken for mathematics."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from io import BytesIO
from textwrap import fill
from typing import Any, Literal, ParamSpec

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, SOFT, RULE = "#1c2431", "#5b6676", "#d4dae2"
"""Text and axes, second-rank text, grid. In the report the page puts its own colours in place of these."""
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f"]
"""One a task or a series, in this order (after Okabe and Ito)."""
HEAT = "Blues"

RC: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": SOFT,
    "axes.grid": True,
    "axes.labelcolor": SOFT,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.prop_cycle": cycler(color=COLOURS),
    "figure.constrained_layout.use": True,
    "figure.titlesize": 12,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",  # text stays text: it can be read out, searched, and set in whatever script it is in
    "svg.hashsalt": "swissbert",  # the same figure is the same file
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in someone's sentence is a dollar sign
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}

P = ParamSpec("P")


@contextmanager
def styled() -> Iterator[None]:
    """Make and save figures in this style, whatever the person's own settings are, and leave those alone."""
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(RC)  # type: ignore[arg-type]
        # The PNG has a box for a character that the font lacks; in the SVG the reader's own fonts show it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support .* natively")
        yield


def in_style(make: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let a function that makes a figure make it in this style."""

    @wraps(make)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with styled():
            return make(*args, **kwargs)

    return wrapper


def rendered(figure: Figure, format: Literal["png", "svg"]) -> bytes:
    """The figure as a file, the same bytes for the same figure."""
    out = BytesIO()
    with styled():
        metadata = {"Date": None} if format == "svg" else {"Software": None}
        figure.savefig(out, format=format, dpi=150, metadata=metadata, facecolor="none" if format == "svg" else "white")
    return out.getvalue()


def axes_row(title: str, count: int, width: float, height: float, **ratios: Any) -> tuple[Figure, list[Axes]]:
    """A figure with a title and `count` axes side by side, sizes in inches."""
    figure = Figure(figsize=(width, height))
    headline(figure, title)
    found = figure.subplots(1, count, squeeze=False, **ratios)
    return figure, list(found[0])


def headline(figure: Figure, title: str) -> None:
    """The title of a figure, over several lines where it is longer than the figure is wide."""
    figure.suptitle(fill(title, max(20, int(figure.get_figwidth() * 6.8))), x=0.01, ha="left", fontweight="bold")


def plain(axes: Axes, *, grid: Literal["x", "y", "both"] | None = "y") -> None:
    """Leave only the grid lines that help to read."""
    axes.grid(False)
    if grid:
        axes.grid(True, axis=grid)


def percent(axis: Any) -> None:
    """Ticks of an axis of shares, in percent: few enough to stand apart, with no more digits than they need."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share, 6):g}%".replace("-", "\u2212")))
