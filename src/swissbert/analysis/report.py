"""`analyse`: everything that can be looked at in a trained model, put into one report."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np

from swissbert.analysis.architecture import architecture_figure, parts_table
from swissbert.analysis.attention import attention_figure, attention_shares, shares_figure
from swissbert.analysis.distributions import Distribution, distribution_figure, distributions
from swissbert.analysis.errors import bucket_errors, bucket_figure, error_name, overlap_figure
from swissbert.analysis.gradients import gradient_cosines
from swissbert.analysis.history import (
    History,
    conflict_figure,
    layer_figure,
    read_history,
    training_figure,
    weights_figure,
)
from swissbert.analysis.observe import Observed, in_words, observe, texts_of
from swissbert.analysis.page import Picture, Section, Table, check_out, write_page
from swissbert.analysis.scores import (
    calibration,
    calibration_figure,
    class_table,
    confusion_figure,
    measured,
    scatter_figure,
    scores_figure,
)
from swissbert.analysis.versus import compare, versus_figure, who_is_right
from swissbert.data.dataset import tokenize
from swissbert.data.rows import Row
from swissbert.data.splits import open_split
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.inference.attention import attended
from swissbert.inference.model import Model
from swissbert.tasks import Split, Task

SHOWN = 8
"""Rows of each sort that are shown."""
ATTENTION_ROWS = 2000
"""Pairs of each task whose attention is summed up."""
MOST_SHOWN = 40
"""Tokens of a row whose attention is drawn."""
BATCHES = 6
"""Batches of each task whose gradients are compared."""


def analyse(
    trained: Model,
    directory: Path | None,
    out: Path,
    *,
    split: Split = "dev",
    against: Model | None = None,
    display: Display | None = None,
) -> Path:
    """Write a report on a model, and with `against` on how another one compares, into `out`. Returns its page.

    Raises SwissbertError where labelled rows are missing or `out` holds something else.
    """
    display = display or Display(quiet=True)
    check_out(out)
    if against:
        _same_tasks(trained, against)
    tasks = trained.tasks.values()
    counted: dict[str, list[Distribution]] = {}
    problems: list[str] = []
    with display.work("counting labels and lengths", len(tasks)) as told:
        for task in tasks:
            counted[task.name], wrong = distributions(task, directory, trained.tokenizer)
            problems += wrong
            told(1)
    history = _history(trained)
    work = _Work(trained, directory, split, against, counted, problems, history)
    with display.work("answering and drawing", work.total) as told:
        sections = work.sections(told)
        names = " and ".join([_name(trained), *([_name(against)] if against else [])])
        page = write_page(out, f"swissBERT report: {names}", _facts(trained), sections)
        told(work.total)
    return page


def _same_tasks(one: Model, other: Model) -> None:
    for task in one.description.tasks:
        if task != next((t for t in other.description.tasks if t.name == task.name), None):
            raise SwissbertError(
                f"{other.folder}: has no task '{task.name}' declared as in {one.folder}, so the two cannot be compared"
            )


def _history(trained: Model) -> History | None:
    path = trained.folder.absolute().parent / "metrics.jsonl"
    return read_history(path) if path.is_file() else None


def _name(trained: Model) -> str:
    folder = trained.folder.absolute()
    return folder.parent.name if folder.name in ("model", ".model.old") else folder.name


def _facts(trained: Model) -> list[tuple[str, str]]:
    provenance = {k: v for k, v in trained.description.provenance.items() if k != "data"}
    return [("tasks", ", ".join(task.name for task in trained.tasks.values()))] + [
        (key.replace("_", " "), str(value)) for key, value in provenance.items()
    ]


class _Work:
    """The sections one after another; `told` hears of work done, in rows that were answered or worth as much."""

    def __init__(
        self,
        trained: Model,
        directory: Path | None,
        split: Split,
        against: Model | None,
        counted: dict[str, list[Distribution]],
        problems: list[str],
        history: History | None,
    ) -> None:
        self.trained, self.directory, self.split, self.against = trained, directory, split, against
        self.counted, self.problems, self.history = counted, problems, history
        self.tasks = trained.tasks.values()
        self.pairs = [task for task in self.tasks if task.is_pair and not trained.network.separate(task)]
        self.by_layer = bool(history and history.by_layer)
        rows = {name: sum(d.rows for d in found if d.split == split) for name, found in counted.items()}
        self.total = float(sum(rows.values()) * (2 if against else 1))
        self.total += sum(min(rows[task.name], ATTENTION_ROWS) for task in self.pairs)
        self.total += self._gradient_work() + 600  # the last for drawing

    def _gradient_work(self) -> int:
        return 0 if self.by_layer or len(self.tasks) < 2 else 100 * BATCHES * len(self.tasks)

    def sections(self, told: Callable[[float], None]) -> list[Section]:
        seen = {task.name: observe(self.trained, task, self.split, self.directory, told) for task in self.tasks}
        found = [self._scores(seen)]
        if self.against:
            found.append(self._versus(seen, told))
        found += [self._errors(each) for each in seen.values()]
        found += [self._attention(told), self._training(told), self._architecture(), self._labels()]
        return found

    def _scores(self, seen: dict[str, Observed]) -> Section:
        every = [metric for each in seen.values() for metric in measured(each)]
        header = ["task", "metric", "score", "from", "to", "chance", "rows"]
        rows = [
            [m.task, m.metric + (" *" if m.declared else ""), m.value, *m.interval, m.chance, m.rows] for m in every
        ]
        overall = float(np.mean([m.value for m in every if m.declared]))
        parts: list[Picture | Table] = [
            Picture("scores", scores_figure(every), "Scores of every task with 95 % intervals"),
            Table("scores", "Every metric with its 95 % interval (bootstrap over rows)", header, rows),
        ]
        for name, each in seen.items():
            if each.scored:
                parts.append(
                    Picture(f"scatter-{name}", scatter_figure(each), f"Predicted against true scores of {name}")
                )
                continue
            parts.append(Picture(f"confusion-{name}", confusion_figure(each), f"Confusion matrix of {name}"))
            parts.append(
                Table(
                    f"classes-{name}",
                    f"{name}: each class",
                    ["label", "rows", "precision", "recall", "F1"],
                    class_table(each),
                )
            )
            parts.append(Picture(f"calibration-{name}", calibration_figure(each), f"Calibration of {name}"))
            bins, error = calibration(each)
            parts.append(
                Table(
                    f"calibration-{name}",
                    f"{name}: probability against share that is right, expected calibration error {error:.3f}",
                    ["mean probability", "share right", "rows"],
                    bins,
                )
            )
        bad = sum(each.bad_count for each in seen.values())
        left_out = f" {bad:,} bad row(s) were left out." if bad else ""
        if bad:
            rows_bad = [[row.file, row.number, row.reason] for each in seen.values() for row in each.bad]
            parts.append(Table("left-out", "Rows left out, the first of each task", ["file", "row", "why"], rows_bad))
        text = f"On the {self.split} rows; overall, the mean of the metrics marked *, is {overall:.3f}.{left_out}"
        return Section("scores", "Scores", text, parts)

    def _versus(self, seen: dict[str, Observed], told: Callable[[float], None]) -> Section:
        assert self.against is not None
        names = (_name(self.trained), _name(self.against))
        if names[0] == names[1]:
            names = (f"{names[0]} (1)", f"{names[1]} (2)")
        differences, counts, examples = [], [], []
        for task in self.tasks:
            first, second = seen[task.name], observe(self.against, task, self.split, self.directory, told)
            differences += compare(first, second)
            counts.append([task.name, *who_is_right(first, second)])
            examples += [
                self._disagreements(
                    first, second, f"{task.name}: better answered by {names[0]}", f"won-{task.name}", names
                ),
                self._disagreements(
                    second, first, f"{task.name}: better answered by {names[1]}", f"lost-{task.name}", names[::-1]
                ),
            ]
        rows = [
            [d.task, d.metric, d.first, d.second, d.difference, *d.interval, "" if d.p is None else d.p]
            for d in differences
        ]
        header = ["task", "metric", *names, "difference", "from", "to", "McNemar p"]
        parts: list[Picture | Table] = [
            Picture("versus", versus_figure(differences, names), f"{names[0]} against {names[1]}"),
            Table(
                "versus",
                "Every metric of both, difference with its 95 % interval (paired bootstrap)",
                header,
                rows,
                digits=4,
            ),
            Table(
                "who-is-right",
                "Rows that both, one or neither gets right; for scores: equally near, and whose is nearer",
                ["task", "both", f"only {names[0]}", f"only {names[1]}", "neither"],
                counts,
            ),
            *(table for table in examples if table.rows),
        ]
        return Section("versus", "Two models", f"{names[0]} against {names[1]} on the same {self.split} rows.", parts)

    def _disagreements(self, right: Observed, wrong: Observed, title: str, name: str, names: tuple[str, ...]) -> Table:
        gain = wrong.error - right.error
        sure = gain if right.scored else np.where(gain > 0, right.answers.max(1), 0.0)
        places = [int(i) for i in np.argsort(-sure, kind="stable")[:SHOWN] if gain[i] > 0]
        texts = texts_of(right, places, self.directory)
        header = [*_text_names(right.task), "true", *names]
        rows = [[*_texts(texts[i]), *in_words(right, i)[:2], in_words(wrong, i)[1]] for i in places]
        return Table(name, title, header, rows)

    def _errors(self, each: Observed) -> Section:
        task = each.task
        places = {"mistakes": each.mistakes(SHOWN), "successes": each.successes(SHOWN)}
        texts = texts_of(each, [i for some in places.values() for i in some], self.directory)
        strength = "off by" if each.scored else "probability"
        header = [*_text_names(task), "true", "predicted", strength]
        parts: list[Picture | Table] = []
        found = bucket_errors(each)
        if found:
            parts.append(Picture(f"buckets-{task.name}", bucket_figure(each), f"Which rows of {task.name} are harder"))
            rows = [
                [b.name, b.about, b.rows, b.error, b.rest, b.difference, *(b.interval or (float("nan"),) * 2)]
                for b in found
            ]
            names = ["bucket", "what is in it", "rows", error_name(each), "of the rest", "difference", "from", "to"]
            parts.append(
                Table(f"buckets-{task.name}", f"{task.name}: buckets, difference with its 95 % interval", names, rows)
            )
        if task.is_pair:
            parts.append(Picture(f"overlap-{task.name}", overlap_figure(each), f"Word overlap of {task.name}"))
        titles = {
            "mistakes": "the scores farthest off" if each.scored else "the surest mistakes",
            "successes": "the nearest scores" if each.scored else "clear successes",
        }
        for kind, some in places.items():
            rows_shown = [[*_texts(texts[i]), *in_words(each, i)] for i in some]
            if rows_shown:
                parts.append(Table(f"{kind}-{task.name}", f"{task.name}: {titles[kind]}", header, rows_shown))
        mean = (
            f"{each.error.mean():.2f} away from the true score"
            if each.scored
            else f"wrong in {each.error.mean():.1%} of the rows"
        )
        return Section(f"errors-{task.name}", f"Errors: {task.name}", f"The model is {mean}.", parts)

    def _attention(self, told: Callable[[float], None]) -> Section:
        parts: list[Picture | Table] = []
        for task in self.tasks:
            row = self._short_row(task)
            if row is None:
                continue
            pair = row.text_pair if task in self.pairs else None
            found = attended(self.trained, row.text, pair)
            title = f"{task.name}: where word pieces look, in {'a pair' if pair else 'a sentence'}"
            parts.append(
                Picture(f"attention-{task.name}", attention_figure(found, title), f"Attention heat maps of {task.name}")
            )
        shares = {
            task.name: attention_shares(self.trained, task, self.split, self.directory, ATTENTION_ROWS, told)
            for task in self.pairs
        }
        text = "First, middle and last layer, first head. "
        if shares:
            parts.append(
                Picture("attention-between-sentences", shares_figure(shares), "Attention between sentences by layer")
            )
            rows = [
                [
                    name,
                    layer + 1,
                    float(each.crossing[layer]),
                    float(each.matching[layer]),
                    each.even_crossing,
                    each.even_matching,
                ]
                for name, each in shares.items()
                for layer in range(len(each.crossing))
            ]
            header = ["task", "layer", "crosses", "on the same word piece", "crosses if even", "same if even"]
            parts.append(
                Table("attention-between-sentences", "Shares of the attention of words, mean over heads", header, rows)
            )
            text += "Orange lines part the sentences; the curves say how much attention crosses that line."
        elif any(task.is_pair for task in self.tasks):
            text += "This model encodes the sentences of a pair one by one, so no attention crosses between them."
        return Section("attention", "Attention", text, parts)

    def _short_row(self, task: Task) -> Row | None:
        """The first of a few labelled rows that makes a readable picture, if there is one."""
        rows = [row for row in islice(open_split(task, self.split, self.directory)[1], 200) if isinstance(row, Row)]
        sizes = tokenize(self.trained.tokenizer, task, rows, separate=False, max_length=MOST_SHOWN + 1).lengths
        best = min(range(len(rows)), key=lambda i: (abs(int(sizes[i]) - 20) > 8, i))
        return rows[best] if sizes[best] <= MOST_SHOWN else None

    def _training(self, told: Callable[[float], None]) -> Section:
        history = self.history
        parts: list[Picture | Table] = []
        text = "No metrics.jsonl lies beside this model, so how it was trained is not known here."
        if history and history.loss:
            metrics = {task.name: task.metric for task in self.tasks}
            parts.append(Picture("training", training_figure(history, metrics), "Losses and dev scores over steps"))
            if any(len(set(values)) > 1 for _, values in history.weight.values()):
                parts.append(Picture("weights", weights_figure(history), "Task weights over steps"))
            if any(any(values) for _, values in history.cosine.values()):
                parts.append(
                    Picture("conflicts", conflict_figure(history), "Cosines between task gradients over steps")
                )
            text = "From the run's metrics.jsonl."
        cosines: dict[str, dict[str, list[float]]] = {}
        if self.by_layer and history:
            cosines = {part: {name: v for name, (_, v) in found.items()} for part, found in history.by_layer.items()}
            note = "over a sample of steps of the run; bars hold half of them"
        elif len(self.tasks) > 1:
            note = f"{BATCHES} batches of train rows at the trained weights; bars hold half of them"
            try:
                cosines = gradient_cosines(self.trained, self.directory, BATCHES, told=lambda n: told(100 * n))
            except SwissbertError as error:
                text += f" Gradients of the tasks cannot be compared: {error}."
        if cosines:
            parts.append(Picture("gradients", layer_figure(cosines, note), "Cosines between task gradients by layer"))
            rows = [
                [part, pair, float(np.mean(values)), min(values), max(values), len(values)]
                for part, found in cosines.items()
                for pair, values in found.items()
            ]
            header = ["part", "tasks", "mean cosine", "lowest", "highest", "batches"]
            parts.append(Table("gradients", "Cosine of task gradients in each part of the encoder", header, rows))
        return Section("training", "Training", text, parts)

    def _architecture(self) -> Section:
        rows = parts_table(self.trained)
        total = sum(count for *_, count in rows)
        parts: list[Picture | Table] = [
            Picture("architecture", architecture_figure(self.trained), "Drawing of the model"),
            Table("parameters", "Parameters", ["part", "of", "parameters"], rows),
        ]
        return Section(
            "architecture", "Architecture", f"{total:,} parameters in all, drawn from the model itself.", parts
        )

    def _labels(self) -> Section:
        parts: list[Picture | Table] = []
        rows: list[list[str | int | float]] = []
        for task in self.tasks:
            found = self.counted[task.name]
            if found:
                parts.append(
                    Picture(
                        f"labels-{task.name}", distribution_figure(task, found), f"Labels and lengths of {task.name}"
                    )
                )
            for each in found:
                rows += [
                    [
                        task.name,
                        each.split,
                        name,
                        each.labels[place],
                        each.labels[place] / max(1, sum(each.labels.values())),
                    ]
                    for place, name in enumerate(task.kind.groups(task))
                    if each.labels
                ]
        parts.append(Table("labels", "Labels by split", ["task", "split", "label", "rows", "share"], rows))
        text = " ".join(["Every split that is there.", *(f"Not counted: {problem}." for problem in self.problems)])
        return Section("labels", "Labels and lengths", text, parts)


def _text_names(task: Task) -> list[str]:
    return ["text", "second text"] if task.is_pair else ["text"]


def _texts(row: Row) -> list[str]:
    return [row.text] if row.text_pair is None else [row.text, row.text_pair]
