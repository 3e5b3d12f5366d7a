"""Parts of a network: found by name, frozen, and trained at rates of their own."""

import pytest
import torch

from hpc.errors import UserError
from ptychopinn_batch.jobspec import CnnSettings, Stage, Train
from ptychopinn_batch.networks.cnn import Cnn
from ptychopinn_batch.training.parts import enter, parameter_groups, set_rates

NETWORK = Cnn(CnnSettings(n=32, filters_scale=1))


def groups(rates, stages=()):
    return parameter_groups(NETWORK, Train(rates=rates, stages=stages))


def sizes(rates):
    return {g["part"]: sum(p.numel() for p in g["params"]) for g in groups(rates)}


def size(module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_without_names_there_is_one_part():
    assert sizes({}) == {"": size(NETWORK)}


def test_a_name_takes_all_weights_that_have_it_among_their_words():
    net = NETWORK.autoencoder
    rest = size(net) - size(net.encoder)
    assert sizes({"encoder": 0}) == {"": rest, "encoder": size(net.encoder)}
    both = size(net.amplitude.trunk) + size(net.phase.trunk)
    assert sizes({"trunk": 0})["trunk"] == both


def test_the_most_particular_of_several_names_counts():
    net = NETWORK.autoencoder
    found = sizes({"phase": 1, "phase.centre": 0.1, "autoencoder": 2})
    assert found == {
        "autoencoder": size(net.encoder) + size(net.amplitude),
        "phase": size(net.phase) - size(net.phase.centre),
        "phase.centre": size(net.phase.centre),
    }


def test_names_of_later_stages_are_parts_from_the_beginning():
    later = (Stage(from_epoch=2, rates={"encoder": 0}),)
    assert [g["part"] for g in groups({"phase": 1}, later)] == ["", "encoder", "phase"]


def test_a_name_that_no_weight_has_is_refused_with_those_there_are(refusal_of):
    assert refusal_of(groups, {"bottleneck": 0}) == (
        "no weights of this network are named 'bottleneck'",
        "train.rates.bottleneck",
        "Write one of amplitude, autoencoder, border, centre, encoder, phase, trunk",
    )


def test_a_factor_of_zero_freezes_and_any_other_thaws():
    parts = groups({"encoder": 0})
    enter(parts, {"encoder": 0.0})
    assert {p.requires_grad for p in parts[1]["params"]} == {False}
    assert {p.requires_grad for p in parts[0]["params"]} == {True}
    enter(parts, {})
    assert {p.requires_grad for p in parts[1]["params"]} == {True}


def test_freezing_everything_is_refused():
    parts = groups({"autoencoder": 0})
    with pytest.raises(UserError, match="every part of the network is frozen"):
        enter(parts, {"autoencoder": 0.0})
    enter(parts, {})


def test_rates_are_scaled_part_by_part():
    optimizer = torch.optim.AdamW(groups({"encoder": 0.1, "phase": 3}), 1.0)
    set_rates(optimizer, 0.5, {"encoder": 0.1, "phase": 3})
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.05, 1.5]
