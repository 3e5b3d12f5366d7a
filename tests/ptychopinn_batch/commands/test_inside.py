"""A profile with a container: what `submit` and `plan` make of it, and what they refuse."""

import sys

import pytest

SPEC = """\
version: 1
name: small
scans:
  - name: star
    simulate: {frames: 100, frame_size: 32}
model: {pretrained: none}
"""
SIF = b"#!/usr/bin/env run-singularity\n\0SIF_MAGIC\0" + bytes(64)


@pytest.fixture
def place(here, monkeypatch):
    """A spec, a profile with an image, and an apptainer that runs everything on the host."""
    (here / "small.yaml").write_text(SPEC)
    (here / "p.sif").write_bytes(SIF)
    (here / "hall.yaml").write_text("version: 1\nexecutor: local\ncontainer: {image: p.sif}\n")
    program = here / "bin" / "apptainer"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\nwhile [ "${1%.sif}" = "$1" ]; do shift; done\n'
        f'shift 2\nexec {sys.executable} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return here


def refusal(place, call, *options):
    """What a submit says that writes nothing."""
    code, _, said = call("submit", "small.yaml", "--profile", "./hall.yaml", *options)
    assert code == 2
    assert not (place / "runs").exists()
    return said


def test_tasks_are_started_inside(place, call):
    code, printed, _ = call(
        *("submit", "small.yaml", "--profile", "./hall.yaml", "--executor", "dry-run")
    )
    assert code == 0
    lines = printed.splitlines()
    assert all(line.startswith("apptainer exec --bind ") for line in lines)
    assert all(f"{place}/p.sif python -I -m hpc.worker" in line for line in lines)


def test_the_image_is_in_the_key_of_every_task(place, call):
    _, before, _ = call("plan", "small.yaml", "--profile", "./hall.yaml", "--json")
    (place / "p.sif").write_bytes(SIF + b"newer")
    _, after, _ = call("plan", "small.yaml", "--profile", "./hall.yaml", "--json")
    assert before != after


def test_an_image_that_is_not_there(place, call):
    (place / "p.sif").unlink()
    said = refusal(place, call)
    assert f"hall.yaml container.image: there is no image {place}/p.sif. Mend the path" in said


def test_an_image_of_another_version(place, call, monkeypatch):
    monkeypatch.setattr("ptychopinn_batch.commands.inside.__version__", "99.0")
    said = refusal(place, call)
    assert f"the image {place}/p.sif holds ptychopinn-batch" in said
    assert "this is 99.0. Build an image of this version" in said


def test_no_apptainer(place, call, monkeypatch):
    (place / "bin" / "apptainer").unlink()
    assert "there is no 'apptainer' on PATH. Load its module" in refusal(place, call)


def test_options_that_cut_tasks_off_are_complained_about_with_their_line(place, call):
    text = "version: 1\nexecutor: local\ncontainer: {image: p.sif, options: [--cleanenv]}\n"
    (place / "hall.yaml").write_text(text)
    said = refusal(place, call)
    assert "hall.yaml:3 container.options: --cleanenv cannot be used, for tasks know" in said
