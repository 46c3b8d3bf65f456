"""One split of one task, ready for batching: tokens and labels."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypedDict, Unpack

import numpy as np

from swissbert.data.formats.limits import chunks
from swissbert.data.holdout import row_hash
from swissbert.data.packing import shuffled_batches, take
from swissbert.data.rows import BadRow, LabelNotes, Row, labels_of, text_size
from swissbert.data.splits import Chooses, OnRow, Reading, Source
from swissbert.data.token_table import TokenTable
from swissbert.data.tokens import Tokenizer
from swissbert.data.weighting import Weighting
from swissbert.errors import SwissbertError
from swissbert.tasks import Split, Task

if TYPE_CHECKING:
    from swissbert.data.batches import PackedBatch
    from swissbert.data.extra_rows import ExtraRows

CHUNK = 4096
"""Rows that are tokenized at a time; their texts are freed afterwards."""


@dataclass(frozen=True)
class TaskData:
    """Tokens and labels of a split, without its texts.

    Attributes:
        task: The task.
        source: Name of the file, data set or rows.
        bad: Rows that could not be used.
        table: Tokens of the rows.
        labels: Labels, float64 ``[N]`` or ``[N, C]``, NaN where a row has none.
        rows_digest: SHA-256 of ids, texts, labels and weights.
        keys: A hash of the texts of each row, uint64 ``[N]`` (see `swissbert.data.holdout.row_hash`).
        row_weights: Weights of the rows, float64 ``[N]``; None where the task has no column of them.
        weighting: How rows are weighted in the loss; None for the plain mean.
        notes: What a reader of scores on these rows must know.
        label_notes: Rows without a label, and labels in other spellings.
        source_notes: Sentences about what was detected in the files rather than declared.
        extra: Rows of further train files, which are not among the N rows.
    """

    task: Task
    source: str
    bad: Sequence[BadRow]
    table: TokenTable
    labels: np.ndarray
    rows_digest: str
    keys: np.ndarray
    row_weights: np.ndarray | None = None
    weighting: Weighting | None = None
    notes: tuple[str, ...] = ()
    label_notes: LabelNotes = field(default_factory=LabelNotes)
    source_notes: list[str] = field(default_factory=list)
    extra: tuple["ExtraRows", ...] = ()

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)

    def fingerprint(self) -> str:
        """Return the SHA-256 of rows and tokens: it changes with any text, label, order, vocabulary or truncation."""
        digest = hashlib.sha256(self.rows_digest.encode())
        for part in (self.table.ids, self.table.first, self.table.offsets):
            digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()

    def labelled(self) -> "TaskData":
        """Return the data without the rows that have no label, which `label_notes` counts.

        Raises:
            SwissbertError: If no row has one.
        """
        missing = np.isnan(self.labels).reshape(len(self), -1).any(1)
        if not missing.any():
            return self
        if missing.all():
            raise SwissbertError(f"{self.source}: the rows have no labels of task '{self.task.name}' to score against")
        rows = np.flatnonzero(~missing)
        notes = LabelNotes(self.label_notes.unlabelled + int(missing.sum()), self.label_notes.spellings)
        weights = None if self.row_weights is None else self.row_weights[rows]
        return replace(
            self,
            table=take(self.table, rows),
            labels=self.labels[rows],
            keys=self.keys[rows],
            row_weights=weights,
            label_notes=notes,
        )

    def batch(self, rows: np.ndarray, swapped: np.ndarray | None = None) -> "PackedBatch":
        """Pack the rows of the given numbers, int64 ``[B]``; pairs change places where `swapped`, bool ``[B]``, is true."""
        from swissbert.data.batches import pack

        chosen = None if self.row_weights is None else self.row_weights[rows]
        return pack(self.table, rows, self.labels, self.weights_of(self.labels[rows], chosen), swapped)

    def weights_of(self, labels: np.ndarray, rows: np.ndarray | None) -> np.ndarray | None:
        """Return the weights of rows with labels ``[B]`` or ``[B, C]`` and weights `rows` ``[B]``; None for the plain mean."""
        return None if self.weighting is None else self.weighting.of(labels, rows)

    def shuffled(self, size: int, bucket: int, seed: Sequence[int]) -> list[np.ndarray]:
        """Return the row numbers of every batch of one pass; arguments as for `shuffled_batches`, order by `seed`."""
        return shuffled_batches(self.table.lengths, size, bucket, np.random.default_rng(list(seed)))


def tokenize(tokenizer: Tokenizer, task: Task, rows: Sequence[Row], *, separate: bool, max_length: int) -> TokenTable:
    """Tokenize rows of a task.

    Args:
        tokenizer: The encoder's tokenizer.
        task: Says whether rows are pairs.
        rows: The rows.
        separate: Whether the two sentences of a pair are sequences of their own.
        max_length: Longest sequence in tokens; longer ones are cut.
    """
    pairs = [row.text_pair or "" for row in rows] if task.is_pair else None
    return tokenizer.encode([row.text for row in rows], pairs, together=not separate, max_length=max_length)


class TokenOptions(TypedDict):
    """Options of tokenizing: whether sentences of a pair are sequences of their own, and the longest sequence."""

    separate: bool
    max_length: int


class SplitOptions(TokenOptions, total=False):
    """Options of loading a split; `refuse` and those after it are those of `Reading` and may be left out."""

    refuse: bool
    limit: int | None
    max_bad: float | None
    labelled: bool | None
    choose: Chooses | None
    on_row: OnRow | None


class Chunk(NamedTuple):
    """Some rows of a split: tokens, labels ``[n]`` or ``[n, C]``, hashes of their texts ``[n]``, weights ``[n]`` or ``[0]``."""

    table: TokenTable
    labels: np.ndarray
    keys: np.ndarray
    weights: np.ndarray


class Tokenizing:
    """A split in chunks of `CHUNK` rows. Iterating, once, yields each `Chunk`.

    Args:
        reading: The split.
        tokenizer: The encoder's tokenizer.
        separate: As in `tokenize`.
        max_length: As in `tokenize`.
    """

    def __init__(self, reading: Reading, tokenizer: Tokenizer, *, separate: bool, max_length: int) -> None:
        self.reading, self.tokenizer = reading, tokenizer
        self._options: TokenOptions = {"separate": separate, "max_length": max_length}
        self._digest = hashlib.sha256()

    def __iter__(self) -> Iterator[Chunk]:
        """Yield the rows; weights are empty where the split has none."""
        task, rows = self.reading.task, iter(self.reading)
        shape = task.kind.label_shape(task)
        for chunk in chunks(rows, CHUNK, text_size):
            for row in chunk:
                self._digest.update(row.digested())
            yield Chunk(
                tokenize(self.tokenizer, task, chunk, **self._options),
                labels_of(chunk, shape),
                np.array([row_hash(row) for row in chunk], np.uint64),
                np.array([row.weight for row in chunk if self.reading.is_weighted], np.float64),
            )

    def rows_digest(self) -> str:
        """Return the SHA-256 of the rows read so far."""
        return self._digest.hexdigest()


def tokenizing(
    task: Task, split: Split, source: Source, tokenizer: Tokenizer, **options: Unpack[SplitOptions]
) -> Tokenizing:
    """Open a split for reading and tokenizing in chunks.

    Args:
        task: The task.
        split: Which split.
        source: Where its rows come from.
        tokenizer: The encoder's tokenizer.
        **options: See `SplitOptions`.

    Raises:
        SwissbertError: As `Reading`.
    """
    reading = Reading(
        task,
        split,
        source,
        refuse=options.get("refuse", False),
        limit=options.get("limit"),
        max_bad=options.get("max_bad"),
        labelled=options.get("labelled"),
        choose=options.get("choose"),
        on_row=options.get("on_row"),
    )
    return Tokenizing(reading, tokenizer, separate=options["separate"], max_length=options["max_length"])


def load_split(
    task: Task, split: Split, source: Source, tokenizer: Tokenizer, **options: Unpack[SplitOptions]
) -> TaskData:
    """Read, check and tokenize a split into memory; arguments and errors as for `tokenizing`."""
    parts = tokenizing(task, split, source, tokenizer, **options)
    tables, *columns = zip(*parts, strict=True)
    reading = parts.reading
    labels, keys, weights = (np.concatenate(column) for column in columns)
    table, digest = TokenTable.join(tables), parts.rows_digest()
    row_weights = weights if len(weights) else None
    return TaskData(
        task,
        reading.source,
        reading.bad,
        table,
        labels,
        digest,
        keys,
        row_weights,
        label_notes=reading.label_notes,
        source_notes=reading.source_notes,
    )
