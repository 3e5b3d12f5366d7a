"""Loading a job spec: what is read, what overrides what, and what every mistake is told like."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.errors import UserError
from ptychopinn_batch.jobspec import JobSpec
from ptychopinn_batch.speclang.document import Document
from ptychopinn_batch.speclang.file import load_spec
from ptychopinn_batch.speclang.schema import known_keys

BASE = """\
version: 1
name: fly64
scans:
  - {path: a.npz}
"""
FILE = Path("fly64.yaml")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working folder with a spec's data in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.npz").touch()
    return tmp_path


def load(text, *sets, profile=None):
    FILE.write_text(text, encoding="utf-8")
    return load_spec(FILE, sets, profile)


def error(text, *sets, profile=None):
    with pytest.raises(UserError) as caught:
        load(text, *sets, profile=profile)
    return str(caught.value)


# What a file says


def test_a_spec_is_read_with_its_text_and_path():
    loaded = load(BASE)
    assert loaded.spec.name == "fly64"
    assert (loaded.text, loaded.path) == (BASE, FILE)


def test_numbers_and_words_are_read_as_scientists_write_them():
    loaded = load(BASE + "train: {lr: 1e-3}\nresources: {train: {time: 12:00:00}}\n")
    assert loaded.spec.train.lr == 0.001
    assert loaded.spec.resources.train.time.total_seconds() == 12 * 3600


def test_anchors_and_merges_are_understood():
    text = BASE.replace("{path: a.npz}", "&scan {path: a.npz, name: x}\n  - {<<: *scan, name: y}")
    assert [scan.name for scan in load(text).spec.scans] == ["x", "y"]


def test_the_resolved_spec_is_json_that_loads_to_the_same_spec(folder):
    loaded = load(BASE + "train: {}\nsweep: {infer.steps: [8, 16]}\nmodel: {pretrained: none}\n")
    again = folder / "elsewhere" / "spec.resolved.json"
    again.parent.mkdir()
    again.write_text(loaded.resolved_json)
    assert load_spec(again).spec == loaded.spec
    assert json.loads(loaded.resolved_json)["infer"]["steps"] == 16


# Overrides


def test_set_replaces_any_key():
    loaded = load(BASE, "train.epochs=3", "infer={steps: 4}", "export=[png]", "scans.0.name=x")
    assert loaded.spec.train.epochs == 3
    assert (loaded.spec.infer.steps, loaded.spec.export) == (4, ("png",))
    assert loaded.spec.scans[0].name == "x"


def test_set_takes_a_section_away():
    assert load(BASE + "train: {epochs: 3}\n", "train=null").spec.train is None


def test_the_last_set_wins_over_the_profile_and_the_profile_over_the_file():
    text = BASE + "infer: {steps: 1}\nprofiles: {local: {infer.steps: 2, infer.tile: 64}}\n"
    assert load(text).spec.infer.steps == 1
    assert load(text, profile="local").spec.infer.steps == 2
    chosen = load(text, "infer.steps=3", "infer.steps=4", profile="local").spec.infer
    assert (chosen.steps, chosen.tile) == (4, 64)


def test_a_path_that_is_set_takes_the_place_of_the_simulation():
    simulated = "version: 1\nname: a\nscans:\n  - {simulate: {frames: 100}, frames: 50}\n"
    (scan,) = load(simulated, "scans.0.path=a.npz").spec.scans
    assert (scan.simulate, scan.frames) == (None, 50)
    (scan,) = load(BASE, "scans.0.simulate={}").spec.scans
    assert (scan.path, scan.name) == (None, "simulated")
    (scan,) = load(simulated, "scans.0={path: a.npz}").spec.scans
    assert scan.frames is None


def test_a_scan_can_be_added_to_a_list():
    text = "version: 1\nname: a\nscans: []\n"
    assert load(text, "scans.0.path=a.npz").spec.scans[0].name == "a"


def test_a_set_may_supply_what_the_file_lacks():
    text = "version: 1\nname: a\nprofiles: {local: {infer.steps: 2}}\n"
    assert load(text, "scans.0.path=a.npz").spec.scans[0].name == "a"


def test_a_sweep_can_be_set_key_by_key():
    loaded = load(BASE, "sweep.infer.steps=[8, 16]", "sweep.train.lr=[1e-3]")
    assert loaded.spec.sweep.product == {"infer.steps": (8, 16), "train.lr": (0.001,)}
    zipped = load(BASE, "sweep.zip.infer.steps=[8]").spec.sweep
    assert zipped.zip == {"infer.steps": (8,)}


# Files


def test_a_pattern_is_one_scan_for_each_file_named_after_it(folder):
    for name in ("b 1.npz", "b2.npz", "c.txt"):
        (folder / name).touch()
    scans = load(BASE.replace("a.npz", "b*")).spec.scans
    assert [scan.name for scan in scans] == ["b_1", "b2"]
    assert [scan.path for scan in scans] == [str(folder / "b 1.npz"), str(folder / "b2.npz")]


def test_paths_are_looked_for_beside_the_spec_and_then_in_the_working_folder(folder):
    beside = folder / "specs" / "data"
    beside.mkdir(parents=True)
    (beside / "b.npz").touch()
    for path in ("data/b.npz", "a.npz", str(beside / "b.npz")):
        spec = folder / "specs" / "s.yaml"
        spec.write_text(BASE.replace("a.npz", path))
        assert Path(load_spec(spec).spec.scans[0].path).is_file()


def test_a_file_whose_name_looks_like_a_pattern_is_found(folder):
    (folder / "b[1].npz").touch()
    (scan,) = load(BASE.replace("{path: a.npz}", "path: 'b[1].npz'")).spec.scans
    assert scan.name == "b_1_"


def test_a_package_is_found_like_a_scan(folder):
    (folder / "mine").mkdir()
    assert load(BASE + "model: {pretrained: mine}").spec.model.pretrained == str(folder / "mine")


# Mistakes

MISTAKES = {
    "misspelt section": (
        "modle: {}",
        "fly64.yaml:5 modle: there is no such key. Did you mean 'model'?",
    ),
    "misspelt key": (
        "train:\n  epohcs: 3",
        "fly64.yaml:6 train.epohcs: there is no such key. Did you mean 'epochs'?",
    ),
    "key of another section": (
        "infer: {epochs: 3}",
        "fly64.yaml:5 infer.epochs: there is no such key. It belongs to train",
    ),
    "misspelt key that another section has": (
        "infer: {step: 3}",
        "fly64.yaml:5 infer.step: there is no such key. Did you mean 'steps'?",
    ),
    "key at the top": ("lr: 3", "fly64.yaml:5 lr: there is no such key. It belongs to train"),
    "key like no other": (
        "model: {zzz: 1}",
        "fly64.yaml:5 model.zzz: there is no such key. "
        "Known keys here: pretrained, architecture, unrolled, cnn",
    ),
    "text for a number": (
        "train: {epochs: many}",
        "fly64.yaml:5 train.epochs: Expected an integer from 1 to 1000000, "
        'got the text "many". Write, for example, epochs: 10 (the default)',
    ),
    "number in quotes": (
        "train: {epochs: '10'}",
        "fly64.yaml:5 train.epochs: Expected an integer from 1 to 1000000, "
        'got the text "10". Write epochs: 10',
    ),
    "float for an integer": (
        "train: {epochs: 1e3}",
        "fly64.yaml:5 train.epochs: Expected an integer from 1 to 1000000, got 1000.0. "
        "Write epochs: 1000",
    ),
    "number for text": (
        "infer: {precision: 32}",
        'fly64.yaml:5 infer.precision: Expected auto, "32" or bf16, got 32. Write precision: "32"',
    ),
    "yes for true": (
        "model: {pretrained: none, architecture: cnn, cnn: {cbam: yes}}",
        'fly64.yaml:5 model.cnn.cbam: Expected true or false, got the text "yes". Write cbam: true',
    ),
    "misspelt choice": (
        "train: {loss: Possion}",
        "fly64.yaml:5 train.loss: Expected amplitude, poisson or mae, "
        'got the text "Possion". Write loss: poisson',
    ),
    "out of range": (
        "train: {lr: 5}",
        "fly64.yaml:5 train.lr: Expected a number above 0 and up to 1, got 5. "
        "Write, for example, lr: 0.001 (the default)",
    ),
    "not a multiple": (
        "infer: {tile: 500}",
        "fly64.yaml:5 infer.tile: Expected auto or a multiple of 64 from 64 to 8192, got 500. "
        "Write tile: auto",
    ),
    "neither of two types": (
        "infer: {halo: -1}",
        "fly64.yaml:5 infer.halo: Expected auto or an integer from 0 to 4096, got -1. "
        "Write halo: auto",
    ),
    "too short a pair": (
        "train: {unroll: [3]}",
        "fly64.yaml:5 train.unroll: Expected a list of 2, each an integer from 1 to 64, got [3]. "
        "Write, for example, unroll: [3, 6] (the default)",
    ),
    "one for a list": (
        "export: npz",
        "fly64.yaml:5 export: Expected a list, each npz, ptychodus, png, tiff, ome-zarr, bundle "
        'or safetensors, got the text "npz". Write export: ["npz"]',
    ),
    "unknown format": (
        "export: [npz, pgn]",
        "fly64.yaml:5 export.1: Expected npz, ptychodus, png, tiff, ome-zarr, bundle or "
        'safetensors, got the text "pgn". Write png',
    ),
    "section without keys": (
        "infer:",
        "fly64.yaml:5 infer: Expected a mapping of keys, got nothing. "
        "Write its keys below it, indented, or remove the key",
    ),
    "time without colons": (
        "resources: {train: {time: 4h}}",
        "fly64.yaml:5 resources.train.time: Expected a time as HH:MM:SS or D-HH:MM:SS, "
        'got the text "4h". Write, for example, time: 04:00:00 (the default)',
    ),
    "rule between keys": (
        "model:\n  architecture: cnn",
        "fly64.yaml:6 model.architecture: a pretrained network ('default') brings its own "
        "architecture. Remove the key, or write pretrained: none",
    ),
    "key twice": (
        "seed: 1\nseed: 2",
        "fly64.yaml:6 seed: the key stands twice (first in line 5). Remove one",
    ),
    "empty sweep": (
        "sweep: {}",
        "fly64.yaml:5 sweep: Expected a mapping of keys to lists of values, or null, "
        "got an empty mapping. Write its keys below it, indented, or remove the key",
    ),
    "sweep without values": (
        "sweep: {infer.steps: []}",
        "fly64.yaml:5 sweep.infer.steps: Expected a list with at least one value, "
        "each an integer from 1 to 1000, got an empty list. Write at least one",
    ),
    "sweep of one value": (
        "sweep: {infer.steps: 8}",
        "fly64.yaml:5 sweep.infer.steps: Expected a list with at least one value, "
        "each an integer from 1 to 1000, got 8. Write infer.steps: [8]",
    ),
    "empty list of points": (
        "sweep: {list: []}",
        "fly64.yaml:5 sweep.list: Expected a list of mappings, each begun with '-', "
        "got an empty list. Write at least one",
    ),
    "empty point": (
        "sweep: {list: [{}]}",
        "fly64.yaml:5 sweep.list.0: Expected a mapping of keys, got an empty mapping. "
        "Write its keys below it, indented, or remove the key",
    ),
    "two forms of a sweep": (
        "sweep: {zip: {seed: [1]}, seed: [2]}",
        "fly64.yaml:5 sweep.seed: there is no such key. "
        "Write it below product, zip or list, one of which is here",
    ),
    "unequal zip": (
        "sweep: {zip: {seed: [1], infer.steps: [1, 2]}}",
        "fly64.yaml:5 sweep.zip: zipped keys have unequal numbers of values "
        "(seed: 1, infer.steps: 2). Give every key the same number of values",
    ),
    "profile that is no mapping": (
        "profiles: {local: [1]}",
        "fly64.yaml:5 profiles.local: Expected a mapping of keys, got [1]. "
        "Write its keys below it, indented, or remove the key",
    ),
    "mistake in a profile": (
        "profiles:\n  local:\n    infer.steps: 0",
        "fly64.yaml:7 profiles.local.infer.steps: Expected an integer "
        "from 1 to 1000, got 0. Write, for example, steps: 16 (the default)",
    ),
    "tab": ("infer:\n\tsteps: 3", "fly64.yaml:6: a tab in the indentation. Indent with spaces"),
    "tab after a colon": (
        "seed:\t3",
        "fly64.yaml:5: a tab where YAML wants a space. Write spaces",
    ),
    "object": (
        "seed: !!python/name:os.system",
        "fly64.yaml:5: the tag tag:yaml.org,2002:python/name:os.system is not allowed. Remove it",
    ),
    "control character": (
        "seed: \x01",
        "fly64.yaml:5: a character that YAML does not allow (U+0001). Remove it",
    ),
    "key that is no text": (
        "? [1]\n: 2",
        "fly64.yaml:5: a key that is not text. Write a plain word",
    ),
}


@pytest.mark.parametrize(("lines", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_line_its_key_and_the_mend(lines, message):
    assert error(f"{BASE}{lines}\n") == message


def test_broken_yaml_names_the_line_and_what_was_begun_before():
    message = error(BASE + "export: [npz,\nseed: 3\n")
    assert message.startswith("fly64.yaml:7: not readable as YAML: ")
    assert "while parsing a flow" in message
    assert "begun in line 5)" in message


def test_aliases_that_grow_without_bound_are_refused():
    lines = "a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n"
    for n in range(1, 9):
        lines += f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n"
    for text in (lines, "a: &a [*a]\n"):
        said = error(BASE + text)
        assert said.endswith(
            "too many values, or nested too deeply. Write it without aliases (&, *)"
        )


ESCAPES = [r'"\UFFFFFFFF"', r'"\ud800"', r'"a\0b"', r'{"\ud800": 1}']


@pytest.mark.parametrize("text", ESCAPES)
def test_escapes_that_stand_for_no_character_are_told(text):
    assert error(BASE + f"model: {text}\n") == (
        "fly64.yaml: an escape in quotes that stands for no character. Remove it"
    )


def test_what_is_nested_without_end_is_told():
    for text in ("[" * 3000, "".join(f"{' ' * n}a:\n" for n in range(3000))):
        assert error(text) == "fly64.yaml: nested too deeply. Write it flatter"


def test_mistakes_of_profiles_are_told_with_those_of_the_file():
    text = BASE + "seed: -1\nprofiles:\n  one: {infer.stps: 1}\n  two: {seed: 1}\n"
    lines = error(text).splitlines()
    assert lines[1].startswith("  fly64.yaml:5 seed: Expected")
    assert lines[2:] == [
        "  fly64.yaml:7 profiles.one.infer.stps: there is no such key. Did you mean 'steps'?"
    ]


def test_all_mistakes_are_told_at_once_in_the_order_of_lines():
    text = BASE + "seed: x\nseed: -1\ntrain: {epochs: 0}\ninfer: {stps: 1}\n"
    lines = error(text).splitlines()
    assert lines[0] == "4 mistakes in fly64.yaml:"
    assert [line.split(":")[1].split()[0] for line in lines[1:]] == ["6", "6", "7", "8"]


@pytest.mark.parametrize(
    ("scan", "message"),
    [
        (
            "{}",
            "fly64.yaml:4 scans.0: a scan needs a path or a simulation. "
            "Write path: FILE or simulate: {}",
        ),
        (
            "{path: a.npz, simulate: {}}",
            "fly64.yaml:4 scans.0.simulate: a scan has either a path or a simulation. Remove one",
        ),
        (
            "{simulate: {}, energy_ev: 8e3}",
            "fly64.yaml:4 scans.0.distance_m: the geometry lacks distance_m and detector_pixel_m. "
            "Write all three of energy_ev, distance_m, detector_pixel_m, or none",
        ),
        (
            "{simulate: {frame_size: 33}}",
            "fly64.yaml:4 scans.0.simulate.frame_size: Expected an even integer from 16 to 512, "
            "got 33. Write frame_size: 32",
        ),
        (
            "{path: a.npz, name: a/b}",
            "fly64.yaml:4 scans.0.name: Expected 1 to 64 letters, digits, '.', '_' or '-', "
            'beginning with a letter or a digit, or null, got the text "a/b". Write name: a_b',
        ),
    ],
)
def test_a_mistake_in_a_scan_is_told_with_its_number(scan, message):
    assert error(BASE.replace("{path: a.npz}", scan)) == message


def test_a_missing_file_is_told_with_the_folders_that_were_searched(folder):
    (folder / "specs").mkdir()
    spec = folder / "specs" / "s.yaml"
    spec.write_text(BASE.replace("a.npz", "b.npz"))
    with pytest.raises(UserError) as caught:
        load_spec(spec)
    assert str(caught.value) == (
        f"{spec}:4 scans.0.path: there is no file 'b.npz' (looked in {folder}/specs and {folder}). "
        "Did you mean 'a.npz'?"
    )


def test_a_pattern_that_matches_nothing_is_told_with_the_folder(folder):
    assert error(BASE.replace("a.npz", "data/x*.npz")) == (
        "fly64.yaml:4 scans.0.path: no file matches 'data/x*.npz' "
        f"(looked in {folder}/data). Check the path"
    )


def test_a_folder_is_not_a_scan(folder):
    (folder / "data").mkdir()
    assert error(BASE.replace("a.npz", "data/")) == (
        "fly64.yaml:4 scans.0.path: 'data/' is a folder, and no scan that is one. "
        "Write data/*.npz for all files in it"
    )


def test_one_name_for_many_files_is_refused(folder):
    (folder / "a2.npz").touch()
    assert error(BASE.replace("{path: a.npz}", "{path: 'a*.npz', name: x}")) == (
        "fly64.yaml:4 scans.0.name: one name for 2 scans ('a*.npz'). Remove the name"
    )


def test_files_of_one_name_in_two_folders_need_names_of_their_own(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "a.npz").touch()
    assert error(BASE + "  - {path: sub/a.npz}\n") == (
        f"fly64.yaml:5 scans.1.path: two scans are named 'a' ({folder}/a.npz and "
        f"{folder}/sub/a.npz). Give each scan a name: of its own"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "refine: {probe: false}",
            "fly64.yaml:5 refine.probe: nothing is refined. "
            "Write probe: true or positions: true, or remove the section",
        ),
        (
            "refine: {probe: false, positions: true, modes: 2}",
            "fly64.yaml:5 refine.modes: modes are found by refining the probe. "
            "Write probe: true, or remove modes",
        ),
        (
            "train: {}\nmodel: {pretrained: none, architecture: cnn}\nrefine: {}",
            "fly64.yaml:7 refine: a 'cnn' has no steps to refine anything between. "
            "Remove the section, or use an 'unrolled' network",
        ),
        (
            "refine: {positions: true, position_error: 0}",
            "fly64.yaml:5 refine.position_error: Expected a number above 0 and up to 100, got 0. "
            "Write, for example, position_error: 2.0 (the default)",
        ),
    ],
)
def test_a_refinement_of_nothing_is_told(text, message):
    assert error(BASE + text) == message


def test_a_missing_package_is_told_with_the_words_that_are_none(folder):
    assert error(BASE + "model: {pretrained: defualt}") == (
        f"fly64.yaml:5 model.pretrained: there is no folder 'defualt' (looked in {folder}). "
        "Did you mean 'default'?"
    )


def test_a_file_of_ptychopinn_is_no_package_but_becomes_one(folder):
    (folder / "wts.h5.zip").touch()
    assert error(BASE + "model: {pretrained: wts.h5.zip}").endswith(
        "Make a package of this file: ptychopinn-batch package import wts.h5.zip FOLDER --trust"
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_is_told_how_to_begin(text):
    assert error(text) == (
        "fly64.yaml: the file is empty. "
        "Begin with version: 1, name: and scans:, or run `ptychopinn-batch init`"
    )


def test_a_file_that_is_no_mapping_is_refused():
    assert error("- a\n").startswith('fly64.yaml: Expected keys and values, got ["a"]. Begin with')


def test_the_version_is_required_and_known():
    assert error("name: a\nscans: [{path: a.npz}]\n") == (
        "fly64.yaml version: this key is required. Write version: 1"
    )
    assert error(BASE.replace("version: 1", "version: 2")) == (
        "fly64.yaml:1 version: Expected 1, got 2. Write version: 1"
    )


def test_a_spec_without_scans_is_told_about_training_on_simulations():
    assert error("version: 1\nname: a\n") == (
        "fly64.yaml scans: there is no scan. "
        "Write at least one scan, or train.simulated: 1 to train on simulations alone"
    )


def test_a_missing_spec_names_the_nearest_file(folder):
    (folder / "fly64.yaml").touch()
    with pytest.raises(UserError) as caught:
        load_spec(Path("fly46.yaml"))
    assert str(caught.value) == "fly46.yaml: there is no such file. Did you mean 'fly64.yaml'?"


def test_a_folder_is_not_a_spec(folder):
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        load_spec(folder)


def test_text_that_is_not_utf8_is_told_with_its_line():
    FILE.write_bytes(BASE.encode() + "# \xb5m\n".encode("latin-1"))
    with pytest.raises(UserError) as caught:
        load_spec(FILE)
    assert str(caught.value) == "fly64.yaml:5: not UTF-8 text (byte 0xb5). Save the file as UTF-8"


def test_a_byte_order_mark_does_no_harm():
    FILE.write_bytes(b"\xef\xbb\xbf" + BASE.encode())
    assert load_spec(FILE).spec.name == "fly64"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "train.epochs=x",
            "--set train.epochs=x: Expected an integer from 1 to 1000000, "
            'got the text "x". Write, for example, epochs: 10 (the default)',
        ),
        (
            "train={epochs: x}",
            "--set train={epochs: x} (train.epochs): Expected an integer from 1 to 1000000, "
            'got the text "x". Write, for example, epochs: 10 (the default)',
        ),
        (
            "trian.epochs=3",
            "--set trian.epochs=3 (trian): there is no such key. Did you mean 'train'?",
        ),
        (
            "train.epoch=3",
            "--set train.epoch=3: there is no such key. Did you mean 'epochs'?",
        ),
        ("name.x=3", '--set name.x=3: name is the text "fly64", it has no key x. Set name itself'),
        (
            "scans.2.path=b",
            "--set scans.2.path=b: scans has no entry 2: it is a list of 1, counted from 0. "
            "Write a number up to 1",
        ),
        ("train", "--set train: Expected key=value. Write, say, train.epochs=3"),
        ("=3", "--set =3: Expected key=value. Write, say, train.epochs=3"),
        (
            "train..lr=3",
            "--set train..lr=3: Expected a dotted key, got 'train..lr'. Write a.b=value",
        ),
        (
            "infer={steps: 1, steps: 2}",
            "--set infer={steps: 1, steps: 2}:1 steps: the key stands twice (first in line 1). "
            "Remove one",
        ),
        (
            "scans.0.path=a.npy",
            "--set scans.0.path=a.npy: there is no file 'a.npy' (looked in {folder}). "
            "Did you mean 'a.npz'?",
        ),
    ],
)
def test_a_mistake_in_a_set_is_blamed_on_it(setting, message, folder):
    assert error(BASE, setting) == message.replace("{folder}", str(folder))


def test_a_set_that_is_not_yaml_is_refused():
    assert error(BASE, "export=[npz").startswith("--set export=[npz: not readable as YAML: ")


def test_an_unknown_profile_is_told_with_those_that_exist():
    assert error(BASE + "profiles: {local: {seed: 1}}", profile="lokal") == (
        "fly64.yaml:5 profiles: there is no profile 'lokal'. Known here: local"
    )
    assert error(BASE, profile="local").endswith("Known here: none")


# Whatever comes

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["zip", "list", "path", "simulate", "x"]), inner)
    ),
    max_leaves=6,
)
sections = st.sampled_from(["sweep", "sweep.zip", "sweep.list", "profiles.a", "scans", "scans.0"])
anywhere = sections | st.sampled_from(["model", "train.unroll.0", "a.b", *known_keys()])


def spec_or_error(make):
    try:
        return isinstance(make(), JobSpec)
    except UserError as mistake:
        return len(str(mistake)) > 10


@given(st.text() | st.text("ab:-[]{}\n\t 1.*&!<>|'\"#%@`?,"))
def test_any_text_is_a_spec_or_a_clear_error(text):
    assert spec_or_error(lambda: Document.read(text, "s.yaml").checked())


@given(anywhere, anything)
def test_any_value_of_any_key_is_a_spec_or_a_clear_error(key, value):
    document = Document.read(BASE, "s.yaml")
    assert spec_or_error(lambda: document.with_value(key, value, f"--set {key}").checked())


def test_a_file_too_large_for_a_spec_is_not_read(tmp_path, refusal_of):
    path = tmp_path / "scan.npz"
    with path.open("wb") as file:
        file.truncate(2**40)  # more than any memory, nothing on the disk
    assert refusal_of(load_spec, path) == (
        "this file is larger than 16 MiB, so it is no job spec",
        str(path),
        "Give the path of a YAML file",
    )
