"""The model card: a README whose metadata the Hugging Face hub reads."""

import os.path
import re
from typing import TYPE_CHECKING

from swissbert.family import MEMBERS
from swissbert.metrics import METRICS, higher_is_better
from swissbert.model_folder.description import Description, without_paths
from swissbert.model_folder.hub import is_hub_id
from swissbert.tasks import Task
from swissbert.wording import in_list, shortened

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

LABELS = 8
"""Label names of a task that the card lists."""

USE = """\
## Use

MODEL is this folder, or on the hub OWNER/NAME.

```sh
swissbert predict MODEL --task {task} {arguments}
```

```python
import swissbert

model = swissbert.load("MODEL")
model.predict("{task}", {argument})
```"""


def card(description: Description, family: str = "bert") -> str:
    """Return the model card in Markdown. It names no path of the machine.

    Args:
        description: The model's description.
        family: The encoder's member of the BERT family, in `MEMBERS`.
    """
    title = MEMBERS[family].title
    public = without_paths(description.model_dump(mode="json"))
    count, first = len(description.tasks), description.tasks[0]
    arguments, argument = '"some text"', '"some text"'
    if first.is_pair:
        arguments, argument = '"one text" "another text"', '("one text", "another text")'
    parts = [
        f"---\n{_metadata(description, family)}\n---",
        "# swissBERT model",
        f"A{'n' if title[0] in 'AEIOUMX' else ''} {title} encoder (`{_line(public['encoder']['name'])}`) fine-tuned for "
        f"{count} sentence-level task{'s' if count > 1 else ''} with the Python package `swissbert`. Each task has a small head on the "
        "encoder; the tasks that read the same input are answered in one pass.",
        _table(description),
        USE.format(task=first.name, arguments=arguments, argument=argument),
        "## Provenance",
        "\n".join(f"- {key}: {_line(str(value))}" for key, value in public["provenance"].items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(description: Description) -> str:
    lines = ["| task | answer | input | metric | dev score |", "|---|---|---|---|---|"]
    for task in description.tasks:
        value = description.scores.get(f"{task.name}.{task.metric}")
        notes = (description.notes or {}).get(task.name)
        score = f"{value:.3f}" if value is not None else "undefined" if notes else "not measured"
        lines.append(
            f"| {task.name} | {_answer(task)} | {'pair' if task.is_pair else 'sentence'} | {task.metric} | {score} |"
        )
    if "overall" in description.scores:
        counted = [task.metric for task in description.tasks if f"{task.name}.{task.metric}" in description.scores]
        complete = len(counted) == len(description.tasks) and all(map(higher_is_better, counted))
        which = "the metrics above" if complete else "those metrics above that are defined and where higher is better"
        lines += ["", f"Overall on dev rows: {description.scores['overall']:.3f} (mean of {which})."]
    lines += _words(description)
    lines += _notes(description)
    return "\n".join(lines)


def _words(description: Description) -> list[str]:
    """Return what the tasks are called and ask, as a list."""
    words = [
        f"- {task.name}: {': '.join(_line(text) for text in (task.title, task.help) if text)}"
        for task in description.tasks
        if task.title or task.help
    ]
    return ["", "What is asked:", "", *words] if words else []


def _notes(description: Description) -> list[str]:
    """Return what a reader of the scores must know, as a list."""
    notes = [f"- {task}: {_line(note)}." for task, notes in (description.notes or {}).items() for note in notes]
    return ["", "On these scores:", "", *notes] if notes else []


def _answer(task: Task) -> str:
    """Word what a task answers: its kind, and its labels or range."""
    if task.range is not None:
        return f"{task.kind.name}, {task.range[0]:g} to {task.range[1]:g}"
    labels = [in_list(_line(label)).replace("|", "\\|") for label in task.labels]
    return f"{task.kind.name}: {shortened(labels, LABELS)}"


def _metadata(description: Description, family: str) -> str:
    """Return the part of a card that the hub reads, in YAML."""
    from huggingface_hub import ModelCardData

    encoder = description.encoder.name
    stated = str(description.provenance.get("license", ""))
    results = [result for task in description.tasks for result in _results(task, description.scores)]
    yaml: str = ModelCardData(
        language="en",
        license=stated if re.fullmatch(r"[a-z0-9.-]+", stated) else None,
        library_name="swissbert",
        pipeline_tag="text-classification",
        tags=["swissbert", family, "multitask", "sentence-classification"],
        base_model=encoder if is_hub_id(encoder) and not os.path.isdir(encoder) else None,
        datasets=sorted({task.hub.dataset for task in description.tasks if task.hub}) or None,
        # the hub requires a name with results, and allows none without
        model_name=str(description.provenance.get("recipe", "swissbert")) if results else None,
        eval_results=results or None,
    ).to_yaml(line_break="\n")
    return yaml


def _results(task: Task, scores: dict[str, float]) -> "list[EvalResult]":
    """Return the scores of a task whose metrics the hub knows."""
    from huggingface_hub import EvalResult

    hub, metrics = task.hub, [METRICS[name] for name in task.kind.metrics]
    return [
        EvalResult(
            task_type="text-classification",
            task_name=task.name,
            dataset_type=hub.dataset if hub else task.name,
            dataset_name=hub.dataset if hub else task.name,
            dataset_config=hub.config if hub else None,
            dataset_split=hub.splits.get("dev", "dev") if hub else "dev",
            dataset_revision=hub.revision if hub else None,
            metric_type=metric.hub_name,
            metric_name=f"{task.name} {metric.name}",  # the tasks of one data set share a list of results
            metric_value=scores[f"{task.name}.{metric.name}"],
        )
        for metric in metrics
        if metric.hub_name and f"{task.name}.{metric.name}" in scores
    ]


def _line(text: str) -> str:
    """Put a text on one line."""
    return " ".join(text.split())
