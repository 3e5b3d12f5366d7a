"""A few seconds of what the programs beside this do for as long as one likes."""

import warnings
from collections import Counter

import pytest

from tests.fuzz import fuzz_readers, fuzz_texts

SEED = 20261126


def test_damaged_specs_profiles_and_records_are_taken_or_refused() -> None:
    ends = Counter(fuzz_texts.case(SEED, number) for number in range(160))
    assert ends["refused"] > 0
    assert ends["taken"] > 0
    assert sum(ends.values()) == 160


@pytest.mark.parametrize("kind", range(len(fuzz_readers.KINDS)), ids=fuzz_readers.KINDS)
def test_damaged_scans_are_read_or_refused(kind: int) -> None:
    """Whatever is neither is raised, and fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kinds = len(fuzz_readers.KINDS)
        ends = [fuzz_readers.one_case(SEED, kind + kinds * turn) for turn in range(4)]
    assert set(ends) <= {"read", "refused"}
