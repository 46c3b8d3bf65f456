"""A trained model as a library gives it: load, ask, get answers."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from swissbert.config import data_path
from swissbert.data.dataset import tokenize
from swissbert.errors import SwissbertError
from swissbert.evaluation import Scores, evaluate, labelled_splits, tables_answers
from swissbert.model_folder import Precision, Trained, load_model
from swissbert.prediction import CHUNK, Answer, answer_rows, predict, rows_of, to_answer
from swissbert.tasks import Split, Task, shown

if TYPE_CHECKING:
    from swissbert.data.reader import Row

Text = str | tuple[str, str]
"""One input: a text, or a pair of texts for a task of pairs."""


class Model:
    """A trained model, ready to use. Threads may share one.

    `tasks` are its tasks by name. Texts are strings, pairs are tuples of two strings.
    """

    def __init__(self, trained: Trained) -> None:
        self.trained = trained
        self.tasks: dict[str, Task] = {task.name: task for task in trained.description.tasks}

    def __repr__(self) -> str:
        """What it is, in a line."""
        return f"<swissbert.Model of {', '.join(self.tasks)} from {self.trained.folder}>"

    @overload
    def predict(self, task: str, texts: Text) -> Answer: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, task: str, texts: list[str] | list[tuple[str, str]]) -> list[Answer]: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, task: str, texts: Iterable[Text]) -> Iterator[Answer]: ...

    def predict(self, task: str, texts: Text | Iterable[Text]) -> Answer | list[Answer] | Iterator[Answer]:
        """Answers of one task: one for a text or pair, a list for a list, and for any other iterable one by one.

        Of an iterable a thousand inputs or so are read ahead, so memory does not grow with its length. Raises
        SwissbertError for an unknown task and for an input that is empty, unreadable or of the wrong kind.
        """
        if isinstance(texts, str | tuple):
            return next(predict(self.trained, task, [texts]))
        answers = predict(self.trained, task, texts)
        return list(answers) if isinstance(texts, list) else answers

    def numbers(self, task: str, texts: Iterable[Text]) -> np.ndarray:
        """The same as float32 numbers, all at once: probabilities ``[N, labels]``, or scores ``[N]``."""
        declared = self.trained.task(task)
        if isinstance(texts, str):
            raise SwissbertError(f"numbers are of a list or another iterable of texts, not {shown(texts)}")
        rows = rows_of(texts, declared)
        parts = []
        while chunk := list(islice(rows, CHUNK)):
            parts.append(answer_rows(self.trained, declared, chunk))
        empty = (0,) if declared.kind == "regression" else (0, len(declared.labels))
        return np.concatenate(parts) if parts else np.empty(empty, np.float32)

    def predict_all(
        self, text: str, text_pair: str | None = None, tasks: Sequence[str] | None = None
    ) -> dict[str, Answer]:
        """Every task's answer on one text or one pair, or those of `tasks`, for the price of one encoder pass.

        Raises SwissbertError where no task reads such input, or one of `tasks` does not.
        """
        pair = text_pair is not None
        if isinstance(tasks, str) or (tasks is not None and not tasks):
            raise SwissbertError(f"tasks is {shown(tasks)}, but it is a list of names, or None for all that fit")
        chosen = [self.trained.task(name) for name in tasks] if tasks is not None else list(self.tasks.values())
        fitting = [task for task in chosen if task.is_pair == pair]
        if not fitting or (tasks is not None and len(fitting) < len(chosen)):
            other = next((task for task in chosen if task.is_pair != pair), None)
            said = f"task '{other.name}' takes" if tasks is not None and other else "the tasks of this model take"
            raise SwissbertError(
                f"{said} {'one text' if pair else 'a pair of texts'}, not {'a pair' if pair else 'one text'}"
            )
        rows: list[Row] = list(rows_of([(text, text_pair) if text_pair is not None else text], fitting[0]))
        table = tokenize(self.trained.tokenizer, fitting[0], rows, **self.trained.reading(fitting[0]))
        found = tables_answers(self.trained.model, fitting, table)
        return {task.name: to_answer(task, found[task.name][0]) for task in fitting}

    def evaluate(self, data: str | Path | None = None, split: Split = "dev") -> Scores:
        """Scores on a labelled split in a data directory (``starter`` for the corpus that ships), with intervals."""
        directory = data_path(str(data)) if data is not None else None
        return evaluate(self.trained.model, labelled_splits(self.trained, split, directory), full=True)


def load(name: str | Path = "mini", device: str = "auto", precision: Precision = "fp32") -> Model:
    """``mini`` (which ships), a model folder, the best model of a run folder, or a hub id (``owner/name``, ``owner/name@revision``).

    `precision` ``int8`` answers faster on a CPU, with eight-bit matrix products (``pip install 'swissbert[int8]'``);
    ``auto`` does so where that is installed. Scores move by a few tenths of a point at most. Raises SwissbertError that names file and reason.
    """
    return Model(load_model(name, device, precision))
