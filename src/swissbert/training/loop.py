"""One run: from settings to a run folder with the best model in it."""

import json
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from zlib import crc32

import numpy as np
import torch
from torch import nn

from swissbert.config import RunConfig, differences, dump_config, make_config
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.evaluation import evaluate
from swissbert.files import locked, recover, write_text, writing
from swissbert.model_folder.description import FORMAT, Description
from swissbert.model_folder.load import resolve_folder
from swissbert.model_folder.save import save_model
from swissbert.mtl.gradients import SharedGradients
from swissbert.mtl.weighting import WEIGHTINGS
from swissbert.settings import read_toml
from swissbert.training.fit import fit_heads
from swissbert.training.log import TENSORBOARD, MetricsLog
from swissbert.training.optim import make_optimizer, schedule_factor, set_rates
from swissbert.training.prepare import Prepared, prepare, provenance
from swissbert.training.state import Progress, load_checkpoint, recorded_rows, save_checkpoint

BY_LAYER_EVERY = 20
"""Steps between two records of the task gradients' cosines layer by layer, where surgery has them at hand."""


class Stopped(Exception):  # noqa: N818 (no error: the person asked for it)
    """The run in `out` was asked to stop (Ctrl-C, SIGTERM) and has saved its state after `step` of `total` steps."""

    def __init__(self, step: int, total: int, out: Path) -> None:
        super().__init__(f"stopped after step {step} of {total}")
        self.out = out


@dataclass(frozen=True)
class Result:
    """How a run ended: the folder of its best model, that model's dev scores, and how far it went."""

    model: Path
    scores: dict[str, float]
    progress: Progress


def train(config: RunConfig, out: Path, *, resume: bool = False, display: Display | None = None) -> Result:
    """Train as `config` says into the run folder `out`; with `resume` go on where it stopped, or begin.

    A resumed run must have the same settings and data; its losses are those of an uninterrupted one, bit for bit on a
    CPU. Raises SwissbertError (nothing is lost then) and `Stopped` after Ctrl-C or SIGTERM, when the state is saved.
    """
    display = display or Display(quiet=True)
    with locked(out):
        recover(out / "model")
        _same_settings(config, out, resume)
        prepared = prepare(config, display)
        _same_data(prepared, out, resume)
        write_text(out / "config.toml", dump_config(prepared.config))
        return _Run(prepared, out, display).go()


def stored_config(out: Path) -> RunConfig:
    """The settings of a run folder. Raises SwissbertError where there is none."""
    path = out / "config.toml"
    if not path.is_file():
        raise SwissbertError(f"{out}: no run to resume here (no config.toml)")
    return make_config(read_toml(path), str(path))


def _same_settings(config: RunConfig, out: Path, resume: bool) -> None:
    if not (out / "config.toml").exists():
        if (out / "checkpoints").exists():
            raise SwissbertError(f"{out}: holds checkpoints but no config.toml, so nobody can say what run they are of")
        return
    if not resume:
        raise SwissbertError(f"{out}: holds a run already; --resume goes on with it, another --out keeps it")
    changed = differences(stored_config(out), config)
    if changed:
        raise SwissbertError(f"{out}: settings differ from those the run began with: {'; '.join(changed)}")


def _same_data(prepared: Prepared, out: Path, resume: bool) -> None:
    """Record what the run begins with, or compare it with the record."""
    record, found = out / "run.json", prepared.fingerprints()
    if resume and record.exists():
        stored = recorded_rows(record)
        changed = sorted(key for key in stored.keys() | found.keys() if stored.get(key) != found.get(key))
        if changed:
            raise SwissbertError(f"{out}: the rows of {', '.join(changed)} differ from those the run began with")
        return
    write_text(record, json.dumps({"rows": found, **provenance(prepared)}, indent=2) + "\n")


