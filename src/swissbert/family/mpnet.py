"""MPNet (Song et al., 2020): no token types, positions as in RoBERTa, and an attention bias by relative position."""

from dataclasses import replace

from swissbert.family.bert import BERT
from swissbert.family.member import Classifier
from swissbert.family.roberta import ROBERTA

MPNET = replace(
    ROBERTA,
    title="MPNet",
    model="MPNetModel",
    prefix="mpnet.",
    classifier=Classifier("MPNetForSequenceClassification", "classifier.out_proj", "classifier.dense", dropout=None),
    keys={field: key for field, key in ROBERTA.keys.items() if field != "token_types"},
    outer={**BERT.outer, "relative_bias": "encoder.relative_attention_bias"},
    inner={
        **BERT.inner,
        "qkv": ("attention.attn.q", "attention.attn.k", "attention.attn.v"),
        "attention_out": ("attention.attn.o",),
        "attention_norm": ("attention.LayerNorm",),
    },
    defaults={"token_types": 0, "position_offset": 1, "relative_buckets": 32},
    fixed={**BERT.fixed, "pad_token_id": (1, None), "relative_attention_num_buckets": (32, None)},  # in its classes
    tokenizers=("MPNetTokenizer",),
)
