"""ALBERT (Lan et al., 2020): projected embeddings, and layers that share their weights.

Its classes in transformers apply no dropout after the feed-forward part, whatever the rate; here it is applied. The rate of
released checkpoints is 0.
"""

from dataclasses import replace

from swissbert.family.bert import BERT
from swissbert.family.member import Classifier

ALBERT = replace(
    BERT,
    title="ALBERT",
    model="AlbertModel",
    prefix="albert.",
    classifier=Classifier("AlbertForSequenceClassification", dropout="classifier_dropout_prob"),
    keys={**BERT.keys, "embedding_size": "embedding_size", "layer_groups": "num_hidden_groups"},
    outer={**BERT.outer, "embeddings.projection": "encoder.embedding_hidden_mapping_in", "pooler": "pooler"},
    layer="encoder.albert_layer_groups.{}.albert_layers.0.",
    inner={
        "qkv": ("attention.query", "attention.key", "attention.value"),
        "attention_out": ("attention.dense",),
        "attention_norm": ("attention.LayerNorm",),
        "up": ("ffn",),
        "down": ("ffn_output",),
        "norm": ("full_layer_layer_norm",),
    },
    defaults={
        "embedding_size": 128,
        "layer_groups": 1,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "activation": "gelu_new",
    },
    fixed={**BERT.fixed, "inner_group_num": (1, None)},
    tokenizers=("AlbertTokenizer",),
)
