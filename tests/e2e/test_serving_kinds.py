"""Multilabel answers over HTTP and on the page, and the page of models with only single or only pair tasks."""

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
import torch

from swissbert.config import make_config
from swissbert.inference.loading import load
from swissbert.training.loop import train

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TOPICS = {"cinema": "film", "animals": "dog", "music and arts": "guitar"}
FILLERS = ["the", "is", "of", "and", "in", "it"]
NAMES = list(TOPICS)


def trained(folder: Path, tiny: Path, data: dict[str, Any], tasks: list[Any], epochs: int) -> Path:
    """Train a tiny model; return the run folder."""
    settings = {
        "tasks": tasks,
        "data": data,
        "encoder": {"name": str(tiny), "dropout": 0.1, "max_length": 48},
        "train": {
            "epochs": epochs,
            "batch_size": 16,
            "lr": 3e-3,
            "head_lr": 6e-3,
            "precision": "fp32",
            "device": "cpu",
            "threads": 1,
            "tensorboard": False,
        },
    }
    threads = torch.get_num_threads()
    train(make_config(settings, "test"), folder / "run")
    torch.set_num_threads(threads)
    return folder / "run"


@pytest.fixture(scope="module")
def single(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with one multilabel task of single sentences: a text has the labels whose words it contains."""
    folder = tmp_path_factory.mktemp("single")
    draw = random.Random(0)
    for split, count in (("train", 960), ("dev", 60)):
        lines = []
        for _ in range(count):
            labels = [name for name in NAMES if draw.random() < 0.4]
            words = [TOPICS[name] for name in labels] + draw.choices(FILLERS, k=3)
            draw.shuffle(words)
            lines.append(json.dumps({"text": " ".join(words), "topics": labels}) + "\n")
        (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    task = {
        "name": "topics",
        "kind": "multilabel",
        "labels": NAMES,
        "loss": "binary_cross_entropy",
        "metric": "micro_f1",
        "columns": {"text": "text", "label": "topics"},
        "files": {"train": "train.jsonl", "dev": "dev.jsonl"},
    }
    return trained(folder, tiny, {"dir": str(folder), "cache": False}, [task], epochs=6)


@pytest.fixture(scope="module")
def pairs(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with one regression of sentence pairs."""
    return trained(tmp_path_factory.mktemp("pairs"), tiny, {"dir": "starter"}, ["sts"], epochs=1)


@contextmanager
def serving(model: Path) -> Iterator[str]:
    """Serve a model in a process of its own; gives the address."""
    command = [sys.executable, "-m", "swissbert", "serve", str(model), "--port", "0", "--precision", "fp32"]
    environment = {name: value for name, value in os.environ.items() if name != "SWISSBERT_API_KEY"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    try:
        with process.stdout as output:
            yield output.readline().removeprefix("serving on ").strip()
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def single_url(single: Path) -> Iterator[str]:
    with serving(single) as url:
        yield url


@pytest.fixture(scope="module")
def texts(single: Path) -> dict[int, str]:
    """A text by the number of labels that the model assigns to it: 0, 1 and 2."""
    words = [chosen for count in range(4) for chosen in combinations(TOPICS.values(), count)]
    pool = [" ".join([*chosen, *FILLERS[:fillers]]) for chosen in words for fillers in range(1, 5)]
    answers = load(single, device="cpu").predict("topics", pool)
    by_count = {len(answer.labels or []): text for text, answer in zip(pool, answers, strict=True)}
    assert by_count.keys() >= {0, 1, 2}
    return by_count


def ask(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, {"content-type": "application/json"}), timeout=30) as response:
        return json.load(response)


def test_multilabel_over_http(single: Path, single_url: str, texts: dict[int, str]) -> None:
    (task,) = ask(f"{single_url}/v1/tasks")
    assert (task["name"], task["kind"], task["pair"], task["labels"]) == ("topics", "multilabel", False, NAMES)
    assert task["metric"] == "micro_f1"
    assert task["score"] > 0.5
    inputs = [texts[0], texts[1], texts[2]]
    answers = ask(f"{single_url}/v1/predict", {"inputs": [{"text": text} for text in inputs]})["answers"]
    expected = load(single, device="cpu").predict("topics", inputs)
    for answer, direct in zip(answers, expected, strict=True):
        assert set(answer["topics"]) == {"labels", "label_names", "probabilities"}
        assert answer["topics"]["labels"] == direct.labels
        assert answer["topics"]["label_names"] == direct.label_names
        assert answer["topics"]["probabilities"] == pytest.approx(direct.probabilities, abs=2e-5)
    assert [len(answer["topics"]["label_names"]) for answer in answers] == [0, 1, 2]


def test_multilabel_in_the_openapi_document(single_url: str) -> None:
    schemas = ask(f"{single_url}/openapi.json")["components"]["schemas"]
    fields = schemas["AnswerShape"]["properties"]
    assert set(fields) == {"label", "label_name", "probabilities", "score", "labels", "label_names", "cut"}
    assert {"items": {"type": "integer"}, "type": "array"} in fields["labels"]["anyOf"]
    assert {"items": {"type": "string"}, "type": "array"} in fields["label_names"]["anyOf"]


@contextmanager
def opened(browser: "Browser", url: str) -> Iterator["Page"]:
    """Open the page; afterwards, check that it logged no error."""
    page = browser.new_page(viewport={"width": 390, "height": 800})
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    yield page
    assert errors == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_page_of_a_multilabel_model(browser: "Browser", single: Path, single_url: str, texts: dict[int, str]) -> None:
    assigned = load(single, device="cpu").predict("topics", texts[2]).label_names or []
    with opened(browser, f"{single_url}/#a={quote(texts[2])}&b=ignored") as page:
        page.locator("#lines .token").first.wait_for()
        assert page.locator("#second").is_hidden()
        assert page.locator(".answer").count() == 1
        assert page.locator(".answer .result").inner_text() == ", ".join(assigned)
        bars = page.locator(".answer .bar")
        names = [bar.locator(".name").evaluate("node => node.firstChild.textContent") for bar in bars.all()]
        assert names == NAMES
        assert [bar.locator(".mark").inner_text() for bar in bars.all()] == [
            "✓" if name in assigned else "" for name in NAMES
        ]
        assert page.locator(".answer .assigned").count() == 2
        assert page.locator("#summary").inner_text() == f"topics: {', '.join(assigned)}"
        page.locator(".answer .word").first.wait_for()
        assert re.match(f"For “({'|'.join(NAMES)})”: ", page.locator(".answer .why").inner_text())
        assert all("|" not in text for text in page.locator("#examples button").all_inner_texts())
        page.get_by_label("Sentence", exact=True).fill(texts[0])
        page.locator(".answer .result", has_text="none").wait_for()
        assert page.locator(".answer .assigned").count() == 0
        assert page.locator(".answer .bar").count() == len(NAMES)


def test_page_of_a_model_with_pair_tasks_only(browser: "Browser", pairs: Path) -> None:
    with serving(pairs) as url, opened(browser, url) as page:
        page.locator(".answer[data-task=sts]").wait_for()
        page.get_by_label("Second sentence").fill("")
        page.get_by_label("First sentence").fill("a dog runs")
        page.locator("#answers", has_text="The tasks of this model compare two sentences. Type both.").wait_for()
        assert page.locator("#problem").is_hidden()
        page.get_by_label("Second sentence").fill("the dog runs")
        page.locator(".answer[data-task=sts] .scale").wait_for()
        page.locator("#lines .boundary").wait_for(state="attached")
        assert page.locator(".answer").count() == 1
        assert all("|" in text for text in page.locator("#examples button").all_inner_texts())
