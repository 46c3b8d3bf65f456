"""The beginning of a run: write its record and settings, or compare those of a resumed run and log the differences."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from swissbert.config import dump_config
from swissbert.errors import SwissbertError
from swissbert.files import write_text
from swissbert.model_folder import layout
from swissbert.training.conditions import last_conditions
from swissbert.training.first_step import watched
from swissbert.training.record import read_record, run_of_checkpoint
from swissbert.training.resume import Changes
from swissbert.training.start import (
    begin,
    compare_start,
    difference_lines,
    go_on,
    present_conditions,
    without_record,
)

if TYPE_CHECKING:
    from swissbert.training.run import Run


class Opening(NamedTuple):
    """The record of a run that has begun or goes on.

    Attributes:
        record: Contents of ``run.json``.
        is_same: Whether it goes on as the same run, as far as is known.
    """

    record: dict[str, Any]
    is_same: bool


def open_run(run: "Run", record: Mapping[str, Any] | None, changes: Changes, step: int) -> Opening:
    """Write the record and the settings of a run; compare those of a resumed run, and say what differs.

    Args:
        run: The run.
        record: Contents of its ``run.json``, if there is one.
        changes: Settings that change.
        step: Step of its last checkpoint; 0 for a new run.

    Raises:
        SwissbertError: If something differs that must not; nothing is written then.
    """
    conditions = present_conditions(run.prepared, run.outside, processes=run.world.size)
    if record is not None and "first_step" in record and 0 < step < run.total:
        has_as_many = last_conditions(record, step)["processes"] == run.world.size
        if run.has_comparable_first_step and has_as_many:
            conditions["first_step"] = _repeated_first_step(run)
    opening = _write(run, record, changes, step, conditions) if run.world.is_first else None
    run.world.wait()
    if opening is None:
        written = read_record(run.out) or {}
        if not written:
            raise SwissbertError(
                f"{run.out}: process {run.world.rank} does not see the {layout.RUN_RECORD} that process 0 has written "
                "there; out must be a folder of a file system that all machines share",
                argument="out",
            )
        opening = Opening(written, True)
    return opening._replace(is_same=not run.world.any(not opening.is_same))


def _write(
    run: "Run", record: Mapping[str, Any] | None, changes: Changes, step: int, conditions: dict[str, Any]
) -> Opening:
    """Write record and settings; arguments as for `open_run`, and the present conditions."""
    prepared, out, settings = run.prepared, run.out, dump_config(run.config)
    if record is None:
        if step:
            run.display.say(without_record(out, run.config.train))
        name = run_of_checkpoint(out, step) if step else None
        written = begin(prepared, conditions, run.outside.names(), out, run=name, step=step)
        write_text(out / layout.RUN_CONFIG, settings)  # last: a folder with settings holds a run
        return Opening(written, is_same=not step)
    comparison = compare_start(prepared, conditions, out, record, step)
    for line in difference_lines(comparison, changes, step):
        run.display.say(line)
    write_text(out / layout.RUN_CONFIG, settings)  # first: the record must not be ahead of the settings
    is_same = not (comparison.differing or comparison.unknown or changes.allowed)
    return Opening(go_on(prepared, conditions, out, record, comparison, changes, step), is_same)


def _repeated_first_step(run: "Run") -> str | None:
    """Compute the first step again, from the initial parameters, and return the checksum of its gradient.

    The parameters and moments that it leaves are overwritten by those of the checkpoint.
    """
    with watched(run.training_step.optimizer) as gradient:
        run.training_step(0, run.prepared.batches()(0), run.prepared.plan.rounds(0))
    return gradient.checksum
