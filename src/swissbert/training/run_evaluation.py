"""An evaluation of a run on dev rows: it decides whether the model is the best so far, which is then saved."""

from dataclasses import replace
from typing import TYPE_CHECKING

from swissbert.checksums import checksum
from swissbert.evaluation import Scores, evaluate
from swissbert.model_folder import layout
from swissbert.model_folder.description import FORMAT, Description
from swissbert.model_folder.save import save_model
from swissbert.selection import is_better_higher
from swissbert.training.fit import fit_heads
from swissbert.training.log import dev_entry, dev_line
from swissbert.training.preparation import provenance
from swissbert.training.run_log import NoLog, RunLog
from swissbert.training.sameness import state_number
from swissbert.training.state import Progress

if TYPE_CHECKING:
    from swissbert.training.run import Run


def evaluate_run(run: "Run", log: RunLog | NoLog, shown: set[str]) -> Scores:
    """Score the dev rows, save the model if it is the best so far, and return the scores.

    Args:
        run: The run, whose progress is updated.
        log: Receives the scores.
        shown: Notes that have been shown; further ones are added.
    """
    prepared, network, world, train = run.prepared, run.scored_network, run.world, run.config.train
    if not world.is_alone:
        world.check_same(
            state_number(run.training_step.modules),
            f"the parameters of the processes differ after step {run.progress.step}, so they would train several models; "
            "all of them need processors, versions and settings of the same kind, and callbacks, which process 0 alone "
            "calls, must not change the network after on_start",
        )
    with run.display.waiting("fitting thresholds on train rows"):
        fit_heads(network, prepared.train, world)
    loss_scale = run.config.loss.scale if train.best_by.rpartition(".")[2] == "loss" else None
    scores = evaluate(network, prepared.dev, loss_scale=loss_scale, display=run.display, world=world)
    value = world.first_value(scores.by_name(train.best_by))
    progress = run.progress.judged(value, higher_is_better=is_better_higher(train.best_by), tie=train.tie)
    log.write(dev_entry(progress.step, scores))
    is_kept = progress.best_step == progress.step
    is_new = progress.stale == 0
    run.display.say(dev_line(progress.step, scores, train.best_by, is_kept=is_kept, best=progress.best, is_new=is_new))
    for note in scores.all_notes():
        if note not in shown:
            run.display.say(f"  {note}")
    shown.update(scores.all_notes())
    run.progress = _with_model(run, progress, scores) if is_kept and world.is_first else progress
    return scores


def _with_model(run: "Run", progress: Progress, scores: Scores) -> Progress:
    """Write the model folder, and return the progress with its checksum."""
    prepared, config = run.prepared, run.config
    description = Description(
        format=FORMAT,
        tasks=config.tasks,
        encoder=config.encoder,
        model=config.model,
        scores=scores.flat(),
        notes={name: task.notes for name, task in scores.tasks.items() if task.notes} or None,
        provenance=provenance(prepared)
        | run.outside.names()
        | {"step": progress.step, "train_seconds": round(progress.seconds)},
    )
    folder = run.out / layout.BEST_MODEL
    save_model(folder, run.scored_network, prepared.tokenizer, description)
    return replace(progress, best_checksum=checksum(folder / layout.DESCRIPTION))
