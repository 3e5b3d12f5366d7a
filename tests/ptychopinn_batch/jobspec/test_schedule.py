"""A schedule has the keys of its kind."""

import pytest

from ptychopinn_batch.jobspec import Schedule


@pytest.mark.parametrize(("kind", "key"), [("cosine", "decay"), ("exponential", "patience")])
def test_a_key_of_another_kind_is_refused(refused, kind, key):
    assert refused(train={"schedule": {"kind": kind, key: 1}}) == (
        key,
        f"this key is of no use where the kind is '{kind}'",
        "Remove the key, or write another kind",
    )
    assert Schedule(kind="plateau", patience=1).patience == 1
