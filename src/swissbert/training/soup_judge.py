"""Scores of a network on dev rows, and its thresholds, while a soup is made."""

from collections.abc import Mapping
from pathlib import Path

from swissbert.data.dataset import TaskData, load_split
from swissbert.data.guard import held_texts
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.evaluation import Scores, evaluate
from swissbert.inference.model import Model
from swissbert.model.multitask import MultitaskModel
from swissbert.model_folder.load import Stored
from swissbert.training.fit import ROWS, fit_heads
from swissbert.training.train_rows import guard_of


class Judge:
    """Scores a network on the dev rows of all tasks, and fits its thresholds on the train rows that training would use.

    Args:
        model: The model whose tasks and tokenizer are used.
        network: The network that is scored.
        directory: Directory with the tasks' files.
        best_by: The score that decides.
        loss_scale: Factors of the losses if they decide; else None.
        display: Shows progress, and a line if there are no train rows to fit thresholds on.
    """

    def __init__(
        self,
        model: Stored,
        network: MultitaskModel,
        directory: Path | None,
        best_by: str,
        loss_scale: Mapping[str, float] | None,
        display: Display,
    ) -> None:
        self.best_by, self._network, self._loss_scale, self._display = best_by, network, loss_scale, display
        reader = Model(network, model.tokenizer, model.description, model.folder)
        self._dev = list(reader.labelled_splits("dev", directory, display=display))
        self._train: dict[str, TaskData] = {}
        tasks = model.description.tasks
        fitted = [task for task in tasks if network.head(task.name).can_fit]
        is_guarded = any(task.guard != "off" for task in fitted)
        held = held_texts(tasks, lambda _: directory, display.say) if is_guarded else None
        for task in fitted:
            try:
                options = reader.token_options(task)
                choose = guard_of(task, held)  # as in training: the thresholds must not see dev and test rows
                rows = load_split(task, "train", directory, model.tokenizer, **options, limit=ROWS, choose=choose)
                self._train[task.name] = rows.labelled()
            except SwissbertError as error:
                display.say(f"thresholds of {task.name} are the means of the models', not fitted anew: {error}")

    def fit(self) -> None:
        """Fit thresholds of the network."""
        fit_heads(self._network, self._train)

    def scores(self) -> Scores:
        """Score the network as it is."""
        return evaluate(self._network, self._dev, loss_scale=self._loss_scale, display=self._display)
