"""Tasks and their keys: same work, same key; other work, other key."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hpc.plan import differences
from hpc.task import LONGEST_NAME, Task, content_key, make_task

Make = Callable[..., Task]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_the_key_is_that_of_the_work_whatever_its_name_and_room(make: Make) -> None:
    task = make("a", steps=3)
    assert make("b", steps=3, stage="other", cpus=7, seconds=5).key == task.key
    assert len(task.key) == 32


def test_whatever_decides_the_result_changes_the_key(make: Make) -> None:
    need, other_need = make("n", x=1), make("n", x=2)
    keys = {
        make("a", steps=3).key,
        make("a", steps=4).key,
        make("a", "deaf", steps=3).key,
        make("a", steps=3, revision=2).key,
        make("a", steps=3, needs=[need]).key,
        make("a", steps=3, needs=[other_need]).key,
    }
    assert len(keys) == 6


def test_what_a_task_only_waits_for_does_not_decide_its_result(make: Make) -> None:
    need, gate = make("n"), make("gate")
    task = make("a", needs=[need])
    gated = make_task(
        id="a",
        stage=task.stage,
        entry=task.entry,
        revision=task.revision,
        params=task.params,
        needs=[need],
        after=[gate],
        resources=task.resources,
    )
    assert gated.key == task.key
    assert (gated.needs, gated.need_keys) == (("n", "gate"), (need.key,))
    assert differences(task, gated) == []


def test_extras_do_not_decide_the_result(make: Make) -> None:
    task = make("a")
    same = make_task(
        id="a",
        stage="stage",
        entry=task.entry,
        revision=1,
        params={},
        extras={"path": "/data/a.npz"},
        resources=task.resources,
    )
    assert same.key == task.key
    assert same.extras == {"path": "/data/a.npz"}


def test_the_key_is_the_same_on_every_machine_and_in_every_version() -> None:
    # printf '%s' '{"a":"\\u00fc","b":[1,2.5,null]}' | sha256sum
    assert content_key({"b": [1, 2.5, None], "a": "ü"}) == "703dceec79c30480a5c3da98f5873d45"


@given(st.dictionaries(st.text(), values, max_size=4))
def test_the_key_does_not_depend_on_the_order_of_keys_nor_on_a_way_through_json(
    params: dict,
) -> None:
    turned = dict(reversed(list(params.items())))
    assert content_key(json.loads(json.dumps(turned))) == content_key(params)


def test_a_number_that_is_none_has_no_key(make: Make) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        make("a", x=float("nan"))


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".hidden", "-a", "a b", "ä", "a" * 181])
def test_a_name_that_is_no_plain_file_name_is_refused(make: Make, name: str) -> None:
    with pytest.raises(ValidationError, match="Expected a name"):
        make(name)


def test_a_name_of_a_sweep_is_a_name(make: Make) -> None:
    assert make("infer-lr=0.001,steps=16-scan_3.b").id == "infer-lr=0.001,steps=16-scan_3.b"
    assert make("a" * LONGEST_NAME)


def test_a_task_survives_json_and_is_strict(make: Make) -> None:
    task = make("a", "noop", [make("n")], nested={"x": [1, 2.5, None, "s", True]})
    assert Task.model_validate_json(task.model_dump_json()) == task
    with pytest.raises(ValidationError, match="colour"):
        Task.model_validate({**task.model_dump(), "colour": "red"})


def test_the_image_of_a_container_is_in_the_key(make: Make) -> None:
    plain = make("a", "noop")
    keys = {name: getattr(plain, name) for name in ("id", "stage", "entry", "revision")}
    images = (None, "ab" * 32, "cd" * 32)
    tasks = [
        make_task(**keys, params=plain.params, resources=plain.resources, image=image)
        for image in images
    ]
    assert tasks[0].key == plain.key
    assert len({task.key for task in tasks}) == 3
    assert differences(tasks[1], tasks[2]) == ["image abababababab -> cdcdcdcdcdcd"]
