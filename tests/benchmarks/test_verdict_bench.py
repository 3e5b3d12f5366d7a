"""The bench of the verdict: its scans, what it keeps, and how it counts."""

import pytest
import verdict
from verdict_bench.scans import FAULTS, case, cases_of_a_round, kind_of
from verdict_bench.score import Row, table

from ptychopinn_batch.verdict.orientation import AXES
from tests.ptychopinn_batch.verdict.test_judge import axes, evidence

ROUND = cases_of_a_round()
SWAPPED = evidence(placements__axes=axes(0.08, swap_xy=0.006))


def row(seed=0, kind="", **changes):
    values = {"size": 1.0, "about": "a scan", "seconds": 1.0, "evidence": evidence(), **changes}
    return Row(seed=seed, kind=kind, **values)


def test_a_round_has_every_fault_once_beside_as_many_sound_scans():
    kinds = [kind_of(seed) for seed in range(ROUND)]
    assert sorted(kinds) == sorted(["", *FAULTS] + [""] * (len(FAULTS) - 1))


def seed_of(kind):
    return next(seed for seed in range(ROUND) if kind_of(seed) == kind)


def test_the_same_seed_makes_the_same_scan_and_its_fault_is_told():
    seed = seed_of("axes")
    one, other = case(seed), case(seed)
    assert (one.raw.positions == other.raw.positions).all()
    assert one.about.endswith(tuple(AXES)[1:])


@pytest.mark.parametrize(("kind", "size"), [("positions by 3 px", 3.0), ("distance by 20 %", 0.2)])
def test_the_faults_that_must_be_found_have_one_size(kind, size):
    assert {case(seed_of(kind) + k * ROUND).size for k in range(2)} == {size}


def test_a_fault_counts_as_found_by_its_right_name_alone():
    assert row(kind="axes", evidence=SWAPPED).is_bad_for_it
    assert not row(kind="pixel size", evidence=SWAPPED).is_named
    assert not row(kind="axes").is_named
    assert row(kind="axes", evidence=None, refused="no such axes").is_named


def test_the_table_counts_each_kind_and_what_is_made_up_in_sound_scans():
    rows = [row(0), row(2, evidence=SWAPPED), row(1, "axes", evidence=SWAPPED), row(3, "axes")]
    lines = list(table(rows))
    assert lines[2] == "| axes | 2 | 1/2 | 1/2 | 1/2 | 1/2 | 1/2 |"
    assert lines[-1].startswith("| none (sound) | 2 | 0/2 doubtful | 1/2 |")


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """The bench with scans that need no measuring, and those it was asked to measure."""
    asked = []

    class Pool:
        def __init__(self, jobs):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def map(self, function, seeds):
            for seed in seeds:
                asked.append(seed)
                yield row(seed, kind_of(seed))

    monkeypatch.setattr(verdict, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(verdict, "describe", lambda: None)

    def call(*arguments):
        asked.clear()
        options = ["verdict.py", "--out", str(tmp_path), *arguments]
        monkeypatch.setattr("sys.argv", options)
        verdict.main()
        return list(asked)

    call.file = tmp_path / "evidence.jsonl"
    return call


def test_what_was_measured_is_not_measured_again(measured):
    assert measured("--scans", "4") == [0, 1, 2, 3]
    assert measured("--scans", "6") == [4, 5]


def test_a_torn_line_is_measured_again_and_spoils_no_other(measured):
    measured("--scans", "4")
    whole = measured.file.read_text()
    measured.file.write_text(whole[:-20])
    assert measured("--scans", "5") == [3, 4]
    assert sorted(found.seed for found in verdict.known(measured.file)) == [0, 1, 2, 3, 4]


def test_some_kinds_alone_can_be_measured(measured):
    seeds = measured("--scans", str(2 * ROUND), "--kinds", "axes,sound")
    assert {kind_of(seed) for seed in seeds} == {"axes", ""}
    assert measured("--scans", str(2 * ROUND), "--report") == []
