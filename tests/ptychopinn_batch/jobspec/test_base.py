"""What every section of a spec keeps to: documented keys, ranges, strict types, safe names."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from ptychopinn_batch.speclang.schema import known_keys, node_at


def test_a_spec_cannot_be_changed(spec):
    with pytest.raises(ValidationError, match="frozen"):
        spec().infer.steps = 3


def test_every_key_says_what_it_means():
    undocumented = [key for key, node in known_keys().items() if not node.get("description")]
    assert undocumented == []


def test_every_number_has_a_range_or_a_lower_bound():
    unbounded = []
    for key in known_keys():
        node = node_at(tuple(int(p) if p.isdecimal() else p for p in key.split(".")))
        limits = {"minimum", "exclusiveMinimum"}
        if node.get("type") in ("integer", "number") and "const" not in node:
            unbounded += [key] if not limits & node.keys() else []
    assert unbounded == []


@pytest.mark.parametrize("value", ["10", 10.0, True, None])
def test_numbers_are_not_guessed_from_other_types(spec, value):
    with pytest.raises(ValidationError):
        spec(train={"epochs": value})


def test_an_integer_is_a_number_where_a_number_is_asked_for(spec):
    assert spec(train={"lr": 1}).train.lr == 1.0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_are_finite(spec, value):
    with pytest.raises(ValidationError):
        spec(scans=[{"simulate": {"photons": value}}])


@pytest.mark.parametrize("name", ["", "a b", "../a", ".a", "a/b", "x" * 65, "a\n"])
def test_a_name_is_safe_as_a_folder(spec, name):
    with pytest.raises(ValidationError):
        spec(name=name)


def test_the_language_loads_neither_numpy_nor_torch():
    code = (
        "import sys\n"
        "from ptychopinn_batch.speclang import file, reference, template, variants\n"
        "print({'numpy', 'torch', 'zarr', 'lightning', 'scipy'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
