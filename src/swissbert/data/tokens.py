"""The tokenizer of an encoder: texts to token tables."""

import hashlib
import json
import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from swissbert.data.long_texts import CHARACTERS, LongTexts
from swissbert.data.token_places import byte_text, token_places, word_places
from swissbert.data.token_table import TokenTable
from swissbert.data.tokenizer_file import check_size
from swissbert.data.vocabulary import CONFIG, FILE, VOCABULARY, read_stored, read_tokenizer
from swissbert.data.word_piece import config_table, engine_errors
from swissbert.errors import SwissbertError
from swissbert.forking import ForkLock


class Tokenizer:
    """Tokenizer of an encoder: WordPiece, byte-level BPE or Unigram. Threads may share one.

    Args:
        folder: Folder with ``tokenizer.json`` or ``vocab.txt``, and the files beside them; see
            `swissbert.data.vocabulary`.
        vocab_size: Vocabulary size of the encoder.
        token_types: Number of token types of the encoder.
        as_stored: Read ``tokenizer.json`` alone, and without it lower-case unless told otherwise: the rule of model
            folders, also those of swissbert 0.1.0, which are complete.

    Attributes:
        folder: The folder.
        cls: Id of the CLS token.
        sep: Id of the SEP token.
        separators: SEP tokens between the texts of a pair, 1 or 2; see `TokenTable`.
        size: Number of entries of the vocabulary; all ids are below it.
        longest: The folder's ``model_max_length``; None if it states none.
        notes: Lines about what was decided here rather than by the files.

    Raises:
        SwissbertError: If there is no usable vocabulary, it has more entries than `vocab_size`, or files contradict
            each other.
    """

    def __init__(
        self, folder: Path, vocab_size: int | None = None, *, token_types: int = 2, as_stored: bool = False
    ) -> None:
        self.folder = folder
        self._parts = parts = (read_stored if as_stored else read_tokenizer)(folder, vocab_size)
        self._fast, self.longest, self.notes = parts.fast, parts.longest, parts.notes
        self._lock = ForkLock()
        self._fast.no_padding()
        self._fast.no_truncation()
        keys = ("cls_token", "sep_token", *(["unk_token"] if parts.model == "WordPiece" else []))
        names = [parts.special[key] for key in keys]
        self.cls, self.sep = (self._fast.token_to_id(token) for token in names[:2])
        lacking = [token for token in names if self._fast.token_to_id(token) is None]
        if lacking:
            raise SwissbertError(f"{folder}: the vocabulary lacks {' and '.join(lacking)}")
        with engine_errors(folder):
            pair = self._fast.encode("", "")
        self.separators = len(pair.ids) - 2
        is_usual = self.separators == 2 or (self.separators == 1 and any(pair.type_ids))
        if self._fast.encode("").ids != [self.cls, self.sep] or pair.ids[1:] != [self.sep] * (self.separators + 1):
            is_usual = False
        if not is_usual or pair.ids[0] != self.cls:
            raise SwissbertError(
                f"{folder}: the tokenizer does not put {names[0]} before and {names[1]} after a text, as BERT's does"
            )
        self._writes_types = self.separators == 1 and token_types > 0
        self.size = max(self._fast.get_vocab().values(), default=-1) + 1
        check_size([*parts.vocabulary.values(), *self._fast.get_added_tokens_decoder()], vocab_size, folder)

    def encode(self, texts: list[str], pairs: list[str] | None, *, together: bool, max_length: int) -> TokenTable:
        """Tokenize texts or pairs of texts.

        Args:
            texts: The texts, or the first texts of pairs.
            pairs: The second texts; None for single texts.
            together: Whether a pair is one sequence, ``[CLS] a [SEP] b [SEP]`` or ``<s> a </s></s> b </s>``, or two.
            max_length: Longest sequence in tokens; longer ones are cut, a pair at its longer text first.
        """
        encoded = self._encodings(texts, pairs, together, max_length, self._fast.encode_batch_fast)
        return self._table(encoded, is_pair=pairs is not None, together=together)

    def _table(self, encoded: list[Any], *, is_pair: bool, together: bool) -> TokenTable:
        """Lay the sequences of the library tokenizers end to end."""
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(item) for item in encoded], out=offsets[1:])
        ids = np.fromiter((i for item in encoded for i in item.ids), np.int32, int(offsets[-1]))
        if self.separators == 1:
            first = np.array([len(item) - sum(item.type_ids) for item in encoded], np.int32)
        else:  # token types of such members do not tell the texts apart
            second = is_pair and together
            first = np.array(
                [len(item) - (item.sequence_ids.count(1) + 1 if second else 0) for item in encoded], np.int32
            )
        cut = np.array([bool(item.overflowing) for item in encoded], bool)
        return TokenTable(ids, first, offsets, 2 if is_pair and not together else 1, self.separators, cut)

    def encode_with_places(
        self, texts: list[str], pairs: list[str] | None, *, together: bool, max_length: int
    ) -> tuple[TokenTable, np.ndarray]:
        """Tokenize texts or pairs of texts, and find the characters that each token is made from; arguments as for `encode`.

        Returns:
            The table, and int64 ``[T, 3]``: for each token the number of its text (0, or 1 for the second text of a pair),
            and where it begins and ends there, in characters; -1, 0 and 0 for special tokens. For WordPiece these are the
            places of the word that it is or is a piece of, as far as that word was read; for other models, whose words may
            be whole sentences of languages without spaces, its own without the spaces around it, at least one character.
        """
        encoded = self._encodings(texts, pairs, together, max_length, self._fast.encode_batch)
        both = [texts] if pairs is None else [texts, pairs]
        per_row = 2 if pairs is not None and not together else 1

        def places_of(item: Any, number: int) -> list[tuple[int, int]]:
            if self._parts.model == "WordPiece":
                return word_places(item)
            own = [both[number % 2][number // 2]] if per_row == 2 else [part[number] for part in both]
            return token_places(item, own)

        places = [
            (-1, 0, 0) if part is None else (part if per_row == 1 else number % 2, *place)
            for number, item in enumerate(encoded)
            for part, place in zip(item.sequence_ids, places_of(item, number), strict=True)
        ]
        return self._table(encoded, is_pair=pairs is not None, together=together), np.array(places, np.int64).reshape(
            -1, 3
        )

    def _encodings(
        self,
        texts: list[str],
        pairs: list[str] | None,
        together: bool,
        max_length: int,
        encode: Callable[[list[Any]], list[Any]],
    ) -> list[Any]:
        """Return what the library gives for each sequence; `encode` is its method for a list of inputs."""
        inputs: list[Any] = texts
        if pairs is not None:
            both = zip(texts, pairs, strict=True)
            inputs = list(both) if together else [text for pair in both for text in pair]
        with self._lock:  # the length is a setting of the tokenizer object
            self._fast.enable_truncation(max_length, strategy="longest_first", direction=self._parts.truncation_side)
            with engine_errors(self.folder):
                if self._parts.truncation_side == "right":
                    inputs = [self._cut(item, max_length) for item in inputs]
                return encode(inputs)

    def _cut(self, item: Any, max_length: int) -> Any:
        """Cut a very long text or pair to what decides its tokens."""
        if isinstance(item, str):
            return item if len(item) <= CHARACTERS * max_length else self._long_texts.cut(item, max_length)
        if max(map(len, item)) <= CHARACTERS * max_length:
            return item
        short = tuple(self._long_texts.cut(text, max_length) for text in item)
        # of two long texts the one with more tokens keeps one more of an odd number, so all of them have to be counted
        is_odd = (max_length - self._fast.num_special_tokens_to_add(True)) % 2
        return item if is_odd and all(map(self._long_texts.is_long, short)) else short

    @cached_property
    def _long_texts(self) -> LongTexts:
        return LongTexts(self._fast)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the vocabulary and of all settings that decide how a text is tokenized."""
        stored = json.loads(self._fast.to_str())
        decisive = {name: part for name, part in stored.items() if name not in ("truncation", "padding")}
        if self._parts.truncation_side != "right":
            decisive["truncation_side"] = self._parts.truncation_side
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()

    def form(self, *texts: str) -> str:
        """Return how one text or two become a sequence, such as ``[CLS] a [SEP] b [SEP]`` for ``form("a", "b")``."""
        cls, sep = (self._parts.special[key] for key in ("cls_token", "sep_token"))
        return f"{cls} {f' {sep * self.separators} '.join(texts)} {sep}"

    @property
    def padding(self) -> tuple[int, str] | None:
        """Id and text of the padding token; None if the vocabulary has none."""
        name = self._parts.special["pad_token"]
        number = self._fast.token_to_id(name)
        return None if number is None else (number, name)

    def words(self, ids: list[int]) -> list[str]:
        """Return the word pieces of token ids; those of byte-level BPE as text, with ``▁`` for a space before a word."""
        pieces = [str(self._fast.id_to_token(i)) for i in ids]
        if self._parts.model != "BPE":
            return pieces
        added = self._fast.get_added_tokens_decoder()
        return [piece if i in added else byte_text(piece) for i, piece in zip(ids, pieces, strict=True)]

    def save(self, folder: Path, max_length: int | None = None) -> None:
        """Write ``tokenizer.json`` and ``tokenizer_config.json`` so that other libraries load it, and WordPiece's ``vocab.txt``.

        Args:
            folder: An existing folder.
            max_length: Length at which other libraries cut texts, in tokens; left open if None.
        """
        with self._lock:
            self._fast.no_truncation()
            self._fast.save(str(folder / FILE))
        if self._parts.model == "WordPiece":
            words = {number: word for word, number in self._fast.get_vocab().items()}
            last = max(words)
            # A repeated line of the original counts once, so its first number has no word; of equal lines the last counts.
            lines = [words.get(number, words[last]) for number in range(last + 1)]
            (folder / VOCABULARY).write_text("".join(f"{word}\n" for word in lines), encoding="utf-8")
        settings = config_table(self._parts, max_length, writes_types=self._writes_types)
        table = json.dumps(settings, indent=2, ensure_ascii=False)
        (folder / CONFIG).write_text(table + "\n", encoding="utf-8")


def _one_thread() -> None:
    """Tokenize in one thread in forked processes: the library's own threads do not exist there."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_one_thread)
