"""Members of the BERT family: what differs from BERT, and names in Hugging Face's files. One member in a file. Does not import torch."""

from swissbert.family.albert import ALBERT
from swissbert.family.bert import BERT
from swissbert.family.config import BertConfig
from swissbert.family.distilbert import DISTILBERT
from swissbert.family.electra import ELECTRA
from swissbert.family.member import Classifier, Member
from swissbert.family.mpnet import MPNET
from swissbert.family.roberta import CAMEMBERT, ROBERTA, XLM_ROBERTA

__all__ = ["MEMBERS", "BertConfig", "Classifier", "Member"]

MEMBERS: dict[str, Member] = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": XLM_ROBERTA,
    "camembert": CAMEMBERT,
    "distilbert": DISTILBERT,
    "electra": ELECTRA,
    "albert": ALBERT,
    "mpnet": MPNET,
}
"""The members by ``model_type`` in ``config.json``."""
