"""Sweeps: which variants a spec has, what they are called, and what is wrong with them."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Sweep
from ptychopinn_batch.speclang.file import load_spec
from ptychopinn_batch.speclang.variants import LONGEST_NAME, expand, point_name, points

BASE = "version: 1\nname: a\nscans:\n  - {simulate: {}}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def variants(text, *sets):
    Path("s.yaml").write_text(text)
    return expand(load_spec(Path("s.yaml"), sets))


def names(text, *sets):
    return [variant.name for variant in variants(text, *sets)]


def error(text, *sets):
    with pytest.raises(UserError) as caught:
        variants(text, *sets)
    return str(caught.value)


def test_without_a_sweep_there_is_one_variant():
    (only,) = variants(BASE)
    assert (only.name, only.overrides) == ("default", {})


def test_a_plain_mapping_is_every_combination_the_last_key_fastest():
    text = BASE + "sweep: {infer.steps: [8, 16], seed: [1, 2]}\n"
    assert names(text) == [
        "infer.steps=8,seed=1",
        "infer.steps=8,seed=2",
        "infer.steps=16,seed=1",
        "infer.steps=16,seed=2",
    ]
    written_out = BASE + "sweep: {product: {infer.steps: [8, 16], seed: [1, 2]}}\n"
    assert names(text) == names(written_out)


def test_zip_takes_values_together():
    text = BASE + "sweep: {zip: {infer.steps: [8, 16], train.lr: [2e-3, 5e-4]}}\n"
    assert names(text) == ["infer.steps=8,train.lr=0.002", "infer.steps=16,train.lr=0.0005"]


def test_a_list_writes_every_variant_out():
    text = BASE + "sweep:\n  list:\n    - {infer.steps: 8}\n    - {train.epochs: 2, seed: 3}\n"
    first, second = variants(text)
    assert (first.spec.infer.steps, first.spec.train) == (8, None)
    assert (second.name, second.spec.train.epochs) == ("seed=3,train.epochs=2", 2)


def test_a_section_is_replaced_before_its_keys_whatever_their_order():
    text = BASE + "sweep: {list: [{train.lr: 0.5, train: {epochs: 2}}]}\n"
    (variant,) = variants(text)
    assert (variant.spec.train.epochs, variant.spec.train.lr) == (2, 0.5)


def test_a_variant_is_a_complete_spec_without_the_sweep():
    text = BASE + "profiles: {p: {seed: 1}}\nsweep: {infer.steps: [8]}\n"
    (variant,) = variants(text)
    assert variant.overrides == {"infer.steps": 8}
    assert (variant.spec.sweep, variant.spec.profiles) == (None, {})
    assert variant.spec.scans[0].name == "simulated"


def test_variants_share_the_scans_that_the_sweep_leaves_alone(folder):
    one, other = variants(BASE + "sweep: {infer.steps: [4, 8]}\n")
    assert one.spec.scans is other.spec.scans
    swept = variants(BASE + "sweep: {scans.0.simulate.seed: [1, 2]}\n")
    assert [variant.spec.scans[0].simulate.seed for variant in swept] == [1, 2]


def test_a_point_comes_after_every_set():
    (variant,) = variants(BASE + "sweep: {infer.steps: [8]}\n", "infer.steps=2", "infer.tile=64")
    assert (variant.spec.infer.steps, variant.spec.infer.tile) == (8, 64)


def test_training_and_no_training_can_be_compared():
    text = BASE + "sweep: {list: [{train: null}, {train.epochs: 2}]}\n"
    assert [v.spec.train and v.spec.train.epochs for v in variants(text)] == [None, 2]
    assert names(text) == ["train=null", "train.epochs=2"]


def test_scans_and_simulations_can_be_swept(folder):
    (folder / "b.npz").touch()
    photons = variants(BASE + "sweep: {scans.0.simulate.photons: [1e4, 1e6]}\n")
    assert [v.spec.scans[0].simulate.photons for v in photons] == [1e4, 1e6]
    (other,) = variants(BASE + "sweep: {scans.0.path: [b.npz]}\n")
    assert other.spec.scans[0].path == str(folder / "b.npz")


# Names

valid_points = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(0, 2**32 - 1),
        "infer.halo": st.just("auto") | st.integers(0, 4096),
        "infer.precision": st.sampled_from(["32", "bf16"]),
        "train.lr": st.floats(1e-9, 1),
        "train.unroll": st.lists(st.integers(1, 64), min_size=2, max_size=2),
        "model.cnn.cbam": st.booleans(),
        "model.pretrained": st.text(min_size=1),
    },
).filter(bool)


@given(valid_points)
def test_a_name_is_safe_and_not_too_long(point):
    name = point_name(point)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9._=,+-]*", name)
    assert len(name) <= LONGEST_NAME


@given(valid_points, valid_points)
def test_different_points_have_different_names(one, other):
    assert (point_name(one) == point_name(other)) == (one == other)


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_text_makes_a_name_of_its_own(one, other):
    first, second = (point_name({"model.pretrained": text}) for text in (one, other))
    assert (first == second) == (one == other)


@given(st.lists(st.integers(1, 10**9), min_size=30, max_size=40))
def test_a_long_name_is_cut_and_keeps_a_hash(many):
    point = {f"infer.key{i}": value for i, value in enumerate(many)}
    longer = {**point, "infer.last": 1}
    assert len(point_name(point)) == LONGEST_NAME
    assert point_name(point) != point_name(longer)


def test_lists_read_well_in_a_name():
    assert point_name({"train.unroll": [3, 6]}) == "train.unroll=3+6"


# Expansion

numbers = st.integers(-1000, 1000) | st.floats(-1e9, 1e9)
keys = st.sampled_from(["seed", "infer.steps", "train.lr", "train.unroll", "model.pretrained"])
axes = st.dictionaries(keys, st.lists(st.integers(1, 99), min_size=1, max_size=4), min_size=1)


@given(axes)
def test_a_product_has_every_combination_once(product):
    found = list(points(Sweep.model_validate(product)))
    expected = 1
    for axis in product.values():
        expected *= len(axis)
    assert len(found) == expected
    for key, axis in product.items():
        counts = [sum(point[key] == value for point in found) for value in set(axis)]
        assert counts == [expected // len(axis) * axis.count(value) for value in set(axis)]


@given(axes.filter(lambda a: len({len(axis) for axis in a.values()}) == 1))
def test_a_zip_is_as_long_as_its_values(together):
    found = list(points(Sweep.model_validate({"zip": together})))
    for key, axis in together.items():
        assert [point[key] for point in found] == axis


@given(st.lists(st.dictionaries(keys, numbers, min_size=1), min_size=1))
def test_a_list_is_its_points(written):
    assert list(points(Sweep.model_validate({"list": written}))) == written


@given(axes)
def test_a_point_keeps_its_name_when_others_are_added(product):
    before = {point_name(p) for p in points(Sweep.model_validate(product))}
    more = {key: [*axis, 100] for key, axis in product.items()}
    assert before <= {point_name(p) for p in points(Sweep.model_validate(more))}


# Mistakes


def test_a_wrong_value_is_blamed_on_its_line_of_the_sweep():
    assert error(BASE + "sweep:\n  infer.steps: [8, 0]\n") == (
        "s.yaml:6 sweep infer.steps=0: Expected an integer from 1 to 1000, got 0. "
        "Write, for example, steps: 16 (the default)"
    )


def test_every_wrong_value_is_told_once():
    text = BASE + "sweep:\n  zip:\n    infer.steps: [0, 1, -1]\n    train.loss: [l1, mae, mae]\n"
    assert error(text).splitlines() == [
        "3 mistakes in s.yaml:",
        "  s.yaml:7 sweep infer.steps=0: Expected an integer from 1 to 1000, got 0. "
        "Write, for example, steps: 16 (the default)",
        "  s.yaml:7 sweep infer.steps=-1: Expected an integer from 1 to 1000, got -1. "
        "Write, for example, steps: 16 (the default)",
        "  s.yaml:8 sweep train.loss=l1: Expected amplitude, poisson or mae, "
        'got the text "l1". Write, for example, loss: amplitude (the default)',
    ]


def test_a_product_of_millions_is_refused_before_it_is_expanded():
    many = ", ".join(map(str, range(1, 300)))
    axes = f"infer.steps: [{many}], seed: [{many}], train.epochs: [{many}]"
    assert error(BASE + f"sweep: {{{axes}}}\n") == (
        "s.yaml:5 sweep: 26,730,899 combinations. Write at most 20,000, as a list or zip"
    )


def test_an_unknown_key_names_the_nearest():
    assert error(BASE + "sweep: {list: [{infer.stesp: 8}]}\n") == (
        "s.yaml:5 sweep infer.stesp=8: there is no such key. Did you mean 'steps'?"
    )


@pytest.mark.parametrize("key", ["name", "export", "resources.train.gpus", "sweep", "stesp"])
def test_only_what_decides_a_result_is_swept(key):
    assert error(BASE + f"sweep: {{{key}: [1]}}\n") == (
        f"s.yaml:5 sweep {key}=1: '{key}' cannot be swept. "
        "A key begins with seed, scans, model, train, refine or infer"
    )


def test_a_combination_that_breaks_a_rule_is_blamed_on_the_sweep():
    text = BASE + "model: {pretrained: none}\nsweep: {model.pretrained: [none, default]}\n"
    assert len(variants(text)) == 2
    text = BASE + "sweep: {model.architecture: [cnn]}\n"
    assert error(text) == (
        "s.yaml:5 sweep model.architecture=cnn: a pretrained network ('default') brings its own "
        "architecture. Remove the key, or write pretrained: none"
    )


def test_a_missing_file_of_a_point_is_told(folder):
    assert error(BASE + "sweep: {scans.0.path: [b.npz]}\n") == (
        "s.yaml:5 sweep scans.0.path=b.npz: there is no file 'b.npz' "
        f"(looked in {folder}). Check the path"
    )


@pytest.mark.parametrize("twice", ["[8, 8]", "[8, 16, 8]"])
def test_points_that_are_the_same_are_refused(twice):
    assert error(BASE + f"sweep: {{infer.steps: {twice}}}\n") == (
        "s.yaml:5 sweep: two points are the same: infer.steps=8 and infer.steps=8. Remove one"
    )


def test_points_that_only_look_different_are_refused():
    assert "two points are the same" in error(BASE + "sweep: {train.lr: [1, 1.0]}\n")


def test_a_sweep_that_was_set_is_blamed_on_the_set():
    assert error(BASE, "sweep={seed: [-1]}").startswith("--set sweep={seed: [-1]} sweep seed=-1: ")
    assert error(BASE, "sweep.seed=[-1]").startswith("--set sweep.seed=[-1] sweep seed=-1: ")
