"""Every command and snippet of the documentation is run: what a reader copies works.

All pages share one tiny run (`desk`). What needs a cluster is planned only; what needs another
program's environment is left to the tests in `ELSEWHERE`.
"""

import configparser
import re

import pytest
import yaml
from click.testing import CliRunner

from ptychopinn_batch import api
from ptychopinn_batch.cli import COMMANDS, cli
from ptychopinn_batch.cluster.file import read_cluster
from ptychopinn_batch.readers.registry import readers
from tests.ptychopinn_batch.commands.test_profile import ANSWERS, FAKES

from .desk import strings
from .markdown import PAGES, ROOT, blocks, lines

PROGRAM = "ptychopinn-batch "
MAY_FAIL = {"check": (0, 1), "doctor": (0, 2), "package": (0, 1), "watch": (0, 1)}
"""Exit codes of commands that judge; of all others it must be 0."""

ELSEWHERE = {
    "make": ".ci/run",
    "pip": ".ci/run",
    "python -m venv": ".ci/run",
    "python -m ptychopinn_batch.client": "tests/ptychopinn_batch/client/test_client.py",
    "ptychodus": "tests/ptychopinn_batch/client/test_client.py",
    "export PTYCHOPINN": "tests/ptychopinn_batch/client/test_client.py",
    "export PYTHONPATH": "tests/ptychopinn_batch/client/test_client.py",
    "containers/build": "tests/containers/test_image.py",
    "apptainer": "tests/containers/test_image.py",
    "alias ptychopinn-batch": "tests/containers/test_image.py",
    "python benchmarks": "tests/benchmarks/test_quality_methods.py",
    ". .venv/bin/activate": "Makefile",
}
"""Beginnings of other lines of a shell, and what runs these programs."""

SHELL = ("", "sh")


def texts(language):
    """Pages that have a block in that language."""
    return [
        pytest.param(page, id=page.stem)
        for page in PAGES
        if any(block.language == language for block in blocks(page.read_text()))
    ]


def commands(page):
    """Lines that call the program, but for those that only show its options."""
    every = [line for b in blocks(page.read_text()) if b.language in SHELL for line in lines(b)]
    return [line for line in every if line.startswith(PROGRAM) and "[" not in synopsis(line)]


def synopsis(line):
    """A line without what is quoted or a comment: brackets in the rest stand for options."""
    return re.sub(r"'[^']*'|#.*", "", line)


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """The commands of a SLURM that says of itself what a site's does."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool, text in FAKES.items():
        (tools / tool).write_text(f"#!/bin/sh\n{text.format(ANSWERS / 'site')}\n")
        (tools / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))


@pytest.fixture
def beamline(tmp_path, monkeypatch):
    """The reader of the page about readers, installed by the entry point that it shows."""
    text = (ROOT / "docs" / "readers.md").read_text()
    module = next(b.text for b in blocks(text) if b.language == "python" and "class" in b.text)
    (entry,) = (b.text for b in blocks(text) if b.language == "toml")
    place = tmp_path / "site"
    (place / "my_beamline-1.dist-info").mkdir(parents=True)
    (place / "my_beamline.py").write_text(module)
    section = entry.replace('[project.entry-points."', "[").replace('"]', "]").replace('"', "")
    (place / "my_beamline-1.dist-info" / "entry_points.txt").write_text(section)
    (place / "my_beamline-1.dist-info" / "METADATA").write_text("Name: my_beamline\nVersion: 1\n")
    monkeypatch.syspath_prepend(place)
    readers.cache_clear()
    yield
    monkeypatch.undo()
    readers.cache_clear()


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda p: p.stem)
def test_commands_do_what_they_are_there_for(page, desk, cluster, beamline):
    here = desk(page.read_text())
    for line in commands(page):
        words = here.command(line)
        result = CliRunner().invoke(cli, words)
        assert result.exit_code in MAY_FAIL.get(words[0], (0,)), f"{line}\n{result.output}"
        assert "Traceback" not in result.output


@pytest.mark.parametrize("page", texts("yaml"))
def test_specs_and_profiles_are_valid(page, desk):
    here = desk(page.read_text())
    for block in blocks(page.read_text()):
        if block.language != "yaml":
            continue
        content, file = yaml.safe_load(block.text), here.folder / "shown.yaml"
        file.write_text(block.text)
        if "scans" not in content:
            assert read_cluster(file)
            continue
        here.put_paths(content)
        result = CliRunner().invoke(cli, ["validate", str(file)])
        assert result.exit_code == 0, f"{block.text}\n{result.output}"


@pytest.mark.parametrize("page", texts("python"))
def test_python_runs(page, desk, beamline, monkeypatch):
    here, names = desk(page.read_text()), {}
    monkeypatch.setattr(api, "train", quick(api.train))
    for number, block in enumerate(b for b in blocks(page.read_text()) if b.language == "python"):
        if "ptychodus" in block.text or "core." in block.text:
            continue  # test_with_ptychodus.py
        here.put_paths(strings(block.text))
        exec(compile(block.text, f"{page.name}, block {number}", "exec"), names)


def quick(train):
    """The same training, of one region in an epoch."""

    def trained(*arguments, **keys):
        return train(*arguments, **{"regions_per_epoch": 1, "unroll": (1, 1), "warm": 0, **keys})

    return trained


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_other_programs_are_run_elsewhere(page):
    """Lines of a shell that call something else; blocks of other things have a language."""
    for block in blocks(page.read_text()):
        if block.language != "sh" and not any(line.startswith(PROGRAM) for line in lines(block)):
            continue
        for line in lines(block):
            if line.startswith(PROGRAM):
                continue
            (found,) = {ELSEWHERE[start] for start in ELSEWHERE if line.startswith(start)}
            assert (ROOT / found).exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_scripts_of_the_project_have_these_options(page):
    for line in (line for block in blocks(page.read_text()) for line in lines(block)):
        if match := re.match(r"(?:python )?((?:benchmarks|containers)/[\w./]+)", line):
            script = ROOT / match[1]
            parts = [script, *script.parent.glob("*_bench/*.py")]
            source = "".join(part.read_text() for part in parts)
            named = re.findall(r"--[a-z][a-z-]*", line.split(" #")[0])
            assert [option for option in named if option not in source] == [], line


def test_every_command_of_the_program_is_shown():
    text = (ROOT / "docs" / "cli.md").read_text()
    shown = {line.split()[1] for b in blocks(text) for line in lines(b) if PROGRAM in line}
    assert set(COMMANDS) <= shown


def test_settings_of_ptychodus_are_those_there_are():
    (block,) = (
        b for b in blocks((ROOT / "docs" / "ptychodus.md").read_text()) if b.language == "ini"
    )
    parser = configparser.ConfigParser()
    parser.read_string(block.text)
    settings = (ROOT / "ptychopinn_batch" / "client" / "settings.py").read_text()
    known = set(re.findall(r"create_\w+_parameter\(\"(\w+)\"", settings))
    assert set(parser["PtychoPINNBatch"]) <= known
