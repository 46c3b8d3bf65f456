"""Declarations of a task's files: their names, and which columns hold what."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from swissbert.settings import Settings, shown

FileName = Annotated[str, Field(min_length=1)]


def _number_as_name(value: object) -> object:
    """Return the name of a column that is given by its number; say what is done with several columns."""
    if isinstance(value, list | tuple):
        raise ValueError(
            "one column is expected; for a column of 0 and 1 for each label declare a binary task for each, or write the "
            'names of the labels of a row into one column, such as "toxic|threat", for kind = "multilabel"'
        )
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


ColumnName = Annotated[str, Field(min_length=1), BeforeValidator(_number_as_name)]
"""Name of a column; in a file without a header its number from 1."""


class FirstOf(Settings):
    """Alternatives: the first of these files that exists."""

    first_of: list[FileName] = Field(min_length=1)


def _files_form(value: object) -> object:
    """Refuse what cannot stand for files, in one sentence instead of one for each form."""
    alternatives = value.get("first_of") if isinstance(value, dict) and len(value) == 1 else None
    names = [value] if isinstance(value, str) else value if isinstance(value, list) else alternatives
    if isinstance(value, FirstOf) or (
        isinstance(names, list) and names and all(isinstance(n, str) and n for n in names)
    ):
        return value
    raise ValueError(
        f"{shown(value)} stands for no files; give a name, a pattern such as 'part-*.csv', a list of which all are read, "
        "or { first_of = [...] }"
    )


Files = Annotated[FileName | list[FileName] | FirstOf, BeforeValidator(_files_form)]
"""Files of a split: a name or a pattern (``part-*.csv``), a list of which all are read in order, or alternatives."""


class Columns(Settings):
    """Names of the columns of a task's files.

    A name with dots may lead into JSON objects: ``data.text`` is the key ``text`` in the column ``data``. In files
    without a header columns are numbers from 1.

    Attributes:
        text: The text, or the first text of a pair.
        text_pair: The second text of a pair; makes the task a pair task.
        label: The label.
        id: An id, which answers repeat; row numbers if left out.
        weight: The weight of a train row in the loss, a number from 0; 1 for all rows if left out.
    """

    text: ColumnName
    text_pair: ColumnName | None = None
    label: ColumnName
    id: ColumnName | None = None
    weight: ColumnName | None = None
