"""What several tests share: real data and weights where they are, and a tiny encoder that trains in a second."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

os.environ["HF_HUB_OFFLINE"] = (
    "1"  # no test reaches a real hub; the tests of the hub client unset it in a process of their own
)
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch is imported: what tests run is small, and they run side by side

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("SWISSBERT_SHARED", ROOT.parent / "shared"))
STARTER = ROOT / "src" / "swissbert" / "data" / "starter"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests keep tokens in a folder of their own."""
    os.environ["SWISSBERT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


WORDS = [
    "the",
    "a",
    "is",
    "was",
    "of",
    "and",
    "to",
    "in",
    "it",
    "not",
    "no",
    "very",
    "good",
    "bad",
    "film",
    "movie",
    "plot",
    "great",
    "awful",
    "fine",
    "dull",
    "man",
    "woman",
    "dog",
    "cat",
    "plays",
    "runs",
    "sleeps",
    "eats",
    "guitar",
    "street",
    "park",
    "how",
    "do",
    "i",
    "what",
    "why",
    "where",
    "can",
    "learn",
    "cook",
    "fix",
    "my",
    "bike",
    "bread",
    "house",
    "car",
    "red",
    "blue",
    "?",
    ".",
    ",",
    "!",
]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small tensors are faster on one thread, and far faster where other processes compute."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def minilm() -> Path:
    """Folder of the real MiniLM-L6 weights."""
    from swissbert.model_folder.encoders import encoder_folder

    return encoder_folder("minilm")


@pytest.fixture(scope="session")
def cs224n() -> Path:
    """The course's data files as published; the test skips where they are not at hand."""
    if not (SHARED / "data" / "cs224n").is_dir():
        pytest.skip(f"the course's data is not at {SHARED / 'data' / 'cs224n'} (SWISSBERT_SHARED names its parent)")
    return SHARED / "data" / "cs224n"


@pytest.fixture(scope="session")
def own_tasks() -> Path:
    """TREC, SUBJ, MSRP and SICK; the test skips where they are not at hand."""
    if not (SHARED / "data" / "own_tasks").is_dir():
        pytest.skip(
            f"the tasks of one's own are not at {SHARED / 'data' / 'own_tasks'} (SWISSBERT_SHARED names its parent)"
        )
    return SHARED / "data" / "own_tasks"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder folder with random weights: 2 layers, width 32, a vocabulary of letters and a few words."""
    import torch

    from swissbert.encoder import Bert, BertConfig
    from swissbert.encoder.checkpoint import write_encoder

    folder = tmp_path_factory.mktemp("tiny")
    letters = [chr(c) for c in range(33, 127)]
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *letters,
        *(f"##{c}" for c in letters),
        *(w for w in WORDS if len(w) > 1),
    ]
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=32, layers=2, heads=4, intermediate_size=64, max_positions=128
    )
    write_encoder(Bert(config), folder)
    return folder


@pytest.fixture(scope="session")
def tiny_run(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder: the tiny encoder after 40 steps on the corpus that ships, with surgery and learned weights."""
    import torch

    from swissbert.config import make_config
    from swissbert.training.loop import train

    threads = torch.get_num_threads()
    table = {
        "tasks": ["sst", "para", "sts"],
        "data": {"dir": str(STARTER)},
        "encoder": {"name": str(tiny), "dropout": 0.1, "max_length": 48},
        "loss": {"weighting": "automatic", "lr": 0.05, "surgery": True},
        "train": {"epochs": 2, "epoch_ends": 20, "batch_size": 8, "lr": 1e-3, "threads": 1, "tensorboard": False},
    }
    folder = tmp_path_factory.mktemp("tiny_run") / "run"
    train(make_config(table, "here"), folder)
    torch.set_num_threads(threads)
    return folder


@pytest.fixture(scope="module")  # its event loop must not run on under the tests of other files
def browser() -> "Iterator[Browser]":
    """Debian's Chromium, or whatever CHROMIUM names; tests skip where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not program:
        pytest.skip("no chromium on this machine (on Debian: apt install chromium)")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=program, args=[*quiet, "--disable-sync", "--no-first-run"])
        yield started
        started.close()
