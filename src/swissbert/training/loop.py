"""One run: from settings to a run folder with the best model in it."""

import json
import shlex
import signal
import threading
import time
from collections import deque
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
from swissbert.errors import SwissbertError
from swissbert.evaluation import evaluate
from swissbert.files import locked, write_text, writing
from swissbert.model_folder import FORMAT, Description, resolve_folder, save_model
from swissbert.mtl.weighting import WEIGHTINGS
from swissbert.sampling import Draw, round_robin
from swissbert.tasks import read_toml
from swissbert.training.optim import make_optimizer, schedule_factor, set_rates
from swissbert.training.prepare import Prepared, prepare, provenance
from swissbert.training.progress import Display, MetricsLog
from swissbert.training.state import Progress, load_checkpoint, save_checkpoint


class Stopped(Exception):  # noqa: N818 (no error: the person asked for it)
    """The run was asked to stop (Ctrl-C, SIGTERM) and has saved its state."""


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
        _same_settings(config, out, resume)
        prepared = prepare(config, display)
        _same_data(prepared, out, resume)
        return _Run(prepared, out, display).go()


def stored_config(out: Path) -> RunConfig:
    """The settings of a run folder. Raises SwissbertError where there is none."""
    path = out / "config.toml"
    if not path.is_file():
        raise SwissbertError(f"{out}: no run to resume here (no config.toml)")
    return make_config(read_toml(path), str(path))


def _same_settings(config: RunConfig, out: Path, resume: bool) -> None:
    if not (out / "config.toml").exists():
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
        stored = json.loads(record.read_text(encoding="utf-8"))["rows"]
        changed = sorted(key for key in stored.keys() | found.keys() if stored.get(key) != found.get(key))
        if changed:
            raise SwissbertError(f"{out}: the rows of {', '.join(changed)} differ from those the run began with")
        return
    write_text(record, json.dumps({"rows": found, **provenance(prepared)}, indent=2) + "\n")
    write_text(out / "config.toml", dump_config(prepared.config))


class _Run:
    """The loop itself, with what it holds between steps."""

    def __init__(self, prepared: Prepared, out: Path, display: Display) -> None:
        self.p, self.out, self.display = prepared, out, display
        config = prepared.config
        self.weighting = WEIGHTINGS[config.loss.weighting](list(prepared.train)).to(prepared.device)
        model = prepared.model
        self.optimizer = make_optimizer(model.encoder, model.heads, self.weighting, config.train, config.loss)
        self.modules = nn.ModuleDict({"model": model, "weighting": self.weighting})
        self.checkpoints = out / "checkpoints"
        self._batches: dict[tuple[str, int, int], list[np.ndarray]] = {}

    def go(self) -> Result:
        p, config = self.p, self.p.config
        with writing(self.checkpoints):
            self.checkpoints.mkdir(exist_ok=True)
        progress = load_checkpoint(self.checkpoints, self.modules, self.optimizer)
        epochs, every = -(-p.total // p.steps), config.train.checkpoint_every
        self.display.say(
            f"{p.total} steps in {epochs} epochs of {p.steps} ({' + '.join(p.train)}, {config.train.batch_size} rows a batch), "
            f"{str(p.precision).removeprefix('torch.')} on {p.device}"
            + (f", going on after step {progress.step}" if progress.step else "")
        )
        log = MetricsLog(self.out, progress.step, tensorboard=config.train.tensorboard)
        try:
            with _stop_signal() as stop, self.display.steps(p.total, progress.step) as bar:
                p.model.train()
                for step, draws in self._plan(progress.step):
                    if self._ended(progress):
                        break
                    began = time.perf_counter()
                    record, tokens = self._step(step, draws)
                    seconds = time.perf_counter() - began
                    progress = replace(
                        progress, step=step + 1, tokens=progress.tokens + tokens, seconds=progress.seconds + seconds
                    )
                    log.write({"step": step + 1, **record, "tokens": tokens, "seconds": round(seconds, 4)})
                    bar.advance(step + 1, record["loss"], tokens)
                    save = every is not None and progress.step % every == 0
                    if progress.step % p.steps == 0 or progress.step == p.total:
                        progress = self._evaluate(progress, log)
                        save = True
                    stopping = stop.is_set()
                    if save or stopping:
                        log.sync()
                        self._save(progress)
                        bar.pause()
                    if stopping and not self._ended(progress):
                        raise Stopped(
                            f"stopped after step {progress.step} of {p.total}; "
                            f"go on with: swissbert train --resume --out {shlex.quote(str(self.out))}"
                        )
        except BaseException:
            with suppress(SwissbertError):  # the first reason is the one to report
                log.close()
            raise
        log.close()
        return self._result(progress)

    def _ended(self, progress: Progress) -> bool:
        patience = self.p.config.train.patience
        return progress.step >= self.p.total or (patience is not None and progress.stale >= patience)

    def _plan(self, done: int) -> Iterator[tuple[int, list[Draw]]]:
        """Every step from `done` on with its draws. A function of the settings alone."""
        train = self.p.config.train
        for step in range(done, self.p.total):
            within = step % self.p.steps
            if step == done or within == 0:
                draws = deque(round_robin(list(self.p.train), self.p.steps, train.accumulation))
                for _ in range(within):
                    draws.popleft()
            yield step, draws.popleft()

    def _step(self, step: int, draws: list[Draw]) -> tuple[dict[str, dict[str, float]], int]:
        """One optimizer step over some batches. Returns each task's mean loss and loss weight, and the tokens read."""
        p, config = self.p, self.p.config.train
        torch.manual_seed(self.p.config.seed * 1_000_003 + step + 1)  # dropout depends on nothing but seed and step
        set_rates(self.optimizer, schedule_factor(step, p.total, config))
        losses: dict[str, list[float]] = {}
        tokens = 0
        for name, number in draws:
            batch = p.train[name].batch(self._rows(name, step // p.steps, number)).to(p.device)
            with torch.autocast(p.device.type, torch.bfloat16, enabled=p.precision == torch.bfloat16):
                loss = p.model.loss(batch, name)
            scaled = loss * p.config.loss.scale.get(name, 1.0)
            (self.weighting.term(name, scaled) / config.accumulation).backward()  # type: ignore[no-untyped-call]
            losses.setdefault(name, []).append(loss.item())
            tokens += batch.tokens
        for name, values in losses.items():
            if not np.isfinite(values).all():
                raise SwissbertError(
                    f"the loss of task '{name}' is {values[-1]} at step {step + 1}; a smaller train.lr or train.clip=1.0 may help"
                )
        if config.clip is not None:
            nn.utils.clip_grad_norm_([q for q in p.model.parameters() if q.grad is not None], config.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        means = {name: float(np.mean(values)) for name, values in losses.items()}
        return {"loss": means, "weight": {name: self.weighting.weight(name) for name in means}}, tokens

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
        scores = evaluate(p.model, p.dev, precision=p.precision)
        p.model.train()
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
def _stop_signal() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets; a second Ctrl-C interrupts at once. Handlers are put back afterwards."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handler(number: int, frame: FrameType | None) -> None:
        event.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, old in before.items():
            signal.signal(number, old)
