"""JSON responses of the service, written from what the model gave."""

import json

import numpy as np

from swissbert.data.token_table import TokenTable
from swissbert.inference.attention import table_attention
from swissbert.inference.explanation import Variants, decisive
from swissbert.inference.model import Model
from swissbert.kinds import Answer
from swissbert.serving.jobs import Answers
from swissbert.serving.schemas import AttentionBody, ExplainBody
from swissbert.tasks import Task


def answers_json(tasks: list[list[Task]], tables: list[TokenTable], results: list[Answers]) -> bytes:
    """Write the answers to the inputs of a request as JSON.

    Args:
        tasks: The tasks of each input.
        tables: The tokens of each input.
        results: What the model gave for each input.
    """
    answers = (
        {task.name: _answer(task, result, table).as_json() for task in chosen}
        for chosen, table, result in zip(tasks, tables, results, strict=True)
    )
    # one input at a time: a single call of json.dumps would hold the GIL until it ends
    rows = [json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":")) for row in answers]
    return f'{{"answers":[{",".join(rows)}]}}'.encode()


def attention_json(model: Model, table: TokenTable, body: AttentionBody) -> bytes:
    """Compute attention over a table and write it as JSON, with four digits.

    Args:
        model: The model.
        table: The tokens of the request.
        body: The request: `layer` and `head` choose one of each.
    """
    result = table_attention(model, table)
    layers = slice(None) if body.layer is None else slice(body.layer, body.layer + 1)
    heads = slice(None) if body.head is None else slice(body.head, body.head + 1)
    weights = np.round(result.weights[layers, heads].astype(float), 4)
    boundary = result.boundary if body.text_pair is not None else None
    # one head at a time: a single call of json.dumps would hold the GIL until it ends
    rows = (f"[{','.join(json.dumps(head.tolist()) for head in layer)}]" for layer in weights)
    start = json.dumps({"tokens": result.tokens, "boundary": boundary})[:-1]
    return f'{start}, "weights": [{",".join(rows)}]}}'.encode()


def explanation_json(body: ExplainBody, tasks: list[Task], variants: Variants, results: list[Answers]) -> bytes:
    """Write the effects of words as JSON.

    Args:
        body: The request.
        tasks: The tasks.
        variants: The input and its variants.
        results: What the model gave for the input and for each variant.
    """
    fields = {"text": body.text, "text_pair": body.text_pair or ""}
    words = [
        {"field": name, "start": span.start, "end": span.end, "text": fields[name][span.start : span.end]}
        for span in variants.spans
        for name in [list(fields)[span.part]]
    ]
    rows = []
    for task in tasks:
        label, numbers = decisive(task, [result[task.name] for result in results])
        value, *without = (round(float(number), 5) for number in numbers)
        effects = {"label": label, "value": value, "without": without}
        rows.append({"answer": _answer(task, results[0], variants.whole).as_json(), **effects})
    by_task = dict(zip((task.name for task in tasks), rows, strict=True))
    return json.dumps({"words": words, "tasks": by_task}, ensure_ascii=False, allow_nan=False).encode()


def _answer(task: Task, result: Answers, table: TokenTable) -> Answer:
    """Return the answer of one task to one input."""
    answer = task.kind.answer(task, result[task.name])
    return answer._replace(cut=True) if table.cut_rows.any() else answer
