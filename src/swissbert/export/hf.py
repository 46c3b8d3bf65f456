"""Export to folders that ``transformers.AutoModelForSequenceClassification`` loads, one per task.

Such a classifier is one linear layer on the pooled output, and so are swissBERT's linear heads. The classifiers of some
members of the family have a dense layer between first token and output. With tanh it takes the pooler's place; with
ReLU or GELU it holds the head's logits z and -z, because f(z) - f(-z) = z for both. How the logits of a
task map to the classifier's is decided by its kind (`Kind.hf_head`): for instance a binary head's logit z becomes two
logits 0 and z, and thresholds of a multilabel head are folded into the bias, so that they lie at a score of 0.5.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from swissbert.encoder import Bert
from swissbert.encoder.config_file import config_json
from swissbert.encoder.names import to_hf
from swissbert.export.mean_layer import mean_layer
from swissbert.export.plan import CARD, HF_CONFIG, HF_WEIGHTS, select_tasks, write_new_folder
from swissbert.family import MEMBERS
from swissbert.inference.model import Model
from swissbert.kinds import HFHead
from swissbert.tasks import Task


def export_hf(model: Model, out: Path, names: Sequence[str] | None = None) -> list[Path]:
    """Write a classifier folder ``out/TASK`` for each task.

    Args:
        model: The model.
        out: The folder to create.
        names: Names of the tasks; None for all.

    Returns:
        The folders, in the order of the model's tasks.

    Raises:
        SwissbertError: If a head is not one linear layer on one sequence, or `out` is not free.
    """
    tasks = select_tasks(model, names, obstacle, "a Hugging Face classifier")

    def fill(new: Path) -> None:
        encoder = _encoder(model.network.encoder)
        for task in tasks:
            head = classifier(model, task)
            assert not isinstance(head, str), "select_tasks has refused such heads"
            folder = new / task.name
            folder.mkdir()
            _write_classifier(folder, model, encoder, head)
            (folder / CARD).write_text(_card(task, head), encoding="utf-8")

    write_new_folder(out, fill)
    return [out / task.name for task in tasks]


def obstacle(model: Model, task: Task) -> str | None:
    """Say in a clause why a task cannot be a classifier of transformers; None if it can."""
    if model.network.separate(task):
        linear = model.network.head(task.name).as_linear()
        return linear if isinstance(linear, str) else "it encodes the sentences of a pair separately"
    encoder = model.network.encoder
    layer = MEMBERS[encoder.config.member].classifier
    needed = "pooler" if layer.activation == "tanh" else "cls"
    if encoder.pooling != needed and not _by_mean_layer(encoder):
        what = "pooler" if needed == "pooler" else "first token"
        return (
            f"it pools by model.pooling = '{encoder.pooling}', and transformers' classifier reads the {what}; "
            f"train it with model.pooling = '{needed}'"
        )
    if model.network.hidden:
        return "its head has a hidden layer (model.layer_sharing)"
    head = classifier(model, task)
    if (
        not isinstance(head, str)
        and needed != encoder.pooling
        and 2 * len(head.labels) > encoder.config.hidden_size - 2
    ):
        return (
            f"a classifier of a model that pools by the mean has room for {encoder.config.hidden_size // 2 - 1} labels"
        )
    if not isinstance(head, str) and needed == "cls" and 2 * len(head.labels) > encoder.config.hidden_size:
        return f"transformers' classifier has room for {encoder.config.hidden_size // 2} labels"
    return head if isinstance(head, str) else None


def _by_mean_layer(encoder: Bert) -> bool:
    """Whether the mean over all tokens is computed by one more layer (see `mean_layer`)."""
    return encoder.pooling == "mean" and encoder.config.member == "bert"


def classifier(model: Model, task: Task) -> HFHead | str:
    """Return a task's head as transformers has it, or a clause that says why it cannot be expressed."""
    linear = model.network.head(task.name).as_linear()
    return linear if isinstance(linear, str) else task.kind.hf_head(task, *linear)


