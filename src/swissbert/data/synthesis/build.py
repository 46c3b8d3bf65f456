"""Make rows with rules: out of train rows alone, without texts of other splits, and the same ones for a seed."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from swissbert.data.holdout import row_hash, text_key
from swissbert.data.rows import BadRow, Row
from swissbert.data.source_files import has_split_files
from swissbert.data.splits import Source as RowSource
from swissbert.data.splits import holds_out, read_split
from swissbert.data.synthesis.rule import Rule, Source
from swissbert.data.synthesis.rules import RULES, rules_for
from swissbert.errors import SwissbertError, nearest
from swissbert.settings import shown
from swissbert.tasks import Split, Task, find_task

ROWS = 1000
"""Rows that each rule makes if no number is given."""
SIMILAR = 0.5
"""Difference of two scores, in the unit of the labels, up to which they agree."""
UNWRITABLE = set('\t\n\r"')
"""Characters that files of a delimiter may read differently."""


@dataclass(frozen=True)
class RuleRows:
    """The rows of one rule.

    Attributes:
        rule: The rule.
        rows: The rows, with ids of their own.
        shared: Number of rows that were dropped because a text of theirs is a dev or test text.
        agreeing: Of real train rows of the rule's kind, the number whose label is the rule's.
        real: Number of these rows; 0 where the kind cannot be seen from the texts, or there are none.
    """

    rule: Rule
    rows: list[Row]
    shared: int
    agreeing: int = 0
    real: int = 0


@dataclass(frozen=True)
class Synthesis:
    """The result of `synthesise`.

    Attributes:
        task: The task.
        by_rule: The rows of each rule.
        source: Name of the train rows.
        bad: Train rows that could not be used.
        checked: Names of the dev and test rows whose texts were dropped.
    """

    task: Task
    by_rule: list[RuleRows]
    source: str
    bad: Sequence[BadRow] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)


def synthesise(
    task: Task | str, data: RowSource | str, rules: Sequence[str] | None = None, rows: int = ROWS, seed: int = 0
) -> Synthesis:
    """Make labelled rows out of the train rows of a task.

    Rows of one rule do not depend on which other rules are asked for, and each depends on the seed, the rule and the
    texts of its train row alone.

    Args:
        task: A shipped task by name, or a declaration of one with other files.
        data: Directory with its files, or rows in memory.
        rules: Names of rules; all of the task if not given.
        rows: Largest number of rows of each rule, from 1; fewer where not as many train rows fit.
        seed: Which train rows are taken, and how they are changed; from 0.

    Raises:
        SwissbertError: If there is no such rule, the labels of the task are not those that its rules know, a number is
            out of range, or the train rows cannot be read.
    """
    task = find_task(task) if isinstance(task, str) else task
    data = Path(data) if isinstance(data, str) else data
    chosen = _chosen(task, rules)
    _check_number("rows", rows, 1)
    _check_number("seed", seed, 0)
    train = read_split(task, "train", data)
    names, others = _texts_of_other_splits(task, data)
    known = {text_key(row) for row in train.rows}
    by_rule = [_rows_of(rule, train.rows, known, others, rows, seed) for rule in chosen]
    return Synthesis(task, by_rule, train.source, train.bad, names)


def _chosen(task: Task, names: Sequence[str] | None) -> list[Rule]:
    """Return the rules of a task by their names; all if there are no names.

    Raises:
        SwissbertError: If there is no such rule, or the task is not of the shape that its rules expect.
    """
    known = rules_for(task.name)
    if not known:
        tasks = ", ".join(dict.fromkeys(rule.task for rule in RULES))
        raise SwissbertError(f"task '{task.name}' has no synthesis rules; there are rules for {tasks}")
    shipped = find_task(task.name)
    if (task.kind.name, task.is_pair, task.range) != (shipped.kind.name, shipped.is_pair, shipped.range) or (
        len(task.labels) != len(shipped.labels)
    ):
        labels = f"labels {', '.join(shipped.labels)}" if shipped.labels else f"range {shipped.range}"
        texts = "pairs of texts" if shipped.is_pair else "single texts"
        raise SwissbertError(
            f"task '{task.name}' is not declared as its synthesis rules expect: a {shipped.kind.name} of {texts} with the {labels}"
        )
    if isinstance(names, str):
        raise SwissbertError(
            f"rules is {shown(names)}, but it is a list of names, such as [{shown(names)}]", argument="rules"
        )
    if names is not None and not names:
        raise SwissbertError(f"rules is empty; the rules of '{task.name}' are {', '.join(known)}", argument="rules")
    for name in names or ():
        if name not in known:
            raise SwissbertError(
                f"rules: {shown(name)} is not a rule of task '{task.name}'; they are {', '.join(known)}{nearest(name, known)}",
                argument="rules",
            )
    return [known[name] for name in dict.fromkeys(names or known)]


def _check_number(name: str, value: int, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise SwissbertError(f"{name} is {shown(value)}, but it is a whole number from {low}", argument=name)


def _texts_of_other_splits(task: Task, data: RowSource) -> tuple[list[str], set[str]]:
    """Return the names of the dev and test rows that there are, and their texts (see `normalised`)."""
    names, texts = [], set()
    others: tuple[Split, ...] = ("dev", "test")
    for split in others:
        if not _has_rows(task, split, data):
            continue
        rows = read_split(task, split, data, labelled=False)
        names.append(f"{rows.source} ({split})" if holds_out(task, data) else rows.source)
        texts |= {normalised(text) for row in rows.rows for text in (row.text, row.text_pair) if text}
    return names, texts


def _has_rows(task: Task, split: Split, data: RowSource) -> bool:
    """Whether there are rows of a split, which a task need not have."""
    if not (data is None or isinstance(data, Path)):
        return split == "dev"
    if task.hub is not None:
        return split in task.hub.splits
    return has_split_files(task, split, data)


def normalised(text: str) -> str:
    """Return a form of a text that does not depend on case, punctuation and white space."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(mark for mark in folded if mark.isalnum()) or "".join(folded.split())


