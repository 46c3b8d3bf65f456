"""Share of attention between the sentences of a pair, by layer, over many pairs."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from swissbert.analysis.style import COLOURS, SOFT, axes_row, hide_grid, in_style, percent
from swissbert.data.batches import PackedBatch, pack
from swissbert.data.dataset import tokenize
from swissbert.data.packing import batches_by_tokens
from swissbert.data.rows import Row
from swissbert.data.splits import open_split
from swissbert.evaluation.predictions import TOKEN_BUDGET
from swissbert.inference.model import CHUNK, Model
from swissbert.kinds import Array
from swissbert.tasks import Split, Task


@dataclass(frozen=True)
class AttentionShares:
    """Share of a token's attention that reaches the other sentence of a pair; [CLS] and [SEP] are left out.

    Attributes:
        rows: Number of pairs.
        crossing: Share on tokens of the other sentence, mean over heads, tokens and pairs, ``[layers]``.
        matching: Share on the same token in the other sentence, ``[layers]``.
        even_crossing: `crossing` of uniform attention.
        even_matching: `matching` of uniform attention.
    """

    rows: int
    crossing: Array
    matching: Array
    even_crossing: float
    even_matching: float


@torch.inference_mode()
def attention_shares(
    model: Model,
    task: Task,
    split: Split,
    directory: Path | None,
    limit: int,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> AttentionShares:
    """Average attention over the first `limit` pairs of a split, each encoded as one sequence.

    Args:
        model: A model that encodes the sentences of a pair together.
        task: A task of pairs.
        split: The split.
        directory: Directory of the data files.
        limit: Largest number of pairs.
        on_progress: Called with the number of pairs of each finished chunk.
    """
    device = next(model.network.parameters()).device
    special = torch.tensor([model.tokenizer.cls, model.tokenizer.sep], device=device)
    layers = model.network.encoder.config.layers
    crossing, matching, even = np.zeros(layers), np.zeros(layers), np.zeros(2)
    tokens = pairs = 0
    rows = islice((row for row in open_split(task, split, directory)[1] if isinstance(row, Row)), limit)
    while chunk := list(islice(rows, CHUNK)):
        length = model.description.encoder.max_length
        table = tokenize(model.tokenizer, task, chunk, separate=False, max_length=length)
        for numbers in batches_by_tokens(table.lengths, TOKEN_BUDGET):
            batch = pack(table, numbers).to(device)
            output = model.network.encoder(batch.input_ids, batch.token_type_ids, batch.lengths, keep_attentions=True)
            size, queries, other, same = _masks(batch, table.first[numbers], special)
            even += [float((mask.sum(2) / size).sum()) for mask in (other, same)]
            tokens += queries
            for layer, weights in enumerate(output.attentions):
                mean = weights.mean(1)  # [B, L, L]
                crossing[layer] += float((mean * other).sum())
                matching[layer] += float((mean * same).sum())
        pairs += len(chunk)
        on_progress(len(chunk))
    tokens = max(1, tokens)
    return AttentionShares(pairs, crossing / tokens, matching / tokens, even[0] / tokens, even[1] / tokens)


def _masks(batch: PackedBatch, first: Array, special: Tensor) -> tuple[Tensor, int, Tensor, Tensor]:
    """Mark which tokens attend to the other sentence.

    Args:
        batch: Pairs, each as one sequence.
        first: Number of tokens before the second text of each, ``[B]``.
        special: Ids of CLS and SEP token.

    Returns:
        Lengths ``[B, 1]``, number of tokens that are not special, and two masks ``[B, L, L]`` of query and key: keys in
        the other sentence, and those among them with the query's token id.
    """
    ids = torch.nn.utils.rnn.pad_sequence(list(torch.split(batch.input_ids, batch.lengths)), batch_first=True)  # [B, L]
    place = torch.arange(ids.shape[1], device=ids.device)
    text = place >= torch.tensor(first.tolist(), device=ids.device)[:, None]  # [B, L], of two texts the second
    size = torch.tensor(batch.lengths, device=ids.device)[:, None]
    word = (place < size) & ~torch.isin(ids, special)  # [B, L]
    other = (text[:, :, None] != text[:, None, :]) & word[:, :, None] & word[:, None, :]
    return size, int(word.sum()), other, other & (ids[:, :, None] == ids[:, None, :])


@in_style
def shares_figure(shares: dict[str, AttentionShares]) -> Figure:
    """Draw both shares by layer, one line per task of pairs, and dotted those of uniform attention."""
    rows = ", ".join(f"{name} {values.rows:,}" for name, values in shares.items())
    figure, (left, right) = axes_row(f"Attention between the sentences of a pair, by layer ({rows} pairs)", 2, 10, 3.8)
    for axes, what, title in (
        (left, "crossing", "attention to the other sentence"),
        (right, "matching", "attention to the same token there"),
    ):
        for i, (name, task_shares) in enumerate(shares.items()):
            values = getattr(task_shares, what)
            layers = range(1, len(values) + 1)
            colour = COLOURS[i % len(COLOURS)]
            axes.plot(layers, values, "o-", color=colour, label=name)
            axes.axhline(getattr(task_shares, f"even_{what}"), color=colour, linestyle=":", linewidth=1.4)
        axes.plot([], [], ":", color=SOFT, label="uniform attention")
        axes.set_title(title)
        axes.set_xlabel("layer")
        axes.set_xticks(layers)
        axes.set_ylim(0, 1.08 * axes.dataLim.ymax)
        percent(axes.yaxis)
        hide_grid(axes)
    left.legend()
    return figure