class _Run:
    """The loop itself, with what it holds between steps."""

    def __init__(self, prepared: Prepared, out: Path, display: Display) -> None:
        self.p, self.out, self.display = prepared, out, display
        config = prepared.config
        self.weighting = WEIGHTINGS[config.loss.weighting](list(prepared.train)).to(prepared.device)
        model = prepared.model
        self.optimizer = make_optimizer(
            model.encoder.parameters(), model.head_parameters(), self.weighting, config.train, config.loss
        )
        self.order = list(prepared.train)
        self.surgery = SharedGradients(model.shared_parameters(), model.shared_parts()) if config.loss.surgery else None
        self.modules = nn.ModuleDict({"model": model, "weighting": self.weighting})
        self.checkpoints = out / "checkpoints"
        self._batches: dict[tuple[str, int, int], list[np.ndarray]] = {}

    def go(self) -> Result:
        p, config = self.p, self.p.config
        with writing(self.checkpoints):
            self.checkpoints.mkdir(exist_ok=True)
        progress = load_checkpoint(self.checkpoints, self.modules, self.optimizer)
        every, ends = config.train.checkpoint_every, p.plan.ends
        self.display.say(
            f"{p.total} steps in {len(ends)} epochs ({' + '.join(p.train)}, {config.train.batch_size} rows a batch), "
            f"{str(p.precision).removeprefix('torch.')} on {p.device}"
            + (f", going on after step {progress.step}" if progress.step else "")
        )
        if config.train.tensorboard and not TENSORBOARD:
            self.display.say(
                "tensorboard is not installed; metrics.jsonl has the same numbers (pip install 'swissbert[track]')"
            )
        log = MetricsLog(self.out, progress.step, tensorboard=config.train.tensorboard)
        try:
            with _stop_signal(self.display) as stop, self.display.steps(p.total, progress.step) as bar:
                p.model.train()
                for step in range(progress.step, p.total):
                    if self._ended(progress):
                        break
                    began = time.perf_counter()
                    record, tokens = self._step(step)
                    seconds = time.perf_counter() - began
                    progress = replace(
                        progress, step=step + 1, tokens=progress.tokens + tokens, seconds=progress.seconds + seconds
                    )
                    log.write({"step": step + 1, **record, "tokens": tokens, "seconds": round(seconds, 4)})
                    bar.advance(step + 1, record["loss"], tokens)
                    save = every is not None and progress.step % every == 0
                    if progress.step in ends:
                        progress = self._evaluate(progress, log)
                        save = True
                    stopping = stop.is_set()
                    if save or stopping:
                        log.sync()
                        self._save(progress)
                        bar.pause()
                    if stopping and not self._ended(progress):
                        raise Stopped(progress.step, p.total, self.out)
        except BaseException:
            with suppress(SwissbertError):  # the first reason is the one to report
                log.close()
            raise
        log.close()
        return self._result(progress)

    def _ended(self, progress: Progress) -> bool:
        patience = self.p.config.train.patience
        return progress.step >= self.p.total or (patience is not None and progress.stale >= patience)

    def _step(self, step: int) -> tuple[dict[str, dict[str, float]], int]:
        """One optimizer step over its draws. Returns what to log of each task, and the tokens read."""
        p, config = self.p, self.p.config
        torch.manual_seed(config.seed * 1_000_003 + step + 1)  # dropout depends on nothing but seed and step
        set_rates(self.optimizer, schedule_factor(step, p.total, config.train))
        losses: dict[str, list[torch.Tensor]] = {}
        tokens = 0
        for name, number in sorted(p.plan.steps[step], key=lambda draw: self.order.index(draw[0])):
            if self.surgery and losses and name not in losses:
                self.surgery.set_aside()
            batch = p.train[name].batch(self._rows(name, p.plan.epoch(step), number)).to(p.device)
            with torch.autocast(p.device.type, torch.bfloat16, enabled=p.precision == torch.bfloat16):
                loss = p.model.loss(batch, name)
            scaled = loss * config.loss.scale.get(name, 1.0)
            (self.weighting.term(name, scaled) / config.train.accumulation).backward()  # type: ignore[no-untyped-call]
            losses.setdefault(name, []).append(torch.stack([loss.detach(), scaled.detach()]))
            tokens += batch.tokens
        # looked at once all work is under way: a device is not waited for between draws
        found = {name: torch.stack(pairs).cpu().numpy() for name, pairs in losses.items()}  # each [draws, 2]
        for name, pairs in found.items():
            worst = next((value for value in pairs[:, 1].tolist() if not math.isfinite(value)), None)
            if worst is not None:
                raise SwissbertError(
                    f"the loss of task '{name}' is {worst} at step {step + 1}; a smaller train.lr or train.clip = 1.0 may help"
                )
        record = {"loss": {name: float(pairs[:, 0].mean(dtype=np.float64)) for name, pairs in found.items()}}
        record["weight"] = {name: config.loss.scale.get(name, 1.0) * self.weighting.weight(name) for name in losses}
        if self.surgery:
            by_part = step % BY_LAYER_EVERY == 0
            try:
                record |= self.surgery.operate(list(losses), [config.seed, step], by_part=by_part)
            except FloatingPointError as error:
                raise SwissbertError(
                    f"{error} at step {step + 1}; a smaller train.lr or loss.scale may help"
                ) from error
        gradients = [q.grad for q in p.model.parameters() if q.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if not math.isfinite(norm.item()):
            raise SwissbertError(
                f"the gradient at step {step + 1} has norm {norm.item()}; a smaller train.lr or loss.scale may help"
            )
        if config.train.clip is not None:
            nn.utils.clip_grads_with_norm_(p.model.parameters(), config.train.clip, norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return record, tokens

    def _rows(self, name: str, epoch: int, number: int) -> np.ndarray:
        """Rows of batch `number` of a task in an epoch; past the last one the task is shuffled anew and starts over."""
        config = self.p.config
        data = self.p.train[name]
        count = -(-len(data) // config.train.batch_size)
        turn, index = divmod(number, count)
        key = (name, epoch, turn)
        if key not in self._batches:
            self._batches = {k: v for k, v in self._batches.items() if k[0] != name}
            seed = [config.seed, crc32(name.encode()), epoch, turn]
            self._batches[key] = data.shuffled(config.train.batch_size, config.train.bucket, seed)
        return self._batches[key][index]

    def _evaluate(self, progress: Progress, log: MetricsLog) -> Progress:
        p, config = self.p, self.p.config
        fit_heads(p.model, p.train)
        scores = evaluate(p.model, p.dev)
        value = scores.by_name(config.train.best_by)
        progress = progress.judged(value)
        log.write({"step": progress.step, "dev": scores.flat()})
        each = "  ".join(f"{name} {task.metric} {task.value:.3f}" for name, task in scores.tasks.items())
        mark = "  best so far" if progress.best_step == progress.step else ""
        self.display.say(f"dev after step {progress.step}: overall {scores.overall:.3f}  {each}{mark}")
        if mark:
            description = Description(
                format=FORMAT,
                tasks=config.tasks,
                encoder=config.encoder,
                model=config.model,
                scores=scores.flat(),
                provenance=provenance(p) | {"step": progress.step, "train_seconds": round(progress.seconds)},
            )
            save_model(self.out / "model", p.model, p.tokenizer, description)
        return progress

    def _save(self, progress: Progress) -> None:
        save_checkpoint(self.checkpoints, self.modules, self.optimizer, progress, self.p.config.train.keep)

    def _result(self, progress: Progress) -> Result:
        folder = resolve_folder(self.out)
        described = json.loads((folder / "swissbert.json").read_text(encoding="utf-8"))
        return Result(folder, described["scores"], progress)


@contextmanager
def _stop_signal(display: Display) -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets; a second Ctrl-C interrupts at once. Handlers are put back afterwards."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handler(number: int, frame: FrameType | None) -> None:
        event.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        display.say("stopping after this step; its state is saved (Ctrl-C once more stops at once, without)")

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, old in before.items():
            signal.signal(number, old)
