"""A small run whose tasks have extra files, for tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swissbert.config import RunConfig, make_config

WORDS = ("film", "plot", "man", "dog", "street", "bread", "house", "car", "guitar", "park")
PARTS = ("very good", "not good", "great fun", "awful", "dull and bad", "fine")


def write_rows(folder: Path) -> None:
    """Write two tasks: ``mood`` of single texts with three labels, and ``near`` of pairs with scores from 0 to 5."""
    texts = [f"the {word} was {part}" for word in WORDS for part in PARTS]  # 60 texts
    mood = [f"{text}\t{('bad', 'good', 'good', 'fine')[number % 4]}" for number, text in enumerate(texts)]
    write(folder / "mood-train.tsv", "text\tlabel", mood[:40])
    write(folder / "mood-dev.tsv", "text\tlabel", mood[40:50])
    write(folder / "mood-test.tsv", "text", [line.partition("\t")[0] for line in mood[50:]])
    phrases = [f"a {word} {part}\t{number % 3}" for number, (word, part) in enumerate(pairs_of(WORDS, PARTS))]
    write(folder / "phrases.tsv", "phrase\tgrade", phrases)  # 60 rows, 20 of each grade
    near = [f"the {one} runs\tthe {two} sleeps\t{(number * 7) % 6}" for number, (one, two) in enumerate(pairs_of())]
    write(folder / "near-train.tsv", "a\tb\tscore", near[:30])
    write(folder / "near-dev.tsv", "a\tb\tscore", near[30:40])
    more = [f"a {one} eats\ta {two} plays\t{1 + number % 5}" for number, (one, two) in enumerate(pairs_of())]
    write(folder / "more.tsv", "x\ty\tscore", more[:50])


def pairs_of(first: tuple[str, ...] = WORDS, second: tuple[str, ...] = WORDS) -> list[tuple[str, str]]:
    return [(one, two) for one in first for two in second]


def write(path: Path, header: str, lines: list[str]) -> None:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def mood(**changes: Any) -> dict[str, Any]:
    """Declare the task ``mood``."""
    return {
        "name": "mood",
        "kind": "classification",
        "labels": ["bad", "fine", "good"],
        "columns": {"text": "text", "label": "label"},
        "files": {"train": "mood-train.tsv", "dev": "mood-dev.tsv", "test": "mood-test.tsv"},
        **changes,
    }


def near(**changes: Any) -> dict[str, Any]:
    """Declare the task ``near``."""
    return {
        "name": "near",
        "kind": "regression",
        "range": [0, 5],
        "columns": {"text": "a", "text_pair": "b", "label": "score"},
        "files": {"train": "near-train.tsv", "dev": "near-dev.tsv"},
        "symmetric": True,
        **changes,
    }


PHRASES: dict[str, Any] = {
    "file": "phrases.tsv",
    "columns": {"text": "phrase", "label": "grade"},
    "labels": {"0": "bad", "1": "fine", "2": "good"},
}
MORE: dict[str, Any] = {"file": "more.tsv", "columns": {"text": "x", "text_pair": "y"}}


def settings(encoder: Path, folder: Path, tasks: Sequence[str | dict[str, Any]], /, **tables: Any) -> RunConfig:
    """Return settings of a run on one thread, with dropout."""
    train = {
        "epochs": 3,
        "batch_size": 8,
        "lr": 1e-3,
        "device": "cpu",
        "precision": "fp32",
        "threads": 1,
        "tensorboard": False,
        "baseline": False,
        **tables.pop("train", {}),
    }
    data = {"dir": str(folder), **tables.pop("data", {})}
    encoder_table = {"name": str(encoder), "dropout": 0.1, "max_length": 24, **tables.pop("encoder", {})}
    return make_config({"tasks": list(tasks), "data": data, "encoder": encoder_table, "train": train, **tables}, "here")
