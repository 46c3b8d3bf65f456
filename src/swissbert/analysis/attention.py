"""Where attention goes: heat maps of single heads, and the share that crosses between sentences, layer by layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from swissbert.analysis.style import COLOURS, HEAT, axes_row, in_style, percent, plain
from swissbert.data.batches import batches_by_tokens, pack
from swissbert.data.dataset import tokenize
from swissbert.data.rows import Row
from swissbert.data.splits import open_split
from swissbert.evaluation.predictions import TOKEN_BUDGET
from swissbert.inference.attention import Attended
from swissbert.inference.model import CHUNK, Model
from swissbert.tasks import Split, Task


def usual_layers(count: int) -> list[int]:
    """First, middle and last layer, from 0, as in the paper's Figures 1 to 3."""
    return sorted({0, count // 2, count - 1})


@in_style
def attention_figure(
    found: Attended, title: str, layers: Sequence[int] | None = None, heads: Sequence[int] = (0,)
) -> Figure:
    """Heat maps of some layers (first, middle and last if not given) and heads, numbered from 0."""
    chosen = [
        (layer, head) for layer in (usual_layers(len(found.weights)) if layers is None else layers) for head in heads
    ]
    count = len(found.tokens)
    side = max(2.6, 0.19 * count)
    figure, axes = axes_row(title, len(chosen), 0.6 + len(chosen) * (side + 0.7), side + 1.4)
    for each, (layer, head) in zip(axes, chosen, strict=True):
        each.imshow(found.weights[layer, head].numpy(), cmap=HEAT, vmin=0, vmax=1)
        each.set_xticks(range(count), found.tokens, rotation=90, fontsize=8)
        each.set_yticks(range(count), found.tokens, fontsize=8)
        each.set_title(f"layer {layer + 1}, head {head + 1}")
        if found.boundary < count:
            for line in (each.axhline, each.axvline):
                line(found.boundary - 0.5, color=COLOURS[1], linewidth=1.4)
        plain(each, grid=None)
        each.tick_params(length=0)
    axes[0].set_ylabel("from this word piece")
    axes[0].set_xlabel("to this one; white 0, dark 1")
    return figure


@dataclass(frozen=True)
class AttentionShares:
    """Of the attention that starts at a word of a pair: what reaches words of the other sentence, and the same word there.

    ``crossing[layers]`` and ``matching[layers]`` are means over heads, words and `rows` pairs; `even_crossing` and
    `even_matching` are what attention spread evenly over the sequence would give.
    """

    rows: int
    crossing: np.ndarray
    matching: np.ndarray
    even_crossing: float
    even_matching: float


@torch.inference_mode()
def attention_shares(
    trained: Model,
    task: Task,
    split: Split,
    directory: Path | None,
    most: int,
    told: Callable[[int], None] = lambda _: None,
) -> AttentionShares:
    """Sum up attention over the first `most` pairs of a split, read as one sequence each; [CLS] and [SEP] start none."""
    encoder = trained.network.encoder
    device = next(trained.network.parameters()).device
    special = torch.tensor([trained.tokenizer.cls, trained.tokenizer.sep], device=device)
    layers = encoder.config.layers
    crossing, matching = np.zeros(layers), np.zeros(layers)
    even = np.zeros(2)
    words = rows_seen = 0
    rows = islice((row for row in open_split(task, split, directory)[1] if isinstance(row, Row)), most)
    while chunk := list(islice(rows, CHUNK)):
        length = trained.description.encoder.max_length
        table = tokenize(trained.tokenizer, task, chunk, separate=False, max_length=length)
        for numbers in batches_by_tokens(table.lengths, TOKEN_BUDGET):
            batch = pack(table, numbers).to(device)
            found = encoder(batch.input_ids, batch.token_type_ids, batch.lengths, keep_attentions=True)
            ids, second = (_padded(part, batch.lengths) for part in (batch.input_ids, batch.token_type_ids))
            size = torch.tensor(batch.lengths, device=device)[:, None]
            there = torch.arange(ids.shape[1], device=device) < size
            word = there & ~torch.isin(ids, special)  # [B, L]
            other = (second[:, :, None] != second[:, None, :]) & word[:, :, None] & word[:, None, :]  # [B, L, L]
            same = other & (ids[:, :, None] == ids[:, None, :])
            even += [float((o.sum(2) / size).sum()) for o in (other, same)]
            words += int(word.sum())
            for i, weights in enumerate(found.attentions):
                mean = weights.mean(1)  # [B, L, L]
                crossing[i] += float((mean * other).sum())
                matching[i] += float((mean * same).sum())
        rows_seen += len(chunk)
        told(len(chunk))
    words = max(1, words)
    return AttentionShares(rows_seen, crossing / words, matching / words, even[0] / words, even[1] / words)


def _padded(tokens: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    """``[T] -> [B, L]``, zeros behind."""
    return torch.nn.utils.rnn.pad_sequence(list(torch.split(tokens, lengths)), batch_first=True)


@in_style
def shares_figure(shares: dict[str, AttentionShares]) -> Figure:
    """Both shares by layer, a line for each task of pairs, dotted what evenly spread attention would give."""
    rows = ", ".join(f"{name} {each.rows:,}" for name, each in shares.items())
    figure, (left, right) = axes_row(f"Attention between the sentences of a pair, by layer ({rows} pairs)", 2, 10, 3.8)
    for axes, what, title in (
        (left, "crossing", "share that crosses to the other sentence"),
        (right, "matching", "share on the same word piece there"),
    ):
        for i, (name, each) in enumerate(shares.items()):
            values = getattr(each, what)
            layers = range(1, len(values) + 1)
            axes.plot(layers, values, "o-", color=COLOURS[i % len(COLOURS)], label=name)
            axes.axhline(getattr(each, f"even_{what}"), color=COLOURS[i % len(COLOURS)], linestyle=":", linewidth=1.4)
        axes.plot([], [], ":", color=COLOURS[7], label="if spread evenly")
        axes.set_title(title)
        axes.set_xlabel("layer")
        axes.set_xticks(layers)
        axes.set_ylim(0, None)
        percent(axes.yaxis)
        plain(axes)
    left.legend()
    return figure
