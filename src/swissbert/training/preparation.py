"""Preparation of a run: build the network, load the splits, plan the steps. Writes nothing but the token cache."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import torch

from swissbert.config import RunConfig
from swissbert.data.bad_rows import bad_lines
from swissbert.data.completion import complete_tasks
from swissbert.data.dataset import TaskData, TokenOptions
from swissbert.data.memory import MemoryRows
from swissbert.data.passes import Passes
from swissbert.data.splits import Source
from swissbert.data.tokens import Tokenizer
from swissbert.device import Hardware, resolve_hardware
from swissbert.display import Display
from swissbert.distributed.world import ALONE, World
from swissbert.encoder.bert import Bert
from swissbert.encoder.checkpoint import read_pretrained
from swissbert.environment import environment
from swissbert.errors import SwissbertError, nearest
from swissbert.model.heads.base import Head
from swissbert.model.multitask import MultitaskModel
from swissbert.model_folder.encoders import left_behind, read_encoder_folder
from swissbert.model_folder.network import build_network
from swissbert.model_folder.pooling import own_pooling
from swissbert.mtl.balancing import Balancer, make_balancers
from swissbert.mtl.sampling import Plan
from swissbert.tasks import Split, Task
from swissbert.training.automatic import choose_pooling, choose_settings, fit_length, unused_epochs
from swissbert.training.distillation import Ensemble, Teaching
from swissbert.training.labels import annotated, weighted
from swissbert.training.loader import BatchLoader
from swissbert.training.plan import plan_steps
from swissbert.training.split_rows import SplitRows
from swissbert.training.step import TrainingStep
from swissbert.training.train_rows import named_extra, swap_line, with_extra

Data = Mapping[str, object]
"""Rows in memory by task: train rows, or a tuple of train rows and dev rows; `MemoryRows` lists the accepted forms."""


class Built(NamedTuple):
    """A new network; result of `build`.

    Attributes:
        network: The network.
        tokenizer: The encoder's tokenizer.
        notes: Lines about what was decided about the encoder.
        config: The settings, with the encoder's own ``model.pooling`` where they name none.
    """

    network: MultitaskModel
    tokenizer: Tokenizer
    notes: list[str]
    config: RunConfig


@dataclass(frozen=True)
class Prepared:
    """Everything that a run needs before its first step; result of `prepare`.

    Attributes:
        config: The settings, with those that a recipe leaves out filled in.
        tokenizer: The encoder's tokenizer.
        network: The network, on the device of `hardware`.
        train: Training rows by task.
        dev: Dev rows of every task.
        hardware: Device, precision and thread count.
        plan: Draws of all steps.
        teaching: Answers of teachers to the train rows; None without distillation.
    """

    config: RunConfig
    tokenizer: Tokenizer
    network: MultitaskModel
    train: dict[str, TaskData]
    dev: list[TaskData]
    hardware: Hardware
    plan: Plan
    teaching: Teaching | None = None

    @property
    def total(self) -> int:
        """Number of optimizer steps of the whole run."""
        return len(self.plan.steps)

    def fingerprints(self) -> dict[str, str]:
        """Return the SHA-256 checksum of the rows and tokens of each split, by ``task.split``."""
        return fingerprints(self.train, self.dev)

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each split, by ``task.split``."""
        counts = {f"{task}.{split}": len(data) for (task, split), data in self._splits()}
        return counts | {name: len(extra.data) for name, extra in named_extra(self.train).items()}

    def sources(self) -> dict[str, str]:
        """Return the name of the file or data set of each split, by ``task.split``."""
        sources = {f"{task}.{split}": data.source for (task, split), data in self._splits()}
        return sources | {name: extra.data.source for name, extra in named_extra(self.train).items()}

    def _splits(self) -> Iterator[tuple[tuple[str, Split], TaskData]]:
        """Yield all splits with the name of their task."""
        for name, data in self.train.items():
            yield (name, "train"), data
        for data in self.dev:
            yield (data.task.name, "dev"), data

    def encoder_fingerprint(self) -> str:
        """Return the SHA-256 checksum of the names and values of the encoder's parameters, before training."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.network.encoder.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def batches(self) -> BatchLoader:
        """Return a loader of the batches of each step."""
        return BatchLoader(self.config, self.train, self.plan, self.teaching)

    def training_step(
        self, balancer: Balancer | Sequence[Balancer] | None = None, world: World = ALONE
    ) -> TrainingStep:
        """Create the optimizer and the balancing methods, and put the network into training mode.

        Args:
            balancer: Methods from outside the package, as for `train`.
            world: The processes that share the rows of a step out.

        Raises:
            SwissbertError: If the methods are in conflict with the settings.
        """
        config = self.config
        balancers = make_balancers(config.loss.weighting, config.loss.gram_method, list(self.train), balancer)
        self.network.train()
        return TrainingStep(
            self.network,
            balancers,
            loss=config.loss,
            train=config.train,
            total=self.total,
            seed=config.seed,
            hardware=self.hardware,
            regularisation=config.regularisation,
            world=world,
        )


def fingerprints(train: dict[str, TaskData], dev: list[TaskData]) -> dict[str, str]:
    """Return the SHA-256 checksum of the rows and tokens of each split and extra file, by ``task.split``."""
    sums = {f"{data.task.name}.dev": data.fingerprint() for data in dev}
    sums |= {name: extra.data.fingerprint() for name, extra in named_extra(train).items()}
    return sums | {f"{name}.train": data.fingerprint() for name, data in train.items()}


def complete(config: RunConfig, display: Display, data: Data | None = None) -> RunConfig:
    """Add the labels and ranges that declarations leave out, taken from the train rows.

    Args:
        config: The settings of a run.
        display: Receives a line per task that is completed.
        data: Rows in memory by task; iterators must have become `MemoryRows`, since rows are read again.

    Raises:
        SwissbertError: If rows are missing, or do not determine labels or range.
    """
    if all(task.is_complete for task in config.tasks):
        return config

    def source(task: Task) -> Source:
        return memory_rows(data[task.name]) if data and task.name in data else config.data.path

    return config.model_copy(update={"tasks": complete_tasks(config.tasks, source, display.say)})


def prepare(
    config: RunConfig,
    display: Display | None = None,
    *,
    hardware: Hardware | None = None,
    data: Data | None = None,
    heads: Mapping[str, type[Head]] | None = None,
    whole_steps: bool = False,
    recorded: Mapping[str, object] | None = None,
    answers: bool = True,
) -> Prepared:
    """Build the network, load the splits, plan the steps and let teachers answer. Sets the number of threads of torch.

    Args:
        config: The settings.
        display: Receives a line per split; nothing is shown if left out.
        hardware: Device, precision and threads; chosen by the settings if left out.
        data: Rows in memory.
        heads: Head classes from outside the package, by task name.
        whole_steps: Plan as swissbert 0.1.0 did, see `plan_steps`.
        recorded: Contents of ``run.json`` of a run that is resumed, for teachers that are gone.
        answers: Let teachers answer the rows; otherwise they are only checked.

    Raises:
        SwissbertError: For anything that a person has to correct in settings or data.
    """
    display = display or Display(quiet=True)
    data = in_memory(data)
    config = complete(config, display, data)
    hardware = hardware or resolve_hardware(config.train.device, config.train.precision, config.train.threads)
    torch.set_num_threads(hardware.threads)
    network, tokenizer, notes, config = build(config, hardware.device, heads)
    config, length = fit_length(config, network.encoder.config.max_positions)
    for note in [*notes, *filter(None, [length])]:
        display.say(note)
    if recorded is None and (line := unused_epochs(config)):
        display.say(line)
    source = row_source(config, display, data)
    ensemble = None  # made before rows are read, so that a teacher that does not exist is reported at once
    if config.distillation.teachers:
        ensemble = Ensemble(config, network, hardware, display, source, recorded)
    train, dev = _load(config, tokenizer, display, source)
    train = {name: weighted(rows, network.head(name), display) for name, rows in train.items()}
    dev = [annotated(rows, train[rows.task.name]) for rows in dev]
    for rows in dev:
        for note in rows.notes:
            display.say(f"  {rows.task.name}: {note}")
    if line := swap_line(config):
        display.say(line)
    sizes = {name: Passes(rows).size() for name, rows in train.items()}
    config, choices = choose_settings(config, sizes, sum(map(len, dev)), network.encoder.config.hidden_size)
    if choices:
        display.say(choices)
    plan = plan_steps(config, train, whole_steps=whole_steps)
    teaching = None
    if ensemble is not None:
        if answers and recorded is None:
            display.say(ensemble.dev_line(dev))
        teaching = ensemble.teaching(train, len(plan.steps)) if answers else None
    return Prepared(config, tokenizer, network, train, dev, hardware, plan, teaching)


def build(
    config: RunConfig, device: torch.device | None = None, heads: Mapping[str, type[Head]] | None = None
) -> Built:
    """Read the encoder and put new heads on it; ``seed`` determines their parameters.

    Args:
        config: Encoder, tasks and heads.
        device: Where the network is put; the CPU if left out.
        heads: Head classes from outside the package, by task name.

    Raises:
        SwissbertError: If there is no such encoder, it does not fit the settings, or a name in `heads` is not a task.
    """
    _refuse_unknown("heads", heads or {}, config)

    def read(folder: Path) -> tuple[Bert, Tokenizer, list[str], RunConfig]:
        encoder, notes, has_new_pooler = read_pretrained(folder, config.encoder.dropout, seed=config.seed)
        tokenizer = Tokenizer(folder, encoder.config.vocab_size)
        own = None if config.model.pooling else own_pooling(folder, encoder, has_new_pooler)
        resolved, pooling = choose_pooling(config, own)
        notes += filter(None, [left_behind(folder), *tokenizer.notes, pooling])
        return encoder, tokenizer, notes, resolved

    encoder, tokenizer, notes, config = read_encoder_folder(config.encoder.name, config.encoder.revision, read)
    limit = encoder.config.max_positions
    if fit_length(config, limit)[0].encoder.max_length > limit:
        raise SwissbertError(
            f"encoder.max_length is {config.encoder.max_length}, but this encoder takes at most {limit} tokens"
        )
    pairs = [task.name for task in config.tasks if task.is_pair]
    if config.model.pair_encoding and pairs and encoder.config.token_types < 2:
        raise SwissbertError(
            f"task '{pairs[0]}' has sentence pairs, but this encoder has one token type only; "
            "model.pair_encoding = false encodes the two sentences separately"
        )
    if tokenizer.longest is not None and tokenizer.longest < config.encoder.max_length:
        notes.append(
            f"{tokenizer.folder}: made for texts of {tokenizer.longest} tokens (model_max_length); encoder.max_length = "
            f"{config.encoder.max_length} is used"
        )
    torch.manual_seed(config.seed)  # for the parameters of heads
    network = build_network(encoder, config.tasks, config.model, freeze=config.encoder.freeze, heads=heads)
    return Built(network.to(device or torch.device("cpu")), tokenizer, notes, config)


def load_splits(
    config: RunConfig, tokenizer: Tokenizer, display: Display, data: Data | None = None
) -> tuple[dict[str, TaskData], list[TaskData]]:
    """Load and tokenize the train and dev rows of every task.

    Args:
        config: Tasks, data folder and truncation.
        tokenizer: The encoder's tokenizer.
        display: Receives a line per split, and the first bad rows.
        data: Rows in memory by task; other tasks are read from ``data.dir``.

    Returns:
        Train rows by task, and the dev rows of every task.

    Raises:
        SwissbertError: If rows are missing or unusable, or a name in `data` is not a task.
    """
    return _load(config, tokenizer, display, row_source(config, display, data))


def row_source(config: RunConfig, display: Display, data: Data | None) -> SplitRows:
    """Return what reads the rows of a run; arguments and errors as for `load_splits`."""
    _refuse_unknown("data", data or {}, config)
    return SplitRows(config, in_memory(data), display)


def _load(
    config: RunConfig, tokenizer: Tokenizer, display: Display, source: SplitRows
) -> tuple[dict[str, TaskData], list[TaskData]]:
    """Load the rows of `load_splits` from what reads them."""
    train: dict[str, TaskData] = {}
    dev: list[TaskData] = []
    notes: dict[str, None] = {}  # those of held-out rows are those of train rows again

    def report(rows: TaskData, what: str) -> None:
        for note in rows.source_notes:
            if note not in notes:
                display.say(f"  {note}")
        notes.update(dict.fromkeys(rows.source_notes))
        _report(rows, what, config.encoder.max_length, display)

    for task in config.tasks:
        options: TokenOptions = {
            "separate": task.is_pair and not config.model.pair_encoding,
            "max_length": config.encoder.max_length,
        }
        splits: tuple[Split, ...] = ("train", "dev")
        for split in splits:
            rows = source.load(task, split, tokenizer, **options)
            report(rows, split)
            if split == "train":
                train[task.name] = rows
            else:
                dev.append(rows)
        extra = [source.load_extra(task, number, tokenizer, **options) for number in range(len(task.extra))]
        for rows in extra:
            report(rows, "extra")
        train[task.name] = with_extra(train[task.name], extra)
    return train, dev


def in_memory(data: Data | None) -> dict[str, MemoryRows]:
    """Return rows in memory in their common form, so that they can be read more than once."""
    return {name: memory_rows(rows) for name, rows in (data or {}).items()}


def memory_rows(rows: object) -> MemoryRows:
    """Return the rows of one task in `Data` in their common form."""
    if isinstance(rows, MemoryRows):
        return rows
    return MemoryRows(*rows) if isinstance(rows, tuple) and len(rows) == 2 else MemoryRows(rows)


def _refuse_unknown(argument: str, table: Mapping[str, object], config: RunConfig) -> None:
    """Raise SwissbertError for a key that is not the name of a task."""
    names = [task.name for task in config.tasks]
    for name in table:
        if name not in names:
            raise SwissbertError(
                f"{argument} has an entry for '{name}', but the tasks are {', '.join(names)}{nearest(name, names)}"
            )


def _report(data: TaskData, split: str, max_length: int, display: Display) -> None:
    cut = int((data.table.lengths >= max_length * data.table.per_row).sum())
    note = f", {cut} cut at {max_length} tokens" if cut else ""
    unlabelled = f"{data.label_notes.without_label()}, " if data.label_notes.unlabelled else ""
    rows = f"{len(data):,} rows from {data.source}"
    display.say(f"{data.task.name} {split}: {rows}, {unlabelled}{len(data.bad)} bad{note}")
    for line in [*bad_lines(data.bad, 5), *filter(None, [data.label_notes.other_spellings()])]:
        display.say(f"  {line}")


def provenance(prepared: Prepared) -> dict[str, object]:
    """Return where a model comes from: environment, encoder, data, seed and date."""
    config = prepared.config
    return {
        **environment(prepared.hardware),
        "recipe": config.name,
        "encoder": config.encoder.name + (f" at {config.encoder.revision}" if config.encoder.revision else ""),
        "data": config.data.dir,
        "seed": config.seed,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **(prepared.teaching.provenance() if prepared.teaching else {}),
    }
