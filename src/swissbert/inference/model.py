"""A trained model: prediction and evaluation."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, cast, overload

import numpy as np

from swissbert.config import data_path
from swissbert.data.bad_rows import MAX_BAD
from swissbert.data.dataset import TaskData, TokenOptions, load_split, tokenize
from swissbert.data.overlap import overlap_notes
from swissbert.data.row_counts import share_read
from swissbert.data.rows import Row
from swissbert.data.tokens import Tokenizer
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.evaluation import Scores, table_answers, tables_answers
from swissbert.evaluation import evaluate as score_splits
from swissbert.forking import ForkLock
from swissbert.inference.inputs import Text, rows_of
from swissbert.inference.int8_model import Int8Model
from swissbert.inference.texts import check_threshold, given_texts
from swissbert.inference.vectors import encode
from swissbert.kinds import KINDS, Answer, Array
from swissbert.metrics import Metric
from swissbert.model_folder.description import Description
from swissbert.model_folder.load import read_model
from swissbert.settings import shown
from swissbert.tasks import SPLITS, Split, Task, tasks_for

if TYPE_CHECKING:
    from swissbert.inference.explanation import Explanation
    from swissbert.model.multitask import MultitaskModel

CHUNK = 1024
"""Rows that are read, sorted by length and answered together: bounds memory, and is enough for little padding."""


class Model:
    """A trained model, ready to use. Threads may share one.

    Attributes:
        engine: What computes answers: the network, or its eight-bit form, which needs no torch.
        tokenizer: The encoder's tokenizer.
        description: Tasks, settings, dev scores and provenance.
        folder: Where it was loaded from.
        precision: Precision of the encoder's products, ``fp32`` or ``int8``.
        fingerprint: A checksum of the files that it was loaded from; None for a model that is not from a folder.
        tasks: The tasks by name.

    Example::

        model = swissbert.load()
        model.predict("sst", "What a film!").label_name
        model.predict("sts", [("A dog runs.", "A dog is running.")])[0].score
    """

    def __init__(
        self,
        engine: "MultitaskModel | Int8Model",
        tokenizer: Tokenizer,
        description: Description,
        folder: Path,
        precision: Literal["fp32", "int8"] = "fp32",
        fingerprint: str | None = None,
        network: "MultitaskModel | None" = None,
    ) -> None:
        self.engine, self.tokenizer, self.description = engine, tokenizer, description
        self._network = engine if network is None and not isinstance(engine, Int8Model) else network
        self._network_lock = ForkLock()
        self.folder, self.precision, self.fingerprint = folder, precision, fingerprint
        self.tasks: dict[str, Task] = {task.name: task for task in description.tasks}

    @property
    def network(self) -> "MultitaskModel":
        """The encoder and heads in fp32, in eval mode. An int8 model, which answers without them, reads them on first use.

        Raises:
            SwissbertError: If torch is not installed, or the files of an int8 model were replaced since it was loaded.
        """
        with self._network_lock:  # threads that need it meanwhile wait, and get the same one
            if self._network is None:
                kinds = [task.kind for task in self.tasks.values()]
                stored = read_model(self.folder, kinds={kind.name: kind for kind in kinds if kind.name not in KINDS})
                if stored.fingerprint != self.fingerprint:
                    raise SwissbertError(f"{self.folder}: was replaced since this model was loaded; load it again")
                self._network = stored.network
            return self._network

    def __repr__(self) -> str:
        """Name the tasks and the folder."""
        return f"<swissbert.Model of {', '.join(self.tasks)} from {self.folder}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse pickling and copying: threads may share a model, and another process loads it."""
        raise SwissbertError(
            f"{self!r} cannot be pickled or copied: threads may share it, and another process gets it by "
            f"swissbert.load({str(self.folder)!r})"
        )

    def task(self, name: str | None = None) -> Task:
        """Return a task by name; without a name, the only task.

        Raises:
            SwissbertError: If there is no such task, or `name` is None and there are several.
        """
        if name is None and len(self.tasks) == 1:
            return next(iter(self.tasks.values()))
        if isinstance(name, str) and name in self.tasks:
            return self.tasks[name]
        problem = "needs a task" if name is None else f"has no task {shown(name)}"
        several, given = "", cast(object, name)
        if isinstance(given, list | tuple):
            several = "; predict takes one task, predict_all several"
        elif isinstance(given, str) and "," in given:
            several = "; name one at a time"
        raise SwissbertError(
            f"{self.folder}: this model {problem}; its tasks are {', '.join(self.tasks)}{several}", argument="task"
        )

    def token_options(self, task: Task) -> TokenOptions:
        """Return how the rows of a task become tokens for this model."""
        return {"separate": self.engine.separate(task), "max_length": self.description.encoder.max_length}

    def answer_rows(self, task: Task, rows: Sequence[Row], display: Display | None = None) -> Array:
        """Answer checked rows, in their order: float32 probabilities ``[N, C]`` or scores ``[N]``; `display` shows progress."""
        table = tokenize(self.tokenizer, task, rows, **self.token_options(task))
        if display is None:
            return table_answers(self.engine, task, table)
        with display.work(
            f"answering {len(rows):,} rows of {task.name}", int(table.lengths.sum()), announce=False
        ) as done:
            return table_answers(self.engine, task, table, done)

    def answers(
        self, tasks: Sequence[Task], rows: Sequence[Row], threshold: float | None = None
    ) -> list[dict[str, Answer]]:
        """Answer checked rows for several tasks that read them alike, with one encoder pass.

        Args:
            tasks: The tasks, all of single texts or all of pairs.
            rows: The rows.
            threshold: As in `predict`, for all of the tasks.

        Returns:
            Answers by task name, for each row in its place; `Answer.cut` tells which texts were too long.
        """
        if not rows:
            return []
        table = tokenize(self.tokenizer, tasks[0], rows, **self.token_options(tasks[0]))
        numbers = tables_answers(self.engine, tasks, table)

        def answer(task: Task, i: int, is_cut: bool) -> Answer:
            values = numbers[task.name][i]
            kind = task.kind
            answer = kind.answer(task, values) if threshold is None else kind.answer_at(task, values, threshold)
            return answer._replace(cut=True) if is_cut else answer

        return [
            {task.name: answer(task, i, is_cut) for task in tasks} for i, is_cut in enumerate(table.cut_rows.tolist())
        ]

    @overload
    def predict(  # type: ignore[overload-overlap]
        self, task: str, texts: Text, text_pair: str | None = None, *, threshold: float | None = None
    ) -> Answer: ...
    @overload
    def predict(
        self,
        task: str,
        texts: Collection[Any],
        text_pair: Collection[Any] | None = None,
        *,
        threshold: float | None = None,
    ) -> list[Answer]: ...
    @overload
    def predict(
        self,
        task: str,
        texts: Iterable[Text],
        text_pair: Iterable[str] | None = None,
        *,
        threshold: float | None = None,
    ) -> Iterator[Answer]: ...

    def predict(
        self,
        task: str,
        texts: Text | Iterable[Text],
        text_pair: str | Iterable[str] | None = None,
        *,
        threshold: float | None = None,
    ) -> Answer | list[Answer] | Iterator[Answer]:
        """Answer one task.

        Args:
            task: Name of the task.
            texts: A text, or a pair of texts as a tuple; or a list, tuple, pandas Series, numpy array or other iterable
                of them. Of a task that reads single texts, a tuple is a list of texts.
            text_pair: The second text, or as many second texts as there are `texts`, for a task of pairs.
            threshold: Of a binary or multilabel task: probability, 0 to 1, from which the positive label, or a label,
                is assigned. Probabilities do not change.

        Returns:
            One answer for a text or pair, a list for everything that has a length, and an iterator for any other
            iterable. Of an iterable about a thousand inputs are read ahead, so memory does not grow with its length.

        Raises:
            SwissbertError: For an unknown task, an input that is empty, unreadable or of the wrong kind, a data frame,
                dictionary, set or bytes instead of texts, or a threshold that the task does not take.
        """
        declared = self.task(task)
        check_threshold([declared], threshold)
        given = given_texts(texts, text_pair, declared.is_pair)
        answers = (answers[declared.name] for answers in self._answers([declared], given.items, threshold))
        return next(answers) if given.form == "one" else list(answers) if given.form == "list" else answers

    def _answers(
        self, tasks: Sequence[Task], texts: Iterable[Text], threshold: float | None = None
    ) -> Iterator[dict[str, Answer]]:
        rows = rows_of(texts, tasks[0])
        while chunk := list(islice(rows, CHUNK)):
            yield from self.answers(tasks, chunk, threshold)

    def numbers(self, task: str, texts: Text | Iterable[Text], text_pair: str | Iterable[str] | None = None) -> Array:
        """Answer one task with plain numbers, all at once.

        Args:
            task: Name of the task.
            texts: As in `predict`.
            text_pair: As in `predict`.

        Returns:
            float32 probabilities ``[N, labels]`` or scores ``[N]``; N is 1 for a single text or pair.

        Raises:
            SwissbertError: As `predict`.
        """
        declared = self.task(task)
        rows = rows_of(given_texts(texts, text_pair, declared.is_pair).items, declared)
        parts = []
        while chunk := list(islice(rows, CHUNK)):
            parts.append(self.answer_rows(declared, chunk))
        empty: np.ndarray = np.empty((0, *declared.kind.answer_shape(declared)), np.float32)
        return np.concatenate(parts) if parts else empty

    @overload
    def predict_all(  # type: ignore[overload-overlap]
        self, text: Text, text_pair: str | None = None, tasks: Sequence[str] | None = None
    ) -> dict[str, Answer]: ...
    @overload
    def predict_all(
        self, text: Collection[Any], text_pair: Collection[Any] | None = None, tasks: Sequence[str] | None = None
    ) -> list[dict[str, Answer]]: ...
    @overload
    def predict_all(
        self, text: Iterable[Text], text_pair: Iterable[str] | None = None, tasks: Sequence[str] | None = None
    ) -> Iterator[dict[str, Answer]]: ...

    def predict_all(
        self,
        text: Text | Iterable[Text],
        text_pair: str | Iterable[str] | None = None,
        tasks: Sequence[str] | None = None,
    ) -> dict[str, Answer] | list[dict[str, Answer]] | Iterator[dict[str, Answer]]:
        """Answer every task that reads such input, with one encoder pass.

        Args:
            text: A text or a pair, or an iterable of them, as in `predict`. The first input decides whether all are
                pairs; one tuple of two texts is a pair, unless all tasks read single texts.
            text_pair: The second text of a pair, or as many as there are in `text`.
            tasks: Only these tasks.

        Returns:
            Answers by task name: one dictionary, a list or an iterator of them, in the form of `predict`.

        Raises:
            SwissbertError: If no task reads such input, one of `tasks` does not, or as `predict`.
        """
        if tasks is not None and not (isinstance(tasks, list | tuple) and tasks):
            raise SwissbertError(f"tasks is {shown(tasks)}, but it must be a list of names, or None for all that fit")
        names = None if tasks is None else [self.task(name).name for name in tasks]
        among = [self.tasks[name] for name in names] if names else list(self.tasks.values())
        given = given_texts(text, text_pair, any(task.is_pair for task in among))
        items = iter(given.items)
        first = list(islice(items, 1))
        is_pair = any(isinstance(item, tuple | list) for item in first)
        chosen = tasks_for(list(self.tasks.values()), is_pair, names) if first else among
        answers = self._answers(chosen, chain(first, items))
        return next(answers) if given.form == "one" else list(answers) if given.form == "list" else answers

    def encode(self, texts: str | Iterable[str], *, normalise: bool = True) -> Array:
        """Return sentence vectors, for search, clustering and comparison: the encoder's pooled outputs.

        Args:
            texts: A text, or an iterable of texts.
            normalise: Divide each vector by its length, so that the dot product of two is their cosine.

        Returns:
            float32 ``[W]`` for one text, else ``[N, W]``.

        Raises:
            SwissbertError: For an input that is empty, unreadable or no text.
        """
        return encode(self, texts, normalise=normalise)

    def explain(self, task: str, text: Text, text_pair: str | None = None) -> "Explanation":
        """Find which words made the answer of a task: how it changes when each word is left out.

        Args:
            task: Name of the task.
            text: A text, or a pair of texts as a tuple.
            text_pair: The second text.

        Raises:
            SwissbertError: As `predict`, and for several texts.
        """
        from swissbert.inference.explanation import explain

        return explain(self, task, text, text_pair)

    def evaluate(
        self,
        data: str | Path | None = None,
        split: Split = "dev",
        metrics: Sequence[Metric] = (),
        max_bad: float | None = MAX_BAD,
    ) -> Scores:
        """Score a labelled split of every task, with 95 % intervals.

        Args:
            data: Directory with the tasks' files, or ``starter`` for the corpus that ships.
            split: Which split. Rows without a label are left out.
            metrics: Further metrics, computed for the kinds that they name.
            max_bad: Largest share of bad rows, 0 to 1; None for any.

        Raises:
            SwissbertError: If the split cannot be read, none of its rows has a label, or too many rows are bad.
        """
        if cast(object, split) not in SPLITS:
            raise SwissbertError(
                f"split is {shown(split)}, but it must be one of {', '.join(SPLITS)}", argument="split"
            )
        directory = data_path(str(data)) if data is not None else None
        splits = self.labelled_splits(split, directory, max_bad=max_bad)
        return score_splits(self.engine, splits, full=True, metrics=metrics)

    def labelled_splits(
        self,
        split: Split,
        directory: Path | None,
        tasks: Sequence[Task] | None = None,
        max_bad: float | None = MAX_BAD,
        display: Display | None = None,
    ) -> Iterator[TaskData]:
        """Yield a labelled split of every task, or of `tasks` alone, tokenized as the model was trained.

        Args:
            split: Which split. Rows without a label are left out.
            directory: Directory with the tasks' files.
            tasks: Some of the tasks.
            max_bad: Largest share of bad rows, 0 to 1; None for any.
            display: Shows progress; nothing is shown if left out.

        Raises:
            SwissbertError: If a split cannot be read, none of its rows has a label, or too many rows are bad.
        """
        display = display or Display(quiet=True)
        for task in tasks or self.tasks.values():
            options = self.token_options(task)
            with display.rows(f"reading {task.name} {split}", share_read(task, split, directory)) as bar:
                data = load_split(
                    task, split, directory, self.tokenizer, **options, max_bad=max_bad, on_row=bar.advance
                ).labelled()
            with display.rows(f"comparing {task.name} {split} with train", share_read(task, "train", directory)) as bar:
                notes = overlap_notes(task, split, directory, data.keys, bar.advance)
            yield replace(data, notes=tuple(notes))
