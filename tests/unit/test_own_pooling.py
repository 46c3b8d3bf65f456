"""The pooling of a run whose settings name none: how the encoder was made to be pooled."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import torch
from safetensors.torch import load_file, save_file

from encoders import small_encoder
from swissbert.checksums import KEY
from swissbert.config import load_config, make_config
from swissbert.display import Display
from swissbert.encoder.checkpoint import read_pretrained, write_encoder
from swissbert.errors import SwissbertError
from swissbert.experiments.declarations import find_table, table_names
from swissbert.experiments.records import read_record
from swissbert.inference import load
from swissbert.model_folder import layout
from swissbert.model_folder.convert import convert_weights
from swissbert.model_folder.description import read_description
from swissbert.model_folder.pooling import own_pooling
from swissbert.older_settings import with_pooler
from swissbert.reading import read_object
from swissbert.settings import read_toml
from swissbert.training.automatic import adopt_choices
from swissbert.training.building import build
from swissbert.training.loop import train
from swissbert.training.record import write_record
from swissbert.training.stored_settings import resumable_config, stored_config

RESULTS = Path(__file__).parents[2] / "results" / "minilm"
TRAINED = ("pooler", "the pooler of this encoder is trained")
UNTRAINED = ("mean", "the pooler of this encoder was never trained (its biases are all 0)")

pytestmark = pytest.mark.usefixtures("one_thread")


def own(folder: Path) -> tuple[str, str]:
    """Read an encoder and return its own pooling."""
    encoder, _, has_new_pooler = read_pretrained(folder)
    return own_pooling(folder, encoder, has_new_pooler)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An encoder alone, whose pooler is trained."""
    target = tmp_path / "encoder"
    target.mkdir()
    write_encoder(small_encoder(), target)
    return target


def pools(folder: Path, content: object) -> Path:
    """Write the file of sentence-transformers into a folder."""
    (folder / layout.POOLING).parent.mkdir(exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / layout.POOLING).write_text(text, encoding="utf-8")
    return folder


def untrained(folder: Path) -> Path:
    encoder = read_pretrained(folder).encoder
    torch.nn.init.zeros_(encoder.pooler.bias)
    write_encoder(encoder, folder)
    return folder


def old_keys(**modes: bool) -> dict[str, object]:
    """Return the file as sentence-transformers before version 5 wrote it."""
    names = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens", "mean_sqrt_len": "mean_sqrt_len_tokens"}
    keys = {f"pooling_mode_{key}": modes.get(mode, False) for mode, key in names.items()}
    return {"word_embedding_dimension": 24, **keys}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (old_keys(mean=True), "mean"),
        (old_keys(cls=True), "cls"),
        (old_keys(cls=True, mean=True), "cls_mean"),
        ({"embedding_dimension": 24, "pooling_mode": "mean", "include_prompt": True}, "mean"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["mean"]}, "mean"),
        ({"pooling_mode": ["cls", "mean"]}, "cls_mean"),
        ({"pooling_mode": "cls", **old_keys(mean=True)}, "cls"),  # the new key counts, as in sentence-transformers
    ],
)
def test_the_file_of_sentence_transformers_is_followed(folder: Path, content: object, name: str) -> None:
    assert own(folder) == TRAINED
    assert own(pools(folder, content)) == (
        name,
        "the encoder's own way to make one vector of a text (1_Pooling/config.json)",
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (old_keys(max=True), "1_Pooling/config.json pools by 'max', and swissbert pools by cls, mean, cls_mean or"),
        (old_keys(max=True, mean=True), "pools by 'max and mean'"),
        ({"pooling_mode": "lasttoken"}, "pools by 'lasttoken'"),
        ({"pooling_mode": ["cls", 3]}, "pools by '3 and cls'"),
        (old_keys(), "names no mode"),
        ({"pooling_mode_mean_tokens": "yes"}, "names no mode"),
        ({"pooling_mode": []}, "names no mode"),
        ("{", "cannot be read"),
        ("[1]", "a JSON object is expected, so that file is not followed"),
    ],
)
def test_a_file_that_cannot_be_followed_is_said(folder: Path, content: object, words: str) -> None:
    name, reason = own(pools(folder, content))
    assert name == "pooler"
    assert reason.startswith(f"{TRAINED[1]}; ")
    assert words in reason
    assert "\n" not in reason
    name, reason = own(untrained(folder))
    assert name == "mean"
    assert words in reason


def test_a_pooler_that_is_missing_or_was_never_trained_is_not_read(folder: Path) -> None:
    assert own(folder) == TRAINED
    assert own(untrained(folder)) == UNTRAINED
    tensors = load_file(folder / layout.WEIGHTS)
    save_file(
        {name: tensor for name, tensor in tensors.items() if not name.startswith("pooler.")}, folder / layout.WEIGHTS
    )
    assert own(folder) == ("mean", "the checkpoint has no pooler")