def _rows_of(
    rule: Rule, train: list[Row], known: set[tuple[str, str]], others: set[str], most: int, seed: int
) -> RuleRows:
    """Make up to `most` rows with a rule, none of which is a row already.

    Args:
        rule: The rule.
        train: The train rows.
        known: Keys of their texts.
        others: Texts of other splits.
        most: Largest number of rows.
        seed: The seed.
    """
    order = list(train)
    Random(f"{seed}/{rule.name}").shuffle(order)
    rows: list[Row] = []
    keys, shared = set(known), 0
    for row in order:
        if len(rows) == most:
            break
        random = Random(f"{seed}/{rule.name}/{row_hash(row)}")
        texts = rule.make(Source(row, random, train))
        if texts is None or UNWRITABLE & set("".join(filter(None, texts))):
            continue
        if texts[1] is not None and random.random() < 0.5:  # that the changed text comes second must tell nothing
            texts = texts[1], texts[0]
        number = len(rows) + 1
        label = row.label if rule.label is None else float(rule.label)
        new = Row(number, f"{rule.name}-{number:05}", texts[0].strip(), texts[1] and texts[1].strip(), label)
        if text_key(new) in keys:
            continue
        keys.add(text_key(new))
        if any(normalised(text) in others for text in texts if text):
            shared += 1
            continue
        rows.append(new)
    real = [row for row in train if rule.is_like is not None and rule.is_like(row)]
    return RuleRows(rule, rows, shared, sum(_agrees(rule, row) for row in real), len(real))


def _agrees(rule: Rule, row: Row) -> bool:
    """Whether the label of a real row is that of a rule; scores may differ by `SIMILAR`."""
    tolerance = SIMILAR if find_task(rule.task).kind.name == "regression" else 0.0
    return isinstance(row.label, float | int) and rule.label is not None and abs(row.label - rule.label) <= tolerance
