"""What `bench.py` found, as Markdown tables and plots."""

import statistics
from pathlib import Path
from typing import Any

Figures = dict[str, Any]


def median(stored: Figures, section: str, program: str, key: str) -> float:
    """The median of a figure over rounds."""
    return float(statistics.median(each[key] for each in stored[section]["figures"][program]))


def rounds_of(stored: Figures, section: str, program: str, key: str) -> str:
    """A figure of every round, in order."""
    return ", ".join(f"{each[key]:g}" for each in stored[section]["figures"][program])


def tables(stored: Figures) -> str:
    """Every section as a Markdown table, with ratios to this project's own figure."""
    lines: list[str] = []
    for section, key, what in (("training", "sequences_per_s", "sequences/s"), ("scoring", "pairs_per_s", "pairs/s")):
        if section not in stored:
            continue
        names = list(stored[section]["figures"])
        fast = max(
            (name for name in names if name.startswith("swissbert")), key=lambda n: median(stored, section, n, key)
        )
        extra = {"training": ["useful_over_peak", "padding", "peak_memory_mb"], "scoring": ["peak_memory_mb"]}[section]
        lines += [f"### {section.capitalize()}", "", note(stored, section), ""]
        lines += [f"| program | {what}, each round | median | {fast} is … times as fast | {' | '.join(extra)} |"]
        lines += ["|---|" + "---|" * (3 + len(extra))]
        for name in sorted(names, key=lambda n: -median(stored, section, n, key)):
            value = median(stored, section, name, key)
            times = "" if name == fast else f"{median(stored, section, fast, key) / value:.2f}"
            more = " | ".join(f"{median(stored, section, name, each):g}" for each in extra)
            lines += [f"| {name} | {rounds_of(stored, section, name, key)} | {value:g} | {times} | {more} |"]
        lines += ["", f"![{section.capitalize()}]({section}.png)", ""]
    if "first" in stored:
        lines += ["### First answer", "", note(stored, "first"), ""]
        lines += [
            f"`swissbert predict mini` in a new process: {rounds_of(stored, 'first', 'swissbert predict', 'seconds')} s; "
            f"`import torch` alone: {rounds_of(stored, 'first', 'import torch', 'seconds')} s.",
            "",
        ]
    if "growth" in stored:
        keys = [
            "first_start_s",
            "second_start_s",
            "first_step_s",
            "us_per_token",
            "memory_after_start_mb",
            "peak_memory_mb",
        ]
        lines += [
            "### Growth",
            "",
            note(stored, "growth"),
            "",
            f"| rows | {' | '.join(keys)} |",
            "|---|" + "---|" * len(keys),
        ]
        for name in stored["growth"]["figures"]:
            figures = " | ".join(f"{median(stored, 'growth', name, key):g}" for key in keys)
            lines += [f"| {int(name):,} | {figures} |"]
        lines += ["", "![Growth](growth.png)", ""]
    if "serving" in stored:
        lines += ["### Serving", "", note(stored, "serving"), ""]
        lines += [
            "| clients | | peer, each round | swissbert, each round | swissbert / peer |",
            "|---|---|---|---|---|",
        ]
        for clients, key in ((64, "requests_per_s"), (64, "p99_ms"), (1, "p50_ms")):
            peer, ours = (f"{name}, {clients} clients" for name in ("peer", "swissbert"))
            ratio = median(stored, "serving", ours, key) / median(stored, "serving", peer, key)
            each = " | ".join(rounds_of(stored, "serving", name, key) for name in (peer, ours))
            lines += [f"| {clients} | {key} | {each} | {ratio:.2f} |"]
        over = stored["serving"]["figures"]["swissbert, 640 clients"]
        lines += [
            "",
            "With 640 clients, four times 20 s one after the other:",
            "",
            "| answered/s | codes | server's memory, MB |",
        ]
        lines += ["|---|---|---|"]
        lines += [f"| {each['requests_per_s']} | {each['codes']} | {each['server_memory_mb']} |" for each in over]
        lines += [""]
    if "accuracy" in stored:
        keys = ["sst.accuracy", "para.accuracy", "sts.pearson", "overall"]
        lines += ["### Accuracy", "", note(stored, "accuracy"), ""]
        lines += [f"| | seed | {' | '.join(keys)} |", "|---|---|" + "---|" * len(keys)]
        for name, runs in stored["accuracy"]["figures"].items():
            for each in runs:
                seed = each["seed"] if name.startswith("trained") else "(mini)"
                lines += [f"| {name} | {seed} | {' | '.join(f'{each[key]:.4f}' for key in keys)} |"]
            if len(runs) > 1:
                means = " | ".join(f"{statistics.mean(each[key] for each in runs):.4f}" for key in keys)
                lines += [f"| {name} | mean | {means} |"]
        lines += [""]
    return "\n".join(lines)


def note(stored: Figures, section: str) -> str:
    """Where and when a section was measured."""
    made = stored[section]
    machine = made["environment"]
    return f"{made['date']}, {made['rounds']} rounds, {machine['machine']}, torch {machine['torch']}, commit {machine['commit'][:10]}."


def plots(stored: Figures, folder: Path) -> None:
    """Bars of training and scoring, and lines of growth."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    for section, key, title in (
        ("training", "sequences_per_s", "Training on SST, Quora and STS: sequences a second, longer is better"),
        ("scoring", "pairs_per_s", "Scoring Quora pairs from raw text: pairs a second, longer is better"),
    ):
        if section not in stored:
            continue
        names = sorted(stored[section]["figures"], key=lambda n: median(stored, section, n, key))
        figure, axes = pyplot.subplots(figsize=(8, 0.5 * len(names) + 1.4), layout="constrained")
        colours = ["#1b6ca8" if name.startswith("swissbert") else "#b8bec5" for name in names]
        axes.barh(names, [median(stored, section, name, key) for name in names], color=colours)
        for at, name in enumerate(names):
            rounds = [each[key] for each in stored[section]["figures"][name]]
            axes.plot(rounds, [at] * len(rounds), "|", color="#333333", markersize=9)
            label = f"{median(stored, section, name, key):.0f}"
            axes.annotate(label, (max(rounds), at), (6, 0), textcoords="offset points", va="center")
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.12)
        axes.set_xlabel("median of the rounds; a line marks each round", fontsize=9)
        figure.suptitle(title, fontsize=11)
        figure.savefig(folder / f"{section}.png", dpi=110)
        pyplot.close(figure)
    if "growth" in stored:
        sizes = [int(name) for name in stored["growth"]["figures"]]
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")

        def values(key: str) -> list[float]:
            return [median(stored, "growth", f"{size:07}", key) for size in sizes]

        start = [1e6 * seconds / size for seconds, size in zip(values("first_start_s"), sizes, strict=True)]
        left.plot(sizes, values("us_per_token"), "o-", color="#1b6ca8", label="training, µs a token")
        left.plot(sizes, start, "s-", color="#c0562b", label="first reading, µs a row (with loading the model)")
        right.plot(sizes, values("memory_after_start_mb"), "o-", color="#1b6ca8", label="after the start")
        right.plot(sizes, values("peak_memory_mb"), "s-", color="#c0562b", label="peak while training")
        for axes, title in ((left, "Time a row or token, µs"), (right, "Memory of the process, MB")):
            axes.set(xscale="log", title=title, xlabel="train rows")
            axes.set_ylim(bottom=0)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False, fontsize=8)
        figure.savefig(folder / "growth.png", dpi=110)
        pyplot.close(figure)
