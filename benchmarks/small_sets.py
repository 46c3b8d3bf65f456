"""What the default settings reach on small data sets, beside TF-IDF with a linear model of scikit-learn.

    python benchmarks/small_sets.py --data DIR --out results/small-sets [--sets trec subj] [--sizes 100 300 1000] [--seed 0]

Sets that are smaller than N are taken whole. DIR holds ``own_tasks``, ``more`` and ``cs224n``. Of each set the first N shuffled rows become a CSV file, which is trained on as
``swissbert train rows.csv --text ... --label ... --kind ...`` does; a share of them is held out by the run itself. Both models are
scored on other rows: a dev file, or rows of the train file that neither saw. Finished
entries in ``results.json`` are kept, so the program can be stopped and started again.
"""

import argparse
import csv
import json
import math
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

import swissbert
from swissbert.cli.from_table import declared_recipe
from swissbert.config import STARTER
from swissbert.data.completion import complete_task
from swissbert.data.rows import Row, labels_of
from swissbert.data.splits import read_split
from swissbert.environment import environment
from swissbert.evaluation import task_scores
from swissbert.kinds import Array
from swissbert.tasks import Task, make_task

TEST_ROWS = 1000
READING = "\n## Reading\n"
"""Heading of what a person wrote below the table; it is kept."""


class Set(NamedTuple):
    """A data set: where it is, and what a declaration would name."""

    folder: str
    train: str
    dev: str | None
    kind: str
    columns: dict[str, str]
    format: str = "auto"


CASES = Path(__file__).parents[1] / "tests" / "cases" / "inputs"
SICK = {"text": "sentence_A", "text_pair": "sentence_B"}
SETS = {
    "trec": Set("own_tasks", "trec-train.tsv", None, "classification", {"text": "question", "label": "label"}),
    "subj": Set("own_tasks", "subj-train.jsonl", None, "binary", {"text": "text", "label": "subjective"}),
    "msrp": Set(
        "own_tasks",
        "msrp-train.tsv",
        "msrp-dev.tsv",
        "binary",
        {"text": "#1 String", "text_pair": "#2 String", "label": "Quality"},
    ),
    "relatedness": Set(
        "own_tasks", "sick-train.tsv", "sick-dev.tsv", "regression", {**SICK, "label": "relatedness_score"}
    ),
    "entailment": Set(
        "own_tasks", "sick-train.tsv", "sick-dev.tsv", "classification", {**SICK, "label": "entailment_judgment"}
    ),
    "tweets": Set("more", "tweets-train.tsv", "tweets-dev.tsv", "classification", {"text": "tweet", "label": "label"}),
    "sst": Set(
        "cs224n",
        "ids-sst-train.csv",
        "ids-sst-dev.csv",
        "classification",
        {"text": "sentence", "label": "sentiment"},
        "cs224n",
    ),
    "sts": Set(
        "cs224n",
        "sts-train.csv",
        "sts-dev.csv",
        "regression",
        {"text": "sentence1", "text_pair": "sentence2", "label": "similarity"},
        "cs224n",
    ),
    "para": Set(
        "cs224n",
        "quora-train.csv",
        "quora-dev.csv",
        "binary",
        {"text": "sentence1", "text_pair": "sentence2", "label": "is_duplicate"},
        "cs224n",
    ),
    "starter_sst": Set(
        str(STARTER), "sst-train.tsv", "sst-dev.tsv", "classification", {"text": "sentence", "label": "sentiment"}
    ),
    "starter_sts": Set(
        str(STARTER),
        "sts-train.tsv",
        "sts-dev.tsv",
        "regression",
        {"text": "sentence1", "text_pair": "sentence2", "label": "similarity"},
    ),
    "reviews": Set(str(CASES / "d06-stop-early"), "train.csv", "dev.csv", "binary", {"text": "text", "label": "label"}),
}


def rows_of(entry: Set, name: str, data: Path, size: int, seed: int) -> tuple[Task, list[Row], list[Row]]:
    """Return the complete task, N train rows, and test rows that are none of them."""
    files = {"train": entry.train, "dev": entry.dev or entry.train}
    table = {"name": name, "kind": entry.kind, "columns": entry.columns, "files": files, "format": entry.format}
    declared = make_task(table, name)
    task = complete_task(declared, data / entry.folder, lambda line: None)
    rows = read_split(task, "train", data / entry.folder).rows
    size = min(size, len(rows))
    rows = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    rest = rows[size:] if entry.dev is None else read_split(task, "dev", data / entry.folder).rows
    seen = {(row.text, row.text_pair) for row in rows[:size]}
    return task, rows[:size], [row for row in rest if (row.text, row.text_pair) not in seen][:TEST_ROWS]


def write_csv(task: Task, rows: list[Row], path: Path) -> None:
    """Write rows as a person would have them: texts, and the label by name or as a number."""
    names = [task.columns.text, *filter(None, [task.columns.text_pair]), task.columns.label]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for row in rows:
            assert isinstance(row.label, float | int)
            texts = [row.text, row.text_pair] if task.is_pair else [row.text]
            writer.writerow([*texts, task.labels[int(row.label)] if task.labels else row.label])


