"""Memory of this process: counted in the right unit."""

import psutil
import pytest

from hpc.memory import peak_mb


def test_the_peak_is_in_megabytes_and_not_less_than_what_is_held_now() -> None:
    held = psutil.Process().memory_info().rss / 1e6
    assert held * 0.98 <= peak_mb() < 1e5


def test_other_systems_count_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = peak_mb()
    monkeypatch.setattr("sys.platform", "darwin")  # where the same number is in bytes
    assert peak_mb() == pytest.approx(before / 1024, rel=0.1)
