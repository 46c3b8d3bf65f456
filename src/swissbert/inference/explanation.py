"""Which words made an answer: how it changes when each word is left out of the text (leave-one-out, or occlusion)."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from swissbert.data.token_table import TokenTable
from swissbert.errors import SwissbertError
from swissbert.evaluation import tables_answers
from swissbert.inference.inputs import Text, rows_of
from swissbert.inference.texts import given_texts
from swissbert.kinds import Answer
from swissbert.tasks import Task

if TYPE_CHECKING:
    from swissbert.inference.model import Model

MAX_TOKENS = 16_384
"""Tokens of all passes of an explanation. Where single words would need more, neighbouring words are left out together."""
_ALONE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_MARKS = "".join(mark for mark in map(chr, range(0x10000)) if unicodedata.category(mark)[0] == "M")  # vowels of Hindi
_LETTERS = rf"[^\W{_ALONE}](?:[^\W{_ALONE}]|[{_MARKS}])*"
WORD = re.compile(rf"[{_ALONE}][{_MARKS}]*|{_LETTERS}(?:['’-]{_LETTERS})*|[^\w\s]+")
"""A word with the apostrophes and hyphens inside it, a character of a script without spaces (Chinese, Japanese, Thai, Lao,
Burmese, Khmer) with the marks on it, or punctuation."""


class Span(NamedTuple):
    """A word, or several neighbouring ones, that is left out.

    Attributes:
        part: 0 for the text, 1 for the second text of a pair.
        start: Where it begins in that text, in characters.
        end: Where it ends.
    """

    part: int
    start: int
    end: int


class Variants(NamedTuple):
    """An input and its variants without each span.

    Attributes:
        spans: What is left out, in the order of the texts.
        whole: Tokens of the input, a table of one row.
        without: Tokens without each span, a table of one row for each.
    """

    spans: list[Span]
    whole: TokenTable
    without: list[TokenTable]


@dataclass(frozen=True)
class Explanation:
    """How an answer depends on each word.

    Attributes:
        answer: The answer to the whole input.
        label: Number of the label that `value` and `without` are about; None for a score.
        value: Probability of that label, or the score, for the whole input.
        without: The same number without each span, float64 ``[S]``.
        spans: What was left out: every word that the model read, or groups of words of a long text.
        words: The text of each span.
    """

    answer: Answer
    label: int | None
    value: float
    without: np.ndarray
    spans: list[Span]
    words: list[str]

    @property
    def effects(self) -> np.ndarray:
        """What each span adds to `value`, float64 ``[S]``: positive where it speaks for the answer, or raises the score."""
        effects: np.ndarray = self.value - self.without
        return effects


def explain(model: "Model", task: str, text: Text, text_pair: str | None = None) -> Explanation:
    """Explain one answer, with one encoder pass over all variants of the input; see `Model.explain`."""
    declared = model.task(task)
    given = given_texts(text, text_pair, declared.is_pair)
    if given.form != "one":
        raise SwissbertError("explain takes one text or pair at a time", argument="text")
    (row,) = rows_of(given.items, declared)
    texts = [row.text] if row.text_pair is None else [row.text, row.text_pair]
    variants = leave_out(model, declared, row.text, row.text_pair)
    table = TokenTable.join([variants.whole, *variants.without])
    answers = tables_answers(model.engine, [declared], table)[task]
    label, numbers = decisive(declared, answers)
    answer = declared.kind.answer(declared, answers[0])
    if variants.whole.cut_rows.any():
        answer = answer._replace(cut=True)
    words = [texts[span.part][span.start : span.end] for span in variants.spans]
    return Explanation(answer, label, float(numbers[0]), numbers[1:], variants.spans, words)


def decisive(task: Task, answers: Sequence[np.ndarray] | np.ndarray) -> tuple[int | None, np.ndarray]:
    """Pick the number that an answer rests on, and follow it.

    Args:
        task: The task.
        answers: The answer to an input and those to its variants, each ``[C]`` or ``[]``.

    Returns:
        The label that the first answer assigns, of several the most probable one, and its probability in every answer,
        float64 ``[N]``; None and the scores for a regression.
    """
    first = task.kind.answer(task, answers[0])
    if first.probabilities is None:
        return None, np.array(answers, np.float64)
    label = int(np.argmax(first.probabilities)) if first.label is None else first.label
    numbers = [task.kind.answer(task, answer).probabilities for answer in answers]
    return label, np.array([probabilities[label] for probabilities in numbers if probabilities], np.float64)


def leave_out(
    model: "Model", task: Task, text: str, text_pair: str | None = None, max_tokens: int = MAX_TOKENS
) -> Variants:
    """Tokenize an input once, and make its variants by removing the tokens of each word.

    For WordPiece that gives the tokens of the text with a space in the place of the word; for other models the same, except
    beside words without spaces between them, as in Chinese, whose tokens depend on each other. Words that the model does not read, because
    the text was cut, are not left out.

    Args:
        model: The model.
        task: A task that reads such input.
        text: The text, or the first text of a pair, stripped.
        text_pair: The second text of a pair.
        max_tokens: Bound of the tokens of all variants together.
    """
    options = model.token_options(task)
    whole, places = model.tokenizer.encode_with_places(
        [text],
        None if text_pair is None else [text_pair],
        together=not options["separate"],
        max_length=options["max_length"],
    )
    spans, owners = _spans([text, *([] if text_pair is None else [text_pair])], places)
    most = max(1, max_tokens // max(1, len(whole.ids)) - 1)
    spans, owners = _grouped(spans, owners, most)
    return Variants(spans, whole, [_removed(whole, owners == number) for number in range(len(spans))])


def _spans(texts: list[str], places: np.ndarray) -> tuple[list[Span], np.ndarray]:
    """Find the words that have tokens.

    Args:
        texts: The text, or both texts of a pair.
        places: As `Tokenizer.encode_with_places` returns them, ``[T, 3]``.

    Returns:
        The words, and the number of the word of each token, int64 ``[T]``, -1 for special tokens.
    """
    spans: list[Span] = []
    owners = np.full(len(places), -1, np.int64)
    for part, text in enumerate(texts):
        mine = places[:, 0] == part
        ends = places[mine, 2].max(initial=0)
        words = [Span(part, *found.span()) for found in WORD.finditer(text, 0, int(ends))]
        starts = np.array([word.start for word in words], np.int64)
        first, last = (
            np.searchsorted(starts, place, side="right") - 1 for place in (places[mine, 1], places[mine, 2] - 1)
        )
        joined = np.arange(len(words))  # words that share a token are one: the tokenizer drops what separates them
        for start, end in zip(first.tolist(), last.tolist(), strict=True):
            joined[start + 1 : end + 1] = joined[start]
        used, numbers = np.unique(joined[first], return_inverse=True)
        owners[mine] = numbers + len(spans)
        stops = np.searchsorted(joined, used, side="right") - 1  # the last word of each
        spans += [words[a]._replace(end=words[b].end) for a, b in zip(used.tolist(), stops.tolist(), strict=True)]
    return spans, owners


def _grouped(spans: list[Span], owners: np.ndarray, most: int) -> tuple[list[Span], np.ndarray]:
    """Join neighbouring words of a text until there are about `most` spans; arguments and result as `_spans` returns them."""
    size = -(-len(spans) // most)
    if size <= 1:
        return spans, owners
    groups: list[Span] = []
    numbers = np.zeros(len(spans) + 1, np.int64)
    numbers[-1] = -1  # of special tokens, whose word is -1
    count = 0  # words of the last group
    for number, span in enumerate(spans):
        if groups and groups[-1].part == span.part and count < size:
            groups[-1] = groups[-1]._replace(end=span.end)
            count += 1
        else:
            groups.append(span)
            count = 1
        numbers[number] = len(groups) - 1
    return groups, numbers[owners]


def _removed(table: TokenTable, tokens: np.ndarray) -> TokenTable:
    """Return a table of one row without the tokens of the mask ``[T]``, which has no special tokens."""
    sequences = np.repeat(np.arange(len(table.first)), np.diff(table.offsets))
    is_first = np.arange(len(table.ids)) - table.offsets[sequences] < table.first[sequences]
    count = len(table.first)
    lengths = np.diff(table.offsets) - np.bincount(sequences[tokens], minlength=count)
    first = table.first - np.bincount(sequences[tokens & is_first], minlength=count)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return TokenTable(table.ids[~tokens], first.astype(np.int32), offsets, table.per_row, table.separators)
