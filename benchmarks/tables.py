"""Markdown tables of the results of `bench.py`."""

import statistics
from typing import Any

Figures = dict[str, Any]
"""Figures of one program in one round by name."""
Results = dict[str, Any]
"""Figures of a machine: environment, date, rounds and figures of each section."""

GROWTH = ("first_start_s", "second_start_s", "first_step_s", "us_per_token", "memory_after_start_mb", "peak_memory_mb")
SCORES = ("sst.accuracy", "para.accuracy", "sts.pearson", "overall")


def median(results: Results, section: str, program: str, key: str) -> float:
    """Return the median of a figure over the rounds."""
    return float(statistics.median(figures[key] for figures in results[section]["figures"][program]))


def every_round(results: Results, section: str, program: str, key: str) -> str:
    """List a figure of all rounds, in order."""
    return ", ".join(f"{figures[key]:g}" for figures in results[section]["figures"][program])


def markdown(machines: dict[str, Results]) -> str:
    """Return all sections of each machine that have results; machines are named as their files are."""
    lines: list[str] = []
    for name, results in machines.items():
        where = next(iter(results.values()))["environment"]
        lines += [f"## Figures: {where['machine'].partition(', ')[2]}, {where['abilities']}", ""]
        lines += sections(name, results)
    return "\n".join(lines)


def sections(machine: str, results: Results) -> list[str]:
    """Return the sections of a machine that have results."""
    tables = {
        "training": lambda: speed(machine, results, "training", "sequences_per_s", "sequences/s", TRAINING),
        "scoring": lambda: speed(machine, results, "scoring", "pairs_per_s", "pairs/s", ("peak_memory_mb",)),
        "first": lambda: first(results),
        "growth": lambda: growth(machine, results),
        "serving": lambda: serving(results),
        "accuracy": lambda: accuracy(results),
    }
    lines: list[str] = []
    for name, table in tables.items():
        if name in results:
            title = "First answer" if name == "first" else name.capitalize()
            lines += [f"### {title}", "", note(results[name]), "", *table(), ""]
    return lines


TRAINING = ("useful_over_peak", "padding", "peak_memory_mb")


def note(section: Results) -> str:
    """Return date, number of rounds and environment of a section."""
    where = section["environment"]
    machine = f"{where['machine']}, torch {where['torch']}, commit {where['commit'][:10]}"
    return f"{section['date']}, {section['rounds']} rounds, {machine}."


def speed(machine: str, results: Results, section: str, key: str, unit: str, extra: tuple[str, ...]) -> list[str]:
    """Compare programs by speed, the fastest first.

    Args:
        machine: Name of its files.
        results: Its results.
        section: ``training`` or ``scoring``.
        key: Name of the speed, the higher the better.
        unit: Its unit.
        extra: Names of further figures.
    """
    speeds = {name: median(results, section, name, key) for name in results[section]["figures"]}
    best = max((name for name in speeds if name.startswith("swissbert")), key=lambda name: speeds[name])
    lines = [f"| program | {unit}, all rounds | median | {best} / program | {' | '.join(extra)} |"]
    lines += ["|---|" + "---|" * (3 + len(extra))]
    for name in sorted(speeds, key=lambda name: -speeds[name]):
        ratio = "" if name == best else f"{speeds[best] / speeds[name]:.2f}"
        others = " | ".join(f"{median(results, section, name, figure):g}" for figure in extra)
        lines += [f"| {name} | {every_round(results, section, name, key)} | {speeds[name]:g} | {ratio} | {others} |"]
    return [*lines, "", f"![{section.capitalize()}](results/{machine}-{section}.png)"]


def first(results: Results) -> list[str]:
    """List the seconds of new processes."""
    predict, imports = (
        every_round(results, "first", name, "seconds") for name in ("swissbert predict", "import torch")
    )
    return [f"`swissbert predict mini` in a new process: {predict} s; `import torch` alone: {imports} s."]


def growth(machine: str, results: Results) -> list[str]:
    """List times and memory by number of rows."""
    lines = [f"| rows | {' | '.join(GROWTH)} |", "|---|" + "---|" * len(GROWTH)]
    for size in results["growth"]["figures"]:
        figures = " | ".join(f"{median(results, 'growth', size, key):g}" for key in GROWTH)
        lines += [f"| {int(size):,} | {figures} |"]
    return [*lines, "", f"![Growth](results/{machine}-growth.png)"]


def serving(results: Results) -> list[str]:
    """Compare both servers, and list the rounds of the overload."""
    lines = ["| clients | | peer, all rounds | swissbert, all rounds | swissbert / peer |", "|---|---|---|---|---|"]
    for clients, key in ((64, "requests_per_s"), (64, "p99_ms"), (1, "p50_ms")):
        peer, ours = (f"{name}, {clients} clients" for name in ("peer", "swissbert"))
        ratio = median(results, "serving", ours, key) / median(results, "serving", peer, key)
        figures = " | ".join(every_round(results, "serving", name, key) for name in (peer, ours))
        lines += [f"| {clients} | {key} | {figures} | {ratio:.2f} |"]
    lines += ["", "With 640 clients, 20 s four times in succession:", ""]
    lines += ["| answered/s | codes | server's memory, MB |", "|---|---|---|"]
    lines += [
        f"| {figures['requests_per_s']} | {figures['codes']} | {figures['server_memory_mb']} |"
        for figures in results["serving"]["figures"]["swissbert, 640 clients"]
    ]
    return lines


def accuracy(results: Results) -> list[str]:
    """List scores by precision and seed, with means over seeds."""
    lines = [f"| | seed | {' | '.join(SCORES)} |", "|---|---|" + "---|" * len(SCORES)]
    for name, runs in results["accuracy"]["figures"].items():
        for figures in runs:
            seed = figures["seed"] if name.startswith("trained") else "(mini)"
            lines += [f"| {name} | {seed} | {' | '.join(f'{figures[key]:.4f}' for key in SCORES)} |"]
        if len(runs) > 1:
            means = " | ".join(f"{statistics.mean(figures[key] for figures in runs):.4f}" for key in SCORES)
            lines += [f"| {name} | mean | {means} |"]
    return lines
