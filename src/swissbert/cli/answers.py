"""Answers as a person reads them on a terminal: a table of names, probabilities and texts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from swissbert.wording import one_line

if TYPE_CHECKING:
    from swissbert.inference.stream import Answered
    from swissbert.kinds import Answer
    from swissbert.tasks import Task

OTHERS = 4
"""Largest number of further labels that are shown of one text."""
LONGEST_NAME = 18
"""Columns of a label in a table of rows."""
SCORE = 8
"""Columns of a score in a table of rows, if the range of the task does not tell."""
SHORTEST_TEXT = 24
"""Columns that a table of rows keeps for the texts; with less, each row becomes a block of lines."""


def text_of(answered: "Answered") -> str:
    """Return the text of a row, or both of a pair, in one line."""
    from swissbert.data.rows import Row

    for row in answered.row.rows:
        if isinstance(row, Row):
            return one_line(" | ".join(filter(None, [row.text, row.text_pair])))
    return one_line(" | ".join(str(cell) for cell in (answered.row.cells or {}).values() if cell))


def words_of(task: "Task", answer: "Answer") -> tuple[str, str]:
    """Return an answer in words, and the probability of it, which is empty where it has none."""
    if answer.label is not None and answer.probabilities is not None:
        return answer.label_name or str(answer.label), f"{answer.probabilities[answer.label]:.0%}"
    if answer.label_names is not None:
        return ", ".join(answer.label_names) or "no label", ""
    low, high = task.range or (None, None)
    within = "" if low is None or high is None else f" ({low:g} to {high:g})"
    return f"{score_of(answer)}{within}", ""


def score_of(answer: "Answer") -> str:
    """Return the score of an answer of a task without labels, with two digits after the point."""
    return f"{answer.score:.2f}"


def others_of(task: "Task", answer: "Answer") -> str:
    """Return the other labels of a task with their probabilities, the most probable ones first."""
    if answer.probabilities is None:
        return ""
    pairs = zip(task.labels, answer.probabilities, strict=True)
    others = [(name, p) for number, (name, p) in enumerate(pairs) if number != answer.label]
    others.sort(key=lambda pair: -pair[1])
    more = f", {len(others) - OTHERS} more" if len(others) > OTHERS else ""
    return ", ".join(f"{name} {p:.0%}" for name, p in others[:OTHERS]) + more


def one_text(answered: "Answered", tasks: "Sequence[Task]") -> str:
    """Return the table of the answers to one text or pair."""
    from swissbert.cli.results import result_table

    rows = []
    for task in tasks:
        answer = answered.answers.get(task.name)
        if answer is None:
            rows.append([task.name, "no answer", "", answered.errors[task.name]])
        else:
            rows.append([task.name, *words_of(task, answer), others_of(task, answer)])
    header = ["task", "answer", "probability", "other labels"]
    used = [i for i in range(4) if i < 2 or any(row[i] for row in rows)]
    cells = [[row[i] for i in used] for row in rows]
    return result_table(text_of(answered), [header[i] for i in used], cells, left=4)


class RowLines:
    """The rows of an input as lines of a table, one by one, so that the first is there before the last is computed.

    Args:
        tasks: The tasks that were asked for.
        width: Columns of the terminal.
    """

    def __init__(self, tasks: "Sequence[Task]", width: int) -> None:
        self._tasks, self._width = tasks, width
        self._columns = [self._columns_of(task) for task in tasks]
        used = 8 + sum(name + chance + 2 for name, chance in self._columns)
        self._text = width - used
        self.is_table = self._text >= SHORTEST_TEXT

    def _columns_of(self, task: "Task") -> tuple[int, int]:
        """Return the columns of an answer and of its probability with the space before it."""
        from rich.cells import cell_len

        head = cell_len(one_line(task.name))
        if not task.kind.has_labels:
            ends = [f"{end:.2f}" for end in task.range or ()]
            return max([head, *map(len, ends)] if ends else [head, SCORE]), 0
        longest = max((cell_len(one_line(label)) for label in task.labels), default=0)
        return max(head, min(longest, LONGEST_NAME)), 0 if task.kind.label_shape(task) else 5

    def head(self) -> str:
        """Return the line above the rows; empty where rows are blocks."""
        if not self.is_table:
            return ""
        cells = [_cell(task.name, sum(widths)) for task, widths in zip(self._tasks, self._columns, strict=True)]
        return "  ".join([_cell("row", 6), *cells, "text"]).rstrip()

    def lines(self, answered: "Answered") -> str:
        """Return the line or the lines of a row."""
        name = one_line(str(answered.row.number if answered.row.id is None else answered.row.id))
        text = text_of(answered)
        if not answered.answers:
            return f"{_cell(name, 6)}  {_cell(f'cannot be used: {answered.error}', self._width - 8).rstrip()}"
        if not self.is_table:
            return "\n".join(self._block(name, text, answered))
        cells = []
        for task, (label, chance) in zip(self._tasks, self._columns, strict=True):
            answer = answered.answers.get(task.name)
            words, probability = ("-", "") if answer is None else words_of(task, answer)
            if answer is not None and not task.kind.has_labels:
                words = score_of(answer)
            cells.append(_cell(words, label) + probability.rjust(chance))
        return "  ".join([_cell(name, 6), *cells, _cell(text, self._text)]).rstrip()

    def _block(self, name: str, text: str, answered: "Answered") -> list[str]:
        from rich.cells import cell_len

        longest = max(cell_len(one_line(task.name)) for task in self._tasks)
        lines = [_cell(f"{name}  {text}", self._width).rstrip()]
        for task in self._tasks:
            answer = answered.answers.get(task.name)
            words = " ".join(words_of(task, answer)) if answer else f"cannot be used: {answered.errors[task.name]}"
            lines.append(_cell(f"  {_cell(task.name, min(longest, 24))}  {words}", self._width).rstrip())
        return lines


def _cell(text: str, width: int) -> str:
    """Return a text in `width` columns of a terminal, cut or padded."""
    from rich.cells import cell_len, set_cell_size

    text = one_line(text)
    return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"
