"""The Typer application, common options and error handling."""

import errno
import gc
import io
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from swissbert.display import never_failing
from swissbert.distributed.launch import is_first_process, launched
from swissbert.errors import SwissbertError
from swissbert.terminal import width_of
from swissbert.version import __version__
from swissbert.wording import one_line, printable

if TYPE_CHECKING:
    from swissbert.data.rows import BadRow, LabelNotes
    from swissbert.inference import Model

app = typer.Typer(
    name="swissbert",
    help="One BERT encoder for several sentence-level tasks: train, score, predict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich for boxes takes 0.1 s
)
data_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at data before training on it.")
app.add_typer(data_app, name="data")

DataOption = Annotated[
    str | None, typer.Option("--data", help="Directory with the tasks' files, or 'starter' for the corpus that ships.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, for instance train.lr=1e-4. Repeatable."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
ModelArgument = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL", help="mini (which ships), a model folder, a run folder or a hub id (OWNER/NAME[@REVISION])."
    ),
]
PrecisionOption = Annotated[
    Literal["auto", "fp32", "int8"] | None,
    typer.Option(
        help="int8 is faster on a CPU, imports no PyTorch and changes scores by a few tenths of a point; auto uses it where it is "
        "installed. fp32 if not given, or int8 where PyTorch is not installed."
    ),
]


@contextmanager
def without_garbage_collector() -> Iterator[None]:
    """Disable the garbage collector during heavy imports; saves about 10 % of import time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def main() -> None:
    """Run the command line. Mistakes of the user end in one line and exit status 2; ``--debug`` shows the traceback."""
    debug = "--debug" in sys.argv[1:]
    if debug:
        sys.argv.remove("--debug")
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:  # closed by the caller; files must not take their numbers
        pass
    os.close(number)
    if sys.stderr is None:  # messages are discarded rather than mixed with results
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (for as long as the process lives)
    sys.stderr = never_failing(sys.stderr)
    if sys.stdout is None:
        _fail("standard output: it is closed, so results cannot be written")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # whatever the locale says
    try:
        os.getcwd()
    except OSError as error:
        _fail(f"the current folder cannot be used ({error.strerror}); change to another one")
    try:
        try:
            _refuse_repeated(sys.argv[1:])
            _refuse_several_processes(sys.argv[1:])
            app()
        finally:
            sys.stdout.flush()
    except SwissbertError as error:
        if debug:
            raise
        _fail(f"{error}{_option_hint(error.argument)}")
    except ModuleNotFoundError as error:
        from swissbert.missing import explained

        reason = explained(error)
        if debug or reason is None:
            raise
        _fail(str(reason))
    except BrokenPipeError:
        _end_without_reader()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # Typer ends with status 1
            _end_without_reader()
        raise
    except OSError as error:
        if debug:
            raise
        if error.filename is not None:
            _fail(f"{error.filename}: cannot be used ({error.strerror})")
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        _drop_output()  # errors of any other file carry its name
        _fail(f"standard output: cannot be written ({error.strerror})")


def _refuse_repeated(arguments: list[str]) -> None:
    """Raise SwissbertError if an option that takes one value is given twice, of which Typer keeps the last one silently."""
    command = getattr(typer.main.get_command(app), "commands", {}).get(arguments[0] if arguments else "")
    single = {
        name
        for parameter in getattr(command, "params", [])
        if not getattr(parameter, "multiple", True) and not getattr(parameter, "is_flag", True)
        for name in parameter.opts
        if name.startswith("--")
    }
    seen: set[str] = set()
    rest = iter(arguments[1:])
    for argument in rest:
        if argument == "--":
            break
        name, sign, _ = argument.partition("=")
        if name not in single:
            continue
        if name in seen:
            raise SwissbertError(f"{name} is given twice, but it takes one value")
        seen.add(name)
        if not sign:
            next(rest, None)


def _refuse_several_processes(arguments: list[str]) -> None:
    """Raise SwissbertError if torchrun has started several processes of a command that does not share its work."""
    command = arguments[0] if arguments else ""
    if command in ("train", "distill") or "TORCHELASTIC_RUN_ID" not in os.environ or launched() is None:
        return
    if not is_first_process():
        sys.exit(2)
    raise SwissbertError(
        f"torchrun has started several processes of '{command}', but only train and distill share their work; start it alone"
    )


def _fail(message: str) -> NoReturn:
    """Print an error, wrapped at spaces on a terminal, and exit with status 2."""
    lines, width = f"error: {printable(message)}".split("\n"), width_of(sys.stderr)
    if width is not None:
        from swissbert.text_table import folded

        lines = [part for line in lines for part in folded(line, width)]
    with suppress(OSError):
        print(*lines, sep="\n", file=sys.stderr)
    sys.exit(2)


def _option_hint(argument: str | None) -> str:
    """Name the option of the running command that sets an argument of the library, if it has one."""
    command = getattr(typer.main.get_command(app), "commands", {}).get(sys.argv[1] if len(sys.argv) > 1 else "")
    for parameter in command.params if command else []:
        if argument is not None and parameter.name == argument and parameter.opts[0].startswith("-"):
            return f" (on the command line: {[*parameter.secondary_opts, *parameter.opts][0]})"  # of two, the one that says no
    return ""


def _end_without_reader() -> NoReturn:
    """End as a program that SIGPIPE ends, with the status that a shell reports for it."""
    _drop_output()
    sys.exit(141)


def _drop_output() -> None:
    """Redirect standard output to the null device, so that Python does not fail again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def program_name() -> str:
    """Return what to type to run this program: its name if the shell finds it, else its path."""
    from shutil import which

    called, installed = sys.argv[0], which("swissbert")
    if Path(called).name == "__main__.py":
        return shlex.join([sys.executable, "-m", "swissbert"])
    if installed and Path(installed).exists() and Path(called).exists() and Path(installed).samefile(called):
        return "swissbert"
    return shlex.quote(called)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # see `main`
) -> None:
    """One BERT encoder for several sentence-level tasks: train, score, predict."""
    if show:
        print(f"swissbert {__version__}")
        raise typer.Exit


