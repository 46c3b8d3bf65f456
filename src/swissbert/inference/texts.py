"""Texts given in Python: one, several at once, or a stream of them; single texts or pairs."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from numbers import Real
from typing import Any, Literal, NamedTuple, cast

from swissbert.errors import SwissbertError
from swissbert.settings import shown
from swissbert.tasks import Task

Form = Literal["one", "list", "iterator"]
"""Form of the result: one answer, a list, or an iterator."""


class Given(NamedTuple):
    """Texts or pairs to answer, and the form of what is returned."""

    items: Iterable[Any]
    form: Form


def given_texts(texts: object, text_pair: object, takes_pairs: bool) -> Given:
    """Sort out what was given as texts.

    Args:
        texts: A text, a pair of texts as a tuple, or a list, tuple, Series, array or other iterable of texts or pairs.
            A tuple of two texts is a pair where pairs are read, else a list.
        text_pair: The second texts, as many as there are in `texts`; None for single texts and for pairs.
        takes_pairs: Whether pairs are read.

    Returns:
        One item for a text or pair, a list for everything that has a length, and an iterator for the rest.

    Raises:
        SwissbertError: For anything else, for instance a data frame, a dictionary, a set or bytes.
    """
    if text_pair is not None:
        return _two_columns(texts, text_pair, takes_pairs)
    texts = _scalar(texts)
    if isinstance(texts, str) or (takes_pairs and _is_pair(texts)):
        return Given([texts], "one")
    form, items = _checked(texts, "texts")
    return Given(items, form)


def _two_columns(first: object, second: object, takes_pairs: bool) -> Given:
    """Join first and second texts to pairs."""
    if not takes_pairs:
        raise SwissbertError("text_pair is given, but this task takes one text; leave it out")
    first, second = _scalar(first), _scalar(second)
    if isinstance(first, str) and isinstance(second, str):
        return Given([(first, second)], "one")
    for name, value in (("texts", first), ("text_pair", second)):
        if isinstance(value, str):
            raise SwissbertError(
                f"{name} is one text and the other argument is not; give two texts, or two lists of equal length"
            )
    (form, firsts), (other_form, seconds) = _checked(first, "texts"), _checked(second, "text_pair")
    if isinstance(firsts, Collection) and isinstance(seconds, Collection) and len(firsts) != len(seconds):
        raise SwissbertError(
            f"texts has {len(firsts):,} texts and text_pair has {len(seconds):,}, but every pair takes one of each"
        )
    return Given(_zipped(firsts, seconds), "list" if form == other_form == "list" else "iterator")


def _zipped(firsts: Iterable[object], seconds: Iterable[object]) -> Iterator[tuple[object, object]]:
    """Yield pairs; raises SwissbertError where one iterable ends before the other."""
    number, pairs = 0, zip(firsts, seconds, strict=True)
    while True:
        try:
            pair = next(pairs)
        except StopIteration:
            return
        except ValueError as error:
            raise SwissbertError(
                f"texts and text_pair have different numbers of texts: one of them ends after {number:,}"
            ) from error
        number += 1
        yield pair


def _scalar(value: object) -> object:
    """Return the only value of an array without dimensions, and anything else as it is."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def _is_pair(texts: object) -> bool:
    return isinstance(texts, tuple) and len(texts) == 2 and all(isinstance(text, str) for text in texts)


def _checked(value: object, name: str) -> tuple[Form, Iterable[object]]:
    """Return the form of an iterable of texts and its items as Python objects.

    Raises:
        SwissbertError: If it is no iterable of texts, or has no order; says what to pass instead.
    """
    kind = type(value).__name__
    if isinstance(value, bytes | bytearray | memoryview):
        raise SwissbertError(f"{name} is of type {kind}, but texts are of type str; decode it first")
    if isinstance(value, Mapping):
        raise SwissbertError(f"{name} is of type {kind}, whose keys are no texts; pass list({name}.values())")
    if isinstance(value, set | frozenset):
        raise SwissbertError(f"{name} is of type {kind}, which has no order; pass a list")
    if hasattr(value, "columns") or hasattr(value, "column_names"):
        raise SwissbertError(
            f"{name} is of type {kind}, a table; pass one column of it, for instance list(table['text']), and for pairs "
            "the two columns as two arguments, or list(zip(table['a'], table['b']))"
        )
    for method in ("tolist", "to_pylist"):  # numpy and pandas; Arrow
        if hasattr(value, method):
            value = getattr(value, method)()
            break
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise SwissbertError(f"{name} is {shown(value)}, but it must be a text, a pair, or an iterable of them")
    return ("list" if isinstance(value, Collection) else "iterator"), value


def check_threshold(tasks: Sequence[Task], threshold: float | None) -> None:
    """Check a threshold of the caller.

    Raises:
        SwissbertError: If it is not a probability, or an answer of one of the tasks is not decided by a threshold.
    """
    if threshold is None:
        return
    given = cast(object, threshold)  # numbers of numpy are no subclass of float
    if isinstance(given, bool) or not isinstance(given, Real) or not 0 <= float(given) <= 1:
        raise SwissbertError(
            f"threshold is {shown(threshold)}, but it must be a probability from 0 to 1", argument="threshold"
        )
    for task in tasks:
        if not task.kind.takes_threshold:
            having = [other.name for other in tasks if other.kind.takes_threshold]
            advice = f"answer {', '.join(having)} alone" if having else "binary and multilabel tasks have one"
            raise SwissbertError(
                f"threshold is {threshold:g}, but task '{task.name}' is a {task.kind.name}, whose answers have no "
                f"threshold; {advice}",
                argument="threshold",
            )