def test_one_bias_that_is_not_0_is_a_trained_pooler(folder: Path) -> None:
    encoder = read_pretrained(untrained(folder)).encoder
    with torch.no_grad():
        encoder.pooler.bias[-1] = 1e-20
    write_encoder(encoder, folder)
    assert own(folder) == TRAINED


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"pooling": "cls"}, "cls"),
        ({"dropout": 0.1}, "pooler"),  # of an earlier release
        ({}, "pooler"),
        ({"pooling": "max"}, None),
        ({"pooling": ["mean"]}, None),
        (3, None),
    ],
)
def test_a_trained_model_is_pooled_as_it_was(folder: Path, model: object, expected: str | None) -> None:
    pools(untrained(folder), {"pooling_mode": "cls"})
    (folder / layout.DESCRIPTION).write_text(json.dumps({"model": model}), encoding="utf-8")
    name, reason = own(folder)
    if expected is not None:
        assert (name, reason) == (expected, "that of the trained model whose encoder is taken")
        return
    (folder / layout.POOLING).unlink()
    name, reason = own(folder)
    assert name == "mean"
    assert reason == f"{UNTRAINED[1]}; its swissbert.json names no pooling of swissbert"


def test_minilm_is_pooled_by_the_mean_as_its_makers_did(minilm: Path) -> None:
    assert own(minilm) == ("mean", "the encoder's own way to make one vector of a text (1_Pooling/config.json)")
    config = load_config("minilm")
    assert config.model.pooling is None
    built = build(config)
    assert built.config.model.pooling == "mean"
    assert built.network.encoder.pooling == "mean"
    assert (
        "model.pooling mean: the encoder's own way to make one vector of a text (1_Pooling/config.json)" in built.notes
    )


def test_recipes_of_the_paper_read_the_pooler_and_others_leave_it_to_the_encoder() -> None:
    poolings = {name: load_config(name).model.pooling for name in ("paper", "sentiment", "minilm", "quickstart")}
    assert poolings == {"paper": "pooler", "sentiment": "pooler", "minilm": None, "quickstart": None}
    for name in table_names():
        table = find_table(name)
        if not table.has_paper:
            continue
        for row in table.rows:
            expected = "mean" if row.name.endswith("-mean") else "pooler"
            assert table.declared_config(row).model.pooling == expected, row.name


def test_a_pooling_that_is_named_is_taken_without_a_line(minilm: Path) -> None:
    built = build(load_config("minilm", ["model.pooling=cls"]))
    assert (built.config.model.pooling, built.network.encoder.pooling) == ("cls", "cls")
    assert not any("model.pooling" in note for note in built.notes)


def settings(encoder: Path, **model: Any) -> dict[str, Any]:
    return {
        "tasks": ["sst"],
        "data": {"dir": "starter", "limit": 12},
        "encoder": {"name": str(encoder), "max_length": 16},
        "model": model,
        "train": {
            "epochs": 2,
            "batch_size": 4,
            "lr": 1e-3,
            "device": "cpu",
            "precision": "fp32",
            "threads": 1,
            "tensorboard": False,
            "baseline": False,
            "checkpoint_every": 1,
            "keep": 9,
        },
    }


@pytest.fixture
def untrained_tiny(tiny: Path, tmp_path: Path) -> Path:
    """The tiny encoder with a pooler that was never trained."""
    return untrained(Path(shutil.copytree(tiny, tmp_path / "encoder")))


def test_a_run_writes_the_name_and_is_the_run_that_names_it(untrained_tiny: Path, tmp_path: Path) -> None:
    stream = io.StringIO()
    result = train(make_config(settings(untrained_tiny)), tmp_path / "run", display=Display(stream=stream))
    assert stream.getvalue().count("model.pooling") == 1
    assert f"model.pooling mean: {UNTRAINED[1]}\n" in stream.getvalue()
    assert read_toml(tmp_path / "run" / layout.RUN_CONFIG)["model"]["pooling"] == "mean"
    assert read_object(tmp_path / "run" / layout.RUN_RECORD)["settings"]["model"]["pooling"] == "mean"
    assert read_object(result.model / layout.DESCRIPTION)["model"]["pooling"] == "mean"
    model = load(tmp_path / "run")
    assert (model.description.model.pooling, model.network.encoder.pooling) == ("mean", "mean")
    named = train(make_config(settings(untrained_tiny, pooling="mean")), tmp_path / "named")
    assert weights(named.model) == weights(result.model)
    other = train(make_config(settings(untrained_tiny, pooling="pooler")), tmp_path / "other")
    assert weights(other.model) != weights(result.model)


