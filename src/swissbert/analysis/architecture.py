"""Diagram and parameter counts of a model (the paper's Figure 5)."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import nn

from swissbert.analysis.style import COLOURS, INK, SOFT, in_style, set_title
from swissbert.encoder.pooling import POOLINGS
from swissbert.inference.model import Model
from swissbert.model.multitask import MultitaskModel
from swissbert.tasks import Task

WIDTH = 2.9
"""Width of a task's column, in units of the diagram."""
TOP = 4.45
"""Height of the first part above the encoder."""


def parameter_count(module: nn.Module) -> int:
    """Count the parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def parts_table(model: Model) -> list[tuple[str, str, int]]:
    """Return the parts of a model: name, tasks that use it, and parameters, which add up to those of the model."""
    network, encoder = model.network, model.network.encoder
    every_task = ", ".join(network.tasks)
    pairs = ", ".join(name for name, task in network.tasks.items() if task.is_pair)
    rows = [
        ("embeddings", every_task, parameter_count(encoder.embeddings)),
        (f"{encoder.config.layers} layers", every_task, parameter_count(encoder.layers)),
    ]
    if POOLINGS[encoder.pooling].uses_pooler:
        rows.append(("pooler", every_task, parameter_count(encoder.pooler)))
    elif encoder.config.has_pooler:
        rows.append(("pooler, not used", "none", parameter_count(encoder.pooler)))
    for name, layer in network.hidden.items():
        rows.append(("hidden layer", pairs if name == "pair" else name.removesuffix("_alone"), parameter_count(layer)))
    rows += [(f"head of {name}", name, parameter_count(network.head(name))) for name in network.tasks]
    return rows


@in_style
def architecture_figure(model: Model) -> Figure:
    """Draw inputs at the bottom, the shared encoder in the middle, and the parts of each task at the top."""
    network = model.network
    tasks = list(network.tasks.values())
    width, height = WIDTH * len(tasks), 7.6 if network.hidden else 6.6
    figure = Figure(figsize=(max(6.0, 0.95 * width), 0.8 * height))
    axes = figure.add_subplot()
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.axis("off")
    set_title(figure, _summary(network))
    _draw_encoder(axes, network, width)
    _draw_pair_layer(axes, network, [i for i, task in enumerate(tasks) if task.is_pair])
    for i, task in enumerate(tasks):
        _draw_task(axes, model, task, i)
    return figure


def _summary(network: MultitaskModel) -> str:
    tasks = network.tasks.values()
    pairs = sum(task.is_pair for task in tasks)
    shared = parameter_count(network.encoder)
    if pairs > 1 and "pair" in network.hidden:
        shared += parameter_count(network.hidden["pair"])
    total = parameter_count(network)
    own = f", all but {total - shared:,} shared" if len(tasks) > 1 else ""
    encoding = "pair encoding" if network.pair_encoding else "separate encoding"
    frozen = ", encoder frozen" if network.freeze else ""
    size = f"{total / 1e6:.1f} million" if total >= 100_000 else f"{total:,}"
    return f"{size} parameters{own}; {encoding if pairs else 'single sentences'}{frozen}"


def _draw_encoder(axes: Axes, network: MultitaskModel, width: float) -> None:
    encoder, config = network.encoder, network.encoder.config
    layers = f"{config.layers} transformer layers, {config.heads} heads, width {config.hidden_size}"
    _box(axes, (0.1, 1.5, width - 0.2, 0.75), f"embeddings  {_count(encoder.embeddings)}", SOFT)
    _box(axes, (0.1, 2.4, width - 0.2, 0.95), f"{layers}  {_count(encoder.layers)}", SOFT)
    pooling = POOLINGS[encoder.pooling]
    text = f"pooler (first token, tanh)  {_count(encoder.pooler)}" if pooling.uses_pooler else pooling.title
    _box(axes, (0.1, 3.5, width - 0.2, 0.7), text, SOFT)


def _draw_pair_layer(axes: Axes, network: MultitaskModel, pairs: list[int]) -> None:
    """Draw the hidden layer that tasks of pairs share: one box over neighbouring columns, else one in each."""
    if "pair" not in network.hidden or not pairs:
        return
    count = _count(network.hidden["pair"])
    if pairs == list(range(pairs[0], pairs[-1] + 1)):
        text = f"hidden layer{', shared by pairs' if len(pairs) > 1 else ''}  {count}"
        _box(axes, (pairs[0] * WIDTH + 0.1, TOP, len(pairs) * WIDTH - 0.2, 0.75), text, COLOURS[4])
        return
    for column in pairs:
        _box(axes, (column * WIDTH + 0.1, TOP, WIDTH - 0.2, 0.75), f"hidden layer, shared\n{count}", COLOURS[4])


def _draw_task(axes: Axes, model: Model, task: Task, column: int) -> None:
    """Draw inputs, own hidden layer, head and answer of a task."""
    network = model.network
    colour = COLOURS[column % 4]
    left, middle = column * WIDTH, (column + 0.5) * WIDTH
    texts = _inputs(model, task)
    part = (WIDTH - 0.2) / len(texts)
    for i, text in enumerate(texts):
        _box(axes, (left + 0.1 + i * part, 0.5, part - (0.08 if len(texts) > 1 else 0), 0.7), text, colour)
    own_layer = f"{task.name}_alone"
    if own_layer in network.hidden:
        text = f"hidden layer\n{_count(network.hidden[own_layer])}"
        _box(axes, (left + 0.1, TOP, WIDTH - 0.2, 0.75), text, colour)
    head = TOP + (1.0 if network.hidden else 0)
    _arrow(axes, middle, 1.22, 1.48)
    _arrow(axes, middle, 4.22, TOP - 0.02)
    if network.hidden:
        _arrow(axes, middle, TOP + 0.77, head - 0.02)
    _box(axes, (left + 0.1, head, WIDTH - 0.2, 0.95), _head_text(network, task), colour)
    _arrow(axes, middle, head + 0.97, head + 1.22)
    answer = f"{task.name}\n{_answer_text(task)}"
    axes.text(middle, head + 1.3, answer, ha="center", va="bottom", color=INK, fontsize=10)


def _inputs(model: Model, task: Task) -> list[str]:
    form = model.tokenizer.form
    if not task.is_pair:
        return [form("a")]
    return [form("a", "b")] if model.network.pair_encoding else [form("a"), form("b")]


def _head_text(network: MultitaskModel, task: Task) -> str:
    head = network.head(task.name)
    is_linear = not isinstance(head.as_linear(), str)
    name = f"linear to {task.outputs}" if is_linear else f"{type(head).__name__.removesuffix('Head').lower()} head"
    inputs = "both vectors, " if network.separate(task) else ""
    return f"{inputs}{name}" + (f"\n{_count(head)}" if parameter_count(head) else "")


def _answer_text(task: Task) -> str:
    if not task.labels:
        return "score" if task.range is None else f"score {task.range[0]:g} to {task.range[1]:g}"
    if task.kind.label_shape(task):
        return f"any of {len(task.labels)} labels"
    return f"one of {len(task.labels)} labels" if len(task.labels) > 2 else " or ".join(task.labels)


def _count(module: nn.Module) -> str:
    number = parameter_count(module)
    return f"({number / 1e6:.1f} M)" if number >= 100_000 else f"({number:,})"


def _box(axes: Axes, place: tuple[float, float, float, float], text: str, colour: str) -> None:
    """Draw a rounded box with text.

    Args:
        axes: Axes of the diagram.
        place: Left, bottom, width and height.
        text: Text in its centre.
        colour: Colour of the border.
    """
    x, y, width, height = place
    box = FancyBboxPatch(
        (x + 0.05, y + 0.05),
        width - 0.1,
        height - 0.1,
        boxstyle="round,pad=0.03,rounding_size=0.09",
        facecolor=f"{colour}22",
        edgecolor=colour,
        linewidth=1.3,
    )
    axes.add_patch(box)
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", color=INK, fontsize=9)


def _arrow(axes: Axes, x: float, low: float, high: float) -> None:
    axes.annotate("", (x, high), (x, low), arrowprops={"arrowstyle": "->", "color": SOFT, "linewidth": 1.2})
