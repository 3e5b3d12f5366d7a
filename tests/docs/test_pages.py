"""The documentation: its links lead somewhere, and what it names is there."""

import inspect
import re

import click
import pytest
import yaml

import ptychopinn_batch
from hpc.slurm.profile import Options
from ptychopinn_batch.cli import COMMANDS, cli
from ptychopinn_batch.cluster.file import STAGES
from ptychopinn_batch.legacy.table import DEFAULTS, TABLE
from ptychopinn_batch.legacy.torchconfig import DataSection, ModelSection, TrainingSection
from ptychopinn_batch.speclang.schema import SWEEPABLE, node_at
from ptychopinn_batch.verdict.findings import Fault, Judgement

from .markdown import DOCS, PAGES, ROOT, anchors, blocks, lines, links, words

SECTIONS = {*SWEEPABLE, "resources", "retry"}
KEY = re.compile(r"^([a-z_]+)(?:\[\])?((?:\.[a-z_]+)+)(?::.*)?$")
SUFFIXES = {"npz", "pth", "ckpt", "py", "md", "json", "safetensors"}
FILE = re.compile(r"^[\w/]+\.py$")
TARGET = re.compile(r"^make ([a-z-]+)")


@pytest.fixture(params=PAGES, ids=lambda page: page.stem)
def page(request):
    return request.param


def test_links_lead_to_pages_and_their_headings(page):
    for link in links(page.read_text()):
        if link.startswith("http"):
            continue
        name, _, heading = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not heading or heading in anchors(target.read_text()), link


def test_pages_of_the_site_link_to_nothing_outside_of_it():
    """There, `../CONTRIBUTING.md` would lead nowhere."""
    for page in DOCS.glob("*.md"):
        assert [link for link in links(page.read_text()) if link.startswith("..")] == [], page.name


def test_the_site_lists_every_page_once():
    text = (ROOT / "mkdocs.yml").read_text()
    navigation = yaml.safe_load(text[text.index("\nnav:") :])["nav"]
    listed = [page for entry in navigation for page in pages_of(entry)]
    assert sorted(listed) == sorted(page.name for page in DOCS.glob("*.md"))


def pages_of(entry):
    """A page, or those of a section."""
    return [entry] if isinstance(entry, str) else next(iter(entry.values()))


def test_the_readme_leads_to_the_site_and_the_site_to_all_of_itself():
    readme = {link.partition("#")[0] for link in links((ROOT / "README.md").read_text())}
    assert {"docs/laptop.md", "docs/night.md", "docs/index.md"} <= readme
    reached, new = set(), {"index.md"}
    while new:
        name = new.pop()
        reached.add(name)
        found = {link.partition("#")[0] for link in links((DOCS / name).read_text())}
        new |= {link for link in found if link.endswith(".md") and "/" not in link} - reached
    assert reached == {page.name for page in DOCS.glob("*.md")}


def test_make_targets_exist(page):
    makefile = (ROOT / "Makefile").read_text()
    shells = [line for block in blocks(page.read_text()) for line in lines(block)]
    named = [match[1] for line in shells if (match := TARGET.match(line))]
    assert [target for target in named if f"\n{target}:" not in makefile] == []


def test_keys_of_job_specs_exist(page):
    """Whatever stands between backticks like a dotted key of a section, and is no file."""
    for word in words(page.read_text()):
        match = KEY.match(word)
        if match and match[1] in SECTIONS and match[2].rpartition(".")[2] not in SUFFIXES:
            path = match[2].strip(".").split(".")
            assert node_at((match[1], *([0] if match[1] == "scans" else []), *path)), word


def test_options_exist(page):
    """Options of `ptychopinn-batch` that the text names: some command has them."""
    known = {option for name in COMMANDS for option in options_of(cli.get_command(None, name))}
    known |= OTHERS.get(page.stem, set()) | {"--help", "--version"} | options_of_benchmarks()
    named = {word.split()[0] for word in words(page.read_text()) if word.startswith("--")}
    assert named <= known


