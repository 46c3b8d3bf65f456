"""From settings to everything a run needs before its first step. Reads, and writes nothing but the token cache."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import torch

from swissbert.config import RunConfig
from swissbert.data.cache import cached_split
from swissbert.data.dataset import TaskData, load_split
from swissbert.data.tokens import Tokenizer
from swissbert.device import pick_device, pick_precision
from swissbert.display import Display
from swissbert.encoder.checkpoint import read_encoder
from swissbert.environment import environment
from swissbert.errors import SwissbertError
from swissbert.model.multitask import MultitaskModel
from swissbert.model_folder.encoders import encoder_folder
from swissbert.model_folder.network import build_network
from swissbert.mtl.sampling import (
    Draw,
    Plan,
    make_plan,
    probabilities,
    round_robin,
    sampled,
    steps_in_epoch,
    until_exhausted,
)


@dataclass(frozen=True)
class Prepared:
    """Everything a run needs before its first step; made by `prepare`."""

    config: RunConfig
    tokenizer: Tokenizer
    model: MultitaskModel
    train: dict[str, TaskData]
    dev: list[TaskData]
    device: torch.device
    precision: torch.dtype
    plan: Plan

    @property
    def total(self) -> int:
        """Optimizer steps of the whole run."""
        return len(self.plan.steps)

    def fingerprints(self) -> dict[str, str]:
        """sha256 of the rows and tokens of each task's splits."""
        return fingerprints(self.train, self.dev)


def fingerprints(train: dict[str, TaskData], dev: list[TaskData]) -> dict[str, str]:
    """sha256 of the rows and tokens of each split, by ``task.split``."""
    found = {f"{data.task.name}.dev": data.fingerprint() for data in dev}
    return found | {f"{name}.train": data.fingerprint() for name, data in train.items()}


def prepare(config: RunConfig, display: Display) -> Prepared:
    """Load encoder and data and count steps. Raises SwissbertError for whatever a person has to put right."""
    device = pick_device(config.train.device)
    precision = pick_precision(config.train.precision, device)
    if config.train.threads is not None:
        torch.set_num_threads(config.train.threads)
    folder = encoder_folder(config.encoder.name, config.encoder.revision)
    encoder = read_encoder(folder, config.encoder.dropout)
    limit = encoder.config.max_positions
    if config.encoder.max_length > limit:
        raise SwissbertError(
            f"encoder.max_length is {config.encoder.max_length}, but this encoder takes at most {limit} tokens"
        )
    pairs = [task.name for task in config.tasks if task.is_pair]
    if config.model.pair_encoding and pairs and encoder.config.token_types < 2:
        raise SwissbertError(
            f"task '{pairs[0]}' is one of pairs, but this encoder knows one token type only; model.pair_encoding = false encodes sentences one by one"
        )
    tokenizer = Tokenizer(folder, encoder.config.vocab_size)
    torch.manual_seed(config.seed)  # heads are drawn at random
    model = build_network(encoder, config.tasks, config.model, freeze=config.encoder.freeze).to(device)
    train, dev = load_splits(config, tokenizer, display)
    return Prepared(config, tokenizer, model, train, dev, device, precision, plan_steps(config, train))


def load_splits(
    config: RunConfig, tokenizer: Tokenizer, display: Display
) -> tuple[dict[str, TaskData], list[TaskData]]:
    """Train rows by task and dev rows of every task, with their tokens. Raises SwissbertError as `cached_split` does."""
    train: dict[str, TaskData] = {}
    dev: list[TaskData] = []
    for task in config.tasks:
        for split in ("train", "dev"):
            data = (cached_split if config.data.cache else load_split)(
                task,
                split,
                config.data.path,
                tokenizer,
                separate=task.is_pair and not config.model.pair_encoding,
                max_length=config.encoder.max_length,
                refuse=config.data.bad_rows == "refuse",
                limit=config.data.limit,
            )
            _report(data, split, config.encoder.max_length, display)
            if split == "train":
                train[task.name] = data
            else:
                dev.append(data)
    return train, dev


def plan_steps(config: RunConfig, train: dict[str, TaskData]) -> Plan:
    """Every step of a run with its draws. Raises SwissbertError where no step fits into an epoch."""
    plan = make_plan(_epochs(config, train), config.train.max_steps)
    if not plan.steps:
        raise SwissbertError(
            "no step fits into an epoch: sampling.draws takes more batches than a task has; a smaller train.batch_size or train.epoch_ends = 'longest' helps"
        )
    return plan


def _epochs(config: RunConfig, data: dict[str, TaskData]) -> Iterator[Iterable[list[Draw]]]:
    """The steps of every epoch, as ``train.epoch_ends`` and ``sampling`` say. A function of settings and row counts."""
    train, sampling = config.train, config.sampling
    batches = {name: -(-len(rows) // train.batch_size) for name, rows in data.items()}
    sizes = {name: len(rows) for name, rows in data.items()}
    draws = (sampling.draws or len(batches)) * train.accumulation
    for epoch in range(train.epochs):
        if sampling.method == "round_robin":
            steps = steps_in_epoch(batches, train.epoch_ends, train.accumulation)
            if not steps:
                name = min(batches, key=lambda task: batches[task])
                raise SwissbertError(
                    f"train.accumulation is {train.accumulation}, but task '{name}' has {batches[name]} batches; a step must fit into an epoch"
                )
            yield round_robin(list(batches), steps, train.accumulation)
            continue
        chances = probabilities(sampling.method, sizes, sampling.weights, sampling.temperature, epoch + 1, train.epochs)
        most = train.epoch_ends if isinstance(train.epoch_ends, int) else sum(batches.values()) // draws + 1
        steps_drawn = sampled(chances, most, draws, [config.seed, epoch])
        yield until_exhausted(steps_drawn, batches) if train.epoch_ends == "shortest" else steps_drawn


def _report(data: TaskData, split: str, max_length: int, display: Display) -> None:
    cut = int((data.table.lengths >= max_length * data.table.per_row).sum())
    note = f", {cut} cut at {max_length} tokens" if cut else ""
    display.say(f"{data.task.name} {split}: {len(data):,} rows from {data.source}, {len(data.bad)} bad{note}")
    for bad in data.bad[:5]:
        display.say(f"  {bad}")


def provenance(prepared: Prepared) -> dict[str, object]:
    """Where a model comes from: environment, encoder, data, seed and date."""
    config = prepared.config
    return {
        **environment(prepared.device, prepared.precision),
        "recipe": config.name,
        "encoder": config.encoder.name + (f" at {config.encoder.revision}" if config.encoder.revision else ""),
        "data": config.data.dir,
        "seed": config.seed,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
