"""Settings of the data: where rows come from, and what happens to bad ones."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from swissbert.config.fields import Count
from swissbert.data.bad_rows import MAX_BAD
from swissbert.settings import Settings

STARTER = Path(__file__).parents[1] / "data" / "starter"


class DataSettings(Settings):
    """Where rows come from, and what happens to bad ones.

    Attributes:
        dir: Directory with the tasks' files, kept as an absolute path, or ``starter`` for the corpus that ships.
        bad_rows: ``skip`` (reported and counted) or ``refuse``.
        max_bad: Largest share of bad rows in a split, 0 to 1. A few bad rows are slips, and the others teach the same
            without them; if more than a tenth is bad the cause is mostly one (an encoding, a delimiter, a list of labels)
            that makes what is left a biased sample, so training stops and names it. One bad row never stops it,
            unless the share is 0; rows without a label are counted apart and are not bad.
        limit: Use only this many rows of each split, the first ones in the file.
        swap_pairs: Let the two texts of a train pair change places in half of the cases, for all tasks that are
            ``symmetric``.
        cache: Keep tokens on disk: see `swissbert.data.cache`.
    """

    dir: str | None = None
    bad_rows: Literal["skip", "refuse"] = "skip"
    max_bad: float = Field(default=MAX_BAD, ge=0, le=1, strict=True)
    limit: Count | None = None
    swap_pairs: bool = Field(default=False, strict=True)
    cache: bool = Field(default=True, strict=True)

    @field_validator("dir")
    @classmethod
    def _absolute(cls, name: str | None) -> str | None:
        return name if name in (None, "starter") else str(Path(name).absolute())

    @property
    def path(self) -> Path | None:
        """The directory `dir`, with ``starter`` resolved; None if there is none."""
        return data_path(self.dir)


def data_path(name: str | None) -> Path | None:
    """Return a data directory by path, or by the name ``starter`` the corpus that ships; None for None."""
    return None if name is None else STARTER if name == "starter" else Path(name)
