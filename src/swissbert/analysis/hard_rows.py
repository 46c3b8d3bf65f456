"""The kinds of rows that are named as hard, with a correction for how many kinds are compared."""

from swissbert.analysis.answered import AnsweredSplit
from swissbert.analysis.difference_intervals import MISSES
from swissbert.analysis.mistakes import BucketErrors, bucket_errors

FLOOR = 30
"""Rows that a bucket and its complement need to be compared: the mistakes of fewer are chance."""


def compared_buckets(answered: AnsweredSplit) -> list[BucketErrors]:
    """Return the buckets with enough rows on both sides, with intervals that all hold together in 95 % of cases.

    With k buckets, each interval is one of 100 % - 5 % / k (Bonferroni). Of six plain intervals of 95 %, one or more would
    miss in up to 30 % of all reports.
    """
    large = [flags for flags in answered.flags.T if FLOOR <= flags.sum() <= len(flags) - FLOOR]
    buckets = bucket_errors(answered, MISSES / max(1, len(large)))
    return [bucket for bucket in buckets if FLOOR <= bucket.rows <= len(answered.errors) - FLOOR]


def hard_buckets(answered: AnsweredSplit) -> list[BucketErrors]:
    """Return the compared buckets whose errors are clearly larger than those of all other rows, the largest first."""
    hard = [bucket for bucket in compared_buckets(answered) if bucket.is_significant and bucket.difference > 0]
    return sorted(hard, key=lambda bucket: -bucket.difference)
