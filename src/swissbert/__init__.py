"""swissBERT: one BERT encoder fine-tuned for several sentence-level tasks at once."""

__version__ = "0.1.0"
