"""Section on attention: heat maps of one row of each task, and attention between the sentences of pairs."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

from swissbert.analysis.heat_maps import attention_figure
from swissbert.analysis.page import Part, Picture, Section, Table
from swissbert.analysis.pair_attention import AttentionShares, attention_shares, shares_figure
from swissbert.data.dataset import tokenize
from swissbert.data.rows import Row
from swissbert.data.splits import open_split
from swissbert.inference.attention import attended
from swissbert.inference.model import Model
from swissbert.tasks import Split, Task

PAIRS = 2000
"""Pairs of each task whose attention is averaged."""
CANDIDATES = 200
"""First rows of a split among which the row of a heat map is chosen."""
MOST_TOKENS = 40
"""Largest number of tokens in a heat map."""
BEST_TOKENS = range(12, 29)
"""Numbers of tokens that make a readable heat map."""


def joint_pairs(model: Model) -> list[Task]:
    """Return the tasks of pairs whose sentences the model encodes together."""
    return [task for task in model.tasks.values() if task.is_pair and not model.network.separate(task)]


def attention_section(
    model: Model, directory: Path | None, split: Split, on_progress: Callable[[int], None]
) -> Section:
    """Build the section.

    Args:
        model: The model.
        directory: Directory of the data files.
        split: Split whose rows are shown.
        on_progress: Called with the number of pairs after each chunk.
    """
    parts = [part for task in model.tasks.values() for part in _heat_map(model, task, directory, split)]
    text = "First, middle and last layer, first attention head."
    pairs = joint_pairs(model)
    if pairs:
        shares = {task.name: attention_shares(model, task, split, directory, PAIRS, on_progress) for task in pairs}
        parts += _shares_parts(shares)
        text += " Orange lines separate the sentences of a pair; the curves show how much attention crosses them."
    elif any(task.is_pair for task in model.tasks.values()):
        text += " This model encodes the sentences of a pair separately, so no attention crosses between them."
    return Section("attention", "Attention", text, parts)


def _heat_map(model: Model, task: Task, directory: Path | None, split: Split) -> list[Part]:
    row = _readable_row(model, task, directory, split)
    if row is None:
        return []
    pair = row.text_pair if task in joint_pairs(model) else None
    title = f"{task.name}: attention weights of a {'sentence' if pair is None else 'pair'}"
    figure = attention_figure(attended(model, row.text, pair), title)
    return [Picture(f"attention-{task.name}", figure, f"Attention heat maps of {task.name}")]


def _readable_row(model: Model, task: Task, directory: Path | None, split: Split) -> Row | None:
    """Return the first row of a readable length, else the first row; None if that is too long."""
    rows = [row for row in islice(open_split(task, split, directory)[1], CANDIDATES) if isinstance(row, Row)]
    sizes = tokenize(model.tokenizer, task, rows, separate=False, max_length=MOST_TOKENS + 1).lengths
    best = min(range(len(rows)), key=lambda i: (int(sizes[i]) not in BEST_TOKENS, i))
    return rows[best] if sizes[best] <= MOST_TOKENS else None


def _shares_parts(shares: dict[str, AttentionShares]) -> list[Part]:
    name = "attention-between-sentences"
    rows = [
        [task, i + 1, float(s.crossing[i]), float(s.matching[i]), s.even_crossing, s.even_matching]
        for task, s in shares.items()
        for i in range(len(s.crossing))
    ]
    kinds = ["other sentence", "same token there"]
    header = ["task", "layer", *kinds, *(f"{kind}, if uniform" for kind in kinds)]
    picture = Picture(name, shares_figure(shares), "Attention between sentences by layer")
    return [picture, Table(name, "Attention to the other sentence, mean over heads and tokens", header, rows)]
