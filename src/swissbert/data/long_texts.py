"""Cut very long texts before they are tokenized, so that their length costs nothing and their tokens stay the same.

A text is cut where the words before do not depend on what follows: before a space, or between two characters of which
each is a word of its own, Chinese ones or punctuation. For byte-level BPE and Unigram, which keep spaces, that is before the
first of several spaces, and for the former also before punctuation that follows a Chinese character.
"""

import string
import unicodedata
from functools import lru_cache

from tokenizers import Tokenizer

from swissbert.data.word_piece import part_of

CHARACTERS = 16
"""Characters for each token that is read, from which a text is cut; a word of English has about five for each."""
SPACES = frozenset(
    "\t\n\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)


class LongTexts:
    """Cuts texts for one tokenizer.

    Args:
        fast: The tokenizer, of the parts that `swissbert.data.tokenizer_steps` allows.
    """

    def __init__(self, fast: Tokenizer) -> None:
        self._fast = fast
        added = list(fast.get_added_tokens_decoder().values())
        forms = {token.content for token in added}
        if fast.normalizer is not None:
            forms |= {fast.normalizer.normalize_str(form) for form in forms}
        forms |= {"".join(form.split()) for form in forms}
        self._inside = {form[at : at + 2] for form in forms for at in range(len(form) - 1)}  # of added tokens
        self._at_spaces = not any(mark.isspace() for form in forms for mark in form.strip())
        self._between_words = not any(token.single_word for token in added)
        normalizer = part_of(fast, "normalizer")
        self._chinese = bool(normalizer.get("handle_chinese_chars"))
        self._model = type(fast.model).__name__
        for step in normalizer.get("normalizers", [normalizer]):
            text = step.get("pattern", {}).get("String", "")
            self._at_spaces &= not any(mark.isspace() for mark in text[1:])  # the cut would be inside
            self._inside |= {text[at : at + 2] for at in range(len(text) - 1)}

    def cut(self, text: str, most: int) -> str:
        """Return the beginning of a text, with the same first tokens and more than `most` of them; a short text as it is.

        Args:
            text: The text.
            most: Number of tokens to which the tokenizer truncates at the moment.
        """
        size = CHARACTERS * most
        while size < len(text):
            end = next((at for at in range(size, size // 2, -1) if self._is_end(text, at)), 0)
            if end and self.is_long(text[:end]):
                return text[:end]
            size *= 4
        return text

    def is_long(self, text: str) -> bool:
        """Whether a text has more tokens than the tokenizer truncates to at the moment."""
        return bool(self._fast.encode(text, add_special_tokens=False).overflowing)

    def _is_end(self, text: str, at: int) -> bool:
        """Whether the tokens of ``text[:at]`` do not depend on what follows."""
        if self._model != "WordPiece":
            before, after = text[at - 1], text[at]
            if after == " ":
                return self._at_spaces and not before.isspace()
            is_end = self._model == "BPE" and _is_chinese(before) and is_punctuation(after)
            return is_end and self._between_words and before + after not in self._inside
        if text[at] in SPACES:
            return self._at_spaces
        return (
            self._between_words
            and self._is_word(text[at - 1])
            and self._is_word(text[at])
            and text[at - 1 : at + 1] not in self._inside
        )

    def _is_word(self, mark: str) -> bool:
        return (_is_chinese(mark) and self._chinese) or is_punctuation(mark)


def _is_chinese(mark: str) -> bool:
    return "\u4e00" <= mark <= "\u9fff"


@lru_cache(maxsize=4096)
def is_punctuation(mark: str) -> bool:
    """Whether a character is punctuation in every version of Unicode, so that the library tokenizers takes it as such."""
    of_all = (unicodedata.category(mark)[0], unicodedata.ucd_3_2_0.category(mark)[0])
    return mark in string.punctuation or of_all == ("P", "P")
