"""What a resumed run is tried with: a case, its place, and the changes that cases make."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """Where a case is tried: a folder of its own for each, with the same name, since a run stores absolute paths.

    Attributes:
        folder: Holds ``data``, ``encoder``, ``my.toml`` and ``run``.
    """

    folder: Path

    @property
    def run(self) -> Path:
        """The run that is resumed."""
        return self.folder / "run"

    @property
    def last(self) -> Path:
        """Its last checkpoint."""
        return max((self.run / "checkpoints").glob("step-*"), key=lambda path: int(path.name[5:]))


@dataclass(frozen=True)
class Case:
    """A change between the start of a run and its end.

    Attributes:
        name: What changes, in a few words.
        ends: How it may end: ``same``, ``said``, ``refused``.
        change: Changes files.
        first: Changes the process that resumes.
        more: Further arguments of the command.
        with_recipe: Whether the command names the recipe.
    """

    name: str
    ends: Sequence[str]
    change: Callable[[Place], object] | None = None
    first: Callable[[], object] | None = None
    more: Sequence[str] = ()
    with_recipe: bool = True


def set_variable(name: str, value: str) -> Callable[[], None]:
    """Return a change to the environment of the process that resumes."""
    return lambda: os.environ.update({name: value})


def change_lines(name: str, change: Callable[[list[str]], list[str]]) -> Callable[[Place], object]:
    """Return a change to the lines of a file."""

    def apply(place: Place) -> None:
        path = place.folder / name
        path.write_text("".join(change(path.read_text().splitlines(keepends=True))))

    return apply


def edit_text(name: str, old: str, new: str) -> Callable[[Place], object]:
    """Return a change to the first place of a file with a text."""

    def apply(place: Place) -> None:
        path = place.folder / name
        text = path.read_text()
        if old not in text:
            raise RuntimeError(f"{name} does not have {old}")
        path.write_text(text.replace(old, new, 1))

    return apply


def cut_off(name: str, size: int) -> Callable[[Place], object]:
    """Return a change that keeps the first bytes of a file."""
    return lambda place: os.truncate(place.folder / name, size)


def write_text(name: str, text: str) -> Callable[[Place], object]:
    """Return a change that replaces a file."""
    return lambda place: (place.folder / name).write_text(text)


def set_values(name: str, **values: object) -> Callable[[Place], object]:
    """Return a change to values of a JSON object in a file."""
    return lambda place: write_text(name, json.dumps({**json.loads((place.folder / name).read_text()), **values}))(
        place
    )
