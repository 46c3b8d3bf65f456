"""The table of the members of the BERT family, by ``model_type`` in ``config.json``."""

from swissbert.encoder.members.albert import ALBERT
from swissbert.encoder.members.base import Member
from swissbert.encoder.members.bert import BERT
from swissbert.encoder.members.distilbert import DISTILBERT
from swissbert.encoder.members.electra import ELECTRA
from swissbert.encoder.members.mpnet import MPNET
from swissbert.encoder.members.roberta import CAMEMBERT, ROBERTA, XLM_ROBERTA

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
