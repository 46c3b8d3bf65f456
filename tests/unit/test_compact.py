"""The compact folder: what was fine-tuned comes back nearly, and a file that is not the one that was written is refused."""

import json
import shutil
from pathlib import Path

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
from swissbert.inference.model import load
from swissbert.model_folder.delta import pack, unpack
from swissbert.model_folder.description import Description
from swissbert.model_folder.layout import MINI
from swissbert.model_folder.network import build_network
from swissbert.model_folder.save import save_model
from swissbert.tasks import find_task


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.floats(1e-6, 1e3), st.integers(0, 2**31))
def test_no_weight_is_off_by_more_than_half_a_step(rows: int, columns: int, scale: float, seed: int) -> None:
    torch.manual_seed(seed)
    base = {"m": torch.zeros(rows, columns), "v": torch.randn(columns)}
    moved = scale * torch.randn(rows, columns) * (torch.rand(rows, 1) < 0.7)
    packed = pack(base, {"m": moved, "v": 2 * base["v"]})
    found = unpack(base, packed)
    assert torch.equal(found["v"], 2 * base["v"])
    step = moved.abs().amax(1, keepdim=True) / 7
    assert bool(((found["m"] - moved).abs() <= step / 2 + 1e-6 * scale).all())
    still = moved.abs().amax(1) == 0
    assert torch.equal(found["m"][still], base["m"][still])
    assert len(packed["m.rows"]) == int((~still).sum())
    assert packed["m.codes"].shape == (int((~still).sum()), (columns + 1) // 2)


@pytest.fixture(scope="module")
def tuned(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model folder and the compact one of the same model, whose encoder moved a little."""
    torch.manual_seed(3)
    tasks = [find_task(name) for name in ("sst", "para", "sts")]
    model = build_network(read_encoder(tiny), tasks, ModelSettings(), freeze=False)
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    description = Description(
        format=1, tasks=tasks, encoder=EncoderSettings(name=str(tiny), max_length=64), model=ModelSettings()
    )
    folder = tmp_path_factory.mktemp("compact")
    save_model(folder / "whole", model, Tokenizer(tiny), description)
    save_model(folder / "small", model, Tokenizer(tiny), description, small=True)
    return folder / "whole", folder / "small"


@pytest.fixture
def small(tuned: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(tuned[1], tmp_path / "small"))


def test_answers_stay_close_and_the_files_small(tuned: tuple[Path, Path]) -> None:
    whole, small = (swissbert.load(folder, "cpu") for folder in tuned)
    text, pair = "a great film", ("the dog runs", "a dog sleeps")
    assert small.numbers("sst", [text]) == pytest.approx(whole.numbers("sst", [text]), abs=0.02)
    assert small.numbers("sts", [pair]) == pytest.approx(whole.numbers("sts", [pair]), abs=0.05)
    sizes = [sum(file.stat().st_size for file in folder.iterdir()) for folder in tuned]
    assert sizes[1] < sizes[0] / 2
    assert not (tuned[1] / "model.safetensors").exists()


@pytest.mark.parametrize("name", ["delta.safetensors", "heads.safetensors"])
def test_a_changed_file_is_refused(small: Path, name: str) -> None:
    tensors = load_file(small / name)
    save_file({key: tensor.flip(0) for key, tensor in tensors.items()}, small / name)
    with pytest.raises(SwissbertError, match=rf"{name}: not the file that .*swissbert.json has the SHA-256 of"):
        load(small, "cpu")


def test_another_base_is_refused(small: Path, tiny: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(tiny, tmp_path / "other"))
    weights = load_file(other / "model.safetensors")
    save_file({key: tensor + 1 for key, tensor in weights.items()}, other / "model.safetensors")
    table = json.loads((small / "swissbert.json").read_text())
    table["encoder"]["name"] = str(other)
    (small / "swissbert.json").write_text(json.dumps(table))
    with pytest.raises(SwissbertError, match=r"other/model.safetensors: not the file that"):
        load(small, "cpu")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda t: t.pop(next(k for k in t if k.endswith(".scales"))),
            r"rows is torch.int32 .*, but torch.int32 \[0\] is expected",
        ),
        (lambda t: t.update({k: torch.tensor(3) for k in t if k.endswith(".rows")}), r"rows is torch.int64"),
        (lambda t: t.update({"strange": torch.zeros(1)}), r"strange is of no parameter"),
        (lambda t: t.update({k: v + 9999 for k, v in t.items() if k.endswith(".rows")}), r"names rows that"),
        (lambda t: t.update({k: v[:, 1:] for k, v in t.items() if k.endswith(".codes")}), r"codes is torch.uint8"),
    ],
)
def test_a_difference_that_does_not_fit_is_refused(small: Path, change, said: str) -> None:  # type: ignore[no-untyped-def]
    """With the right checksum, as somebody else's folder may have."""
    from swissbert.model_folder import compact

    tensors = load_file(small / "delta.safetensors")
    change(tensors)
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, small / "delta.safetensors")
    table = json.loads((small / "swissbert.json").read_text())
    table["compact"] = compact.checksums(small, Path(table["encoder"]["name"]))
    (small / "swissbert.json").write_text(json.dumps(table))
    with pytest.raises(SwissbertError, match=rf"delta.safetensors: does not fit .*{said}"):
        load(small, "cpu")


def test_mini_ships_and_answers() -> None:
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


def test_mini_says_what_its_card_says() -> None:
    scores = load("mini").description.scores
    card = (MINI / "README.md").read_text()
    for name in ("sst.accuracy", "para.accuracy", "sts.pearson"):
        task, metric = name.split(".")
        assert f"| `{task}` | {metric} | {scores[name]:.3f} |" in card
    assert "/home" not in card
    assert load("mini").description.provenance["data"] == "cs224n"


def test_an_unknown_precision_is_one_sentence() -> None:
    with pytest.raises(SwissbertError, match=r"^precision is 'int4', but it is one of auto, fp32, int8$"):
        swissbert.load("mini", precision="int4")  # type: ignore[arg-type]


def test_a_model_that_was_loaded_from_a_compact_folder_is_written_whole(
    tuned: tuple[Path, Path], tmp_path: Path
) -> None:
    small = load(tuned[1], "cpu")
    save_model(tmp_path / "whole", small.network, small.tokenizer, small.description)
    again = load(tmp_path / "whole", "cpu")
    assert again.description.compact is None
    assert torch.equal(again.network.encoder.pooler.weight, small.network.encoder.pooler.weight)


def test_a_model_loaded_with_eight_bit_products_is_written_as_it_was(tuned: tuple[Path, Path], tmp_path: Path) -> None:
    eight = load(tuned[0], "cpu", "int8")
    save_model(tmp_path / "out", eight.network, eight.tokenizer, eight.description)
    assert (tmp_path / "out/model.safetensors").read_bytes() == (tuned[0] / "model.safetensors").read_bytes()


def test_a_base_with_another_tokenizer_is_refused(small: Path, tiny: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(tiny, tmp_path / "other"))
    words = (other / "vocab.txt").read_text().splitlines()
    (other / "vocab.txt").write_text("\n".join([*words[:-2], words[-1], words[-2]]) + "\n")
    table = json.loads((small / "swissbert.json").read_text())
    table["encoder"]["name"] = str(other)
    (small / "swissbert.json").write_text(json.dumps(table))
    with pytest.raises(SwissbertError, match=r"other/vocab.txt: not the file that"):
        load(small, "cpu")