def directory_of(model: "Model", data: str | None) -> Path | None:
    """Return the data directory given, else the one that the model was trained on if it is on this machine."""
    from swissbert.config import data_path
    from swissbert.model_folder.origin import data_directory

    return data_path(data) if data else data_directory(model.folder)


def need(*modules: str, extra: str) -> None:
    """Check that optional libraries are installed.

    Args:
        modules: Names of their modules.
        extra: The extra of this package that installs them.

    Raises:
        SwissbertError: If one is missing.
    """
    from importlib.util import find_spec

    from swissbert.missing import INSTALL, has_torch

    for name in modules:
        if find_spec(name) is None:
            remedy = f"pip install 'swissbert[{extra}]'"
            if not has_torch():
                remedy = "pip install 'swissbert-lite[serve]'" if extra == "serve" else INSTALL
            raise SwissbertError(f"this needs {name}, which is not installed: {remedy}")


def report_bad_rows(source: str, rows: "Sequence[BadRow]") -> None:
    """Print the rows of a source that were left out, the first five in full, to standard error."""
    if rows:
        more = [f"and {len(rows) - 5:,} more"] if len(rows) > 5 else []
        lines = [f"{source}: {len(rows):,} bad row(s) left out", *map(str, rows[:5]), *more]
        print("\n  ".join(map(one_line, lines)), file=sys.stderr)


def report_labels(source: str, notes: "LabelNotes") -> None:
    """Print how many rows of a source have no label, and which labels are not written as declared, to standard error."""
    for line in filter(None, [notes.without_label(), notes.other_spellings()]):
        print(one_line(f"{source}: {line}"), file=sys.stderr)
