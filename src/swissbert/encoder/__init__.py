"""BERT (Devlin et al., 2019), this project's own implementation, and its checkpoints."""

from swissbert.encoder.attention import PackedLayout, PaddedLayout
from swissbert.encoder.bert import Bert, BertConfig, Encoded

__all__ = ["Bert", "BertConfig", "Encoded", "PackedLayout", "PaddedLayout"]
