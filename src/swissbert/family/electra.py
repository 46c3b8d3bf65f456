"""ELECTRA (Clark et al., 2020), the discriminator: embeddings of another width, projected to H, and no pooler."""

from dataclasses import replace
from typing import Any

from swissbert.family.bert import BERT
from swissbert.family.member import Classifier


def _settle(values: dict[str, Any]) -> None:
    if values["embedding_size"] == values["hidden_size"]:  # then there is no projection
        values["embedding_size"] = None


def _unsettle(values: dict[str, Any]) -> None:
    values["embedding_size"] = values["embedding_size"] or values["hidden_size"]


ELECTRA = replace(
    BERT,
    title="ELECTRA",
    model="ElectraModel",
    prefix="electra.",
    classifier=Classifier("ElectraForSequenceClassification", "classifier.out_proj", "classifier.dense", "gelu"),
    keys={**BERT.keys, "embedding_size": "embedding_size"},
    outer={**BERT.outer, "embeddings.projection": "embeddings_project"},
    defaults={"embedding_size": 128, "has_pooler": False},
    settle=_settle,
    unsettle=_unsettle,
    tokenizers=("ElectraTokenizer", "BertTokenizer"),
)