def weights(folder: Path) -> tuple[bytes, bytes]:
    return (folder / layout.WEIGHTS).read_bytes(), (folder / layout.HEADS).read_bytes()


def test_a_model_goes_on_as_it_was_pooled(untrained_tiny: Path, tmp_path: Path) -> None:
    train(make_config(settings(untrained_tiny, pooling="cls")), tmp_path / "run")
    built = build(make_config(settings(tmp_path / "run")))
    assert built.config.model.pooling == "cls"
    assert "model.pooling cls: that of the trained model whose encoder is taken" in built.notes


def interrupt(out: Path, step: int) -> None:
    """Leave of a finished run what it had after a step."""
    for path in (out / layout.CHECKPOINTS).iterdir():
        if int(path.name.removeprefix("step-")) > step:
            shutil.rmtree(path)


@pytest.mark.parametrize("version", [2, 3])
def test_a_run_is_resumed_as_it_began(untrained_tiny: Path, tmp_path: Path, version: int) -> None:
    """A run of version 2 that names no pooling read the pooler, whatever its encoder is made for."""
    left_out = make_config(settings(untrained_tiny))
    begun = make_config(settings(untrained_tiny, pooling="pooler")) if version == 2 else left_out
    out = tmp_path / "run"
    whole = weights(train(begun, out).model)
    interrupt(out, 3)
    if version == 2:
        forget_pooling(out)
    expected = "pooler" if version == 2 else "mean"
    assert stored_config(out).model.pooling == resumable_config(out).model.pooling == expected
    stream = io.StringIO()
    train(left_out, out, resume=True, display=Display(stream=stream))
    assert "model.pooling" not in stream.getvalue()
    assert weights(out / layout.BEST_MODEL) == whole
    assert read_toml(out / layout.RUN_CONFIG)["model"]["pooling"] == expected
    with pytest.raises(SwissbertError, match=f"model.pooling \\('{expected}' became 'cls'\\)"):
        train(make_config(settings(untrained_tiny, pooling="cls")), out, resume=True)


def forget_pooling(out: Path) -> None:
    """Make of a run one of the version before ``model.pooling`` was left to the encoder, which names none."""
    table = read_toml(out / layout.RUN_CONFIG)
    del table["model"]["pooling"]
    (out / layout.RUN_CONFIG).write_text(tomli_w.dumps(table), encoding="utf-8")
    record = read_object(out / layout.RUN_RECORD)
    del record["settings"]["model"]["pooling"], record[KEY]
    write_record(out, {**record, "format": 2})


def test_what_a_recipe_leaves_out_is_adopted_and_what_it_names_is_not(tmp_path: Path) -> None:
    stored = make_config(settings(tmp_path, pooling="cls"))
    assert adopt_choices(make_config(settings(tmp_path)), stored).model.pooling == "cls"
    assert adopt_choices(make_config(settings(tmp_path, pooling="mean")), stored).model.pooling == "mean"


def test_stored_settings_without_a_pooling_have_the_pooler(tmp_path: Path) -> None:
    assert with_pooler({}) == {"model": {"pooling": "pooler"}}
    assert with_pooler({"seed": 1, "model": {"dropout": 0.1}}) == {
        "seed": 1,
        "model": {"pooling": "pooler", "dropout": 0.1},
    }
    assert with_pooler({"model": {"pooling": "mean"}}) == {"model": {"pooling": "mean"}}
    assert with_pooler({"model": 3}) == {"model": 3}
    first = Path(__file__).parents[1] / "stored" / "model-0.1.0.json"  # as version 0.1.0 wrote it
    assert "pooling" not in read_object(first)["model"]
    (tmp_path / layout.DESCRIPTION).write_bytes(first.read_bytes())
    assert read_description(tmp_path).model.pooling == "pooler"


def test_records_of_the_papers_tables_have_the_pooler() -> None:
    records = sorted((RESULTS / "rows").glob("*.json"))
    assert records
    for path in records:
        row, _, seed = path.stem.partition(".seed-")
        record = read_record(RESULTS, row, int(seed))
        assert record is not None
        assert {run.config.model.pooling for run in record.runs} <= {"pooler", "mean"}
        if record.format < 3:
            assert {run.config.model.pooling for run in record.runs} == {"pooler"}, path.name


def test_a_converted_checkpoint_keeps_its_pooling(folder: Path, tmp_path: Path) -> None:
    torch.save(load_file(folder / layout.WEIGHTS), folder / "pytorch_model.bin")
    (folder / layout.WEIGHTS).unlink()
    pools(folder, {"pooling_mode": "cls"})
    assert own(convert_weights(folder, tmp_path / "new"))[0] == "cls"
