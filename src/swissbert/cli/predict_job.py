"""The command ``predict --output-dir``: answers to a large file in shards, by this process or by an engine."""

import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import typer

from swissbert.cli.predicted import Asked, report
from swissbert.cli.program import need, program_name
from swissbert.cli.results import load_model
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.wording import counted

if TYPE_CHECKING:
    from swissbert.inference.job_chunks import Engine
    from swissbert.inference.loading import Precision

EngineName = Literal["ray"]


class JobOptions(NamedTuple):
    """Options that only a job with ``--output-dir`` has; None for those that are not given.

    Attributes:
        shard_rows: Rows of each shard.
        engine: Name of the engine; None for this process.
        workers: Number of processes of the engine.
    """

    shard_rows: int | None
    engine: EngineName | None
    workers: int | None

    def check_absent(self) -> None:
        """Raise SwissbertError if one is given without ``--output-dir``."""
        if self.shard_rows is not None:
            raise SwissbertError("--shard-rows is given, but only --output-dir has shards")
        if self.engine is not None:
            raise SwissbertError(f"--engine is {self.engine}, but only a job with --output-dir runs on an engine")
        if self.workers is not None:
            raise SwissbertError("--workers is given, but only --engine has workers")

    def check(self, source: str | None, output: Path | None, probabilities: bool) -> str:
        """Return the input of a job.

        Raises:
            SwissbertError: If it has none that can be read again, or an option does not go with it.
        """
        from swissbert.inference.input_stream import is_stream

        if source is None or is_stream(source):
            raise SwissbertError("--output-dir takes --input FILE: only a file can be read again to resume")
        if output is not None:
            raise SwissbertError("--output and --output-dir exclude each other: one file, or a folder of shards")
        if probabilities:
            raise SwissbertError(
                "--probabilities adds columns to a table, but --output-dir has JSON lines, which have them"
            )
        if self.workers is not None and self.engine is None:
            raise SwissbertError(f"--workers is {self.workers}, but only --engine has workers")
        if self.engine is not None:
            need("ray", extra="ray")
        return source

    def engine_for(self, model: Path, log: Callable[[str], object]) -> "Engine":
        """Return the engine that answers with a model; `log` is called with sentences about its processes."""
        from swissbert.inference.job_chunks import in_this_process

        if self.engine is None:
            return in_this_process
        from swissbert.batch.ray_engine import RayEngine

        return RayEngine(model, self.workers, log)


def predict_shards(
    model: Path, precision: "Precision | None", asked: Asked, source: str, folder: Path, options: JobOptions
) -> None:
    """Answer a file into a folder of shards; after an interrupt, print how to resume."""
    from swissbert.inference.bulk import SHARD_ROWS, answer_file
    from swissbert.inference.job_folder import PARTS
    from swissbert.inference.remote_input import local_input
    from swissbert.inference.stream import Tally

    display = Display()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # handle SIGTERM like Ctrl-C
    try:
        loaded = load_model(model, precision=precision)
        with local_input(source, display.say) as path:
            done = answer_file(
                loaded,
                asked.tasks(loaded),
                Path(path),
                folder,
                format=asked.format,
                is_choice=asked.names is None,
                options=asked.options,
                threshold=asked.threshold,
                shard_rows=options.shard_rows or SHARD_ROWS,
                engine=options.engine_for(model, display.say),
                display=display,
            )
    except KeyboardInterrupt as interrupt:
        shards = len(list(folder.glob(PARTS)))
        command = f"{program_name()} {shlex.join(sys.argv[1:])}"
        are = "is" if shards == 1 else "are"
        display.command(f"stopped; {counted(shards, 'shard')} {are} complete; resume with", command)
        raise typer.Exit(130) from interrupt
    finally:
        signal.signal(signal.SIGTERM, before)
    unused = f"; {done.bad_rows:,} could not be used, with the reasons in their lines" if done.bad_rows else ""
    display.say(f"{counted(done.rows, 'row')} in {counted(done.shards, 'shard')} in {folder}{unused}")
    report(Tally(done.rows, 0, done.partly_bad_rows, done.cut_rows), loaded)
    if done.rows and done.bad_rows == done.rows:
        raise typer.Exit(1)
