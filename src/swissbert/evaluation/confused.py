"""Confusion matrices of many labels, in short: the pairs that are most often confused, and the labels with most errors."""

from collections.abc import Sequence

import numpy as np

MANY_LABELS = 12
"""Labels up to which a confusion matrix is shown as a whole."""
LISTED = 15
"""Number of pairs and labels that are listed of larger ones."""

Confusion = Sequence[Sequence[int]]
"""Rows by ``[true label][predicted label]``."""


def most_confused(labels: Sequence[str], confusion: Confusion) -> list[tuple[str, str, int]]:
    """Return the pairs of different labels with most rows: true label, predicted label, rows."""
    counts = np.array(confusion)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:LISTED]
    pairs = [divmod(int(cell), len(labels)) for cell in order]
    return [(labels[i], labels[j], int(counts[i, j])) for i, j in pairs if counts[i, j]]


def worst_labels(labels: Sequence[str], confusion: Confusion) -> list[tuple[str, int, int, float]]:
    """Return the labels with the smallest share of right rows, of those that occur: label, rows, right rows, share."""
    counts = np.array(confusion)
    rows, right = counts.sum(1), counts.diagonal()
    present = np.flatnonzero(rows)
    order = present[np.lexsort((-rows[present], right[present] / rows[present]))][:LISTED]
    return [(labels[i], int(rows[i]), int(right[i]), float(right[i] / rows[i])) for i in order]
