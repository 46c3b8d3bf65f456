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

from safetensors.torch import save_file

from swissbert.encoder.checkpoint import config_json, to_hf
from swissbert.export.plan import chosen, fill_new
from swissbert.inference.model import Model
from swissbert.kinds import HFHead
from swissbert.tasks import Task


def export_hf(trained: Model, out: Path, names: Sequence[str] | None = None) -> list[Path]:
    """Write ``out/TASK`` for the tasks named, or for all; returns these folders.

    Raises SwissbertError where a head is more than a linear map of one sequence, and where `out` is taken.
    """
    tasks = chosen(trained, names, misfit, "a Hugging Face classifier")

    def fill(new: Path) -> None:
        encoder = {f"bert.{name}": tensor for name, tensor in to_hf(trained.network.encoder).items()}
        for task in tasks:
            folder = new / task.name
            folder.mkdir()
            head = classifier(trained, task)
            assert not isinstance(head, str), "misfit has refused such heads"
            tensors = encoder | {
                "classifier.weight": head.weight.contiguous(),
                "classifier.bias": head.bias.contiguous(),
            }
            save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
            _write_json(
                folder / "config.json",
                json.loads(config_json(trained.network.encoder.config)) | _settings(trained, head),
            )
            trained.tokenizer.save(folder)
            settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
            longest = trained.description.encoder.max_length
            own = {"tokenizer_class": "BertTokenizerFast", "model_max_length": longest}
            _write_json(folder / "tokenizer_config.json", settings | own)
            (folder / "README.md").write_text(_card(task, head), encoding="utf-8")

    fill_new(out, fill)
    return [out / task.name for task in tasks]


def misfit(trained: Model, task: Task) -> str | None:
    """Say why a task cannot be a `BertForSequenceClassification`; None if it can."""
    if trained.network.separate(task):
        linear = trained.network.head(task.name).as_linear()
        return linear if isinstance(linear, str) else "it encodes the sentences of a pair one by one"
    if trained.network.hidden:
        return "its head has a hidden layer (model.layer_sharing)"
    head = classifier(trained, task)
    return head if isinstance(head, str) else None


def classifier(trained: Model, task: Task) -> HFHead | str:
    """Return a task's head as transformers has it, or say in a clause why that cannot be."""
    linear = trained.network.head(task.name).as_linear()
    return linear if isinstance(linear, str) else task.kind.hf_head(task, *linear)


def _settings(trained: Model, head: HFHead) -> dict[str, object]:
    """Return what config.json says of the classifier."""
    return {
        "architectures": ["BertForSequenceClassification"],
        "problem_type": head.problem_type,
        "num_labels": len(head.labels),
        "id2label": {str(i): label for i, label in enumerate(head.labels)},
        "label2id": {label: i for i, label in enumerate(head.labels)},
        "classifier_dropout": trained.description.model.dropout,
    }


def _card(task: Task, head: HFHead) -> str:
    """How to use a folder, in Markdown."""
    given = '{"text": "one text", "text_pair": "another"}' if task.is_pair else '"some text"'
    lines = ["---", "library_name: transformers", "pipeline_tag: text-classification", "---", "", f"# {task.name}", ""]
    lines += ["A task of a swissBERT model as a classifier of its own.", "", "```python"]
    lines += ["from transformers import pipeline", "", 'answer = pipeline("text-classification", "THIS_FOLDER")']
    lines += [f"answer({given}, truncation=True{', top_k=None' if task.labels else ''})", "```"]
    if head.note:
        lines += ["", f"The pipeline's score s is {head.note}"]
    return "\n".join(lines) + "\n"


def _write_json(path: Path, table: object) -> None:
    path.write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
