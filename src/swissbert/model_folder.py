"""The model folder: what training leaves, and all that evaluating, predicting and serving need.

``config.json``, ``model.safetensors`` (the encoder, as Hugging Face names it), ``heads.safetensors``, ``vocab.txt``,
``tokenizer.json``, ``swissbert.json`` (tasks, settings, scores, provenance) and ``README.md`` (the model card). A compact
one has the encoder's difference from its base instead: see `swissbert.compact`.
"""

import json
import os.path
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import Field, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from swissbert import compact
from swissbert.card import card
from swissbert.config import EncoderSettings, ModelSettings
from swissbert.data.dataset import TokenOptions
from swissbert.data.tokens import Tokenizer
from swissbert.device import pick_device
from swissbert.encoder import Bert
from swissbert.encoder.checkpoint import misfit, read_encoder, write_encoder
from swissbert.encoder.int8 import has_int8, to_int8
from swissbert.encoder.source import encoder_folder
from swissbert.errors import SwissbertError
from swissbert.files import read_object, write_folder
from swissbert.hub import is_hub_id, pull
from swissbert.model import MultitaskModel
from swissbert.tasks import Settings, Task, shown, validated

FORMAT = 1
MINI = Path(__file__).parent / "mini"
"""The trained model that ships; its name is ``mini``."""
Precision = Literal["auto", "fp32", "int8"]
"""Of answers: ``auto`` is eight-bit products on a CPU where onnxruntime is installed, else fp32."""


class Description(Settings):
    """Contents of ``swissbert.json``. `scores` are those on the dev rows, by dotted name; `provenance` is free.

    `compact` has the checksums of a compact folder.
    """

    format: int
    tasks: list[Task] = Field(min_length=1)
    encoder: EncoderSettings
    model: ModelSettings
    scores: dict[str, float] = Field(default={})
    provenance: dict[str, Any] = Field(default={})
    compact: dict[str, str] | None = None

    @model_validator(mode="after")
    def _different_names(self) -> Self:
        names = [task.name for task in self.tasks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"tasks: the name '{name}' is used twice")
        return self


@dataclass(frozen=True)
class Trained:
    """A model with its tokenizer and description, in eval mode."""

    model: MultitaskModel
    tokenizer: Tokenizer
    description: Description
    folder: Path
    precision: Precision = "fp32"  # of the encoder's products; never "auto" here

    def task(self, name: str | None) -> Task:
        """A task by name; without one, the only task there is. Raises SwissbertError."""
        tasks = {task.name: task for task in self.description.tasks}
        if name is None and len(tasks) == 1:
            return next(iter(tasks.values()))
        if name not in tasks:
            problem = "needs a task" if name is None else f"has no task '{name}'"
            raise SwissbertError(f"{self.folder}: this model {problem}; its tasks are {', '.join(tasks)}")
        return tasks[name]

    def reading(self, task: Task) -> TokenOptions:
        """How the rows of a task become tokens for this model."""
        return {"separate": self.model.separate(task), "max_length": self.description.encoder.max_length}


def save_model(
    folder: Path, model: MultitaskModel, tokenizer: Tokenizer, description: Description, *, small: bool = False
) -> None:
    """Write a model folder, whole or not at all; a `small` one is compact: for a model whose encoder is had by name.

    Raises SwissbertError where that encoder is not to be had.
    """

    def fill(new: Path) -> None:
        nonlocal description
        heads = {name: t.detach().float().contiguous().cpu() for name, t in _heads(model).state_dict().items()}
        save_file(heads, new / compact.HEADS)
        if small:
            base = encoder_folder(description.encoder.name, description.encoder.revision)
            compact.write_delta(new, model.encoder, base)
            description = description.model_copy(update={"compact": compact.checksums(new, base)})
        else:
            write_encoder(model.encoder, new)
            tokenizer.save(new)
            description = description.model_copy(update={"compact": None})
        text = json.dumps(description.model_dump(mode="json", exclude_none=True), indent=2, ensure_ascii=False)
        (new / "swissbert.json").write_text(text + "\n", encoding="utf-8")
        (new / "README.md").write_text(card(description), encoding="utf-8")

    write_folder(folder, fill)


