"""Fixtures that several tests share: data and weights where they exist, a tiny encoder, a finished run, a browser.

``SWISSBERT_SHARED`` names the folder with data that does not ship (``data/cs224n``, ``data/own_tasks``); by default it is
the folder ``shared`` beside the checkout. Tests that need such data are skipped where it is missing.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from case_runner import case, swissbert, train_case

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["case", "swissbert", "train_case"]  # fixtures

# No test reaches a real hub; the tests of the hub client unset this in a process of their own.
os.environ["HF_HUB_OFFLINE"] = "1"
# Nor a service that tracks runs, and nothing is reported to the makers of these packages.
os.environ |= {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
# Set before torch is imported: the tensors of tests are small, and test processes run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Threads that wait for others sleep, as the machine runs other tests meanwhile.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# How long an example takes depends on the machine.
settings.register_profile("swissbert", deadline=None)
settings.load_profile("swissbert")

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("SWISSBERT_SHARED") or ROOT.parent / "shared")
STARTER = ROOT / "src" / "swissbert" / "data" / "starter"

TRAINING_TESTS = (
    "test_data_parallel.py",
    "test_distillation.py",
    "test_end_run.py",
    "test_estimator.py",
    "test_estimator_keeping.py",
    "test_estimator_weights.py",
    "test_hardware.py",
    "test_kinds.py",
    "test_layer_decay.py",
    "test_learning_curve.py",
    "test_loop.py",
    "test_own_pooling.py",
    "test_own_table.py",
    "test_reproduce.py",
    "test_resume.py",
    "test_several_processes.py",
    "test_starter.py",
    "test_state.py",
    "test_step.py",
    "test_sweep.py",
    "test_sweep_processes.py",
    "test_threshold.py",
    "test_trackers.py",
    "test_tracking.py",
    "test_train_objects.py",
    "test_weighting.py",
)
"""Files whose tests get the marker ``trains``, so that CI repeats them with and without bf16 and on two threads."""

WORDS = (
    "the a is was of and to in it not no very good bad film movie plot great awful fine dull man woman "
    "dog cat plays runs sleeps eats guitar street park how do i what why where can learn cook fix my bike "
    "bread house car red blue ? . , !"
)
"""Whole words in the vocabulary of the tiny encoder, which has all single characters too."""


POOLER_BIAS = 1e-30
"""Bias of the pooler of the tiny encoder: not 0, and too small to change any number that is computed with it."""


def pytest_configure() -> None:
    """Fail early if a file of TRAINING_TESTS was renamed, because its tests would lose their marker."""
    missing = set(TRAINING_TESTS) - {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    if missing:
        raise pytest.UsageError(
            f"TRAINING_TESTS in tests/conftest.py names missing files: {', '.join(sorted(missing))}"
        )


def pytest_itemcollected(item: pytest.Item) -> None:
    """Add the marker ``trains``."""
    if item.path.name in TRAINING_TESTS:
        item.add_marker(pytest.mark.trains)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the token cache of tests out of the user's."""
    os.environ["SWISSBERT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Run a test on one thread: faster for small tensors, and much faster beside other busy processes."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a file into the directory of the test and returns that directory."""

    def _write(content: str | bytes, name: str = "rows.tsv") -> Path:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return _write


@pytest.fixture(scope="session")
def minilm() -> Path:
    """Return the folder of the MiniLM-L6 weights."""
    from swissbert.model_folder.encoders import encoder_folder

    return encoder_folder("minilm")


def shared_data(name: str) -> Path:
    """Return a folder of data that does not ship, or skip the test where it is missing."""
    folder = SHARED / "data" / name
    if not folder.is_dir():
        pytest.skip(f"no data in {folder}; SWISSBERT_SHARED names the folder that holds data/{name}")
    return folder


@pytest.fixture(scope="session")
def cs224n() -> Path:
    """Return the folder of the Stanford CS224N course's data files."""
    return shared_data("cs224n")


@pytest.fixture(scope="session")
def own_tasks() -> Path:
    """Return the folder with TREC, SUBJ, MSRP and SICK."""
    return shared_data("own_tasks")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an encoder folder with random weights: 2 layers, width 32, a vocabulary of characters and a few words.

    Its pooler counts as trained, so a run on it reads the pooler if its settings do not say otherwise.
    """
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
        *(w for w in WORDS.split() if len(w) > 1),
    ]
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}', encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=32, layers=2, heads=4, intermediate_size=64, max_positions=128
    )
    encoder = Bert(config)
    torch.nn.init.constant_(encoder.pooler.bias, POOLER_BIAS)
    write_encoder(encoder, folder)
    return folder


@pytest.fixture(scope="session")
def tiny_run(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the tiny encoder for 40 steps on the starter corpus, with surgery and learned weights; return the run folder."""
    import torch

    from swissbert.config import make_config
    from swissbert.training.loop import train

    threads = torch.get_num_threads()
    table = {
        "tasks": ["sst", "para", "sts"],
        "data": {"dir": str(STARTER)},
        "encoder": {"name": str(tiny), "dropout": 0.1, "max_length": 48},
        "loss": {"weighting": "automatic", "lr": 0.05, "surgery": True},
        "train": {
            "epochs": 2,
            "epoch_ends": 20,
            "batch_size": 8,
            "lr": 1e-3,
            "device": "cpu",
            "precision": "fp32",
            "threads": 1,
            "tensorboard": False,
        },
    }
    folder = tmp_path_factory.mktemp("tiny_run") / "run"
    train(make_config(table, "here"), folder)
    torch.set_num_threads(threads)
    return folder


BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


def browser_program(bundled: str) -> str | None:
    """Find Chromium or Chrome: what CHROMIUM names, else a known name, else the one that playwright installed.

    Args:
        bundled: Where playwright would install its own.
    """
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    known = (shutil.which(name) for name in (*BROWSERS, bundled))
    return next((program for program in known if program), None)


@pytest.fixture(scope="module")  # per module, so that its event loop does not outlive the tests of one file
def browser() -> "Iterator[Browser]":
    """Start Chromium or Chrome; tests are skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with playwright.sync_playwright() as driver:
        program = browser_program(driver.chromium.executable_path)
        if program is None:
            pytest.skip("no Chromium or Chrome found; install one, or let CHROMIUM name its program")
        running = driver.chromium.launch(executable_path=program, args=[*quiet, "--disable-sync", "--no-first-run"])
        yield running
        running.close()
