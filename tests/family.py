"""Tiny encoders of every member of the BERT family, with tokenizers trained on the starter corpus, as transformers saves them."""

import csv
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

import swissbert
from encoders import shake
from swissbert.family import MEMBERS

STARTER = Path(swissbert.__file__).parent / "data" / "starter"
ODD = (
    "naïve café Straße ＡＢＣ 你好世界 日本語 안녕하세요 שלום עולם مرحبا بالعالم हिन्दी ไทย 🎉👩‍👩‍👧 œuvre ﬁn e\u0301 №"
)
TYPED = ("bert", "electra", "albert")
"""Members whose encoders take token types."""
SIZES: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {"max_position_embeddings": 66, "type_vocab_size": 1},
    "xlm-roberta": {"max_position_embeddings": 66, "type_vocab_size": 1},
    "camembert": {"max_position_embeddings": 66, "type_vocab_size": 1},
    "distilbert": {},
    "electra": {"embedding_size": 16},
    "albert": {"embedding_size": 16, "num_hidden_groups": 2},
    "mpnet": {"max_position_embeddings": 66},
}
PLAIN = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
DISTIL = {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48, "max_position_embeddings": 64}


@cache
def corpus() -> list[str]:
    with (STARTER / "sst-train.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row["sentence"] for _, row in zip(range(300), csv.DictReader(file, delimiter="\t"), strict=False)]
    return [*rows, ODD]


@cache
def word_pieces(special: tuple[str, ...]) -> dict[str, int]:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=500, special_tokens=list(special), show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    return vocabulary


def _stored_model(tokenizer: Any) -> dict[str, Any]:
    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return model


def byte_pairs() -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    model = _stored_model(tokenizer)
    merges: Any = [tuple(pair) for pair in model["merges"]]
    return transformers.RobertaTokenizer(vocab=model["vocab"], merges=merges)


@cache
def unigram(special: tuple[str, ...]) -> Any:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    trainer = trainers.UnigramTrainer(
        vocab_size=400, special_tokens=list(special), unk_token="<unk>", show_progress=False, n_sub_iterations=1
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return [tuple(entry) for entry in _stored_model(tokenizer)["vocab"]]


BERT_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
OTHERS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
TOKENIZERS: dict[str, Callable[[], Any]] = {
    "bert": lambda: transformers.BertTokenizer(vocab=dict(word_pieces(BERT_SPECIAL)), do_lower_case=True),
    "roberta": byte_pairs,
    "xlm-roberta": lambda: transformers.XLMRobertaTokenizer(vocab=unigram(OTHERS)),
    "camembert": lambda: transformers.CamembertTokenizer(vocab=unigram(OTHERS)),
    "distilbert": lambda: transformers.DistilBertTokenizer(vocab=dict(word_pieces(BERT_SPECIAL)), do_lower_case=False),
    "electra": lambda: transformers.BertTokenizer(vocab=dict(word_pieces(BERT_SPECIAL))),
    "albert": lambda: transformers.AlbertTokenizer(vocab=unigram(("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"))),
    "mpnet": lambda: transformers.MPNetTokenizer(
        vocab=dict(word_pieces(("<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>")))
    ),
}


def oracle(member: str, vocab_size: int, seed: int = 0, **changes: Any) -> Any:
    """A tiny model of transformers with random weights, without heads."""
    sizes = {**(DISTIL if member == "distilbert" else PLAIN), **SIZES[member], "vocab_size": vocab_size, **changes}
    auto: Any = transformers.AutoModel
    config = transformers.AutoConfig.for_model(member, **sizes)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = auto.from_config(config, attn_implementation="eager")
    shake(model, seed)
    return model.eval()


def write(member: str, folder: Path) -> None:
    """Write a folder as transformers saves it: encoder and tokenizer."""
    tokenizer = TOKENIZERS[member]()
    model = oracle(member, len(tokenizer))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


assert MEMBERS.keys() == SIZES.keys() == TOKENIZERS.keys(), "a member has no test"
