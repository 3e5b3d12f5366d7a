"""The JSON Schema says what the models say, and the reference page what the schema says."""

import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from ptychopinn_batch.speclang.file import load_spec
from ptychopinn_batch.speclang.reference import reference_page
from ptychopinn_batch.speclang.schema import known_keys, spec_schema
from ptychopinn_batch.speclang.variants import expand
from ptychopinn_batch.speclang.yamltree import parse_yaml

ROOT = Path(__file__).parents[3]
JOBSPECS = sorted((ROOT / "jobspecs").glob("*.yaml"))
BASE = {"version": 1, "name": "a", "scans": [{"path": "a.npz"}]}


@pytest.fixture(scope="module")
def validator():
    schema = spec_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_schema_names_its_draft():
    assert spec_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_schema_is_the_callers_own():
    spec_schema()["properties"].clear()
    assert "name" in spec_schema()["properties"]


@pytest.mark.parametrize("path", JOBSPECS, ids=lambda path: path.name)
def test_shipped_specs_are_valid(path, validator):
    validator.validate(parse_yaml(path.read_text(), path.name).data)


@pytest.mark.parametrize("path", JOBSPECS, ids=lambda path: path.name)
def test_resolved_specs_are_valid(path, validator):
    for variant in expand(load_spec(path)):
        validator.validate(yaml.safe_load(variant.spec.model_dump_json()))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"sweep": {"infer.steps": [8, 16]}},
        {"sweep": {"product": {"infer.steps": [8, 16]}}},
        {"sweep": {"zip": {"infer.steps": [8], "scans.0.frames": [100]}}},
        {"sweep": {"list": [{"infer.steps": 8}, {"train": None}]}},
        {"sweep": None, "train": None},
        {"profiles": {"local": {"infer.steps": 4}}},
        {"resources": {"train": {"time": "1-00:00:00"}}},
        {"infer": {"halo": 64}},
    ],
)
def test_what_loads_is_valid(more, validator, tmp_path):
    spec = {**BASE, **more}
    validator.validate(spec)
    (tmp_path / "a.npz").touch()
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(spec))
    assert expand(load_spec(tmp_path / "s.yaml"))


@pytest.mark.parametrize(
    "more",
    [
        {"version": 2},
        {"name": "a b"},
        {"modle": {}},
        {"scans": [{}]},
        {"scans": [{"path": "a", "simulate": {}}]},
        {"scans": [{"simulate": {"frame_size": 33}}]},
        {"train": {"epochs": "10"}},
        {"train": {"epochs": 0}},
        {"train": {"lr": 0}},
        {"train": {"unroll": [3]}},
        {"infer": {"tile": 500}},
        {"infer": {"halo": "wide"}},
        {"infer": {"precision": 32}},
        {"export": ["pdf"]},
        {"sweep": {}},
        {"sweep": {"infer.steps": []}},
        {"sweep": {"infer.steps": 8}},
        {"sweep": {"infer.steps": [0]}},
        {"sweep": {"zip": {"name": ["b"]}}},
        {"sweep": {"zip": {"seed": [1]}, "seed": [1]}},
        {"sweep": {"list": []}},
        {"sweep": {"list": [{}]}},
        {"sweep": {"list": [{"infer.steps": 0}]}},
        {"profiles": {"local": {"infer.steps": 0}}},
        {"resources": {"train": {"time": "4h"}}},
    ],
)
def test_what_does_not_load_is_invalid(more, validator):
    assert not validator.is_valid({**BASE, **more})


def nodes(schema):
    """Every schema within a schema."""
    for value in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(value, dict | list):
            yield from nodes(value)
    if isinstance(schema, dict):
        yield schema


def test_every_default_is_what_its_own_key_allows(validator):
    found = [node for node in nodes(validator.schema["$defs"]) if "default" in node]
    assert len(found) > 150
    for node in found:
        validator.evolve(schema=node | {"$defs": validator.schema["$defs"]}).validate(
            node["default"]
        )


# The reference page


def test_the_committed_page_is_up_to_date():
    page = (ROOT / "docs" / "jobspec.md").read_text()
    assert page == reference_page(), (
        "run: python -m ptychopinn_batch.speclang.reference > docs/jobspec.md"
    )


def test_the_page_has_a_row_for_every_key():
    rows = re.findall(r"^\| `(\w+)` \|", reference_page(), flags=re.M)
    assert {key.rpartition(".")[2] for key in known_keys()} <= set(rows)


def test_the_examples_of_the_page_are_valid(validator, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fly64.npz").touch()
    examples = re.findall(r"```yaml\n(.*?)```", reference_page(), flags=re.S)
    counts = []
    for text in examples:
        validator.validate(parse_yaml(text, "page").data)
        (tmp_path / "s.yaml").write_text(text)
        counts.append(len(expand(load_spec(tmp_path / "s.yaml"))))
    assert counts == [1, 6, 2, 2, 1]
