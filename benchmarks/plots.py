"""Plots of the results of `bench.py`."""

from pathlib import Path
from typing import Any

from tables import Results, median

OURS, PEER, SECOND, MARK = "#1b6ca8", "#b8bec5", "#c0562b", "#333333"
BARS = {
    "training": ("sequences_per_s", "Training on SST, Quora and STS: sequences a second, longer is better"),
    "scoring": ("pairs_per_s", "Scoring Quora pairs from raw text: pairs a second, longer is better"),
}


def save_plots(results: Results, beside: Path) -> None:
    """Write bar charts of training and scoring, and curves of growth, as PNG files whose names begin with `beside`."""
    import matplotlib

    matplotlib.use("agg")
    for section, (key, title) in BARS.items():
        if section in results:
            _save(_bars(results, section, key, title), Path(f"{beside}-{section}.png"))
    if "growth" in results:
        _save(_growth(results), Path(f"{beside}-growth.png"))


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _bars(results: Results, section: str, key: str, title: str) -> Any:
    """Draw a bar for the median of each program, with a mark for each round."""
    from matplotlib import pyplot

    names = sorted(results[section]["figures"], key=lambda name: median(results, section, name, key))
    figure, axes = pyplot.subplots(figsize=(8, 0.5 * len(names) + 1.4), layout="constrained")
    colours = [OURS if name.startswith("swissbert") else PEER for name in names]
    axes.barh(names, [median(results, section, name, key) for name in names], color=colours)
    for position, name in enumerate(names):
        rounds = [figures[key] for figures in results[section]["figures"][name]]
        axes.plot(rounds, [position] * len(rounds), "|", color=MARK, markersize=9)
        label = f"{median(results, section, name, key):.0f}"
        axes.annotate(label, (max(rounds), position), (6, 0), textcoords="offset points", va="center")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)
    axes.set_xlabel("median of the rounds; a line marks each round", fontsize=9)
    figure.suptitle(title, fontsize=11)
    return figure


def _growth(results: Results) -> Any:
    """Draw time and memory against the number of rows."""
    from matplotlib import pyplot

    sizes = [int(name) for name in results["growth"]["figures"]]

    def values(key: str) -> list[float]:
        return [median(results, "growth", f"{size:07}", key) for size in sizes]

    start = [1e6 * seconds / size for seconds, size in zip(values("first_start_s"), sizes, strict=True)]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    left.plot(sizes, values("us_per_token"), "o-", color=OURS, label="training, µs a token")
    left.plot(sizes, start, "s-", color=SECOND, label="first reading, µs a row (with loading the model)")
    right.plot(sizes, values("memory_after_start_mb"), "o-", color=OURS, label="after the start")
    right.plot(sizes, values("peak_memory_mb"), "s-", color=SECOND, label="peak while training")
    for axes, title in ((left, "Time a row or token, µs"), (right, "Memory of the process, MB")):
        axes.set(xscale="log", title=title, xlabel="train rows")
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    return figure
