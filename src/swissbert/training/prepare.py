"""From settings to everything a run needs before its first step. Reads, and writes nothing."""

import platform
from dataclasses import dataclass
from datetime import UTC, datetime

import torch

import swissbert
from swissbert.config import RunConfig
from swissbert.data.dataset import TaskData, load_split
from swissbert.data.tokens import Tokenizer
from swissbert.encoder.checkpoint import read_encoder
from swissbert.encoder.source import encoder_folder
from swissbert.errors import SwissbertError
from swissbert.model import MultitaskModel
from swissbert.sampling import steps_in_epoch
from swissbert.training.progress import Display


@dataclass(frozen=True)
class Prepared:
    """Everything a run needs before its first step; made by `prepare`, which reads but writes nothing."""

    config: RunConfig
    tokenizer: Tokenizer
    model: MultitaskModel
    train: dict[str, TaskData]
    dev: list[TaskData]
    device: torch.device
    precision: torch.dtype
    steps: int
    total: int

    def fingerprints(self) -> dict[str, str]:
        """sha256 of the rows of each task's splits."""
        dev = {f"{data.task.name}.dev": data.rows.fingerprint() for data in self.dev}
        return dev | {f"{name}.train": data.rows.fingerprint() for name, data in self.train.items()}


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
    tokenizer = Tokenizer(folder, encoder.config.vocab_size)
    torch.manual_seed(config.seed)  # heads are drawn at random
    model = MultitaskModel(
        encoder,
        config.tasks,
        pair_encoding=config.model.pair_encoding,
        dropout=config.model.dropout,
        freeze=config.encoder.freeze,
    ).to(device)
    directory = config.data.path
    train: dict[str, TaskData] = {}
    dev: list[TaskData] = []
    for task in config.tasks:
        for split in ("train", "dev"):
            data = load_split(
                task,
                split,
                directory,
                tokenizer,
                separate=model.separate(task),
                max_length=config.encoder.max_length,
                refuse=config.data.bad_rows == "refuse",
                limit=config.data.limit,
            )
            _report(data, split, config.encoder.max_length, display)
            if split == "train":
                train[task.name] = data
            else:
                dev.append(data)
    batches = {name: -(-len(data) // config.train.batch_size) for name, data in train.items()}
    steps = steps_in_epoch(batches, config.train.epoch_ends, config.train.accumulation)
    total = min(steps * config.train.epochs, config.train.max_steps or steps * config.train.epochs)
    return Prepared(config, tokenizer, model, train, dev, device, precision, steps, total)


def _report(data: TaskData, split: str, max_length: int, display: Display) -> None:
    cut = int((data.table.lengths >= max_length * data.table.per_row).sum())
    note = f", {cut} cut at {max_length} tokens" if cut else ""
    display.say(f"{data.task.name} {split}: {len(data):,} rows from {data.rows.source}, {len(data.rows.bad)} bad{note}")
    for bad in data.rows.bad[:5]:
        display.say(f"  {bad}")


def pick_device(name: str) -> torch.device:
    """``auto`` is CUDA, else MPS, else the CPU. Raises SwissbertError where the named device is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if not there[name.split(":")[0]]:
        raise SwissbertError(f"train.device is '{name}', but there is no such device here; 'auto' takes what there is")
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """``auto`` is bf16 where the hardware multiplies it natively, else fp32, which is faster there."""
    if name == "auto":
        if device.type == "cuda":
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            can = torch.cpu.get_capabilities()
            native = device.type == "cpu" and any(can.get(key, False) for key in ("amx_bf16", "avx512_bf16", "bf16"))
        return torch.bfloat16 if native else torch.float32
    return torch.bfloat16 if name == "bf16" else torch.float32


def environment(device: torch.device | None = None, precision: torch.dtype | None = None) -> dict[str, str]:
    """Versions, machine, device and precision; by default those that ``auto`` takes here."""
    device = device or pick_device("auto")
    precision = precision or pick_precision("auto", device)
    return {
        "swissbert": swissbert.__version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "device": f"{device}, {torch.get_num_threads()} threads"
        if device.type == "cpu"
        else torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else str(device),
        "precision": str(precision).removeprefix("torch."),
    }


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
