"""Compact folders: the fine-tuned encoder is restored up to rounding, and files that do not match are refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import swissbert
from swissbert.config import EncoderSettings, ModelSettings
from swissbert.data.tokens import Tokenizer
from swissbert.encoder.checkpoint import read_encoder
from swissbert.errors import SwissbertError
from swissbert.inference.int8 import has_int8
from swissbert.inference.loading import load
from swissbert.model_folder.delta import pack, unpack
from swissbert.model_folder.description import Description
from swissbert.model_folder.layout import MINI
from swissbert.model_folder.network import build_network
from swissbert.model_folder.save import save_model
from swissbert.tasks import find_task


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.floats(1e-6, 1e3), st.integers(0, 2**31))
def test_the_error_of_a_weight_is_at_most_half_a_step(rows: int, columns: int, scale: float, seed: int) -> None:
    torch.manual_seed(seed)
    base = {"m": torch.zeros(rows, columns), "v": torch.randn(columns)}
    moved = scale * torch.randn(rows, columns) * (torch.rand(rows, 1) < 0.7)
    arrays = {name: tensor.numpy() for name, tensor in base.items()}
    packed = pack(arrays, {"m": moved.numpy(), "v": 2 * arrays["v"]})
    restored = {name: torch.from_numpy(values) for name, values in unpack(arrays, packed).items()}
    assert torch.equal(restored["v"], 2 * base["v"])
    step = moved.abs().amax(1, keepdim=True) / 7
    assert bool(((restored["m"] - moved).abs() <= step / 2 + 1e-6 * scale).all())
    still = moved.abs().amax(1) == 0
    assert torch.equal(restored["m"][still], base["m"][still])
    assert len(packed["m.rows"]) == int((~still).sum())
    assert packed["m.codes"].shape == (int((~still).sum()), (columns + 1) // 2)


@pytest.fixture(scope="module")
def tuned(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model folder and the compact one of the same model, with their base encoder beside them."""
    torch.manual_seed(3)
    tasks = [find_task(name) for name in ("sst", "para", "sts")]
    model = build_network(read_encoder(tiny), tasks, ModelSettings(), freeze=False)
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            rows = len(parameter) // 2 if parameter.ndim == 2 else None  # the others stay as they are in the base
            parameter[:rows] += 0.01 * torch.randn_like(parameter[:rows])
    description = Description(
        format=1, tasks=tasks, encoder=EncoderSettings(name=str(tiny), max_length=64), model=ModelSettings()
    )
    folder = tmp_path_factory.mktemp("compact")
    save_model(folder / "whole", model, Tokenizer(tiny), description)
    save_model(folder / "small", model, Tokenizer(tiny), description, base=tiny)
    (folder / tiny.name).symlink_to(tiny)
    return folder / "whole", folder / "small"


@pytest.fixture
def small(tuned: tuple[Path, Path], tiny: Path, tmp_path: Path) -> Path:
    """A compact folder to damage, with its base encoder beside it."""
    shutil.copytree(tiny, tmp_path / tiny.name)
    return Path(shutil.copytree(tuned[1], tmp_path / "small"))


@pytest.mark.skipif(not has_int8(), reason="onnxruntime is not installed")
def test_int8_answers_stay_when_the_base_encoder_is_overwritten_in_place(small: Path, tiny: Path) -> None:
    model = load(small, "cpu", "int8")
    before = model.numbers("sst", ["a great film"])
    file = small.parent / tiny.name / "model.safetensors"
    with file.open("r+b") as opened:
        opened.write(bytes(file.stat().st_size))
    assert (model.numbers("sst", ["a great film"]) == before).all()


def test_answers_are_close_and_files_small(tuned: tuple[Path, Path]) -> None:
    whole, small = (swissbert.load(folder, "cpu") for folder in tuned)
    text, pair = "a great film", ("the dog runs", "a dog sleeps")
    assert small.numbers("sst", [text]) == pytest.approx(whole.numbers("sst", [text]), abs=0.02)
    assert small.numbers("sts", [pair]) == pytest.approx(whole.numbers("sts", [pair]), abs=0.05)
    sizes = [sum(file.stat().st_size for file in folder.iterdir()) for folder in tuned]
    assert sizes[1] < sizes[0] / 2
    assert not (tuned[1] / "model.safetensors").exists()


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    table = json.loads((folder / "swissbert.json").read_text())
    change(table)
    table["checksums"] = {}  # as somebody does who edits files on purpose
    (folder / "swissbert.json").write_text(json.dumps(table))


@pytest.mark.parametrize("name", ["delta.safetensors", "heads.safetensors"])
def test_a_changed_file_is_refused(small: Path, name: str) -> None:
    tensors = load_file(small / name)
    save_file({key: tensor.flip(0) for key, tensor in tensors.items()}, small / name)
    with pytest.raises(
        SwissbertError, match=rf"{name}: its checksum differs from that in .*swissbert.json; install or copy it again"
    ):
        load(small, "cpu")


def test_another_base_is_refused(small: Path, tiny: Path) -> None:
    weights = small.parent / tiny.name / "model.safetensors"
    save_file({key: tensor + 1 for key, tensor in load_file(weights).items()}, weights)
    with pytest.raises(SwissbertError, match=r"not the encoder that the model in .*small was trained from"):
        load(small, "cpu")
    edit(small, lambda table: table["provenance"].pop("encoder_sha256"))
    with pytest.raises(SwissbertError, match=rf"{tiny.name}/model.safetensors: its checksum differs"):
        load(small, "cpu")


