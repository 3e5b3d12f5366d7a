"""A pretrained network brings its settings; a new one states them all."""

import pytest

from ptychopinn_batch.jobspec import CnnSettings, Model, UnrolledSettings


@pytest.mark.parametrize("key", ["architecture", "unrolled", "cnn"])
def test_a_pretrained_network_brings_its_own_settings(complaint, key):
    given = {"architecture": "unrolled", "unrolled": {}, "cnn": {}}[key]
    assert complaint(model={"pretrained": "default", key: given})[0] == key


def test_a_new_network_is_unrolled_and_states_its_settings():
    model = Model(pretrained="none")
    assert (model.architecture, model.settings) == ("unrolled", UnrolledSettings())
    assert model == Model(pretrained="none", architecture="unrolled", unrolled=UnrolledSettings())


def test_a_new_cnn_has_settings_of_its_own(refused):
    assert Model(pretrained="none", architecture="cnn").settings == CnnSettings()
    wrong = {"pretrained": "none", "architecture": "cnn", "unrolled": {}}
    assert refused(model=wrong, train={}) == (
        "unrolled",
        "settings of 'unrolled', but the architecture is 'cnn'",
        "Remove them, or write architecture: unrolled",
    )


def test_the_settings_of_a_pretrained_network_are_not_known_here():
    with pytest.raises(ValueError, match="manifest"):
        _ = Model().settings


@pytest.mark.parametrize(
    ("key", "value"), [("amplitude_activation", "swish"), ("shared_amplitude", True)]
)
def test_a_network_of_parts_has_no_amplitude(refused, key, value):
    cnn = {"output": "real_imag", key: value}
    model = {"pretrained": "none", "architecture": "cnn", "cnn": cnn}
    assert refused(model=model, train={}) == (
        key,
        "a network that gives real and imaginary parts has no amplitude decoder",
        "Remove the key, or write output: amplitude_phase",
    )
