"""Which tasks each head fits, and names and shapes of its parameters in a model folder. Does not import torch."""

from collections.abc import Callable
from typing import NamedTuple

from swissbert.kinds.binary import Binary
from swissbert.kinds.regression import Regression
from swissbert.tasks import Task

Shapes = dict[str, tuple[int, ...]]
"""Shapes of parameters by name."""


class HeadLayout(NamedTuple):
    """What is known of a head before its parameters are read.

    Attributes:
        misfit: Of a task, and whether the sentences of a pair are encoded separately: why the head cannot be used, in a
            clause; None if it can.
        shapes: Of a task and the width of features ``[B, width]``: the shapes of the parameters.
        uses_hidden_layer: Whether layer sharing puts its hidden layer before this head.
    """

    misfit: Callable[[Task, bool], str | None]
    shapes: Callable[[Task, int], Shapes]
    uses_hidden_layer: bool


def _fits(task: Task, separate: bool) -> str | None:
    """A linear layer fits every task."""
    return None


def _linear(task: Task, width: int) -> Shapes:
    """Weight and bias of the layer, and the shift of each logit that fits thresholds."""
    shift = {"shift": (task.outputs,)} if task.kind.fits_threshold else {}
    return {"out.weight": (task.outputs, width), "out.bias": (task.outputs,), **shift}


def _cosine_misfit(task: Task, separate: bool) -> str | None:
    """A cosine needs two sentence vectors and one number to compare them with."""
    if not task.is_pair or not separate:
        return "a cosine needs two sentences that are encoded separately"
    if not isinstance(task.kind, Binary | Regression):
        return f"a cosine is no answer to a {task.kind.name} task"
    return None


def _cosine(task: Task, width: int) -> Shapes:
    """The threshold."""
    return {"threshold": ()}


def _similarity_misfit(task: Task, separate: bool) -> str | None:
    """A similarity needs two sentence vectors, and is one number."""
    if not task.is_pair or not separate:
        return "a similarity needs two sentences that are encoded separately"
    if task.outputs != 1:
        return f"a similarity is no answer to a {task.kind.name} task"
    return None


def _similarity(task: Task, width: int) -> Shapes:
    """Slope and offset of the curve."""
    return {"slope": (1,), "offset": (1,)}


def _bi_encoder_misfit(task: Task, separate: bool) -> str | None:
    """A comparison needs two sentence vectors."""
    if not task.is_pair or not separate:
        return "a bi_encoder needs two sentences that are encoded separately"
    return None


def _bi_encoder(task: Task, width: int) -> Shapes:
    """As of a linear head on both vectors, |u - v|, u * v and their cosine."""
    return _linear(task, 2 * width + 1)


LAYOUTS = {
    "linear": HeadLayout(_fits, _linear, uses_hidden_layer=True),
    "cosine": HeadLayout(_cosine_misfit, _cosine, uses_hidden_layer=False),
    "similarity": HeadLayout(_similarity_misfit, _similarity, uses_hidden_layer=False),
    "bi_encoder": HeadLayout(_bi_encoder_misfit, _bi_encoder, uses_hidden_layer=False),
}
"""The layouts by the names that `swissbert.model.heads.HEADS` has."""


def head_name(task: Task, pair_head: str, separate: bool) -> str:
    """Return the name of the head of a task: ``linear`` for single texts, and where the head of pairs does not fit."""
    name = pair_head if task.is_pair else "linear"
    return "linear" if LAYOUTS[name].misfit(task, separate) else name


def stored_shapes(task: Task, head: str, width: int, *, separate: bool, layer_sharing: bool) -> Shapes:
    """Return the shape of each tensor that a model folder stores for the head of a task, hidden layer included.

    Args:
        task: The task.
        head: Name of its head.
        width: Size W of a pooled output.
        separate: Whether the sentences of a pair are encoded separately.
        layer_sharing: Whether heads have hidden layers.
    """
    size, layout = width * (2 if separate else 1), LAYOUTS[head]
    shapes = {f"{stored_head(task.name)}.{name}": shape for name, shape in layout.shapes(task, size).items()}
    if layer_sharing and layout.uses_hidden_layer:
        shapes |= {f"{stored_hidden(task)}.weight": (size, size), f"{stored_hidden(task)}.bias": (size,)}
    return shapes


def stored_head(name: str) -> str:
    """Return the module of a task's head in a model folder."""
    return f"heads.{head_key(name)}"


def stored_hidden(task: Task) -> str:
    """Return the module of the hidden layer before a task's head in a model folder."""
    return f"hidden.{hidden_key(task)}.linear"


def head_key(name: str) -> str:
    """Return the module name of a task's head; the prefix allows any task name, such as "type" or "train"."""
    return f"for_{name}"


def hidden_key(task: Task) -> str:
    """Return the module name of a task's hidden layer: all tasks of pairs share one."""
    return "pair" if task.is_pair else f"{task.name}_alone"
