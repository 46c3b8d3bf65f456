"""The paper's tables as declarations, ``table1.toml`` to ``table4.toml``, and the settings of each of their runs."""

from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from swissbert.config import RunConfig, apply_overrides, make_config
from swissbert.errors import SwissbertError, nearest
from swissbert.settings import Settings, read_toml, validated

HERE = Path(__file__).parent

CHECKPOINT_EVERY = 100
"""Steps that a killed row loses at most."""
DECIDED = {"name", "seed", "tasks"}
"""Settings without which a row would not be that row."""

Figures = dict[str, Annotated[float, Field(ge=-1, le=1)]]
"""Scores by dotted name, ``sst.accuracy`` for instance."""


class TableRow(Settings):
    """One row: what it is called, how it differs from the table's settings, and the paper's dev figures.

    A row without figures is one that the paper lacks. `apart` trains a model for each task alone. `test` holds the
    paper's figures on test rows; there the course's prediction files are written, since their labels are not public.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")
    title: str = Field(min_length=1)
    set: dict[str, Any] = Field(default={})
    paper: Figures = Field(default={})
    test: Figures = Field(default={})
    apart: bool = False


class SmallBudget(Settings):
    """What ``--small`` changes in every row alike: encoder, epochs, and a factor on all learning rates."""

    encoder: str
    epochs: int = Field(ge=1)
    rates: float = Field(gt=0)


class PaperTable(Settings):
    """One table: the settings that its rows share, its columns (score to heading), and its rows."""

    title: str
    columns: dict[str, str] = Field(min_length=1)
    settings: dict[str, Any]
    small: SmallBudget
    rows: list[TableRow] = Field(min_length=1)

    def pick(self, names: list[str]) -> list[TableRow]:
        """Rows by name, in the table's order; all of them where none is named. Raises SwissbertError."""
        known = [row.name for row in self.rows]
        for name in names:
            if name not in known:
                raise SwissbertError(f"--rows: no row '{name}'{nearest(name, known)} (there are {', '.join(known)})")
        return [row for row in self.rows if not names or row.name in names]

    def paper_config(self, row: TableRow) -> RunConfig:
        """A row's settings as the paper has them."""
        return make_config({**_merged(self.settings, row.set), "name": row.name}, f"row '{row.name}'")

    def configs(self, row: TableRow, seed: int, choices: "Choices") -> list[RunConfig]:
        """The settings of every run of a row: one, or one a task. Raises SwissbertError that names row and key."""
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
            sources["encoder.name"] = "--encoder"
        sources |= apply_overrides(table, choices.overrides)
        for key in sorted(DECIDED & sources.keys()):
            raise SwissbertError(
                f"{sources[key]}: {key} is what the table decides (--seeds, --rows); a recipe of your own may differ"
            )
        table |= {"name": row.name, "seed": seed}
        if choices.data is not None and isinstance(section := table.setdefault("data", {}), dict):
            section["dir"] = choices.data
            sources["data.dir"] = "--data"
        where = f"row '{row.name}'"
        parts = [{**table, "tasks": [task]} for task in table["tasks"]] if row.apart else [table]
        return [make_config(part, where, sources) for part in parts]


class Choices(Settings):
    """What a person asked for beside the table: the small budget, an encoder, overrides, and the data directory."""

    small: bool = False
    encoder: str | None = None
    overrides: list[str] = Field(default=[])
    data: str | None = None


def paper_tables() -> list[str]:
    """Names of the tables that ship."""
    return sorted(path.stem for path in HERE.glob("*.toml"))


def find_table(name: str) -> PaperTable:
    """A table by name. Raises SwissbertError where there is none."""
    if name not in paper_tables():
        raise SwissbertError(
            f"no table '{name}'{nearest(name, paper_tables())} (there are {', '.join(paper_tables())})"
        )
    path = HERE / f"{name}.toml"
    return validated(PaperTable, read_toml(path), str(path))


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """A copy of `base` in which the leaves of `over` replace its own."""
    out = deepcopy(base)
    for key, value in over.items():
        out[key] = _merged(out.get(key, {}), value) if isinstance(value, dict) else value
    return out
