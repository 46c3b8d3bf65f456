"""Every member of the BERT family against transformers: numbers, tokens, files there and back, and the way through training."""

import asyncio
import json
import random
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from fastapi import Request
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer as FastTokenizer

import family
from encoders import encode, pool, random_sequences, small_encoder
from more_rows import settings
from swissbert import load
from swissbert.config import EncoderSettings, ModelSettings, RunConfig
from swissbert.data.batches import pack
from swissbert.data.rows import Row
from swissbert.data.token_table import TokenTable
from swissbert.data.tokens import Tokenizer
from swissbert.encoder import PaddedLayout
from swissbert.encoder.checkpoint import Pretrained, read_encoder, read_pretrained, write_encoder
from swissbert.encoder.config_file import config_json, parse_config
from swissbert.encoder.names import hf_names
from swissbert.encoder.shapes import parameter_shapes
from swissbert.encoder.stored import read_arrays
from swissbert.errors import SwissbertError
from swissbert.evaluation import table_answers
from swissbert.export import export_hf, export_onnx
from swissbert.export.describe import describe
from swissbert.export.quantize import quantize
from swissbert.export.trace import save, trace
from swissbert.export.verify import check_answers, file_answers, open_session
from swissbert.family import MEMBERS
from swissbert.inference.attention import attention_weights
from swissbert.inference.model import Model
from swissbert.model_folder.description import Description
from swissbert.model_folder.network import build_network
from swissbert.model_folder.save import save_model
from swissbert.serving.schemas import ExplainBody
from swissbert.serving.service import Service
from swissbert.tasks import find_task
from swissbert.training.loop import train

