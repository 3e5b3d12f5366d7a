"""What trials share: the run as it comes out undisturbed, and how many places it has."""

from pathlib import Path

import pytest

from tests.faults.place import load_all
from tests.faults.trial import Trial, places_of, undisturbed


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    load_all()
    return undisturbed(tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory, expected: dict[str, str]) -> dict[bool, int]:
    """How many places there are without reading, and with it."""
    folder = tmp_path_factory.mktemp("counted")
    return {reads: places_of(folder / str(reads), reads=reads) for reads in (False, True)}


@pytest.fixture
def survives(tmp_path: Path, expected: dict[str, str], places: dict[bool, int]):
    """Have a fault strike at a part of the way through a run, and see that nothing is lost."""

    def check(strike, part: float, *, lasting: bool = False, reads: bool = False) -> None:
        first = max(1, round(part * places[reads]))
        trial = Trial(strike, first, lasting=lasting, reads=reads)
        struck, found = trial.faults(tmp_path / "trial", expected)
        assert struck > 0
        assert found == []

    return check
