"""Check the table of character replacements that SentencePiece stores in a normalizer of the type ``Precompiled``.

The table is a double-array trie (Aoe, 1989) of UTF-8 bytes in units of 32 bits, and behind it the replacements, each
ended by a zero byte. The library tokenizers follows it without checks, so a damaged one would end in a panic at some text,
and a long replacement would let a text grow a thousandfold.
"""

import base64
import binascii

import numpy as np

LARGEST = 2**21
"""Most bytes; the table of NFKC has a quarter of a megabyte."""
LONGEST = 64
"""Most bytes of a replacement; NFKC's longest has 33."""


def check_charsmap(stored: object) -> str | None:
    """Say in a clause what is wrong with a table; None if it can be used.

    Args:
        stored: The table, base64.
    """
    if not isinstance(stored, str) or len(stored) > LARGEST * 4 // 3:
        return f"is no text of up to {LARGEST * 4 // 3:,} characters"
    try:
        content = base64.b64decode(stored, validate=True)
    except (binascii.Error, ValueError):
        return "is not base64"
    size = int.from_bytes(content[:4], "little")
    if size % 1024 or not 1024 <= size <= len(content) - 5 or content[-1] != 0:
        return "has no trie and replacements of the stated size"
    units = np.frombuffer(content, "<u4", size // 4, 4).astype(np.int64)
    texts = content[4 + size :]
    try:
        texts.decode("utf-8")
    except UnicodeDecodeError:
        return "has replacements that are not UTF-8"
    if max(map(len, texts.split(b"\0"))) > LONGEST:
        return f"has a replacement of more than {LONGEST} bytes"
    is_leaf = units >> 31 == 1
    if is_leaf[0]:  # the root
        return "leads outside of its trie"
    places = units[is_leaf] & 0x7FFFFFFF  # of replacements
    starts = np.frombuffer(texts, np.uint8)
    if len(places) and (int(places.max()) >= len(texts) or bool((starts[places] & 0xC0 == 0x80).any())):
        return "leads outside of its replacements"
    own = np.flatnonzero(~is_leaf)
    inner = units[own]
    reached = own ^ ((inner >> 10) << ((inner & (1 << 9)) >> 6))
    if bool(((reached | 255) >= len(units)).any()):
        return "leads outside of its trie"
    followed = reached[(inner >> 8) & 1 == 1]  # read as places of replacements, whatever they are
    return None if bool(is_leaf[followed].all()) else "leads outside of its replacements"
