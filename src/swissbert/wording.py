"""Lists of names in sentences."""

from collections.abc import Sequence


def joined(names: Sequence[str]) -> str:
    """Join names: ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def shortened(names: Sequence[str], most: int) -> str:
    """Join the first names and count the others: ``a, b and 3 more``.

    Args:
        names: The names.
        most: Number of names that are shown, from 1.
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