PAIRS = [("a good film indeed", "what a film 🎉"), ("no", "yes , of course you may not do that at all"), ("", "x")]
LENGTHS = [7, 1, 20, 3]
MPNET = json.dumps(family.oracle("mpnet", 60).config.to_dict())


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each member, as transformers saves it."""
    root = tmp_path_factory.mktemp("family")
    for member in MEMBERS:
        family.write(member, root / member)
    return {member: root / member for member in MEMBERS}


def random_oracle(member: str, seed: int) -> Any:
    """A model of transformers of random sizes, each another one, so that no mix-up goes unnoticed."""
    rng = random.Random(f"{member} {seed}")
    heads, layers = rng.randint(1, 4), rng.randint(2, 4)
    sizes: dict[str, Any] = {
        "hidden_size": heads * rng.randint(4, 9),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": rng.randint(5, 50),
        "hidden_act": rng.choice(["gelu", "gelu_new", "relu", "silu"]),
        "layer_norm_eps": rng.choice([1e-12, 1e-5]),
    }
    if member == "distilbert":
        names = MEMBERS[member].keys
        plain = dict(
            zip(("hidden_size", "layers", "heads", "intermediate_size", "activation"), sizes.values(), strict=False)
        )
        sizes = {names[field]: value for field, value in plain.items()}
    if member in ("electra", "albert"):
        sizes["embedding_size"] = rng.choice([6, sizes["hidden_size"]])
    if member == "albert":
        sizes["num_hidden_groups"] = rng.randint(1, layers)
    return family.oracle(member, 60, seed, **sizes)


def read(oracle: Any, folder: Path, **options: Any) -> Pretrained:
    oracle.save_pretrained(folder, **options)
    return read_pretrained(folder)


def oracle_outputs(oracle: Any, member: str, sequences: Any) -> tuple[Any, torch.Tensor]:
    """Outputs of transformers on padded sequences, and their mask."""
    ids, types, mask = sequences.padded
    ids = ids.masked_fill(mask == 0, oracle.config.pad_token_id or 0)
    given = {"token_type_ids": types} if member in family.TYPED else {}
    return oracle(ids, attention_mask=mask, output_hidden_states=True, output_attentions=True, **given), mask.bool()


@pytest.mark.parametrize("member", MEMBERS)
def test_parameters_read_without_torch_are_those_of_the_encoder(member: str, tmp_path: Path) -> None:
    """Names, order and shapes are known from the sizes alone, and numbers are the same in every type of file."""
    oracle = random_oracle(member, 0)
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        oracle.to(dtype).save_pretrained(tmp_path)
        config, arrays = read_arrays(tmp_path)
        if not config.has_pooler or any(name.startswith("pooler") for name in arrays):
            state = read_pretrained(tmp_path).encoder.state_dict()
            assert parameter_shapes(config) == {name: tuple(tensor.shape) for name, tensor in state.items()}
            assert list(arrays) == list(state)
            for name, values in arrays.items():
                assert values.dtype == np.float32
                assert np.array_equal(values, state[name].numpy())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("member", MEMBERS)
def test_hidden_states_attention_pooled_outputs_and_gradients_match(member: str, seed: int, tmp_path: Path) -> None:
    oracle = random_oracle(member, seed).double()
    encoder = read(oracle, tmp_path / "saved").encoder.eval().double()
    types = max(1, encoder.config.token_types) if member in family.TYPED else 1
    sequences = random_sequences(replace(encoder.config, token_types=types), LENGTHS, seed)
    sequences.ids[:] = [ids.clamp(min=2) for ids in sequences.ids]  # no padding token, whose position is another
    theirs, mask = oracle_outputs(oracle, member, sequences)
    ours = encode(encoder, sequences)
    assert len(ours.all_hidden) == len(theirs.hidden_states) == encoder.config.layers + 1
    for layer, expected in zip(ours.all_hidden, theirs.hidden_states, strict=True):
        torch.testing.assert_close(layer, expected[mask], rtol=0, atol=1e-9)
    for weights, expected in zip(ours.attentions, theirs.attentions, strict=True):
        for i, n in enumerate(sequences.lengths):
            torch.testing.assert_close(weights[i, :, :n], expected[i, :, :n], rtol=0, atol=1e-9)
    expected = theirs.pooler_output if encoder.config.has_pooler else theirs.last_hidden_state[:, 0]
    torch.testing.assert_close(ours.pooled, expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(pool(encoder, sequences), expected, rtol=0, atol=1e-9)
    padded = pool(encoder, sequences, PaddedLayout(sequences.padded[2]))
    torch.testing.assert_close(padded, expected, rtol=0, atol=1e-9)

    weighting = torch.randn(expected.shape, generator=torch.Generator().manual_seed(5)).double()
    torch.autograd.backward([(ours.pooled * weighting).sum(), (expected * weighting).sum()])
    gradients = {name: parameter.grad for name, parameter in oracle.named_parameters()}
    for name, parameter in encoder.named_parameters():
        total = torch.cat([gradients[theirs] for theirs in hf_names(encoder.config)[name]])
        torch.testing.assert_close(parameter.grad, total, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("member", MEMBERS)
def test_single_precision_is_within_the_contract_and_files_go_there_and_back(member: str, tmp_path: Path) -> None:
    oracle = random_oracle(member, 9)
    encoder = read(oracle, tmp_path / "saved", max_shard_size="4KB").encoder.eval()
    assert (tmp_path / "saved" / "model.safetensors.index.json").is_file()
    (tmp_path / "back").mkdir()
    write_encoder(encoder, tmp_path / "back")
    again, info = transformers.AutoModel.from_pretrained(
        tmp_path / "back", attn_implementation="eager", output_loading_info=True
    )
    assert type(again) is type(oracle)
    assert not any(info.values()), info
    assert read_encoder(tmp_path / "back").config == encoder.config
    sequences = random_sequences(replace(encoder.config, token_types=1), LENGTHS)
    sequences.ids[:] = [ids.clamp(min=2) for ids in sequences.ids]
    with torch.no_grad():
        theirs, mask = oracle_outputs(again.eval(), member, sequences)
        ours = encode(encoder, sequences)
    torch.testing.assert_close(ours.hidden, theirs.last_hidden_state[mask], rtol=0, atol=1e-5)
    if encoder.config.has_pooler:
        torch.testing.assert_close(ours.pooled, theirs.pooler_output, rtol=0, atol=1e-6)


@pytest.mark.parametrize("member", MEMBERS)
def test_a_checkpoint_with_heads_on_top_is_read_and_the_heads_are_named(member: str, tmp_path: Path) -> None:
    config = random_oracle(member, 1).config
    kinds: Any = transformers.AutoModelForMaskedLM, transformers.AutoModelForSequenceClassification
    for kind in kinds:
        whole = kind.from_config(config)
        folder = tmp_path / kind.__name__
        encoder, notes, has_new_pooler = read(whole, folder)
        inner = getattr(whole, whole.base_model_prefix)
        state = {name: tensor for name, tensor in inner.state_dict().items() if "position_ids" not in name}
        for name, tensor in encoder.state_dict().items():
            theirs = hf_names(encoder.config)[name]
            if all(part in state for part in theirs):
                torch.testing.assert_close(tensor, torch.cat([state.pop(part) for part in theirs]), rtol=0, atol=0)
            else:
                assert name.startswith("pooler.")
                assert has_new_pooler
        assert not state
        assert "left behind" in notes[0]


def odd_texts(count: int) -> list[str]:
    """Texts of words and of emoji, CJK, right-to-left scripts, combining marks, spaces and names of special tokens."""
    rng = random.Random(0)
    marks = [
        *"abcXYZ \t\n'\"`´.,!?-_()[]<>/\\0159éàçñßœΣςἈ\u0301\u0308\u200b\u200d\u00a0\u3000\ufeff\u00ad\u202e\u2028"
    ]
    marks += [
        *"你好世界日本語カナ가나שלוםمرحباहिन्दीไทย🎉👩👧🏽①ﬁ№Å",
        "\r\n",
        "  ",
        "''",
        "``",
        "'s",
        "▁",
        "Ġ",
        "\U0001f1e8\U0001f1ed",
    ]
    marks += ["<s>", "</s>", "[CLS]", "[SEP]", "<mask>", "[MASK]", "<pad>", "[UNK]", "<unk>", "\ufffd", "\x00", "\x85"]
    words = " ".join(family.corpus()).split()
    parts = [
        [rng.choice(marks) if rng.random() < 0.6 else f"{rng.choice(words)} " for _ in range(rng.randrange(20))]
        for _ in range(count)
    ]
    return ["".join(part) for part in parts]


def rows_of(table: TokenTable) -> list[list[int]]:
    return [table.ids[a:b].tolist() for a, b in zip(table.offsets[:-1], table.offsets[1:], strict=True)]


@pytest.mark.parametrize("member", ["mpnet", "roberta", "xlm-roberta", "albert"])
def test_tokens_of_odd_texts_and_pairs_are_those_of_transformers(
    member: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    """2,500 texts for each kind of tokenizer: WordPiece, byte-level BPE, and Unigram with two normalizers."""
    texts = odd_texts(10_000)[list(MEMBERS).index(member) :: 4][:2_500]
    ours = Tokenizer(folders[member], token_types=2 if member in family.TYPED else 0)
    theirs = transformers.AutoTokenizer.from_pretrained(folders[member])
    expected = theirs(texts, truncation=True, max_length=32)["input_ids"]
    assert rows_of(ours.encode(texts, None, together=False, max_length=32)) == expected
    first, second = texts[:300], texts[300:600]
    pairs = ours.encode(first, second, together=True, max_length=24)
    given = theirs(first, second, truncation="longest_first", max_length=24, return_token_type_ids=True)
    assert rows_of(pairs) == given["input_ids"]
    assert pack(pairs, np.arange(300)).token_type_ids.tolist() == [
        kind for row in given["token_type_ids"] for kind in row
    ]

    ours.save(tmp_path, 32)
    back = Tokenizer(tmp_path, as_stored=True)
    assert back.fingerprint == ours.fingerprint
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert theirs(texts[:500], truncation=True)["input_ids"] == expected[:500]
    assert ("token_type_ids" in theirs("a", "b")) == (member in family.TYPED)


@pytest.mark.parametrize("member", ["roberta", "distilbert"])
def test_a_pair_that_changes_places_is_the_pair_of_the_other_order(member: str, folders: dict[str, Path]) -> None:
    tokenizer = Tokenizer(folders[member])
    texts = [text for text in odd_texts(400) if len(text) < 40]
    first, second = texts[::2][:100], texts[1::2][:100]
    table, other = (tokenizer.encode(*two, together=True, max_length=400) for two in ((first, second), (second, first)))
    numbers = np.arange(len(first))
    swapped, expected = pack(table, numbers, swapped=numbers >= 0), pack(other, numbers)
    assert swapped.lengths == expected.lengths
    assert swapped.input_ids.tolist() == expected.input_ids.tolist()
    assert swapped.token_type_ids.tolist() == expected.token_type_ids.tolist()


def model_of(member: str, base: Path, folder: Path, *, compact: bool = False) -> Model:
    """Save an untrained model of two tasks, and load it."""
    torch.manual_seed(3)
    encoder = read_pretrained(base).encoder
    settings = ModelSettings(
        pooling="pooler" if MEMBERS[member].classifier.activation == "tanh" else "cls", pair_encoding=True
    )
    tasks = [find_task("sst"), find_task("para")]
    network = build_network(encoder, tasks, settings, freeze=False)
    if compact:
        with torch.no_grad():
            for parameter in network.encoder.parameters():
                parameter.add_(0.01 * torch.randn_like(parameter))
    description = Description(
        format=1, tasks=tasks, encoder=EncoderSettings(name=str(base), max_length=32), model=settings
    )
    tokenizer = Tokenizer(base, encoder.config.vocab_size, token_types=encoder.config.token_types)
    save_model(folder, network, tokenizer, description, base=base if compact else None)
    if compact:
        (folder.parent / base.name).symlink_to(base)
    return load(folder, "cpu")


def answers(model: Model, name: str) -> Any:
    task = model.task(name)
    rows = [Row(i, str(i), a, b if task.is_pair else None, None) for i, (a, b) in enumerate(PAIRS)]
    return model.answer_rows(task, rows)


@pytest.mark.parametrize("member", MEMBERS)
def test_a_task_goes_back_to_the_members_own_classifier(member: str, folders: dict[str, Path], tmp_path: Path) -> None:
    model = model_of(member, folders[member], tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert f" {MEMBERS[member].title} encoder" in card
    assert f"- {member}\n" in card
    for folder in export_hf(model, tmp_path / "hf"):
        classifier, info = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder, output_loading_info=True
        )
        assert type(classifier).__name__ == MEMBERS[member].classifier.name
        assert not any(info.values()), info
        texts = [[a for a, _ in PAIRS], *([[b for _, b in PAIRS]] if folder.name == "para" else [])]
        inputs = transformers.AutoTokenizer.from_pretrained(folder)(*texts, padding=True, return_tensors="pt")
        with torch.no_grad():
            shares = classifier.eval()(**inputs).logits.softmax(1).numpy()
        expected = answers(model, folder.name)
        np.testing.assert_allclose(shares if expected.ndim == 2 else shares[:, 1], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("member", "part"), [("albert", "embedding_hidden_mapping_in.weight"), ("electra", "embeddings_project.weight")]
)
def test_a_projection_that_was_never_written_is_refused(
    member: str, part: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders[member], tmp_path / member))
    tensors = load_file(folder / "model.safetensors")
    (name,) = [name for name in tensors if name.endswith(part)]
    tensors[name].zero_()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SwissbertError, match=rf"all numbers of {name} are 0"):
        read_encoder(folder)


@pytest.mark.parametrize("member", [member for member in MEMBERS if member not in family.TYPED])
def test_an_onnx_file_of_an_encoder_without_token_types_takes_what_its_tokenizers_give(
    member: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    model = model_of(member, folders[member], tmp_path / "model")
    session = open_session(export_onnx(model, tmp_path / "onnx", ["sst", "para"]))
    slow: Any = transformers.AutoTokenizer.from_pretrained(tmp_path / "onnx")
    fast = FastTokenizer.from_file(str(tmp_path / "onnx" / "tokenizer.json"))
    for name in ("sst", "para"):
        texts = [[a for a, _ in PAIRS], *([[b for _, b in PAIRS]] if name == "para" else [])]
        rows = fast.encode_batch(list(zip(*texts, strict=True)) if name == "para" else texts[0])
        columns = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
        by_hand = {key: np.array([getattr(row, field) for row in rows], np.int64) for key, field in columns.items()}
        for inputs in (dict(slow(*texts, padding=True, return_tensors="np")), by_hand):
            given = session.run([name], inputs)[0]
            np.testing.assert_allclose(given, answers(model, name), rtol=0, atol=1e-5)


@pytest.mark.parametrize("member", [member for member in MEMBERS if member not in ("bert", "xlm-roberta", "camembert")])
def test_eight_bits_compact_folders_and_attention(member: str, folders: dict[str, Path], tmp_path: Path) -> None:
    model = model_of(member, folders[member], tmp_path / "model")
    rounded = load(tmp_path / "model", "cpu", precision="int8")
    texts = ["a good film", "it is bad and long , and 日本語 at that , whatever you may think of it"]
    vectors = model.encode(texts)
    np.testing.assert_allclose(rounded.encode(texts), vectors, rtol=0, atol=0.1)
    assert (vectors * rounded.encode(texts)).sum(1).min() > 0.99
    alone = np.concatenate([rounded.encode([text]) for text in texts])
    np.testing.assert_allclose(alone, rounded.encode(texts), rtol=0, atol=1e-5)

    small = model_of(member, folders[member], tmp_path / "small", compact=True)
    assert (tmp_path / "small" / "delta.safetensors").is_file()
    np.testing.assert_allclose(small.encode(texts), vectors, rtol=0, atol=0.2)

    weights = attention_weights(model, "a good film", "日本語 ok")
    assert weights.tokens[weights.boundary - 1] == weights.tokens[-1]
    assert "".join(weights.tokens).count(weights.tokens[-1]) == (2 if model.tokenizer.separators == 1 else 3)
    np.testing.assert_allclose(weights.weights.sum(-1), np.ones(weights.weights.shape[:-1]), rtol=1e-5)
    shown = attention_weights(rounded, "a good film", "日本語 ok").weights  # of the same layers, in another graph
    assert shown.shape == weights.weights.shape
    np.testing.assert_allclose(shown.sum(-1), np.ones(shown.shape[:-1]), rtol=1e-5)
    np.testing.assert_allclose(shown, weights.weights, rtol=0, atol=0.05)


@pytest.mark.parametrize("member", ["roberta", "xlm-roberta"])
def test_explanations_have_words_of_languages_without_spaces_and_both_separators(
    member: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    model = model_of(member, folders[member], tmp_path / "model")
    assert model.explain("sst", "你好世界 a  film's").words == ["你", "好", "世", "界", "a", "film's"]
    assert model.explain("sst", "good-looking हिन्दी , no").words == ["good-looking", "हिन्दी", ",", "no"]

    texts = ("a good film", "it is")
    explained = model.explain("para", *texts)
    assert explained.words == ["a", "good", "film", "it", "is"]
    changed = model.predict("para", "a film", "it is").probabilities
    assert changed is not None
    assert explained.label is not None
    assert explained.without[1] == pytest.approx(changed[explained.label], abs=1e-5)

    async def served() -> dict[str, Any]:
        receive: Any = asyncio.Event().wait  # the client stays connected
        body, request = ExplainBody(text=texts[0], text_pair=texts[1]), Request({"type": "http", "state": {}}, receive)
        content: dict[str, Any] = json.loads(await service.explain(request, body, [model.tasks["para"]]))
        return content

    service = Service(model, deadline=10, max_jobs=32)
    content = asyncio.run(served())["tasks"]["para"]
    service.batcher.close()
    np.testing.assert_allclose(content["without"], explained.without, rtol=0, atol=1e-4)


def test_a_null_padding_token_is_the_usual_one() -> None:
    table = json.loads(config_json(parse_config(MPNET, "here")))
    assert parse_config(json.dumps(table | {"pad_token_id": None}), "here") == parse_config(MPNET, "here")


def test_a_bias_of_attention_and_shared_layers_are_in_onnx_files(folders: dict[str, Path], tmp_path: Path) -> None:
    """One encoder has both, because tracing takes seconds."""
    base = folders["albert"]
    config = replace(read_pretrained(base).encoder.config, relative_buckets=32, layer_groups=1, position_offset=2)
    settings, tasks = ModelSettings(pooling="mean", pair_encoding=True), [find_task("sst")]
    network = build_network(small_encoder(config), tasks, settings, freeze=False).eval()
    description = Description(format=1, tasks=tasks, encoder=EncoderSettings(name="x", max_length=32), model=settings)
    model = Model(network, Tokenizer(base), description, tmp_path, "fp32", "")
    graph = trace(network, tasks)
    save(graph, tmp_path / "model.onnx")
    check_answers(model, tasks, open_session(tmp_path / "model.onnx"))
    quantize(graph)
    save(graph, tmp_path / "int8.onnx")
    table = model.tokenizer.encode(family.corpus()[:20], None, together=False, max_length=32)
    rounded = file_answers(open_session(tmp_path / "int8.onnx"), tasks[0], table)
    np.testing.assert_allclose(rounded, table_answers(network, tasks[0], table), rtol=0, atol=0.05)

    describe(model, tasks, tmp_path, "fp32")
    padding: Any = FastTokenizer.from_file(str(tmp_path / "tokenizer.json")).padding
    assert (padding["pad_token"], padding["pad_id"]) == ("<pad>", 0)


@pytest.mark.trains
@pytest.mark.parametrize("member", ["roberta", "albert"])
def test_a_run_goes_on_where_it_ended(member: str, folders: dict[str, Path], tmp_path: Path) -> None:
    def config(epochs: int) -> RunConfig:
        return settings(
            folders[member],
            family.STARTER,
            ["sst", "para"],
            data={"limit": 40},
            encoder={"max_length": 32},
            model={"pair_encoding": True},
            train={"epochs": epochs, "epoch_ends": 3},
        )

    train(config(1), tmp_path / "parts")
    train(config(2), tmp_path / "parts", resume=True)
    train(config(2), tmp_path / "whole")
    steps = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("parts", "whole")
    ]
    parts, whole = ([{k: v for k, v in step.items() if "loss" in k} for step in run if "step" in step] for run in steps)
    assert parts == whole


def test_an_encoder_without_pooler_says_so(folders: dict[str, Path]) -> None:
    encoder = read_pretrained(folders["distilbert"]).encoder
    with pytest.raises(
        SwissbertError, match=r"^model\.pooling is 'pooler', but this encoder has no pooler; use 'cls' or"
    ):
        build_network(encoder, [find_task("sst")], ModelSettings(pooling="pooler"), freeze=False)


def test_bytes_of_a_piece_are_shown_as_text(folders: dict[str, Path]) -> None:
    tokenizer = Tokenizer(folders["roberta"])
    (ids,) = rows_of(tokenizer.encode(["a good é 中 <s>"], None, together=False, max_length=32))
    text = "".join(tokenizer.words(ids))
    assert text.startswith("<s>a▁good▁")
    assert text.endswith("<s></s>")
    assert "Ġ" not in text


@pytest.mark.parametrize(
    ("member", "change", "sentence"),
    [
        (
            "roberta",
            {"max_position_embeddings": 2},
            "max_position_embeddings is 2, which leaves none behind that of the",
        ),
        ("roberta", {"pad_token_id": "1"}, "pad_token_id is '1'; a whole number from 0 to 1000 is expected"),
        ("albert", {"num_hidden_groups": 9}, "has 3 layers in 9 groups, which are too many"),
        ("albert", {"inner_group_num": 2}, "inner_group_num is 2, but only 1 is supported"),
        ("mpnet", {"relative_attention_num_buckets": 16}, "relative_attention_num_buckets is 16, but only 32 is"),
        ("distilbert", {"dim": 33}, "dim 33 is not a multiple of n_heads 4"),
        ("electra", {"embedding_size": 0}, "embedding_size is 0; a whole number from 1 to 16384 is expected"),
        ("bert", {"model_type": "modernbert"}, "model_type is 'modernbert', but only encoders of the types 'bert', "),
    ],
)
def test_settings_that_are_not_supported_are_refused_by_name(
    member: str, change: dict[str, Any], sentence: str, folders: dict[str, Path]
) -> None:
    table = json.loads((folders[member] / "config.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(table | change), encoding="utf-8")
        with pytest.raises(SwissbertError) as caught:
            read_pretrained(Path(folder))
    assert sentence in str(caught.value)
