"""Recipes: read with overrides, validated, and written back."""

from pathlib import Path
from typing import Any

from swissbert.config.run import RunConfig
from swissbert.data.formats import Format
from swissbert.errors import SwissbertError, nearest
from swissbert.setting_tables import anchor, apply_overrides, merged
from swissbert.settings import read_toml, shown, validated
from swissbert.task_words import WORDS
from swissbert.tasks import Task, find_task, make_task, read_declaration, shipped_tasks

RECIPES = Path(__file__).parents[1] / "recipes"
ASKED = {"kind", "labels", "range"}
"""Keys that say what a task asks; where one differs from those of the base, its words for people do not fit."""


def shipped_recipes() -> dict[str, str]:
    """Return the shipped recipes: names, and the comment on the first line of their files."""
    return {
        path.stem: path.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ")
        for path in sorted(RECIPES.glob("*.toml"), key=lambda path: path.stem)
    }


def load_config(recipe: str | Path, overrides: list[str] | None = None, data: str | None = None) -> RunConfig:
    """Read a recipe.

    Args:
        recipe: Name of a shipped recipe, or path of a TOML file. Relative paths in it start at its folder.
        overrides: Settings to change, ``key.path=value``. Values are TOML (``3``, ``true``, ``[1, 2]``); anything else
            is taken as text. Relative paths start at the current directory.
        data: Value for ``data.dir``.

    Raises:
        SwissbertError: Names source, key, value and what is allowed.
    """
    path = Path(recipe)
    if str(recipe) in shipped_recipes():
        path = RECIPES / f"{recipe}.toml"
    elif path.suffix != ".toml" and (path.suffix or len(path.parts) > 1) and not path.exists():
        raise SwissbertError(f"{path}: there is no such file; a recipe of your own ends in .toml")
    elif path.suffix != ".toml":
        raise SwissbertError(
            f"no recipe '{recipe}'{nearest(str(recipe), shipped_recipes())} (there are {', '.join(shipped_recipes())}; a file of your own ends in .toml)"
        )
    table = read_toml(path)
    anchor(table, path.parent.resolve())
    sources = apply_overrides(table, overrides or [])
    if data is not None and isinstance(section := table.setdefault("data", {}), dict):
        section["dir"] = data
        sources["data.dir"] = "argument data"
    return make_config(table, str(path), sources)


def make_config(
    table: dict[str, Any],
    where: str = "settings",
    overrides: dict[str, str] | None = None,
    *,
    like: RunConfig | None = None,
) -> RunConfig:
    """Validate a table of settings.

    Args:
        table: Nested dictionaries, as read from TOML; ``tasks`` may hold names, paths, tables and `Task` objects. A table with
            the key ``base`` has the name or path of a task, and what differs from its declaration.
        where: Name of the table in messages, usually a path.
        overrides: Dotted keys that came from elsewhere, with the name of that source.
        like: Settings whose kinds and formats from outside the package may be named in the table.

    Raises:
        SwissbertError: Names source, key, value and what is allowed.
    """
    known = like.tasks if like else []
    kinds = {task.kind.name: task.kind for task in known}
    formats = {task.format.name: task.format for task in known if isinstance(task.format, Format)}
    tasks = table.get("tasks", [])
    source = (overrides or {}).get("tasks", where)
    if not isinstance(tasks, list):
        raise SwissbertError(f"{source}: 'tasks' is {shown(tasks)}; it must be a list of names, files and tables")
    resolved: list[object] = []
    names: set[str] = set()
    for task in tasks:
        if isinstance(task, str):
            task = find_task(task)
        elif isinstance(task, dict):
            name = task.get("name")
            place = f"{source}: task {shown(name)}" if isinstance(name, str) else f"{source}: tasks"
            task = make_task(_with_base(task, place), place, kinds, formats)
        resolved.append(task)
        if not isinstance(task, Task):
            break  # an error of its own, one for all
        if task.name in names:
            raise SwissbertError(f"{source}: tasks: the name '{task.name}' is used twice")
        names.add(task.name)
    return validated(RunConfig, {**table, "tasks": resolved}, where, overrides)


def _with_base(table: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the declaration of a task that may begin with that of another, its ``base``.

    Raises:
        SwissbertError: If there is no such task.
    """
    if "base" not in table:
        if "kind" not in table and (name := table.get("name")) in shipped_tasks():
            raise SwissbertError(
                f"{where}: 'kind' is missing and has no default; base = {shown(name)} instead of name begins with the "
                "declaration that ships"
            )
        return table
    if not isinstance(base := table["base"], str):
        raise SwissbertError(
            f"{where}: base is {shown(base)}, but it is the name of a shipped task ({', '.join(shipped_tasks())}) or the path of "
            "a declaration (TOML)"
        )
    try:
        declared, _ = read_declaration(base)
    except SwissbertError as error:
        raise SwissbertError(f"{where}: base: {str(error).removeprefix('tasks: ')}") from error
    changes = {key: value for key, value in table.items() if key != "base"}
    dropped = {"files", "label_files"} if "hub" in changes else {"hub"} if "files" in changes else set()
    columns = changes.get("columns")
    if ASKED & changes.keys() or (isinstance(columns, dict) and "text_pair" in columns):
        dropped |= WORDS  # they are about another question
    return merged({key: value for key, value in declared.items() if key not in dropped}, changes)


def dump_config(config: RunConfig) -> str:
    """Return the effective settings as TOML, without keys that have no value. `make_config` reads it back unchanged."""
    import tomli_w

    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))
