"""A package takes the place of a package, and of nothing else."""

import pytest

import ptychopinn_batch as pb
from ptychopinn_batch.package import load_package


@pytest.mark.parametrize("kind", ["a folder", "a file"])
def test_what_is_no_package_is_not_replaced_by_one(tmp_path, make, refusal_of, kind):
    model, place = load_package(make(tmp_path / "p")), tmp_path / "thesis"
    if kind == "a folder":
        place.mkdir()
        (place / "chapter.txt").write_text("years")
    else:
        place.write_text("years")
    assert refusal_of(pb.export, model, place) == (
        "this is no package, and one would take its place",
        str(place),
        "Name a new folder",
    )
    assert (place if place.is_file() else place / "chapter.txt").read_text() == "years"
