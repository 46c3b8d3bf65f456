"""Tokens as people read them: their text, and the characters of the input that they are made from."""

from collections.abc import Sequence
from functools import cache
from typing import Any


@cache
def _bytes_of_marks() -> dict[str, int]:
    """Return the byte that each character of a byte-level vocabulary stands for: printable ones for themselves."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in own]
    return {chr(byte): byte for byte in own} | {chr(256 + place): byte for place, byte in enumerate(others)}


def byte_text(piece: str) -> str:
    """Return a piece of a byte-level vocabulary as text; bytes that are no whole character as ``\\xNN``."""
    marks = _bytes_of_marks()
    if not all(mark in marks for mark in piece):
        return piece
    text = bytes(marks[mark] for mark in piece).decode("utf-8", "backslashreplace")
    return "▁" + text[1:] if text.startswith(" ") else text


def word_places(item: Any) -> list[tuple[int, int]]:
    """Return for each token of a sequence where the tokens of its word begin and end, in characters."""
    words = list(zip(item.sequence_ids, item.word_ids, strict=True))
    places: dict[tuple[int | None, int | None], tuple[int, int]] = {}
    for word, (start, end) in zip(words, item.offsets, strict=True):
        before = places.get(word, (start, end))
        places[word] = min(start, before[0]), max(end, before[1])
    return [places[word] for word in words]


def token_places(item: Any, texts: Sequence[str]) -> list[tuple[int, int]]:
    """Return for each token of a sequence where it begins and ends in its text, in characters, without spaces around it.

    A token of spaces alone has the character that follows, or the last one of the text.
    """
    places = []
    for part, (start, end) in zip(item.sequence_ids, item.offsets, strict=True):
        if part is None:
            places.append((0, 0))
            continue
        text = texts[part]
        last = max(len(text.rstrip()) - 1, 0)
        while start < last and text[start].isspace():
            start += 1
        start = min(start, last)
        while end > start and text[end - 1].isspace():
            end -= 1
        places.append((start, max(end, start + 1)))
    return places