OTHERS = {
    "container": {
        "--cleanenv",
        "--extras",
        "--fakeroot",
        "--from-index",
        "--lock",
        "--mirror",
        "--nv",
        "--pip-args",
        "--torch-index",
    },
    "cluster": {"--nv"},
}
"""Those of other programs, by page."""


def options_of_benchmarks():
    sources = (path.read_text() for path in (ROOT / "benchmarks").rglob("*.py"))
    return {option for text in sources for option in re.findall(r"\"(--[a-z-]+)\"", text)}


def options_of(command):
    """Of a command and of those below it."""
    if isinstance(command, click.Group):
        return [o for name in command.commands for o in options_of(command.commands[name])]
    return [option for param in command.params for option in param.opts if option[:2] == "--"]


def test_the_job_specs_named_in_the_readme_are_those_there_are():
    named = set(re.findall(r"^\| `([a-z0-9_]+\.yaml)`", (ROOT / "README.md").read_text(), re.M))
    assert named == {path.name for path in (ROOT / "jobspecs").glob("*.yaml")}


def test_every_verdict_and_every_fault_is_explained():
    rows = re.findall(r"^\| (`.*?) \|", (DOCS / "reading_verdict.md").read_text(), re.MULTILINE)
    explained = {word for row in rows for word in words(row)}
    assert explained == {*Fault.__args__, *Judgement.__args__}


def test_what_users_of_ptychopinn_know_is_what_it_has():
    """The first column of the page's tables: its fields, as far as they are known here."""
    text = (DOCS / "ptychopinn.md").read_text()
    table = text[text.index("| PtychoPINN | here") :].split("\n\n")[0]
    named = {
        re.split(r"\W", word)[0] for row in table.splitlines() for word in words(row.split("|")[1])
    }
    torch = {
        field for s in (DataSection, ModelSection, TrainingSection) for field in s.model_fields
    }
    assert named <= {row.field for row in TABLE} | set(DEFAULTS) | torch | ONLY_THERE


ONLY_THERE = {
    "learning_rate",
    "stage_1_epochs",
    "n_devices",
    "strategy",
    "intensity_scale",
    "x_bounds",
    "y_bounds",
    "middle_trim",
}
"""Fields of its PyTorch code that nothing here looks at."""


def test_stages_and_options_of_profiles_are_named():
    text = (DOCS / "cluster.md").read_text()
    assert ", ".join(STAGES) in text
    assert all(f"`{name}`" in text for name in Options.model_fields)


def test_files_of_the_project_exist(page):
    """Modules, scripts and folders that the text and its drawings name."""
    text = page.read_text()
    named = {word for word in words(text) if FILE.match(word)}
    named |= set(re.findall(r"^((?:hpc|ptychopinn_batch)/\S*?),? ", drawings(text), re.MULTILINE))
    known = [path.as_posix() for path in ROOT.glob("[!.]*/**/*") if "__pycache__" not in path.parts]
    for name in named:
        found = [path for path in known if f"{path}/".endswith(f"/{name.rstrip('/')}/")]
        assert found, name


def drawings(text):
    return "\n".join(block.text for block in blocks(text) if block.language == "")


def test_verbs_of_python_have_these_arguments():
    text = (DOCS / "python.md").read_text()
    rows = re.findall(r"^\| `(\w+)\((.*?)\)` \|", text, re.MULTILINE)
    assert {verb for verb, _ in rows} == {
        name for name in ptychopinn_batch.__all__ if name[0].islower()
    }
    for verb, arguments in rows:
        named = re.findall(r"(?:^|, )\**(\w+)", arguments)
        known = inspect.signature(getattr(ptychopinn_batch, verb)).parameters
        # `simulate` is one of the keys; a name or a path is given by its place
        assert set(named) - {"simulate", "name_or_path"} <= set(known), verb