def _write_classifier(folder: Path, model: Model, encoder: dict[str, Tensor], head: HFHead) -> None:
    """Write weights, configuration and tokenizer; `encoder` holds its tensors under the names that a classifier has."""
    config = model.network.encoder.config
    more = _config(model, head)
    if _by_mean_layer(model.network.encoder):
        layers = mean_layer(head, hidden=config.hidden_size, intermediate=config.intermediate_size, layer=config.layers)
        more["num_hidden_layers"] = config.layers + 1
    else:
        layers = _layers(model.network.encoder, head)
    save_file(encoder | layers, folder / HF_WEIGHTS, metadata={"format": "pt"})
    _write_json(folder / HF_CONFIG, json.loads(config_json(config)) | more)
    model.tokenizer.save(folder, model.description.encoder.max_length)


def _encoder(encoder: Bert) -> dict[str, Tensor]:
    """Return the tensors of an encoder inside a classifier, which has no pooler where it has a dense layer."""
    member = MEMBERS[encoder.config.member]
    pooler = f"{member.outer['pooler']}." if member.classifier.dense else None
    tensors = to_hf(encoder).items()
    return {f"{member.prefix}{name}": tensor for name, tensor in tensors if not (pooler and name.startswith(pooler))}


def _layers(encoder: Bert, head: HFHead) -> dict[str, Tensor]:
    """Return the tensors of a classifier's own layers."""
    layer = MEMBERS[encoder.config.member].classifier
    weight, bias = head.weight.detach().float().cpu(), head.bias.detach().float().cpu()
    parts = {layer.output: (weight, bias)}
    if layer.dense and layer.activation == "tanh":
        state = {name: tensor.detach().float().cpu() for name, tensor in encoder.pooler.state_dict().items()}
        parts[layer.dense] = state["weight"], state["bias"]
    elif layer.dense:
        size, count = encoder.config.hidden_size, len(bias)
        rest, one = size - 2 * count, torch.eye(count)
        parts[layer.dense] = (
            torch.cat([weight, -weight, torch.zeros(rest, size)]),
            torch.cat([bias, -bias, torch.zeros(rest)]),
        )
        parts[layer.output] = torch.cat([one, -one, torch.zeros(count, rest)], 1), torch.zeros(count)
    tensors: dict[str, Tensor] = {}
    for name, (matrix, added) in parts.items():
        tensors |= {f"{name}.weight": matrix.contiguous(), f"{name}.bias": added.contiguous()}
    return tensors


def _config(model: Model, head: HFHead) -> dict[str, object]:
    """Return the keys of ``config.json`` that describe the classifier."""
    layer = MEMBERS[model.network.encoder.config.member].classifier
    return {
        "architectures": [layer.name],
        "problem_type": head.problem_type,
        "num_labels": len(head.labels),
        "id2label": {str(i): label for i, label in enumerate(head.labels)},
        "label2id": {label: i for i, label in enumerate(head.labels)},
        **({layer.dropout: model.description.model.dropout} if layer.dropout else {}),
    }


def _card(task: Task, head: HFHead) -> str:
    """Return the folder's README."""
    example = '{"text": "one text", "text_pair": "another"}' if task.is_pair else '"some text"'
    all_scores = ", top_k=None" if len(head.labels) > 1 else ""
    lines = ["---", "library_name: transformers", "pipeline_tag: text-classification", "---", "", f"# {task.name}", ""]
    lines += ["A task of a swissBERT model as a classifier of its own.", "", "```python"]
    lines += ["from transformers import pipeline", "", 'classify = pipeline("text-classification", "THIS_FOLDER")']
    lines += [f"classify({example}, truncation=True{all_scores})", "```"]
    if head.note:
        lines += ["", f"The pipeline's score s is {head.note}"]
    return "\n".join(lines) + "\n"


def _write_json(path: Path, table: object) -> None:
    path.write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
