"""Declarations of the paper's tables, ``table1.toml`` to ``table4.toml``, and the settings of their runs."""

from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from swissbert.config import RunConfig, apply_overrides, make_config
from swissbert.errors import SwissbertError, nearest
from swissbert.settings import Settings, read_toml, validated

HERE = Path(__file__).parent

CHECKPOINT_EVERY = 100
"""Steps between checkpoints, the most that a killed run loses."""
FIXED = {"name", "seed", "tasks"}
"""Settings that a table fixes."""

Figures = dict[str, Annotated[float, Field(ge=-1, le=1)]]
"""Scores by dotted name, ``sst.accuracy`` for instance."""


class TableRow(Settings):
    """A row of a table.

    Attributes:
        name: Its name.
        title: Its title.
        set: Settings that differ from the table's.
        paper: The paper's dev scores; empty for rows that the paper does not have.
        test: The paper's test scores. Test labels are not public, so prediction files are written for such a row.
        apart: Whether a model is trained for each task alone.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")
    title: str = Field(min_length=1)
    set: dict[str, Any] = Field(default={})
    paper: Figures = Field(default={})
    test: Figures = Field(default={})
    apart: bool = False


class SmallBudget(Settings):
    """Changes of the small budget, the same in every row.

    Attributes:
        encoder: The encoder.
        epochs: Number of epochs.
        rates: Factor on all learning rates.
    """

    encoder: str
    epochs: int = Field(ge=1)
    rates: float = Field(gt=0)


class PaperTable(Settings):
    """A table of the paper.

    Attributes:
        title: Its title.
        columns: Score to heading.
        settings: Settings that all rows share.
        small: The small budget.
        rows: Its rows.
    """

    title: str
    columns: dict[str, str] = Field(min_length=1)
    settings: dict[str, Any]
    small: SmallBudget
    rows: list[TableRow] = Field(min_length=1)

    def pick(self, names: list[str]) -> list[TableRow]:
        """Return rows by name, in the table's order; all rows if `names` is empty.

        Raises:
            SwissbertError: If there is no such row.
        """
        known = [row.name for row in self.rows]
        for name in names:
            if name not in known:
                raise SwissbertError(
                    f"no row '{name}'{nearest(name, known)} (the rows are {', '.join(known)})", argument="rows"
                )
        return [row for row in self.rows if not names or row.name in names]

    def paper_config(self, row: TableRow) -> RunConfig:
        """Return the settings of a row in the paper."""
        return make_config({**_merged(self.settings, row.set), "name": row.name}, f"row '{row.name}'")

    def configs(self, row: TableRow, seed: int, choices: "Choices") -> list[RunConfig]:
        """Return the settings of every run of a row: one run, or one for each task.

        Args:
            row: The row.
            seed: The seed.
            choices: Choices beside the table.

        Raises:
            SwissbertError: If a setting is not valid; names row and key.
        """
        table = _merged(self.settings, row.set)
        encoder, loss, train = (table.setdefault(name, {}) for name in ("encoder", "loss", "train"))
        train |= {"checkpoint_every": CHECKPOINT_EVERY, "keep": 1}
        if choices.small:
            encoder["name"] = self.small.encoder
            train["epochs"] = self.small.epochs
            for section in (loss, train):
                if "lr" in section:
                    section["lr"] = float(f"{section['lr'] * self.small.rates:.12g}")
        sources = {}
        if choices.encoder is not None:
            encoder["name"] = choices.encoder
            sources["encoder.name"] = "encoder"
        sources |= apply_overrides(table, choices.overrides)
        for key in sorted(FIXED & sources.keys()):
            raise SwissbertError(
                f"{sources[key]}: {key} is fixed by the table; choose rows and seeds instead, or train a recipe of your own"
            )
        table |= {"name": row.name, "seed": seed}
        if choices.data is not None and isinstance(section := table.setdefault("data", {}), dict):
            section["dir"] = choices.data
            sources["data.dir"] = "data"
        where = f"row '{row.name}'"
        parts = [{**table, "tasks": [task]} for task in table["tasks"]] if row.apart else [table]
        return [make_config(part, where, sources) for part in parts]


class Choices(Settings):
    """Choices beside a table.

    Attributes:
        small: Whether to use the small budget.
        encoder: Another encoder.
        overrides: Settings of every run, as ``key.path=value``.
        data: The data directory.
    """

    small: bool = False
    encoder: str | None = None
    overrides: list[str] = Field(default=[])
    data: str | None = None


def paper_tables() -> list[str]:
    """Return the names of the tables, sorted."""
    return sorted(path.stem for path in HERE.glob("*.toml"))


def find_table(name: str) -> PaperTable:
    """Read a table by name.

    Raises:
        SwissbertError: If there is no such table.
    """
    if name not in paper_tables():
        raise SwissbertError(
            f"no table '{name}'{nearest(name, paper_tables())} (the tables are {', '.join(paper_tables())})"
        )
    path = HERE / f"{name}.toml"
    return validated(PaperTable, read_toml(path), str(path))


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of `base` with the leaves of `over`."""
    merged = deepcopy(base)
    for key, value in over.items():
        merged[key] = _merged(merged.get(key, {}), value) if isinstance(value, dict) else value
    return merged
