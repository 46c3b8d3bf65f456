"""Style of figures: colour-blind safe colours, no frames, no math text."""

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
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

INK, SOFT, RULE = "#1c2431", "#5b6676", "#d4dae2"
"""Colours of text, secondary text and grid. The report replaces them by variables of its page."""
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f"]
"""Colours of tasks or series, in this order (after Okabe and Ito)."""
_HEAT_RGB = (0.0, 0.36, 0.6)
HEAT = LinearSegmentedColormap.from_list("heat", [(*_HEAT_RGB, 0.0), (*_HEAT_RGB, 1.0)])
"""Colour map of heat maps: from transparent, which is the background of the page whether light or dark, to blue."""
DENSITY = LinearSegmentedColormap.from_list("density", [(0.35, 0.7, 0.95, 0.3), (*_HEAT_RGB, 1.0)])
"""Colour map of counts above 0, which are visible however few."""
FULL = 0.72
"""Share of `HEAT` from which text on it is white in light and dark."""

NARROW = 6.6
"""Width in inches of a figure that is readable on a phone."""

RC: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": SOFT,
    "axes.facecolor": "none",  # the background of the page, light or dark
    "axes.grid": True,
    "axes.labelcolor": SOFT,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.prop_cycle": cycler(color=COLOURS),
    "figure.constrained_layout.h_pad": 0.1,  # room for fonts of the browser that are larger
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.1,
    "figure.titlesize": 12,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",  # text stays text, for search, screen readers and the fonts of the browser
    "svg.hashsalt": "swissbert",  # deterministic ids
    "text.color": INK,
    "text.parse_math": False,  # dollar signs in texts are literal
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}

P = ParamSpec("P")


@contextmanager
def styled() -> Iterator[None]:
    """Apply this style for a while, independent of the matplotlib settings of the process."""
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(RC)  # type: ignore[arg-type]
        # PNG files show a box for characters that the font lacks; SVG files use the fonts of the browser.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support .* natively")
        yield


def in_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorate a function that returns a figure, so that it draws in this style."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with styled():
            return draw(*args, **kwargs)

    return wrapper


def render(figure: Figure, format: Literal["png", "svg"]) -> bytes:
    """Return a figure as the bytes of a file; equal figures give equal bytes."""
    out = BytesIO()
    with styled():
        metadata = {"Date": None} if format == "svg" else {"Software": None}
        figure.savefig(out, format=format, dpi=150, metadata=metadata, facecolor="none" if format == "svg" else "white")
    return out.getvalue()


def axes_row(title: str, count: int, width: float, height: float, **ratios: Any) -> tuple[Figure, list[Axes]]:
    """Create a figure with axes side by side.

    Args:
        title: Title of the figure.
        count: Number of axes.
        width: Width in inches.
        height: Height in inches.
        ratios: Further arguments of ``Figure.subplots``, such as ``width_ratios``.
    """
    figure = Figure(figsize=(width, height))
    set_title(figure, title)
    grid = figure.subplots(1, count, squeeze=False, **ratios)
    return figure, list(grid[0])


def set_title(figure: Figure, title: str) -> None:
    """Set the title of a figure, wrapped to its width."""
    figure.suptitle(fill(title, max(20, int(figure.get_figwidth() * 6.8))), x=0.01, ha="left", fontweight="bold")


def hide_grid(axes: Axes, *, keep: Literal["x", "y", "both"] | None = "y") -> None:
    """Hide the grid lines, except those of the axes in `keep`."""
    axes.grid(False)
    if keep:
        axes.grid(True, axis=keep)


def legend_below(axes: Axes, width: float) -> None:
    """Add a legend below the axes, where it hides no curve and needs no width beside them.

    Args:
        axes: The axes, with their axis labels.
        width: Room in inches, from which the number of columns follows.
    """
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return
    columns = max(1, int(width / (0.5 + 0.085 * max(map(len, labels)))))  # a handle and its gaps, and a letter
    below = 46 if axes.get_xlabel() else 26  # points, for the tick labels and the axis label
    figure: Any = axes.get_figure()
    place: Any = axes.transAxes + ScaledTranslation(0, -below / 72, figure.dpi_scale_trans)
    axes.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=place,
        borderaxespad=0,
        borderpad=0,
        ncols=min(columns, len(labels)),
    )


def percent(axis: Any) -> None:
    """Format an axis of shares in percent, with at most seven ticks, and fewer on a short axis."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_locator(_ShareLocator(axis))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{round(100 * share, 6):g}%".replace("-", "\u2212")))


class _ShareLocator(MaxNLocator):
    """Places as many ticks as have room beside each other, at most seven."""

    def __init__(self, of: Any) -> None:
        super().__init__(6, steps=[1, 2, 5, 10])
        self._of = of

    def tick_values(self, vmin: float, vmax: float) -> Any:
        box = self._of.axes.get_window_extent()
        is_across = self._of.axis_name == "x"
        inches = (box.width if is_across else box.height) / self._of.get_figure().dpi
        self.set_params(nbins=max(1, min(6, int(inches / (0.5 if is_across else 0.25)))))  # "100%" is 0.4 inches wide
        return super().tick_values(vmin, vmax)
