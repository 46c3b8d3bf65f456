"""The model folder: what training leaves, and all that evaluating, predicting and serving need.

``config.json``, ``model.safetensors`` (the encoder, as Hugging Face names it), ``heads.safetensors``, ``vocab.txt``,
``tokenizer.json``, ``swissbert.json`` (tasks, settings, scores, provenance) and ``README.md`` (the model card).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from swissbert.config import EncoderSettings, ModelSettings
from swissbert.data.tokens import Tokenizer
from swissbert.encoder.checkpoint import read_encoder, write_encoder
from swissbert.errors import SwissbertError
from swissbert.files import recover, write_folder
from swissbert.model import MultitaskModel
from swissbert.tasks import Settings, Task, explain

FORMAT = 1


class Description(Settings):
    """Contents of ``swissbert.json``. `scores` are those on the dev rows, by dotted name; `provenance` is free."""

    format: int
    tasks: list[Task]
    encoder: EncoderSettings
    model: ModelSettings
    scores: dict[str, float] = Field(default={})
    provenance: dict[str, Any] = Field(default={})


@dataclass(frozen=True)
class Trained:
    """A model with its tokenizer and description, in eval mode."""

    model: MultitaskModel
    tokenizer: Tokenizer
    description: Description
    folder: Path

    def task(self, name: str | None) -> Task:
        """A task by name; without one, the only task there is. Raises SwissbertError."""
        tasks = {task.name: task for task in self.description.tasks}
        if name is None and len(tasks) == 1:
            return next(iter(tasks.values()))
        if name not in tasks:
            problem = "needs a task" if name is None else f"has no task '{name}'"
            raise SwissbertError(f"{self.folder}: this model {problem}; its tasks are {', '.join(tasks)}")
        return tasks[name]


def save_model(folder: Path, model: MultitaskModel, tokenizer: Tokenizer, description: Description) -> None:
    """Write a model folder, whole or not at all."""

    def fill(new: Path) -> None:
        write_encoder(model.encoder, new)
        heads = {name: tensor.detach().float().contiguous().cpu() for name, tensor in model.heads.state_dict().items()}
        save_file(heads, new / "heads.safetensors")
        tokenizer.save(new)
        text = json.dumps(description.model_dump(mode="json", exclude_none=True), indent=2, ensure_ascii=False)
        (new / "swissbert.json").write_text(text + "\n", encoding="utf-8")
        (new / "README.md").write_text(card(description), encoding="utf-8")

    write_folder(folder, fill)


def resolve_folder(name: str | Path) -> Path:
    """A model folder, or the one inside a run folder. Raises SwissbertError."""
    path = Path(name)
    recover(path / "model")
    for candidate in (path, path / "model"):
        if (candidate / "swissbert.json").is_file():
            return candidate
    if path.is_dir():
        raise SwissbertError(
            f"{path}: neither a model folder (no swissbert.json) nor a run that has finished an epoch (no model/)"
        )
    raise SwissbertError(f"{path}: there is no such model folder or run folder")


def load_model(name: str | Path, device: torch.device | None = None) -> Trained:
    """Load a model folder or the best model of a run folder. Raises SwissbertError that names file and reason."""
    folder = resolve_folder(name)
    where = folder / "swissbert.json"
    try:
        text = where.read_text(encoding="utf-8")
        found = json.loads(text).get("format")
        if found != FORMAT:
            raise SwissbertError(f"{where}: format is {found!r}, but this version of swissbert reads format {FORMAT}")
        description = Description.model_validate_json(text)
    except ValidationError as error:
        raise explain(error, Description, str(where)) from error
    except (OSError, ValueError, AttributeError) as error:
        raise SwissbertError(f"{where}: cannot be read ({error})") from error
    encoder = read_encoder(folder)
    settings = description.model
    model = MultitaskModel(
        encoder,
        description.tasks,
        pair_encoding=settings.pair_encoding,
        dropout=settings.dropout,
        freeze=description.encoder.freeze,
    )
    weights = folder / "heads.safetensors"
    try:
        model.heads.load_state_dict(load_file(weights))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise SwissbertError(
            f"{weights}: does not hold the heads that swissbert.json describes ({str(error).splitlines()[0]})"
        ) from error
    return Trained(model.to(device).eval(), Tokenizer(folder, encoder.config.vocab_size), description, folder)


def card(description: Description) -> str:
    """The model card, in Markdown."""
    provenance = description.provenance
    lines = [
        "---",
        "library_name: swissbert",
        "tags: [multitask, sentence-classification, bert]",
        "---",
        "",
        "# swissBERT model",
        "",
    ]
    lines += [f"One encoder (`{description.encoder.name}`) fine-tuned for {len(description.tasks)} task(s).", ""]
    lines += ["| task | kind | input | metric | dev score |", "|---|---|---|---|---|"]
    for task in description.tasks:
        value = description.scores.get(f"{task.name}.{task.metric}")
        score = "not measured" if value is None else f"{value:.3f}"
        lines.append(
            f"| {task.name} | {task.kind} | {'pair' if task.is_pair else 'sentence'} | {task.metric} | {score} |"
        )
    if "overall" in description.scores:
        lines += ["", f"Overall on dev rows: {description.scores['overall']:.3f} (mean of the metrics above)."]
    lines += [
        "",
        "## Use",
        "",
        "```",
        'swissbert predict THIS_FOLDER --task TASK "some text"',
        "```",
        "",
        "## Provenance",
        "",
    ]
    lines += [f"- {key}: {value}" for key, value in provenance.items()]
    return "\n".join(lines) + "\n"
