"""A training run: from settings to a run folder with the best model in it."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from swissbert.config import RunConfig, load_config
from swissbert.device import same_threads_afterwards
from swissbert.display import Display
from swissbert.distributed.joining import joined
from swissbert.distributed.world import World
from swissbert.files import locked, recover
from swissbert.model.heads.base import Head
from swissbert.model_folder import layout
from swissbert.mtl.balancing import Balancer
from swissbert.paths import check_path
from swissbert.training.outside import Outside
from swissbert.training.preparation import Prepared, complete, prepare
from swissbert.training.record import read_record
from swissbert.training.result import Result
from swissbert.training.resume import check_settings, longer_lines, moved_lines
from swissbert.training.run import Run
from swissbert.training.run_hardware import run_hardware
from swissbert.training.run_rows import Data, in_memory
from swissbert.training.sameness import start_number
from swissbert.training.state import checkpoints, set_aside_damaged
from swissbert.training.stored_settings import as_begun, need_locations, with_stored_data


def train(
    config: RunConfig | str | Path,
    out: str | Path,
    *,
    resume: bool = False,
    display: Display | None = None,
    balancer: Balancer | Sequence[Balancer] | None = None,
    data: Data | None = None,
    heads: Mapping[str, type[Head]] | None = None,
    callbacks: Sequence[object] = (),
    world: World | None = None,
) -> Result:
    """Train one encoder on the tasks of a configuration.

    Args:
        config: Settings, or the name of a shipped recipe, or the path of a TOML file.
        out: The run folder, which is created.
        resume: Go on with the run in `out`, or begin if there is none. Rows, encoder, classes and settings must be those
            that it began with; ``train.epochs``, ``train.max_steps`` and ``train.patience`` may be raised, and data and
            encoder may lie elsewhere. Its losses then are those of an uninterrupted run, bit for bit on a CPU of the same
            kind with the same number of threads, precision and versions of libraries.
        display: Receives progress; nothing is shown if left out.
        balancer: A method from outside the package that balances tasks, or two: one that needs losses and one that needs
            the Gram matrix. They take the places of ``loss.weighting`` and ``loss.surgery``.
        data: Rows in memory by task: train rows, or a tuple of train rows and dev rows. Rows are lists of dictionaries
            or tuples, dictionaries of columns, pandas, ``datasets`` or pyarrow tables. Other tasks are read from files.
        heads: Head classes from outside the package, by task name.
        callbacks: Objects with functions of `Callback`. Of several processes the first one calls them.
        world: The processes that train together. Left out, they are those that torchrun has started, else this one alone.

    Returns:
        The outcome of the completed run.

    Raises:
        SwissbertError: For anything that a person has to correct; the state of the last checkpoint is kept.
        LostError: If another process has ended without saying why.
        EndedElsewhereError: If another process raises one of these errors.
        Stopped: After Ctrl-C, SIGTERM or SIGHUP; the state is saved.

    Example::

        result = train("quickstart", "runs/mine", data={"sst": (train_rows, dev_rows)})
    """
    with joined(world) as joint:
        config = config if isinstance(config, RunConfig) else load_config(config)
        out = Path(out)
        for path, argument in ((out, "out"), (config.data.dir, "data.dir"), (config.encoder.name, "encoder.name")):
            check_path(path or "", argument)
        if display is None or not joint.is_first:
            display = Display(quiet=True)
        with locked(out) if joint.is_first else nullcontext(), same_threads_afterwards():
            outside = Outside(balancer, heads, callbacks)
            return _begun(config, out, display, joint, in_memory(data), resume, outside).complete()


def _begun(
    config: RunConfig,
    out: Path,
    display: Display,
    world: World,
    data: Data | None,
    resume: bool,
    outside: Outside,
) -> Run:
    """Prepare a run and write how it begins or goes on; the first process holds the lock of its folder."""
    if world.is_first:
        recover(out / layout.BEST_MODEL)
    world.wait()
    has_run = resume and (out / layout.RUN_CONFIG).exists()
    if has_run:
        config = with_stored_data(config, out)
        need_locations(config, out, reads_files=_reads_files(config, data))
    config = complete(config, display, data)
    record = read_record(out) if resume else None
    if has_run:
        config = as_begun(config, out, record)
    changes = check_settings(config, out, resume, record=record)
    if resume and world.is_first:
        set_aside_damaged(out / layout.CHECKPOINTS, display.say)
    world.wait()
    step = (checkpoints(out / layout.CHECKPOINTS) or [0])[-1]
    if record is not None:
        for line in moved_lines(changes, record):
            display.say(line)
    hardware = run_hardware(config.train, world, record, step)
    whole_steps = record is not None and record.get("format", 1) == 1
    settings = config  # of this moment, for the function below

    def prepared_here() -> Prepared:
        return prepare(
            settings,
            display,
            hardware=hardware,
            data=data,
            heads=outside.heads,
            whole_steps=whole_steps,
            recorded=record,
        )

    with display.waiting("preparing the run"):
        prepared = world.in_turn(prepared_here, by_machine=True)
    if not world.is_alone:
        world.check_same(
            start_number(prepared),
            "the processes have other rows, settings or versions than each other; all of them need the same",
        )
    run = Run(prepared, out, display, outside=outside, world=world)
    run.start(record, changes, step)
    for line in longer_lines(changes, prepared.config, prepared.total):
        display.say(line)
    return run


def _reads_files(config: RunConfig, data: Data | None) -> bool:
    """Whether a task reads its rows from files of ``data.dir``."""
    return any(task.hub is None and task.name not in (data or {}) for task in config.tasks)
