"""The arithmetic of networks is the one asked for, or the fastest that the device has."""

import pytest
import torch

from ptychopinn_batch import precision

CPU = torch.device("cpu")


def product() -> torch.Tensor:
    return torch.ones(2, 2) @ torch.ones(2, 2)


@pytest.mark.parametrize(
    ("asked", "able", "dtype"),
    [
        ("32", True, torch.float32),
        ("bf16", False, torch.bfloat16),
        ("auto", True, torch.bfloat16),
        ("auto", False, torch.float32),
    ],
)
def test_auto_takes_half_precision_only_where_the_device_computes_in_it(
    asked, able, dtype, monkeypatch
):
    monkeypatch.setattr(precision, "computes_in_bf16", lambda device: able)
    with precision.mixed(asked, CPU):
        assert product().dtype == dtype


def test_a_cpu_says_whether_it_computes_in_half_precision():
    assert precision.computes_in_bf16(CPU) in (True, False)
