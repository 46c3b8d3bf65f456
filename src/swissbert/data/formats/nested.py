"""Cells inside cells: the column ``data.text`` is the key ``text`` of the object in the column ``data``."""

from collections import Counter
from collections.abc import Iterable, Iterator

from swissbert.data.formats.base import Cells, NumberedCells
from swissbert.errors import clipped, visible
from swissbert.wording import shortened

NAME_SHOWN = 60
"""Characters of a column's name that a message shows."""
COLUMNS_SHOWN = 30
"""Columns of a file that a message lists."""
DEPTH = 3
"""Levels of objects whose keys a message lists."""


def with_nested(raw: Iterator[NumberedCells], columns: Iterable[str]) -> Iterator[NumberedCells]:
    """Give rows the columns whose dotted names lead into their cells. A column of that very name takes precedence.

    Args:
        raw: Numbered cells.
        columns: Names of the columns that are read.
    """
    columns = list(columns)
    dotted = [name for name in columns if "." in name]
    raw = _respelled(raw, columns)
    return _completed(raw, dotted) if dotted else raw


def _respelled(raw: Iterator[NumberedCells], columns: list[str]) -> Iterator[NumberedCells]:
    """Rename columns that look like a missing one: they differ in invisible characters or the composition of letters."""
    names: dict[str, str] | None = None
    for number, cells in raw:
        if isinstance(cells, dict) and names is None:
            names = _alike(cells, [name for name in columns if name not in cells])
        yield (
            number,
            {names.get(name, name): cell for name, cell in cells.items()}
            if names and isinstance(cells, dict)
            else cells,
        )


def _alike(cells: Cells, missing: list[str]) -> dict[str, str]:
    """Return the missing name that each column looks like, for those that look like exactly one."""
    if not missing or all(name.isascii() and name.isprintable() for name in (*cells, *missing)):
        return {}
    wanted = {visible(name): name for name in missing}
    here = Counter(map(visible, cells))
    return {name: wanted[visible(name)] for name in cells if here[visible(name)] == 1 and visible(name) in wanted}


def _completed(raw: Iterator[NumberedCells], dotted: list[str]) -> Iterator[NumberedCells]:
    for number, cells in raw:
        if isinstance(cells, dict):
            inner = {name: value for name in dotted if name not in cells for value in _inside(cells, name.split("."))}
            yield number, {**cells, **inner}
        else:
            yield number, cells


def _inside(cells: object, keys: list[str]) -> Iterator[object]:
    """Yield the value that a path of keys leads to, if there is one; a key may contain dots itself."""
    if not keys:
        yield cells
        return
    if not isinstance(cells, dict):
        return
    for count in range(len(keys), 0, -1):
        key = ".".join(keys[:count])
        if key in cells:
            yield from _inside(cells[key], keys[count:])
            return


def column_names(cells: Cells, depth: int = DEPTH) -> list[str]:
    """Return the names of columns, those of keys inside cells after the name of their column."""
    names = []
    for name, cell in cells.items():
        names.append(name)
        if depth > 1 and isinstance(cell, dict):
            inner = {str(key): value for key, value in cell.items()}
            names += [key for key in (f"{name}.{key}" for key in column_names(inner, depth - 1)) if key not in cells]
    return names


def columns_here(cells: Cells) -> str:
    """List the columns of a row for a message."""
    return f"columns here: {columns_shown(column_names(cells))}"


def columns_shown(names: Iterable[str]) -> str:
    """List columns that have a name for a message."""
    return shortened([repr(clipped(name, NAME_SHOWN)) for name in names if name], COLUMNS_SHOWN)
