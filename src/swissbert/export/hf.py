"""Folders that ``transformers.AutoModelForSequenceClassification`` loads, one a task.

Such a classifier is one linear map of the pooled output, and so are this model's heads, with two exceptions of form:

- A binary head has one logit z. Here it becomes two, 0 and z, whose softmax is the same two probabilities.
- A regression whose output is a sigmoid over a range has a logit z too, which no linear map turns into the score. The
  pipeline of transformers puts a sigmoid on single logits, so what it gives is exactly the score as a share of the range:
  score = low + (high - low) * share. The label says so. A linear regression comes out as it is, not cut to its range.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from swissbert.encoder.checkpoint import config_json, to_hf
from swissbert.export.plan import chosen, fill_new
from swissbert.heads import LinearHead
from swissbert.model_folder import Trained
from swissbert.tasks import Task


def export_hf(trained: Trained, out: Path, names: Sequence[str] | None = None) -> list[Path]:
    """Write ``out/TASK`` for the tasks named, or for all; returns these folders.

    Raises SwissbertError where a head is more than a linear map of one sequence, and where `out` is taken.
    """
    tasks = chosen(trained, names, misfit, "a Hugging Face classifier")

    def fill(new: Path) -> None:
        encoder = {f"bert.{name}": tensor for name, tensor in to_hf(trained.model.encoder).items()}
        for task in tasks:
            folder = new / task.name
            folder.mkdir()
            weight, bias = classifier(trained, task)
            tensors = encoder | {"classifier.weight": weight, "classifier.bias": bias}
            save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
            _write_json(
                folder / "config.json", json.loads(config_json(trained.model.encoder.config)) | _form(trained, task)
            )
            trained.tokenizer.save(folder)
            settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
            longest = trained.description.encoder.max_length
            own = {"tokenizer_class": "BertTokenizerFast", "model_max_length": longest}
            _write_json(folder / "tokenizer_config.json", settings | own)
            (folder / "README.md").write_text(_card(task), encoding="utf-8")

    fill_new(out, fill)
    return [out / task.name for task in tasks]


def misfit(trained: Trained, task: Task) -> str | None:
    """Why a task is no `BertForSequenceClassification`, or None where it is one."""
    if trained.model.by_cosine(task):
        return "its head is the cosine of two sentence vectors"
    if trained.model.separate(task):
        return "it encodes the sentences of a pair one by one"
    return "its head has a hidden layer (model.layer_sharing)" if trained.model.hidden else None


def classifier(trained: Trained, task: Task) -> tuple[Tensor, Tensor]:
    """Weight ``[labels, H]`` and bias ``[labels]`` of the task's classifier, fp32."""
    head = trained.model.head(task.name)
    assert isinstance(head, LinearHead)
    weight, bias = (part.detach().float().cpu() for part in (head.out.weight, head.out.bias))
    if task.kind == "binary":
        return torch.cat([torch.zeros_like(weight), weight]), torch.cat([torch.zeros_like(bias), bias])
    return weight.contiguous(), bias.contiguous()


def _form(trained: Trained, task: Task) -> dict[str, object]:
    """What config.json says of the classifier."""
    labels, problem = task.labels, "single_label_classification"
    if task.range:
        low, high = task.range
        share = task.output == "sigmoid"  # "multi_label" is what makes the pipeline use a sigmoid
        labels = [f"{task.name} as a share of {low:g} to {high:g}" if share else task.name]
        problem = "multi_label_classification" if share else "regression"
    return {
        "architectures": ["BertForSequenceClassification"],
        "problem_type": problem,
        "num_labels": len(labels),
        "id2label": {str(i): label for i, label in enumerate(labels)},
        "label2id": {label: i for i, label in enumerate(labels)},
        "classifier_dropout": trained.description.model.dropout,
    }


def _card(task: Task) -> str:
    """How to use a folder, in Markdown."""
    given = '{"text": "one text", "text_pair": "another"}' if task.is_pair else '"some text"'
    lines = ["---", "library_name: transformers", "pipeline_tag: text-classification", "---", "", f"# {task.name}", ""]
    lines += ["A task of a swissBERT model as a classifier of its own.", "", "```python"]
    lines += ["from transformers import pipeline", "", 'answer = pipeline("text-classification", "THIS_FOLDER")']
    lines += [f"answer({given}, truncation=True{'' if task.range else ', top_k=None'})", "```"]
    if task.range:
        low, high = task.range
        lines += ["", f"The pipeline's score s is {_meaning(task, low, high)}"]
    return "\n".join(lines) + "\n"


def _meaning(task: Task, low: float, high: float) -> str:
    if task.output == "sigmoid":
        return f"a share of the range from {low:g} to {high:g}: swissBERT's answer is {low:g} + {high - low:g} * s."
    return f"swissBERT's answer before it is cut to the range from {low:g} to {high:g}."


def _write_json(path: Path, table: object) -> None:
    path.write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
