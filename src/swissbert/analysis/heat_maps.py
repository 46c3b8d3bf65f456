"""Heat maps of attention weights, as in the paper's Figures 1 to 3."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from swissbert.analysis.style import COLOURS, HEAT, axes_row, hide_grid, in_style
from swissbert.inference.attention import AttentionWeights


def default_layers(count: int) -> list[int]:
    """Return first, middle and last of `count` layers, numbered from 0."""
    return sorted({0, count // 2, count - 1})


@in_style
def attention_figure(
    attention: AttentionWeights, title: str, layers: Sequence[int] | None = None, heads: Sequence[int] = (0,)
) -> Figure:
    """Draw a heat map for each layer and attention head.

    Args:
        attention: Attention weights of one sequence.
        title: Title of the figure.
        layers: Layers from 0; first, middle and last if not given.
        heads: Attention heads from 0.
    """
    weights = attention.weights  # [layers, heads, L, L]
    chosen = default_layers(len(weights)) if layers is None else layers
    maps = [(layer, head) for layer in chosen for head in heads]
    side = max(2.6, 0.19 * len(attention.tokens))
    figure, row = axes_row(title, len(maps), 0.6 + len(maps) * (side + 0.7), side + 1.4)
    for axes, (layer, head) in zip(row, maps, strict=True):
        axes.imshow(weights[layer, head], cmap=HEAT, vmin=0, vmax=1)
        axes.set_title(f"layer {layer + 1}, head {head + 1}")
        _label_tokens(axes, attention)
    row[0].set_ylabel("query token")
    row[0].set_xlabel("key token; the darker, the larger the weight")
    return figure


def _label_tokens(axes: Axes, attention: AttentionWeights) -> None:
    """Put tokens on both axes, and lines between the sentences of a pair."""
    count = len(attention.tokens)
    axes.set_xticks(range(count), attention.tokens, rotation=90, fontsize=8)
    axes.set_yticks(range(count), attention.tokens, fontsize=8)
    if attention.boundary < count:
        for line in (axes.axhline, axes.axvline):
            line(attention.boundary - 0.5, color=COLOURS[1], linewidth=1.4)
    hide_grid(axes, keep=None)
    axes.tick_params(length=0)
