"""What tests of the job spec's sections share: a small spec, and what is wrong with one."""

import pytest
from pydantic import ValidationError

from ptychopinn_batch.jobspec import JobSpec

SPEC = {"version": 1, "name": "a", "scans": [{"path": "a.npz"}]}


@pytest.fixture
def spec():
    """A spec with these keys besides the ones that every spec has."""

    def build(**more):
        return JobSpec.model_validate({**SPEC, **more})

    return build


@pytest.fixture
def refused(spec):
    """Key, message and mend of the one thing that is wrong with a spec."""

    def read(**more):
        with pytest.raises(ValidationError) as caught:
            spec(**more)
        (error,) = caught.value.errors()
        return error["ctx"]["key"], error["msg"], error["ctx"]["mend"]

    return read


@pytest.fixture
def complaint(refused):
    """Key and message of it."""
    return lambda **more: refused(**more)[:2]
