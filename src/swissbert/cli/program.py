"""What every command shares: the program, its options, and how a mistake ends."""

import errno
import gc
import io
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from swissbert.errors import SwissbertError
from swissbert.version import __version__

if TYPE_CHECKING:
    from swissbert.inference.model import Model

app = typer.Typer(
    name="swissbert",
    help="One BERT encoder for several sentence-level tasks at once: train, score, predict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help is quick help: boxes cost a tenth of a second
)

DataOption = Annotated[
    str | None, typer.Option("--data", help="Directory with the tasks' files, or 'starter' for the corpus that ships.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, for instance train.lr=1e-4. Repeatable."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")]
ModelArgument = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL", help="mini (which ships), a model folder, a run folder or a hub id (OWNER/NAME[@REVISION])."
    ),
]
PrecisionOption = Annotated[
    Literal["auto", "fp32", "int8"],
    typer.Option(
        help="int8 is faster on a CPU and moves scores by a few tenths of a point; auto takes it where it can."
    ),
]


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """No look for garbage meanwhile: importing torch makes none worth a look, and the looks are a tenth of its time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def main() -> None:
    """Run the command line. A person's mistake ends in one sentence and exit status 2; ``--debug`` shows the traceback."""
    debug = "--debug" in sys.argv[1:]
    if debug:
        sys.argv.remove("--debug")
    if sys.stderr is None:  # closed: what is said there goes nowhere, least of all among the results
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (for as long as the process lives)
    if sys.stdout is None:
        _fail("standard output: it is closed, so there is nowhere for results to go")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # whatever the locale says
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except SwissbertError as error:
        if debug:
            raise
        _fail(str(error))
    except BrokenPipeError:
        _drop_output()  # its reader has gone
        sys.exit(141)
    except OSError as error:
        if debug:
            raise
        if error.filename is not None:
            _fail(f"{error.filename}: cannot be used ({error.strerror})")
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        _drop_output()  # all that is written elsewhere says its name
        _fail(f"standard output: cannot be written ({error.strerror})")


def _fail(sentence: str) -> NoReturn:
    with suppress(OSError):
        print(f"error: {sentence}", file=sys.stderr)
    sys.exit(2)


def _drop_output() -> None:
    """Let what could not be written to standard output go nowhere, so that Python does not try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def program_name() -> str:
    """What a person types here to call this program: its name if the shell finds it, else its path."""
    from shutil import which

    called, found = sys.argv[0], which("swissbert")
    if Path(called).name == "__main__.py":
        return shlex.join([sys.executable, "-m", "swissbert"])
    if found and Path(found).exists() and Path(called).exists() and Path(found).samefile(called):
        return "swissbert"
    return shlex.quote(called)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a mistake.")] = False,  # see `main`
) -> None:
    """One BERT encoder for several sentence-level tasks at once: train, score, predict."""
    if show:
        print(f"swissbert {__version__}")
        raise typer.Exit


def directory_of(trained: "Model", data: str | None) -> Path | None:
    """The data directory given, else the one that the model was trained on if it is there."""
    from swissbert.config import data_path

    stored = data or trained.description.provenance.get("data")
    path = data_path(str(stored)) if stored else None
    return path if path and (data or path.is_dir()) else None


def need(*modules: str, extra: str) -> None:
    """Raise SwissbertError where one of some optional libraries is not installed."""
    from importlib.util import find_spec

    for name in modules:
        if find_spec(name) is None:
            raise SwissbertError(f"this needs {name}, which is not installed: pip install 'swissbert[{extra}]'")
