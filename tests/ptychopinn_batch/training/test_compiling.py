"""Compiling: the network is the same, and where nothing can compile it is said and gone on."""

import logging

import pytest
import torch

from ptychopinn_batch.simulate.regions import simulated_region
from ptychopinn_batch.training import compiling


@pytest.fixture(autouse=True)
def as_before():
    before = torch._dynamo.config.suppress_errors
    yield
    torch._dynamo.config.suppress_errors = before
    torch._dynamo.reset()


def test_a_compiled_network_has_the_same_weights_and_makes_the_same_object(
    new_network, monkeypatch
):
    monkeypatch.setattr(compiling, "BACKEND", "eager")  # its parts, without making code of them
    plain, compiled = new_network(), new_network()
    assert compiling.compile_layers(compiled)
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    region = simulated_region(1)
    with torch.no_grad():
        one, other = (network(region, steps=1).object for network in (plain, compiled))
    assert torch.allclose(one, other, atol=1e-6)


def test_without_a_compiler_it_is_said_and_the_network_is_left_alone(
    new_network, monkeypatch, caplog
):
    def nothing(graph, inputs):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(compiling, "BACKEND", nothing)
    network = new_network()
    with caplog.at_level(logging.WARNING):
        assert not compiling.compile_layers(network)
    assert "the network is not compiled" in caplog.text
    assert "no C++ compiler" in caplog.text
    assert all(child._compiled_call_impl is None for child in network.children())