def test_a_base_that_cannot_be_found_is_named_with_the_place_to_put_it(small: Path, tiny: Path) -> None:
    answers = load(small, "cpu").numbers("sst", ["a great film"])
    base = small.parent / tiny.name
    moved = base.rename(small.parent / "elsewhere")
    with pytest.raises(SwissbertError, match=rf"base encoder is a folder named '{tiny.name}'.* encoder to {base}$"):
        load(small, "cpu")
    base.symlink_to(moved)
    assert (load(small, "cpu").numbers("sst", ["a great film"]) == answers).all()


def test_a_compact_folder_with_the_path_of_its_base_still_loads(small: Path, tiny: Path) -> None:
    """swissbert 0.1.0 wrote the path."""
    answers = load(small, "cpu").numbers("sst", ["a great film"])
    moved = (small.parent / tiny.name).rename(small.parent / "elsewhere")
    edit(small, lambda table: table["encoder"].update(name=str(moved)))
    model = load(small, "cpu")
    assert (model.numbers("sst", ["a great film"]) == answers).all()
    assert model.description.encoder.name == "elsewhere"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.pop(next(k for k in t if k.endswith(".scales"))),
            r"rows is int32 .*, but must be int32 \[0\]",
        ),
        (lambda t: t.update({k: torch.tensor(3) for k in t if k.endswith(".rows")}), r"rows is int64"),
        (
            lambda t: t.update({k: v.clamp(max=1) for k, v in t.items() if k.endswith("qkv.weight.rows")}),
            r"qkv.weight.rows has an index twice",
        ),
        (lambda t: t.update({"strange": torch.zeros(1)}), r"strange belongs to no parameter"),
        (
            lambda t: t.update({k: v + 9999 for k, v in t.items() if k.endswith(".rows")}),
            r"rows has indices outside of 0 to",
        ),
        (lambda t: t.update({k: v[:, 1:] for k, v in t.items() if k.endswith(".codes")}), r"codes is uint8"),
    ],
)
def test_a_difference_that_does_not_fit_is_refused(  # type: ignore[no-untyped-def]
    small: Path, tiny: Path, change, message: str
) -> None:
    """Even with a correct checksum."""
    from swissbert.model_folder import compact

    tensors = load_file(small / "delta.safetensors")
    change(tensors)
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, small / "delta.safetensors")
    edit(small, lambda table: table.update(compact=compact.checksums(small.parent / tiny.name)))
    with pytest.raises(SwissbertError, match=rf"delta.safetensors: does not fit .*{message}"):
        load(small, "cpu")


def test_mini_answers() -> None:
    model = swissbert.load()
    assert sum(file.stat().st_size for file in MINI.iterdir()) <= 12_000_000
    assert list(model.tasks) == ["sst", "para", "sts"]
    good, bad = model.predict("sst", ["A joy from start to finish, warm and funny.", "A dull, lifeless, awful mess."])
    assert good.label == 4
    assert bad.label == 0
    asked = ("How do I learn to swim?", "What is the best way to learn swimming?")
    assert model.predict("para", asked).label_name == "paraphrase"
    alike = model.predict("sts", ("A dog runs on the beach.", "A dog is running by the sea.")).score
    apart = model.predict("sts", ("A dog runs on the beach.", "The parliament passed a law.")).score
    assert alike is not None
    assert apart is not None
    assert alike > 2.5 > 1.5 > apart
    eight = swissbert.load("mini", "cpu", "auto").numbers("sst", ["A joy from start to finish."])
    assert eight == pytest.approx(model.numbers("sst", ["A joy from start to finish."]), abs=0.1)


def test_the_card_of_mini_has_the_scores_of_its_description() -> None:
    scores = load("mini").description.scores
    card = (MINI / "README.md").read_text()
    for name in ("sst.accuracy", "para.accuracy", "sts.pearson"):
        task, metric = name.split(".")
        assert f"| `{task}` | {metric} | {scores[name]:.3f} |" in card
    assert "/home" not in card
    assert load("mini").description.provenance["data"] == "cs224n"


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(SwissbertError, match=r"^precision is 'int4', but it must be one of auto, fp32, int8$"):
        swissbert.load("mini", precision="int4")  # type: ignore[arg-type]


def test_a_model_from_a_compact_folder_can_be_saved_as_a_full_one(tuned: tuple[Path, Path], tmp_path: Path) -> None:
    small = load(tuned[1], "cpu")
    save_model(tmp_path / "whole", small.network, small.tokenizer, small.description)
    again = load(tmp_path / "whole", "cpu")
    assert again.description.compact is None
    assert torch.equal(again.network.encoder.pooler.weight, small.network.encoder.pooler.weight)


def test_a_model_loaded_with_int8_precision_is_saved_unchanged(tuned: tuple[Path, Path], tmp_path: Path) -> None:
    eight = load(tuned[0], "cpu", "int8")
    save_model(tmp_path / "out", eight.network, eight.tokenizer, eight.description)
    assert (tmp_path / "out/model.safetensors").read_bytes() == (tuned[0] / "model.safetensors").read_bytes()


def test_a_base_with_another_tokenizer_is_refused(small: Path, tiny: Path) -> None:
    other = small.parent / tiny.name
    words = (other / "vocab.txt").read_text().splitlines()
    (other / "vocab.txt").write_text("\n".join([*words[:-2], words[-1], words[-2]]) + "\n")
    with pytest.raises(SwissbertError, match=r"vocab.txt: its checksum differs"):
        load(small, "cpu")
