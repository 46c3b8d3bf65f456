"""Preparation of a run: build the network, load the splits, plan the steps. Writes nothing but the token cache."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import torch

from swissbert.config import RunConfig
from swissbert.data.completion import complete_tasks
from swissbert.data.dataset import TaskData
from swissbert.data.extra_files import without_absent
from swissbert.data.passes import Passes
from swissbert.data.splits import Source
from swissbert.data.tokens import Tokenizer
from swissbert.device import Hardware, limit_kernel_caches, resolve_hardware
from swissbert.display import Display
from swissbert.distributed.world import ALONE, World
from swissbert.environment import environment
from swissbert.model.heads.base import Head
from swissbert.model.multitask import MultitaskModel
from swissbert.mtl.balancing import Balancer, make_balancers
from swissbert.mtl.sampling import Plan
from swissbert.tasks import Split, Task
from swissbert.training.automatic import choose_settings, fit_length, unused_epochs
from swissbert.training.building import build
from swissbert.training.distillation import Ensemble, Teaching
from swissbert.training.labels import annotated, weighted
from swissbert.training.loader import BatchLoader
from swissbert.training.plan import need_extra_rows, plan_steps
from swissbert.training.run_rows import Data, in_memory, load_rows, memory_rows, row_source
from swissbert.training.step import TrainingStep
from swissbert.training.train_rows import named_extra, swap_line


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
    """Complete the declarations of tasks from what is in the data directory.

    Labels and ranges that a declaration leaves out are taken from the train rows, and optional extra files that do not
    exist are left out.

    Args:
        config: The settings of a run.
        display: Receives a line about what is taken or left out.
        data: Rows in memory by task; iterators must have become `MemoryRows`, since rows are read again.

    Raises:
        SwissbertError: If rows are missing, or do not determine labels or range, or a stage of extra rows has none.
    """
    present = [without_absent(task, config.data.path) for task in config.tasks]
    for note in (note for _, notes in present for note in notes):
        display.say(note)
    tasks = [task for task, _ in present]
    need_extra_rows(config.model_copy(update={"tasks": tasks}), config.tasks)

    def source(task: Task) -> Source:
        return memory_rows(data[task.name]) if data and task.name in data else config.data.path

    return config.model_copy(update={"tasks": complete_tasks(tasks, source, display.say)})


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
    """Build the network, load the splits, plan the steps and let teachers answer.

    Sets the number of threads of torch, and limits the kernels that its libraries keep.

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
    limit_kernel_caches()
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
    train, dev = load_rows(config, tokenizer, display, source)
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
