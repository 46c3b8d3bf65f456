"""A drawing of the model at hand (the paper's Figure 5): what tasks share, what each owns, and how large it is."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import nn

from swissbert.analysis.style import COLOURS, INK, SOFT, headline, in_style
from swissbert.inference.model import Model
from swissbert.model.heads.cosine import CosineHead
from swissbert.model.multitask import MultitaskModel
from swissbert.tasks import Task

WIDTH = 2.9
"""Of a task's column, in the drawing's own units."""


def parameters(module: nn.Module) -> int:
    """How many numbers a module has."""
    return sum(parameter.numel() for parameter in module.parameters())


def parts_table(trained: Model) -> list[tuple[str, str, int]]:
    """Part of the model, whose it is, and its parameters. Their sum is the model's."""
    model, encoder = trained.network, trained.network.encoder
    everyone = ", ".join(model.tasks)
    pairs = ", ".join(name for name, task in model.tasks.items() if task.is_pair)
    rows = [
        ("embeddings", everyone, parameters(encoder.embeddings)),
        (f"{len(encoder.layers)} layers", everyone, parameters(encoder.layers)),
        ("pooler", everyone, parameters(encoder.pooler)),
    ]
    for name, layer in model.hidden.items():
        rows.append(("hidden layer", pairs if name == "pair" else name.removesuffix("_alone"), parameters(layer)))
    rows += [(f"head of {name}", name, parameters(model.head(name))) for name in model.tasks]
    return rows


@in_style
def architecture_figure(trained: Model) -> Figure:
    """Inputs below, the shared encoder in the middle, each task's own parts above in its colour."""
    model = trained.network
    tasks = list(model.tasks.values())
    wide = WIDTH * len(tasks)
    pairs = [i for i, task in enumerate(tasks) if task.is_pair]
    height = 7.6 if model.hidden else 6.6
    figure = Figure(figsize=(max(6.0, 0.95 * wide), 0.8 * height))
    axes = figure.add_subplot()
    axes.set_xlim(0, wide)
    axes.set_ylim(0, height)
    axes.axis("off")
    encoding = "pair encoding" if model.pair_encoding else "separate encoding"
    frozen = ", encoder frozen" if model.freeze else ""
    shared = parameters(model.encoder) + (
        parameters(model.hidden["pair"]) if len(pairs) > 1 and "pair" in model.hidden else 0
    )
    own = f", all but {parameters(model) - shared:,} shared" if len(tasks) > 1 else ""
    headline(
        figure,
        f"{parameters(model) / 1e6:.1f} million parameters{own}; {encoding if pairs else 'single sentences'}{frozen}",
    )
    layers = model.encoder.config
    _box(axes, 0.1, 1.5, wide - 0.2, 0.75, f"embeddings  {_count(model.encoder.embeddings)}", SOFT)
    _box(
        axes,
        0.1,
        2.4,
        wide - 0.2,
        0.95,
        f"{layers.layers} transformer layers, {layers.heads} heads, width {layers.hidden_size}  {_count(model.encoder.layers)}",
        SOFT,
    )
    _box(axes, 0.1, 3.5, wide - 0.2, 0.7, f"pooler (first token, tanh)  {_count(model.encoder.pooler)}", SOFT)
    top = 4.45
    if "pair" in model.hidden and pairs:
        left, right = pairs[0] * WIDTH, (pairs[-1] + 1) * WIDTH
        if pairs == list(range(pairs[0], pairs[-1] + 1)):
            _box(
                axes,
                left + 0.1,
                top,
                right - left - 0.2,
                0.75,
                f"hidden layer{', shared by pairs' if len(pairs) > 1 else ''}  {_count(model.hidden['pair'])}",
                COLOURS[4],
            )
        else:
            for i in pairs:
                _box(
                    axes,
                    i * WIDTH + 0.1,
                    top,
                    WIDTH - 0.2,
                    0.75,
                    f"hidden layer, shared\n{_count(model.hidden['pair'])}",
                    COLOURS[4],
                )
    for i, task in enumerate(tasks):
        colour = COLOURS[i % 4]
        x, middle = i * WIDTH, (i + 0.5) * WIDTH
        _inputs(axes, model, task, x, colour)
        if f"{task.name}_alone" in model.hidden:
            _box(
                axes,
                x + 0.1,
                top,
                WIDTH - 0.2,
                0.75,
                f"hidden layer\n{_count(model.hidden[f'{task.name}_alone'])}",
                colour,
            )
        head_at = top + (1.0 if model.hidden else 0)
        _arrow(axes, middle, 1.22, 1.48)
        _arrow(axes, middle, 4.22, top - 0.02)
        if model.hidden:
            _arrow(axes, middle, top + 0.77, head_at - 0.02)
        _box(axes, x + 0.1, head_at, WIDTH - 0.2, 0.95, _head(model, task), colour)
        _arrow(axes, middle, head_at + 0.97, head_at + 1.22)
        axes.text(
            middle, head_at + 1.3, f"{task.name}\n{_answer(task)}", ha="center", va="bottom", color=INK, fontsize=10
        )
    return figure


def _count(module: nn.Module) -> str:
    number = parameters(module)
    return f"({number / 1e6:.1f} M)" if number >= 100_000 else f"({number:,})"


def _inputs(axes: Axes, model: MultitaskModel, task: Task, x: float, colour: str) -> None:
    if not task.is_pair:
        texts = ["[CLS] a [SEP]"]
    elif model.pair_encoding:
        texts = ["[CLS] a [SEP] b [SEP]"]
    else:
        texts = ["[CLS] a [SEP]", "[CLS] b [SEP]"]
    each = (WIDTH - 0.2) / len(texts)
    for i, text in enumerate(texts):
        _box(axes, x + 0.1 + i * each, 0.5, each - (0.08 if len(texts) > 1 else 0), 0.7, text, colour)


def _head(model: MultitaskModel, task: Task) -> str:
    head = model.head(task.name)
    if isinstance(head, CosineHead):
        return "cosine of both vectors"
    joined = "both vectors, " if model.separate(task) else ""
    return f"{joined}linear to {task.outputs}\n{_count(head)}"


def _answer(task: Task) -> str:
    if not task.kind.has_labels:
        assert task.range is not None
        return f"score {task.range[0]:g} to {task.range[1]:g}"
    return f"{len(task.labels)} classes" if task.outputs > 1 else " or ".join(task.labels)


def _box(axes: Axes, x: float, y: float, width: float, height: float, text: str, colour: str) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x + 0.05, y + 0.05),
            width - 0.1,
            height - 0.1,
            boxstyle="round,pad=0.03,rounding_size=0.09",
            facecolor=f"{colour}22",
            edgecolor=colour,
            linewidth=1.3,
        )
    )
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", color=INK, fontsize=9)


def _arrow(axes: Axes, x: float, low: float, high: float) -> None:
    axes.annotate("", (x, high), (x, low), arrowprops={"arrowstyle": "->", "color": SOFT, "linewidth": 1.2})