def make_model(encoder: Bert, tasks: list[Task], settings: ModelSettings, *, freeze: bool) -> MultitaskModel:
    """The model that settings describe, with new heads."""
    return MultitaskModel(
        encoder,
        tasks,
        pair_encoding=settings.pair_encoding,
        dropout=settings.dropout,
        freeze=freeze,
        layer_sharing=settings.layer_sharing,
        cosine=settings.pair_head == "cosine",
    )


def _heads(model: MultitaskModel) -> nn.ModuleDict:
    """All that is not the encoder; each tensor once, shared or not."""
    return nn.ModuleDict({"heads": model.heads, "hidden": model.hidden})


def resolve_folder(name: str | Path) -> Path:
    """``mini``, a model folder, or the one inside a run folder, or that of a hub id (``owner/name`` or ``owner/name@revision``).

    What is here goes before what is on the hub, from where it is fetched if need be. Raises SwissbertError.
    """
    path = MINI if str(name) == "mini" else Path(name)
    # the last one holds the model where a run was killed while it replaced it
    for candidate in (path, path / "model", path / ".model.old"):
        if (candidate / "swissbert.json").is_file():
            return candidate
    if path.is_dir():
        raise SwissbertError(
            f"{path}: neither a model folder (no swissbert.json) nor a run that has finished an epoch (no model/)"
        )
    repo_id, _, revision = str(name).partition("@")
    if is_hub_id(repo_id) and not os.path.lexists(path):
        return pull(repo_id, revision or None)
    raise SwissbertError(f"{path}: there is no such model folder or run folder")


def load_model(name: str | Path, device: str = "auto", precision: Precision = "fp32") -> Trained:
    """Load ``mini``, a model folder, the best model of a run folder, or a hub id.

    Raises SwissbertError that names file and reason.
    """
    if precision not in get_args(Precision):
        raise SwissbertError(f"precision is {shown(precision)}, but it is one of {', '.join(get_args(Precision))}")
    folder = resolve_folder(name)
    where = folder / "swissbert.json"
    table = read_object(where)
    found = table.get("format")
    if type(found) is not int or found != FORMAT:
        raise SwissbertError(f"{where}: format is {shown(found)}, but this version of swissbert reads format {FORMAT}")
    description = validated(Description, table, str(where))
    base = folder  # where the vocabulary is
    if description.compact is None:
        encoder = read_encoder(folder)
    else:
        base = encoder_folder(description.encoder.name, description.encoder.revision)
        compact.check(description.compact, folder, base)
        encoder = compact.read_delta(folder, base)
    longest, limit = description.encoder.max_length, encoder.config.max_positions
    if longest > limit:
        raise SwissbertError(f"{where}: encoder.max_length is {longest}, but this encoder takes at most {limit} tokens")
    model = make_model(encoder, description.tasks, description.model, freeze=description.encoder.freeze)
    weights = folder / compact.HEADS
    try:
        stored = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise SwissbertError(f"{weights}: not a readable safetensors file ({error})") from error
    heads = _heads(model)
    wrong = misfit(
        {name: tuple(tensor.shape) for name, tensor in heads.state_dict().items()},
        {name: tuple(tensor.shape) for name, tensor in stored.items()},
    )
    if wrong:
        raise SwissbertError(f"{weights}: the tensors do not fit swissbert.json: {wrong}")
    heads.load_state_dict(stored)
    where_to = pick_device(device)
    if precision == "int8" and where_to.type != "cpu":
        raise SwissbertError(f"precision is 'int8', but that is for the CPU, and the device is '{where_to}'")
    if precision == "auto":
        precision = "int8" if where_to.type == "cpu" and has_int8() else "fp32"
    if precision == "int8":
        to_int8(model.encoder)
    tokenizer = Tokenizer(base, encoder.config.vocab_size)
    return Trained(model.to(where_to).eval(), tokenizer, description, folder, precision)
