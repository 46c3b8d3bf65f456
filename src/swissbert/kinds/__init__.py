"""Kinds of task. A new kind is a `Kind` in a file here and one line in `KINDS`."""

from swissbert.kinds.answer import Answer
from swissbert.kinds.base import Array, Kind, Label
from swissbert.kinds.binary import Binary
from swissbert.kinds.cells import is_missing
from swissbert.kinds.classification import Classification
from swissbert.kinds.hf_head import HFHead
from swissbert.kinds.multilabel import Multilabel
from swissbert.kinds.regression import Regression

KINDS: dict[str, Kind] = {kind.name: kind for kind in (Classification(), Binary(), Regression(), Multilabel())}
"""The kinds by name. Importing them imports no torch."""

__all__ = ["KINDS", "Answer", "Array", "HFHead", "Kind", "Label", "is_missing"]
