"""DistilBERT (Sanh et al., 2019): BERT without token types and pooler, under names of its own."""

from swissbert.family.bert import BERT
from swissbert.family.member import Classifier, Member

_OWN = {
    "hidden_size": "dim",
    "layers": "n_layers",
    "heads": "n_heads",
    "intermediate_size": "hidden_dim",
    "dropout": "dropout",
    "attention_dropout": "attention_dropout",
    "activation": "activation",
}

DISTILBERT = Member(
    title="DistilBERT",
    model="DistilBertModel",
    prefix="distilbert.",
    classifier=Classifier(
        "DistilBertForSequenceClassification", "classifier", "pre_classifier", "relu", "seq_classif_dropout"
    ),
    keys={field: _OWN.get(field, key) for field, key in BERT.keys.items() if field not in ("token_types", "norm_eps")},
    outer=BERT.outer,
    layer="transformer.layer.{}.",
    inner={
        "qkv": ("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        "attention_out": ("attention.out_lin",),
        "attention_norm": ("sa_layer_norm",),
        "up": ("ffn.lin1",),
        "down": ("ffn.lin2",),
        "norm": ("output_layer_norm",),
    },
    defaults={"token_types": 0, "has_pooler": False},
    tokenizers=("DistilBertTokenizer", "BertTokenizer"),
)