def fine_tuned(task: Task, train: list[Row], test: list[Row], seed: int) -> tuple[Array, float, str]:
    """Train as ``swissbert train rows.csv`` does; return answers to the test rows, seconds, and the steps."""
    columns, start = task.columns, time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write_csv(task, train, path)
        kind: dict[str, object] = {"kind": task.kind.name}
        settings, _ = declared_recipe(path, columns.text, columns.text_pair, [columns.label], kind)
        config = swissbert.make_config({**settings, "seed": seed, "train": {"tensorboard": False}})
        result = swissbert.train(config, Path(folder) / "run")
        seconds = time.perf_counter() - start
        model = swissbert.load(result.model)
    texts = [(row.text, row.text_pair) if task.is_pair else row.text for row in test]
    (learned,) = model.tasks.values()
    answers = model.numbers(learned.name, texts)
    if task.labels:  # labels that the train rows lack get no probability
        full = np.zeros((len(test), len(task.labels)))
        full[:, [task.labels.index(label) for label in learned.labels]] = answers
        answers = full
    return answers, seconds, f"{result.progress.step} steps, best after {result.progress.best_step}"


def tfidf(task: Task, train: list[Row], test: list[Row]) -> Array:
    """Fit words and pairs of words with a linear model; of a pair their difference, product and cosine."""
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    sides = [[row.text for row in rows] for rows in (train, test)]
    pairs = [[row.text_pair or "" for row in rows] for rows in (train, test)]
    vectorizer.fit(sides[0] + (pairs[0] if task.is_pair else []))
    features = [vectorizer.transform(side) for side in sides]
    if task.is_pair:
        both = [(first, vectorizer.transform(pair)) for first, pair in zip(features, pairs, strict=True)]
        features = [csr_matrix(hstack([abs(a - b), a.multiply(b), csr_matrix(a.multiply(b).sum(1))])) for a, b in both]
    answers = task.kind.linear_answers(task, features[0], labels_of(train), features[1])
    assert answers is not None
    return answers


def difference(task: Task, labels: Array, ours: Array, theirs: Array, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference of the metric, by resampling test rows for both models alike."""
    rng, values = np.random.default_rng(seed), []
    for _ in range(1000):
        rows = rng.integers(0, len(labels), len(labels))
        values.append(
            task_scores(task, labels[rows], ours[rows])[task.metric]
            - task_scores(task, labels[rows], theirs[rows])[task.metric]
        )
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)


def entry(name: str, size: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train and score one set at one size."""
    task, train, test = rows_of(SETS[name], name, Path(options.data), size, options.seed)
    labels = labels_of(test)
    theirs = tfidf(task, train, test)
    ours, seconds, steps = fine_tuned(task, train, test, options.seed)
    scores, baseline = task_scores(task, labels, ours), task_scores(task, labels, theirs)
    constant = task.kind.baseline(task, labels)
    low, high = difference(task, labels, ours, theirs, options.seed)
    figures = {
        "metric": task.metric,
        "train_rows": len(train),
        "test_rows": len(test),
        "swissbert": scores,
        "tfidf": baseline,
        "chance": task_scores(task, labels, constant)[task.metric] if constant is not None else None,
        "difference": [scores[task.metric] - baseline[task.metric], low, high],
        "seconds": round(seconds, 1),
        "steps": steps,
    }
    return without_nan(figures)


def without_nan(node: Any) -> Any:
    """Return figures with None where one is not defined, since JSON has no NaN."""
    if isinstance(node, dict):
        return {key: without_nan(value) for key, value in node.items()}
    return None if isinstance(node, float) and math.isnan(node) else node


def table(results: dict[str, Any]) -> str:
    """Format the results as Markdown."""
    lines = [
        "# Small data sets with the default settings",
        "",
        "Each row: a CSV file of N labelled rows and `swissbert train rows.csv --text ... --label ...`; beside TF-IDF of words and",
        "pairs of words with logistic regression (ridge regression for scores) on the same rows. Scored on other rows, which",
        "the runs did not see. The interval is a paired bootstrap over these rows.",
        "",
        "| set | N | metric | swissBERT | TF-IDF | constant | difference, 95 % interval | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    # a set that has fewer rows than asked for is there once
    entries = {(key.split(" ")[0], one["train_rows"]): one for key, one in results["entries"].items()}
    for (name, size), one in sorted(entries.items(), key=lambda item: (list(SETS).index(item[0][0]), item[0][1])):
        metric = one["metric"]
        constant = "" if one["chance"] is None else f"{one['chance']:.3f}"
        delta, low, high = one["difference"]
        lines.append(
            f"| {name} | {size} | {metric} | {one['swissbert'][metric]:.3f} | {one['tfidf'][metric]:.3f} | {constant} | "
            f"{delta:+.3f} ({low:+.3f} to {high:+.3f}) | {one['seconds']:.0f} |"
        )
    made = results["made"]
    lines += [
        "",
        f"Command: `{made['command']}`, seed {made['seed']}, commit {made['commit']}, {made['machine']}, {made['date']}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the sets that have no entry yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[100, 300, 1000])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "results.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"entries": {}}
    here = environment()
    for name in options.sets:
        for size in options.sizes:
            if (key := f"{name} {size}") not in results["entries"]:
                results["entries"][key] = entry(name, size, options)
                results["made"] = {
                    "command": "python benchmarks/small_sets.py --data DIR --out results/small-sets",
                    "seed": options.seed,
                    "date": datetime.now(UTC).date().isoformat(),
                    **{field: here[field] for field in ("commit", "machine", "torch")},
                }
                path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
                page = options.out / "README.md"
                _, heading, reading = (
                    page.read_text(encoding="utf-8").partition(READING) if page.exists() else ("", "", "")
                )
                page.write_text(table(results) + heading + reading, encoding="utf-8")
                print(
                    key,
                    json.dumps(results["entries"][key]["difference"]),
                    results["entries"][key]["seconds"],
                    flush=True,
                )


if __name__ == "__main__":
    main()
