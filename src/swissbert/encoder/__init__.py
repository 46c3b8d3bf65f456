"""BERT (Devlin et al., 2019), implemented for packed batches, and its checkpoints. Knows no hub, no ONNX, no settings."""

from swissbert.encoder.attention import PackedLayout, PaddedLayout
from swissbert.encoder.bert import Bert, BertConfig, Encoded

__all__ = ["Bert", "BertConfig", "Encoded", "PackedLayout", "PaddedLayout"]
