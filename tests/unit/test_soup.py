"""Greedy soups: the mean of weights, which models are kept, what is refused, and the folder that is written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import swissbert
from swissbert.config import EncoderSettings, ModelSettings, make_config
from swissbert.data.dataset import tokenize
from swissbert.data.tokens import Tokenizer
from swissbert.display import Display
from swissbert.encoder.checkpoint import read_encoder
from swissbert.errors import SwissbertError
from swissbert.evaluation.predictions import answers_and_logits
from swissbert.inference.inputs import rows_of
from swissbert.inference.loading import load
from swissbert.model_folder.description import Description
from swissbert.model_folder.network import build_network
from swissbert.model_folder.save import save_model
from swissbert.tasks import Task, make_task
from swissbert.training import train
from swissbert.training.soup import soup
from swissbert.training.soup_average import Average

TEXTS = [
    f"{a} {b} film"
    for a in ("a good", "the bad", "no great", "an awful", "my fine")
    for b in ["the", "is", "was", "of"]
]
Change = Callable[[torch.nn.Module], None]


def mood(**changes: Any) -> Task:
    """Declare a task that reads ``rows.tsv``."""
    return make_task(
        {
            "name": "mood",
            "kind": "classification",
            "labels": ["bad", "good"],
            "columns": {"text": "text", "label": "label"},
            "files": {"train": "rows.tsv", "dev": "rows.tsv"},
            **changes,
        },
        "declaration",
    )


def write_model(
    folder: Path, tiny: Path, change: Change | None = None, *, base: Path | None = None, **parts: Any
) -> Path:
    """Write a model with the same encoder and, before `change`, the same head as all others."""
    torch.manual_seed(3)
    tasks = parts.pop("tasks", [mood()])
    settings = parts.pop("model", ModelSettings())
    network = build_network(read_encoder(tiny), tasks, settings, freeze=False).eval()
    with torch.no_grad():
        for parameter in network.heads.parameters():
            if parameter.ndim > 1:  # large, as the random encoder gives similar vectors to all texts
                parameter.add_(100 * torch.randn_like(parameter))
        if change:
            change(network)
    encoder = EncoderSettings(name=str(tiny), max_length=parts.pop("max_length", 32))
    provenance = {"seed": 0, "recipe": "mine", "encoder": str(tiny)}
    description = Description(format=2, tasks=tasks, encoder=encoder, model=settings, provenance=provenance)
    save_model(folder, network, Tokenizer(tiny), description, base=base)
    return folder


def shifted(size: float, seed: int = 0) -> Change:
    """Return a change that adds noise to all parameters."""

    def change(network: torch.nn.Module) -> None:
        torch.manual_seed(seed)
        for parameter in network.parameters():
            parameter.add_(size * torch.randn_like(parameter))

    return change


def turned(network: torch.nn.Module) -> None:
    """Answer the opposite, and with so much weight that it decides a mean."""
    for name, parameter in network.named_parameters():
        if name.startswith("heads."):
            parameter.mul_(-9)


@pytest.fixture
def good(tiny: Path, tmp_path: Path) -> Path:
    """Write a model that answers all rows of the data folder right."""
    folder = write_model(tmp_path / "good", tiny)
    write_rows(tmp_path, folder)
    return folder


def write_rows(home: Path, model: Path) -> None:
    """Write the data folder, whose labels are the answers of a model, and put its border between them in the middle."""
    stored = load(model, "cpu")
    table = tokenize(stored.tokenizer, mood(), list(rows_of(TEXTS, mood())), **stored.token_options(mood()))
    logits = answers_and_logits(stored.network, mood(), table)[1]
    margin = logits[:, 1] - logits[:, 0]
    order = np.argsort(margin)
    with torch.no_grad():
        head = dict(stored.network.named_parameters())
        head["heads.for_mood.out.bias"][1] -= float(margin[order[9:11]].mean())
    save_model(model, stored.network, stored.tokenizer, stored.description)
    rows = [(TEXTS[i], "bad") for i in order[:6]] + [(TEXTS[i], "good") for i in order[-6:]]
    (home / "data").mkdir()
    text = "text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows)
    (home / "data" / "rows.tsv").write_text(text, encoding="utf-8")


def changed_copy(model: Path, out: Path, change: Change) -> Path:
    """Write a changed copy of a model."""
    stored = load(model, "cpu")
    with torch.no_grad():
        change(stored.network)
    save_model(out, stored.network, stored.tokenizer, stored.description)
    return out


def said(lines: list[str]) -> Display:
    display = Display(quiet=True)
    display.say = lambda text: lines.append(text)  # type: ignore[method-assign]
    return display


def test_the_mean_of_weights_is_exact() -> None:
    torch.manual_seed(0)
    models = [{"a": torch.randn(5, 3), "n": torch.tensor(4)} for _ in range(3)]
    average = Average(models[0])
    average.add(models[1])
    mean = average.with_one_more(models[2])
    expected = torch.stack([model["a"].double() for model in models]).mean(0).float()
    assert torch.equal(mean["a"], expected)
    assert mean["n"] == 4
    assert average.count == 2  # trying a model does not keep it
    same = Average(models[0])
    for _ in range(6):
        same.add(models[0])
        assert torch.equal(same.with_one_more(models[0])["a"], models[0]["a"])


def test_a_model_that_lowers_the_score_of_the_mean_is_not_kept(good: Path, tmp_path: Path, one_thread: None) -> None:
    near = changed_copy(good, tmp_path / "near", shifted(1e-6))
    bad = changed_copy(good, tmp_path / "bad", turned)
    result = soup([bad, good, near], tmp_path / "out", tmp_path / "data", device="cpu")
    assert [(trial.name, trial.kept) for trial in result.trials] == [("good", True), ("near", True), ("bad", False)]
    assert [trial.weight for trial in result.trials] == [0.5, 0.5, 0]
    assert result.trials[0].score == result.trials[1].mean_score == 1
    assert result.trials[2].score == 0
    assert result.trials[2].mean_score < 1
    for name in ("model.safetensors", "heads.safetensors"):
        one, two, mean = (load_file(folder / name) for folder in (good, near, tmp_path / "out"))
        for key in mean:
            assert torch.equal(mean[key], ((one[key].double() + two[key].double()) / 2).float()), key
    assert result.scores["overall"] == 1
    assert load(tmp_path / "out", "cpu").evaluate(tmp_path / "data").overall == 1


def test_the_order_is_that_of_scores_and_not_of_arguments(good: Path, tmp_path: Path, one_thread: None) -> None:
    models = [changed_copy(good, tmp_path / f"noise{i}", shifted(0.03, i)) for i in range(3)]
    result = soup([*models, good], tmp_path / "out", tmp_path / "data", device="cpu")
    own = {model.name: load(model, "cpu").evaluate(tmp_path / "data").overall for model in [*models, good]}
    assert [trial.score for trial in result.trials] == sorted(own.values(), reverse=True)
    assert {trial.name: trial.score for trial in result.trials} == own
    best = result.trials[0].mean_score
    for trial in result.trials[1:]:
        assert trial.kept == (trial.mean_score >= best)
        best = max(best, trial.mean_score) if trial.kept else best
    assert result.scores["overall"] == best


def test_losses_are_sorted_from_the_lowest(good: Path, tmp_path: Path, one_thread: None) -> None:
    bad = changed_copy(good, tmp_path / "bad", turned)
    result = soup([bad, good], tmp_path / "out", tmp_path / "data", best_by="loss", device="cpu")
    assert [(trial.name, trial.kept) for trial in result.trials] == [("good", True), ("bad", False)]
    assert result.trials[0].score < result.trials[1].score


def test_a_model_that_is_given_twice_is_refused(good: Path, tmp_path: Path) -> None:
    near = changed_copy(good, tmp_path / "near", shifted(1e-6))
    shutil.copytree(good, tmp_path / "copy")
    for models in ([good, good], [good, near, tmp_path / "copy"]):
        with pytest.raises(SwissbertError) as caught:
            soup(models, tmp_path / "out", tmp_path / "data")
        assert (
            str(caught.value) == f"models: '{good}' and '{models[-1]}' are the same model; each counts once in the mean"
        )
    assert not (tmp_path / "out").exists()


def test_models_in_folders_of_the_same_name_are_told_apart(good: Path, tmp_path: Path, one_thread: None) -> None:
    near = changed_copy(good, tmp_path / "other" / "good", shifted(1e-6))
    result = soup([good, near], tmp_path / "out", tmp_path / "data", device="cpu")
    assert {trial.name for trial in result.trials} == {f"{tmp_path.name}/good", "other/good"}


def test_the_folder_names_its_ingredients(good: Path, tmp_path: Path, one_thread: None) -> None:
    bad = changed_copy(good, tmp_path / "bad", turned)
    near = changed_copy(good, tmp_path / "near", shifted(1e-6))
    soup([good, bad, near], tmp_path / "out", tmp_path / "data", device="cpu")
    provenance = json.loads((tmp_path / "out" / "swissbert.json").read_text(encoding="utf-8"))["provenance"]
    made = provenance["soup"]
    assert provenance["recipe"] == "mine"
    assert made["best_by"] == "overall"
    assert [(part["name"], part["weight"], part["score"]) for part in made["ingredients"]] == [
        ("good", 0.5, 1.0),
        ("near", 0.5, 1.0),
    ]
    assert [(trial["name"], trial["kept"]) for trial in made["trials"]] == [
        ("good", True),
        ("near", True),
        ("bad", False),
    ]
    assert made["ingredients"][0]["model"] == load(good).fingerprint
    assert str(tmp_path) not in (tmp_path / "out" / "swissbert.json").read_text(encoding="utf-8")
    assert load(tmp_path / "out").predict("mood", "a good film").label_name in ("bad", "good")


def test_a_compact_folder_is_an_ingredient(good: Path, tiny: Path, tmp_path: Path, one_thread: None) -> None:
    stored = load(changed_copy(good, tmp_path / "near", shifted(1e-6)), "cpu")
    (tmp_path / tiny.name).symlink_to(tiny)
    save_model(tmp_path / "small", stored.network, stored.tokenizer, stored.description, base=tiny)
    result = soup([good, tmp_path / "small"], tmp_path / "out", tmp_path / "data", device="cpu")
    assert [trial.kept for trial in result.trials] == [True, True]
    assert (tmp_path / "out" / "model.safetensors").exists()
    small = load(tmp_path / "small", "cpu").network.state_dict()
    mean, one = load(tmp_path / "out", "cpu").network.state_dict(), load(good, "cpu").network.state_dict()
    assert all(torch.equal(mean[key], ((one[key].double() + small[key].double()) / 2).float()) for key in mean)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"tasks": [mood(labels=["bad", "fine"])]}, r"labels of task 'mood': \['bad', 'fine'\] and \['bad', 'good'\]"),
        ({"tasks": [mood(metric="macro_f1")]}, "metric of task 'mood': 'macro_f1' and 'accuracy'"),
        ({"tasks": [mood(), mood(name="other")]}, r"in tasks: \['mood', 'other'\] and \['mood'\]"),
        ({"tasks": [mood(kind="binary")]}, "kind of task 'mood': 'binary' and 'classification'"),
        ({"model": ModelSettings(pooling="mean")}, "model.pooling: 'mean' and 'pooler'"),
        ({"max_length": 16}, "encoder.max_length: 16 and 32"),
    ],
)
def test_models_that_do_not_fit_together_are_refused(
    parts: dict[str, Any], message: str, good: Path, tiny: Path, tmp_path: Path
) -> None:
    other = write_model(tmp_path / "other", tiny, **parts)
    with pytest.raises(SwissbertError, match=message):
        soup([good, other], tmp_path / "out", tmp_path / "data")
    assert not (tmp_path / "out").exists()


def test_settings_of_training_alone_may_differ(good: Path, tiny: Path, tmp_path: Path, one_thread: None) -> None:
    other = write_model(tmp_path / "other", tiny, tasks=[mood(label_smoothing=0.1)], model=ModelSettings(dropout=0.1))
    assert len(soup([good, other], tmp_path / "out", tmp_path / "data", device="cpu").trials) == 2


def test_mistakes_in_arguments_are_refused(good: Path, tmp_path: Path) -> None:
    with pytest.raises(SwissbertError, match="a soup takes at least two models"):
        soup([good], tmp_path / "out", tmp_path / "data")
    with pytest.raises(SwissbertError, match="already exists and is not an empty folder"):
        soup([good, good], good, tmp_path / "data")
    with pytest.raises(SwissbertError, match="a model of a soup is 3, but it is a name or a path"):
        soup([good, 3], tmp_path / "out", tmp_path / "data")  # type: ignore[list-item]
    near = changed_copy(good, tmp_path / "near", shifted(1e-6))
    with pytest.raises(SwissbertError, match="best_by is 'accurcy', but it is one of overall"):
        soup([good, near], tmp_path / "out", tmp_path / "data", best_by="accurcy")
    (tmp_path / "data" / "rows.tsv").unlink()
    with pytest.raises(SwissbertError, match=r"rows\.tsv"):
        soup([good, near], tmp_path / "out", tmp_path / "data")
    assert not (tmp_path / "out").exists()


def tags(files: dict[str, str], guard: str = "off") -> Task:
    return make_task(
        {
            "name": "mood",
            "kind": "multilabel",
            "labels": ["x", "y"],
            "columns": {"text": "text", "label": "label"},
            "files": files,
            "guard": guard,
        },
        "declaration",
    )


@pytest.mark.parametrize("has_train", [True, False])
def test_thresholds_are_fitted_on_train_rows_or_averaged(
    has_train: bool, tiny: Path, tmp_path: Path, one_thread: None
) -> None:
    files = {"train": "train.tsv", "dev": "dev.tsv"}
    models = []
    for i, size in enumerate((0.5, 1.0)):

        def change(network: torch.nn.Module, size: float = size) -> None:
            dict(network.named_buffers())["heads.for_mood.shift"].fill_(size)

        models.append(write_model(tmp_path / f"m{i}", tiny, change, tasks=[tags(files)]))
    rows = "text\tlabel\n" + "".join(f"{text}\t{['x', 'y', 'x|y', ''][i % 3]}\n" for i, text in enumerate(TEXTS * 3))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dev.tsv").write_text(rows, encoding="utf-8")
    if has_train:
        (tmp_path / "data" / "train.tsv").write_text(rows, encoding="utf-8")
    lines: list[str] = []
    result = soup(models, tmp_path / "out", tmp_path / "data", device="cpu", display=said(lines), best_by="macro_f1")
    told = [
        line for line in lines if line.startswith("thresholds of mood are the means of the models', not fitted anew")
    ]
    assert len(told) == (not has_train)
    shift = load_file(tmp_path / "out" / "heads.safetensors")["heads.for_mood.shift"]
    assert all(trial.kept for trial in result.trials)  # thresholds are those with the best F1 on the same rows
    assert (shift.tolist() == [0.75, 0.75]) == (not has_train)


def test_thresholds_are_not_fitted_on_rows_that_the_guard_leaves_out(
    tiny: Path, tmp_path: Path, one_thread: None
) -> None:
    task = tags({"train": "train.tsv", "dev": "dev.tsv"}, "sentences")
    models = [write_model(tmp_path / f"m{i}", tiny, shifted(i * 1e-3), tasks=[task]) for i in range(2)]
    (tmp_path / "data").mkdir()

    def shift(out: str, leaked: str) -> list[float]:
        own = [f"{text}\t{['x', 'y', 'x|y', ''][i % 4]}\n" for i, text in enumerate(TEXTS)]
        dev = [f"other {text}\tx|y\n" for text in TEXTS * 2]
        (tmp_path / "data" / "dev.tsv").write_text("text\tlabel\n" + "".join(dev), encoding="utf-8")
        more = [row.replace("x|y", leaked) for row in dev]
        (tmp_path / "data" / "train.tsv").write_text("text\tlabel\n" + "".join(own + more), encoding="utf-8")
        soup(models, tmp_path / out, tmp_path / "data", device="cpu", best_by="macro_f1")
        fitted: list[float] = load_file(tmp_path / out / "heads.safetensors")["heads.for_mood.shift"].tolist()
        return fitted

    assert shift("all", "x|y") == shift("none", "")


@pytest.mark.trains
def test_runs_with_different_beginnings_are_named(tiny: Path, tmp_path: Path, one_thread: None) -> None:
    starter = Path(swissbert.__file__).parent / "data" / "starter"
    for name, seed, best_by in (("a", 0, "overall"), ("b", 0, "overall"), ("c", 1, "sst.macro_f1")):
        table = {
            "tasks": ["sst"],
            "seed": seed,
            "data": {"dir": str(starter), "limit": 24},
            "encoder": {"name": str(tiny), "max_length": 16},
            "train": {
                "epochs": 1,
                "max_steps": 2,
                "batch_size": 4,
                "lr": 1e-3 if name == "a" else 2e-3,
                "best_by": best_by,
                "device": "cpu",
                "precision": "fp32",
                "threads": 1,
                "tensorboard": False,
                "baseline": False,
            },
        }
        train(make_config(table, "here"), tmp_path / name)
    a, b, c = (tmp_path / name for name in "abc")
    lines: list[str] = []
    result = soup([a, b], tmp_path / "ab", device="cpu", display=said(lines))  # with the data of the runs
    assert {trial.name for trial in result.trials} == {"a", "b"}
    assert not any("begin" in line for line in lines)
    assert load(tmp_path / "ab", "cpu").predict("sst", "a good film").label_name
    with pytest.raises(
        SwissbertError, match=r"by different scores, overall \(b\) and sst.macro_f1 \(c\); best_by names"
    ):
        soup([a, b, c], tmp_path / "abc", device="cpu")
    soup([a, c], tmp_path / "ac", device="cpu", best_by="macro_f1", display=said(lines))
    assert any("differ in the seed, by which heads begin (a 0, c 1); a mean of models" in line for line in lines)
    shutil.move(b / "model", tmp_path / "moved")
    soup([a, tmp_path / "moved"], tmp_path / "am", device="cpu", display=said(lines))
    assert any("is not known of moved, without a run folder" in line for line in lines)


def test_the_command_prints_a_table(good: Path, tmp_path: Path, swissbert: Any) -> None:
    bad = changed_copy(good, tmp_path / "bad", turned)
    ended = swissbert("soup", bad, good, "--data", tmp_path / "data", "--out", tmp_path / "out")
    assert ended.status == 0, ended.stderr
    assert [line.split() for line in ended.lines if line.strip().startswith(("Mean", "good", "bad"))] == [
        ["Mean", "of", "1", "of", "2", "models,", "by", "overall", "on", "dev", "rows"],
        ["good", "1.0000", "1.0000", "kept"],
        ["bad", "0.0000", "0.0000", "not", "kept"],
    ]
    assert ended.lines[-1] == str(tmp_path / "out")
    ended = swissbert("soup", good, bad, "--data", tmp_path / "data", "--out", tmp_path / "two", "--json")
    assert [trial["kept"] for trial in json.loads(ended.stdout)["trials"]] == [True, False]
    ended = swissbert("soup", good, bad, "--data", tmp_path / "data", "--out", tmp_path / "three", "--best-by", "x")
    assert ended.status == 2
    assert "best_by is 'x', but it is one of overall" in ended.stderr
    assert "(on the command line: --best-by)" in ended.stderr
