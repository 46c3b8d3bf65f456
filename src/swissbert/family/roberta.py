"""RoBERTa (Liu et al., 2019), and XLM-R and CamemBERT, which differ from it in their vocabularies alone.

Positions are counted from behind the row of the padding token. All tokens have type 0: separators alone mark a pair.
"""

from dataclasses import replace
from typing import Any

from swissbert.family.bert import BERT
from swissbert.family.member import Classifier


def _settle(values: dict[str, Any]) -> None:
    values["position_offset"] += 1  # the file states the padding token
    values["max_positions"] -= values["position_offset"]


def _unsettle(values: dict[str, Any]) -> None:
    values["max_positions"] += values["position_offset"]
    values["position_offset"] -= 1


ROBERTA = replace(
    BERT,
    title="RoBERTa",
    model="RobertaModel",
    prefix="roberta.",
    classifier=Classifier("RobertaForSequenceClassification", "classifier.out_proj", "classifier.dense"),
    keys={**BERT.keys, "position_offset": "pad_token_id"},
    defaults={"position_offset": 1},
    settle=_settle,
    unsettle=_unsettle,
    tokenizers=("RobertaTokenizer",),
)
XLM_ROBERTA = replace(
    ROBERTA,
    title="XLM-R",
    model="XLMRobertaModel",
    classifier=replace(ROBERTA.classifier, name="XLMRobertaForSequenceClassification"),
    tokenizers=("XLMRobertaTokenizer",),
)
CAMEMBERT = replace(
    ROBERTA,
    title="CamemBERT",
    model="CamembertModel",
    classifier=replace(ROBERTA.classifier, name="CamembertForSequenceClassification"),
    tokenizers=("CamembertTokenizer",),
)
