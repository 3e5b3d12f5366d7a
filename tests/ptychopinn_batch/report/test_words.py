"""Words of the report: figures as readers take them, and no secrets."""

import pytest

from hpc.cost import Hours
from ptychopinn_batch.report.words import cost, duration, metres, number, without_secrets


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("MLFLOW_TRACKING_PASSWORD=hunter2 set", "hunter2"),
        ("api_key: 'abc123'", "abc123"),
        ('{"access-token": "t0ps3cret"}', "t0ps3cret"),
        ("Authorization: Bearer abcdefgh1234", "abcdefgh1234"),
        ("token=Bearer abcdefgh1234", "abcdefgh1234"),
        ("cannot reach https://eve:s3cr3t@host/x", "s3cr3t"),
        ("key AKIAABCDEFGHIJKLMNOP refused", "AKIAABCDEFGHIJKLMNOP"),
        ("ghp_abcdefghijklmnopqrstuvwxyz012345", "ghp_abcdefghijklmnop"),
    ],
)
def test_secrets_are_hidden(text, secret):
    shown = without_secrets(text)
    assert secret not in shown
    assert "[hidden]" in shown


@pytest.mark.parametrize(
    "text",
    [
        "R = 0.0123, 4 tokens were read",
        "runs/a/results/b/object.zarr: no such file. Submit it again",
        "https://example.org/a@b?c=d",
        "File 'x.py', line 3, in passwords",
    ],
)
def test_anything_else_stays_as_it_is(text):
    assert without_secrets(text) == text


def test_colours_of_terminals_are_taken_out():
    assert without_secrets("\x1b[31mred\x1b[0m\x07") == "red"


def test_figures():
    assert (number(None), number(0.0123456)) == ("–", "0.01235")
    assert [duration(s) for s in (None, 38)] == ["–", "38 s"]
    assert [metres(m) for m in (None, 2.34e-8)] == ["–", "23.4 nm"]
    assert cost(Hours(cpu=1.25, gpu=0.5)) == "1.25 CPU-h, 0.5 GPU-h"
    assert cost(None) == "–"
