"""The model card: a README that the Hugging Face hub reads, metadata in front and words behind."""

import os.path
import re
from pathlib import Path
from typing import TYPE_CHECKING

from swissbert.metrics import METRICS
from swissbert.model_folder.hub import is_hub_id

if TYPE_CHECKING:
    from swissbert.model_folder.description import Description


def card(description: "Description") -> str:
    """The model card, in Markdown."""
    lines = ["---", _metadata(description), "---", "", "# swissBERT model", ""]
    encoder = _public(description.encoder.name)
    lines += [f"One encoder (`{encoder}`) fine-tuned for {len(description.tasks)} task(s).", ""]
    lines += ["| task | kind | input | metric | dev score |", "|---|---|---|---|---|"]
    for task in description.tasks:
        value = description.scores.get(f"{task.name}.{task.metric}")
        score = "not measured" if value is None else f"{value:.3f}"
        lines.append(
            f"| {task.name} | {task.kind.name} | {'pair' if task.is_pair else 'sentence'} | {task.metric} | {score} |"
        )
    if "overall" in description.scores:
        lines += ["", f"Overall on dev rows: {description.scores['overall']:.3f} (mean of the metrics above)."]
    lines += [
        "",
        "## Use",
        "",
        "MODEL is this folder, or on the hub OWNER/NAME.",
        "",
        "```",
        'swissbert predict MODEL --task TASK "some text"',
        "```",
        "",
        "## Provenance",
        "",
    ]
    lines += [f"- {key}: {_public(str(value))}" for key, value in description.provenance.items()]
    return "\n".join(lines) + "\n"


def _metadata(description: "Description") -> str:
    """What the hub reads of a card, in YAML."""
    from huggingface_hub import EvalResult, ModelCardData

    encoder = description.encoder.name
    stated = str(description.provenance.get("license", ""))
    results = []
    for task in description.tasks:
        for metric in (METRICS[name] for name in task.kind.metrics if name in METRICS):
            if metric.hub_name and f"{task.name}.{metric.name}" in description.scores:
                results.append(
                    EvalResult(
                        task_type="text-classification",
                        task_name=task.name,
                        dataset_type=task.hub.dataset if task.hub else task.name,
                        dataset_name=task.hub.dataset if task.hub else task.name,
                        dataset_config=task.hub.config if task.hub else None,
                        dataset_split=task.hub.splits.get("dev", "dev") if task.hub else "dev",
                        dataset_revision=task.hub.revision if task.hub else None,
                        metric_type=metric.hub_name,
                        metric_name=f"{task.name} {metric.name}",  # tasks of one data set stand in one list
                        metric_value=description.scores[f"{task.name}.{metric.name}"],
                    )
                )
    return ModelCardData(
        language="en",
        license=stated if re.fullmatch(r"[a-z0-9.-]+", stated) else None,
        library_name="swissbert",
        pipeline_tag="text-classification",
        tags=["swissbert", "bert", "multitask", "sentence-classification"],
        base_model=encoder if is_hub_id(encoder) and not os.path.isdir(encoder) else None,
        datasets=sorted({task.hub.dataset for task in description.tasks if task.hub}) or None,
        model_name=str(description.provenance.get("recipe", "swissbert")) if results else None,  # of those results
        eval_results=results or None,
    ).to_yaml(line_break="\n")


def _public(text: str) -> str:
    """A line without the folders of this machine: of a path its last part."""
    line = " ".join(text.split())
    return Path(line).name if os.path.isabs(line) else line
