"""The documentation: its links lead somewhere, its commands exist, its spec is valid."""

import ast
import re
import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import ptychopinn_batch
from ptychopinn_batch.cli import cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)#]+)")
COMMAND = re.compile(r"^\s*ptychopinn-batch ([a-z]+)", re.MULTILINE)
TARGET = re.compile(r"^\s*make ([a-z]+)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    local = [link for link in LINK.findall(page.read_text()) if not link.startswith("http")]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_targets_exist(page):
    text, makefile = page.read_text(), (ROOT / "Makefile").read_text()
    assert set(COMMAND.findall(text)) <= set(cli.list_commands(click.Context(cli)))
    assert all(f"\n{target}:" in makefile for target in TARGET.findall(text))


def test_the_job_specs_named_in_the_readme_are_those_there_are():
    named = set(re.findall(r"^\| `([a-z0-9_]+\.yaml)`", (ROOT / "README.md").read_text(), re.M))
    assert named == {path.name for path in (ROOT / "jobspecs").glob("*.yaml")}


def test_the_shortest_spec_of_the_readme_is_valid(tmp_path):
    block = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block
    spec = tmp_path / "night.yaml"
    spec.write_text(block[1])
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / "data" / "siemens_star_128.npz", tmp_path / "data" / "scan_1.npz")
    result = CliRunner().invoke(cli, ["validate", str(spec)])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_python_is_told_to_import_is_there(page):
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        tree = ast.parse(block, page.name)
        verbs = [
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pb"
        ]
        assert [verb for verb in verbs if not hasattr(ptychopinn_batch, verb)] == []
