"""Methods as they are written on the command line."""

import pytest
from quality_bench.methods import DEFAULT, CnnMethod, EngineMethod, NetworkMethod, parse_method

from hpc.errors import UserError


def test_a_network_and_its_steps():
    method = parse_method("runs/a/models/default:24")
    assert isinstance(method, NetworkMethod)
    assert (method.network, method.infer.steps) == ("runs/a/models/default", 24)


def test_what_is_refined_follows_a_plus():
    method = parse_method("shipped:16+modes=3+positions=true")
    assert (method.refine.modes, method.refine.positions) == (3, True)
    assert parse_method("shipped:16").refine is None


def test_the_autoencoder_is_trained_for_seconds():
    assert parse_method("cnn:60") == CnnMethod("cnn:60", 60.0)


def test_engines_have_budgets_instead_of_steps():
    assert parse_method("lsqml") == EngineMethod("lsqml", "lsqml")


def test_the_default_methods_are_methods():
    assert len({parse_method(text) for text in DEFAULT}) == len(DEFAULT)


@pytest.mark.parametrize(
    "text", ["shipped", "shipped:", ":16", "shipped:many", "shipped:0", "cnn:0", "cnn:x", "raar"]
)
def test_what_is_no_method_is_told(text):
    with pytest.raises(UserError, match="--methods"):
        parse_method(text)


def test_unknown_settings_are_told():
    with pytest.raises(UserError, match=r"shipped:16\+step=3"):
        parse_method("shipped:16+step=3")
