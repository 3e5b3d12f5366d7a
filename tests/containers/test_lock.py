"""The lock of the image: it has a version, and a fitting one, of all that the program asks for."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
INSIDE = [*PROJECT["dependencies"], *EXTRAS["fftw"], *EXTRAS["tracking"], *EXTRAS["safetensors"]]


def locked():
    lines = (ROOT / "containers" / "lock.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


@pytest.mark.parametrize("line", INSIDE)
def test_every_dependency_is_locked_to_a_version_that_suits(line):
    wanted = Requirement(line)
    version = locked().get(canonicalize_name(wanted.name))
    assert version, f"{wanted.name} is not in containers/lock.txt"
    assert version in wanted.specifier
