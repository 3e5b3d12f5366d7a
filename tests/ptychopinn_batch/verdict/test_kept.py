"""Evidence is asked for once, and again where something else decides it."""

import pytest

from ptychopinn_batch.verdict.kept import evidence_at


@pytest.fixture
def examined(raw, stored, network):
    from ptychopinn_batch.verdict.examine import examine

    return examine(stored(raw), network)


def test_what_is_known_is_not_asked_again(tmp_path, examined):
    path = tmp_path / "evidence" / "s.json"
    assert evidence_at(path, "k", lambda: examined) is examined
    assert evidence_at(path, "k", lambda: pytest.fail("asked")) == examined


def test_that_there_is_none_is_known_too(tmp_path):
    path = tmp_path / "evidence" / "s.json"
    assert evidence_at(path, "k", lambda: None) is None
    assert evidence_at(path, "k", lambda: pytest.fail("asked")) is None


@pytest.mark.parametrize("change", ["another key", "damage"])
def test_what_does_not_hold_any_more_is_asked_again(tmp_path, examined, change):
    path = tmp_path / "evidence" / "s.json"
    evidence_at(path, "k", lambda: None)
    if change == "damage":
        path.write_text(path.read_text()[:-2])
    key = "l" if change == "another key" else "k"
    assert evidence_at(path, key, lambda: examined) is examined
    assert evidence_at(path, key, lambda: None) == examined
