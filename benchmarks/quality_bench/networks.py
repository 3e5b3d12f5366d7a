"""Runs networks: shipped, untrained, given ones, and the autoencoder trained on the scan itself."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from hpc.errors import UserError
from hpc.fsio import sha256_file
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.source import ArrayFrames, RawScan
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.inference import reconstruct
from ptychopinn_batch.jobspec import CnnSettings, Infer, Refine, Train, UnrolledSettings
from ptychopinn_batch.networks.base import Network
from ptychopinn_batch.networks.registry import build_network
from ptychopinn_batch.package import load_model, load_weights, package_identity, resolve_pretrained
from ptychopinn_batch.refinement.adjuster import Adjuster
from ptychopinn_batch.refinement.probe import orthogonal_modes, with_modes
from ptychopinn_batch.region import Region
from ptychopinn_batch.training.fit import fit

from .methods import SHIPPED, UNTRAINED, CnnMethod, NetworkMethod
from .outcome import Outcome, measured
from .prepared import Prepared

WEIGHTS = (".pth", ".pt")


def run_network(method: NetworkMethod, shown: Region) -> Outcome:
    """The object that a network makes of these frames, all of them in one region."""
    network = network_of(method.network)
    reconstruct(network, shown, method.infer.model_copy(update={"steps": 1}))
    steps = method.infer.steps + (method.refine.steps if method.refine else 0)
    return measured(_reconstruction(network, shown, method.infer, method.refine), steps)


def _reconstruction(
    network: Network, shown: Region, infer: Infer, refine: Refine | None = None
) -> Callable[[], tuple[Tensor, Region]]:
    def work() -> tuple[Tensor, Region]:
        fresh = dataclasses.replace(shown)  # nothing is known that belongs to the work
        if refine:
            fresh = _refined(network, fresh, refine)
        return reconstruct(network, fresh, infer)[0], fresh

    return work


@torch.inference_mode()
def _refined(network: Network, region: Region, refine: Refine) -> Region:
    """As `refinement.scan` does it: the probe first, then with it the positions."""
    if refine.probe:
        region = dataclasses.replace(region, probe=with_modes(region.probe, refine.modes or 1))
        adjust = Adjuster.of(refine, region, seed=0)
        probe = network(region, steps=refine.steps, adjust=adjust).region.probe
        region = dataclasses.replace(region, probe=orthogonal_modes(probe))
    if refine.positions:
        only = refine.model_copy(update={"probe": False, "modes": None})
        adjust = Adjuster.of(only, region, seed=1)
        region = network(region, steps=refine.steps, adjust=adjust).region
    return region


@cache
def network_of(name: str) -> Network:
    """A network by name, folder or file, in evaluation mode; UserError where there is none.

    Weights alone are those of the default settings.
    """
    if name == UNTRAINED:
        torch.manual_seed(0)
        return build_network("unrolled", UnrolledSettings()).eval()
    if _is_weights(name):
        network = build_network("unrolled", UnrolledSettings())
        load_weights(network, Path(name))
        return network.eval()
    return load_model("default" if name == SHIPPED else name).network


def identity_of(name: str) -> str:
    """What decides a network's results, so that a bench that goes on knows its own figures."""
    if name == UNTRAINED:
        return UNTRAINED
    if _is_weights(name):
        return sha256_file(Path(name))
    return package_identity(resolve_pretrained("default" if name == SHIPPED else name, Path.cwd()))


def _is_weights(name: str) -> bool:
    if not name.endswith(WEIGHTS):
        return False
    if not Path(name).is_file():
        raise UserError("there is no such file", where=name, mend="Name weights or a package")
    return True


def cnn_training(epochs: int, frames: int) -> Train:
    """As PtychoPINN trains: Adam, Poisson likelihood, batches of 16, 5 % of the frames kept out.

    Ours are cut from the scan as regions: as many as hold every frame once in an epoch.
    """
    return Train(
        epochs=epochs,
        regions_per_epoch=max(1, round(frames / BATCH)),
        frames_per_region=BATCH,
        accumulate=1,
        loss="poisson",
        lr=1e-3,
        weight_decay=0.0,
        validation=0.05,
        split="frames",
        workers=0,
        pictures=0,
    )


BATCH = 16


def run_cnn(method: CnnMethod, prepared: Prepared) -> Outcome:
    """The autoencoder with gridsize 1, trained on the shown frames alone and then used on them.

    An epoch is timed first, then a training of so many begins from random weights.
    """
    settings = CnnSettings(n=prepared.store.info.n)
    with TemporaryDirectory(prefix="quality-") as folder:
        store = shown_store(prepared, Path(folder) / "store")
        epoch = _train(settings, store, 1, prepared.seed)[1]
        epochs = max(1, round(method.seconds / epoch))
        network, seconds = _train(settings, store, epochs, prepared.seed)
    infer = Infer(steps=1)
    outcome = measured(_reconstruction(network.eval(), prepared.shown, infer), epochs)
    return dataclasses.replace(outcome, trained_s=seconds)


def _train(
    settings: CnnSettings, store: ScanStore, epochs: int, seed: int
) -> tuple[Network, float]:
    torch.manual_seed(seed)
    network = build_network("cnn", settings)
    train = cnn_training(epochs, store.info.frames)
    began = time.perf_counter()
    with TemporaryDirectory(prefix="quality-") as folder:
        fit(network, train, [store], seed=seed, folder=Path(folder))
    return network, time.perf_counter() - began


def shown_store(prepared: Prepared, folder: Path) -> ScanStore:
    """A store of the shown frames alone."""
    whole = prepared.store
    rows = np.flatnonzero(~prepared.is_held.numpy())
    frames = np.fft.fftshift(np.asarray(whole.frames.numpy())[rows], axes=(1, 2))
    raw = RawScan(
        frames=ArrayFrames(frames),
        measurement=whole.info.measurement,
        positions=whole.positions.numpy()[rows],
        probe=whole.probe.numpy(),
        scan_index=whole.scan_index.numpy()[rows],
        origin=whole.info.origin,
        bad_pixels=None if whole.mask is None else np.fft.fftshift(~whole.mask.numpy()),
    )
    return build_store(raw, folder)
