"""The page of all commands, from the command line itself."""

import inspect
from collections.abc import Iterator

import typer
from typer.core import TyperGroup

import swissbert.cli  # noqa: F401  (adds the commands)
from swissbert.cli.program import app

HIDDEN = {"help"}


def command_reference() -> str:
    """Return the reference of all commands, as Markdown."""
    return "\n\n".join(_section(name, command) for name, command in commands())


def commands() -> Iterator[tuple[str, object]]:
    """Yield all commands with their full names, in the order of ``--help``."""
    return _commands("swissbert", typer.main.get_command(app))


def _commands(name: str, command: object) -> Iterator[tuple[str, object]]:
    if not isinstance(command, TyperGroup):
        yield name, command
        return
    for part in command.list_commands(None):  # type: ignore[arg-type]
        yield from _commands(f"{name} {part}", command.commands[part])


def _section(name: str, command: object) -> str:
    """Return the section of one command: usage, what it does, arguments and options."""
    context = typer.Context(command, info_name=name)  # type: ignore[arg-type]
    usage = " ".join([name, *command.collect_usage_pieces(context)])  # type: ignore[attr-defined]
    lines = [f"## {name}", "", f"```\n{usage}\n```", "", inspect.cleandoc(command.help or ""), ""]  # type: ignore[attr-defined]
    for parameter in command.params:  # type: ignore[attr-defined]
        if parameter.name in HIDDEN:
            continue
        label, text = parameter.get_help_record(context) or ("", "")
        lines += [f"`{label}`", f": {_escaped(text)}", ""]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Return a help text in which nothing is read as Markdown."""
    return " ".join(text.split()).replace("<", "\\<").replace("*", "\\*").replace("[", "\\[").replace("_", "\\_")
