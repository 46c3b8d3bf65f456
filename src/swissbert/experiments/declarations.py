"""Declarations of tables of results, of the paper and of our own, and the settings of their runs."""

from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from swissbert.config import RunConfig, apply_overrides, make_config
from swissbert.errors import SwissbertError, nearest
from swissbert.setting_tables import anchor
from swissbert.settings import Settings, read_toml, validated

HERE = Path(__file__).parent

CHECKPOINT_EVERY = 100
"""Steps between checkpoints, the most that a killed run loses."""
FIXED = {"name", "seed", "tasks", "distillation.teachers"}
"""Settings that a table fixes."""
SEED_MARK = ".seed-"
"""What stands between the name of a row and a seed in the name of one of its runs."""

Figures = dict[str, Annotated[float, Field(ge=-1, le=1)]]
"""Scores by dotted name, ``sst.accuracy`` for instance."""


class TableRow(Settings):
    """A row of a table: runs that are trained, or a soup of the models of other rows.

    Models of rows that stand above are named ``ROW``, or ``ROW.seed-N`` for the run with that seed. Without a seed it is
    the run with the seed of this row, or the first one of a row without that seed.

    Attributes:
        name: Its name.
        title: Its title.
        like: A row above whose settings this one begins with; None for those of the table. Nothing else is taken from it.
        set: Settings that differ from those.
        paper: The paper's dev scores; empty for rows that the paper does not have.
        test: The paper's test scores. Test labels are not public, so prediction files are written for such a row.
        apart: Whether a model is trained for each task alone.
        teachers: Models of rows above that teach this one, as ``distillation.teachers``.
        soup: Models of rows above whose weights are averaged greedily; nothing is trained.
        seeds: Its seeds, whatever number is asked for; None for those of the command.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")
    title: str = Field(min_length=1)
    like: str | None = None
    set: dict[str, Any] = Field(default={})
    paper: Figures = Field(default={})
    test: Figures = Field(default={})
    apart: bool = False
    teachers: list[str] = Field(default=[])
    soup: list[str] = Field(default=[])
    seeds: list[Annotated[int, Field(ge=0, lt=2**31)]] | None = Field(default=None, min_length=1)

    @property
    def models(self) -> list[str]:
        """Names of the models that it is made from."""
        return self.teachers or self.soup

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if self.soup and (others := [key for key in ("like", "set", "apart", "teachers") if getattr(self, key)]):
            raise ValueError(f"row '{self.name}': soup trains nothing, so it excludes {' and '.join(others)}")
        if len(self.soup) == 1:
            raise ValueError(f"row '{self.name}': soup names one model, but at least two are averaged")
        if len(set(self.seeds or [])) < len(self.seeds or []):
            raise ValueError(f"row '{self.name}': seeds names a seed twice")
        return self


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


class ResultsTable(Settings):
    """A table of results.

    Attributes:
        title: Its title.
        columns: Score to heading.
        settings: Settings that all rows share.
        small: The small budget; None if the table has none.
        compare: A row from which the differences of the others are shown; None for no differences.
        rows: Its rows.
    """

    title: str
    columns: dict[str, str] = Field(min_length=1)
    settings: dict[str, Any]
    small: SmallBudget | None = None
    compare: str | None = None
    rows: list[TableRow] = Field(min_length=1)

    @model_validator(mode="after")
    def _takes_rows_above(self) -> Self:
        above: dict[str, TableRow] = {}
        for row in self.rows:
            if row.name in above:
                raise ValueError(f"two rows are named '{row.name}'")
            known = ", ".join(above) or "none"
            taken = {model: model.partition(SEED_MARK)[0] for model in row.models}
            for model, name in (taken | ({row.like: row.like} if row.like else {})).items():
                if name not in above:
                    raise ValueError(
                        f"row '{row.name}': '{model}' names no row above it{nearest(name, above)} (those are {known})"
                    )
            for model in row.models:
                name, mark, seed = model.partition(SEED_MARK)
                if mark and not seed.isdecimal():
                    raise ValueError(
                        f"row '{row.name}': '{model}' has no seed after '{SEED_MARK}'; a number is expected"
                    )
                if row.soup and above[name].apart:
                    raise ValueError(
                        f"row '{row.name}': '{name}' has a model for each task, and a soup takes one for all"
                    )
            above[row.name] = row
        if self.compare is not None and self.compare not in above:
            raise ValueError(
                f"compare: '{self.compare}' is no row{nearest(self.compare, above)} (the rows are {', '.join(above)})"
            )
        return self

    @property
    def has_paper(self) -> bool:
        """Whether any row has scores of the paper."""
        return any(row.paper or row.test for row in self.rows)

    def row(self, name: str) -> TableRow:
        """Return a row by name."""
        return next(row for row in self.rows if row.name == name)

    def pick(self, names: list[str]) -> list[TableRow]:
        """Return rows by name and the rows whose models they take, in the table's order; all rows if `names` is empty.

        Raises:
            SwissbertError: If there is no such row.
        """
        known = [row.name for row in self.rows]
        for name in names:
            if name not in known:
                raise SwissbertError(
                    f"no row '{name}'{nearest(name, known)} (the rows are {', '.join(known)})", argument="rows"
                )
        wanted = set(names or known)
        for row in reversed(self.rows):  # models are of rows above
            if row.name in wanted:
                wanted |= {model.partition(SEED_MARK)[0] for model in row.models}
        return [row for row in self.rows if row.name in wanted]

    def models_of(self, row: TableRow, seed: int, seeds: list[int]) -> list[tuple[TableRow, int]]:
        """Return row and seed of each model that a row takes.

        Args:
            row: The row.
            seed: Its seed.
            seeds: Seeds of rows that have none of their own.

        Raises:
            SwissbertError: If a model is named by a seed that its row does not have.
        """
        models = []
        for model in row.models:
            name, mark, number = model.partition(SEED_MARK)
            source = self.row(name)
            own = source.seeds or seeds
            if mark and int(number) not in own:
                listed = ", ".join(map(str, own))
                raise SwissbertError(f"row '{row.name}': takes '{model}', but the seeds of '{name}' are {listed}")
            models.append((source, int(number) if mark else seed if seed in own else own[0]))
        return models

    def declared_config(self, row: TableRow) -> RunConfig:
        """Return the settings of a row as it is declared: for a row of the paper, those of the paper."""
        return make_config(self._declared(row, row.teachers) | {"name": row.name}, f"row '{row.name}'")

    def configs(
        self, row: TableRow, seed: int, choices: "Choices", teachers: list[str] | None = None
    ) -> list[RunConfig]:
        """Return the settings of every run of a row: one run, or one for each task; none for a soup.

        Args:
            row: The row.
            seed: The seed.
            choices: Choices beside the table.
            teachers: Folders of its teachers; their names if left out.

        Raises:
            SwissbertError: If a setting is not valid; names row and key.
        """
        if row.soup:
            return []
        table = self._declared(row, row.teachers if teachers is None else teachers)
        encoder, loss, train = (table.setdefault(name, {}) for name in ("encoder", "loss", "train"))
        train |= {"checkpoint_every": CHECKPOINT_EVERY, "keep": 1}
        if choices.small:
            if self.small is None:
                raise SwissbertError("this table has no small budget", argument="small")
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

    def _declared(self, row: TableRow, teachers: list[str]) -> dict[str, Any]:
        """Return the settings of a row, with the names or folders of its teachers."""
        table = self._settings_of(row)
        return _merged(table, {"distillation": {"teachers": teachers}}) if teachers else table

    def _settings_of(self, row: TableRow) -> dict[str, Any]:
        """Return the settings of the table, of the row that it is like, and its own, the last of them counting."""
        return _merged(self._settings_of(self.row(row.like)) if row.like else self.settings, row.set)


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


def table_names() -> list[str]:
    """Return the names of the tables that ship, sorted."""
    return sorted(path.stem for path in HERE.glob("*.toml"))


def find_table(name: str) -> ResultsTable:
    """Read a table by the name of one that ships, or by the path of a TOML file.

    Relative paths in a file start at its folder.

    Raises:
        SwissbertError: If there is no such table, or it is not valid.
    """
    if name.endswith(".toml"):
        path = Path(name)
    elif name in table_names():
        path = HERE / f"{name}.toml"
    else:
        raise SwissbertError(
            f"no table '{name}'{nearest(name, table_names())} (the tables are {', '.join(table_names())}; a file of your own "
            "ends in .toml)"
        )
    declared = validated(ResultsTable, read_toml(path), str(path))
    for settings in (declared.settings, *(row.set for row in declared.rows)):
        anchor(settings, path.parent.resolve())
    return declared


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of `base` with the leaves of `over`."""
    merged = deepcopy(base)
    for key, value in over.items():
        merged[key] = _merged(merged.get(key, {}), value) if isinstance(value, dict) else value
    return merged
