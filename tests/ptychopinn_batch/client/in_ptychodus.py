"""Does what a user of Ptychodus does, in Ptychodus, with our reconstructor.

Run by the interpreter that has Ptychodus 1.7: python in_ptychodus.py WHAT JSON. The last line
printed is what came of it, as JSON.
"""

import json
import logging
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from ptychodus.api.simulate.diffraction import generate_diffraction_data
from ptychodus.model import ModelCore

from ptychopinn_batch.client.exchange import write_input
from ptychopinn_batch.client.reconstructor import BatchReconstructor
from ptychopinn_batch.client.registration import add_to, check_version
from ptychopinn_batch.client.settings import ClientSettings


@contextmanager
def opened(scan, settings):
    """The application core with a scan, our reconstructor and its settings."""
    with ModelCore(None, log_level=logging.ERROR) as core:
        algorithm = add_to(core)
        for name, value in settings.items():
            core.settings_registry["PtychoPINNBatch"].parameters()[name].set_value(value)
        folder = Path(scan)
        frames = core.workflow_api.load_assembled_diffraction_data(folder / "diffraction.h5")
        yield (
            core,
            algorithm,
            core.workflow_api.load_product(folder / "product.h5", diffraction=frames),
        )


def reconstruct(scan, settings, out):
    with opened(scan, settings) as (_, algorithm, given):
        before = given.get_product()
        found = given.reconstruct_local(algorithm=algorithm, block=True)
        frames = found.get_reconstruct_input()
        found.save_product(Path(out), file_type="HDF5")
        after = found.get_product()
    return {
        "positions": listed(after.probe_positions),
        "given positions": listed(before.probe_positions),
        "losses": [[int(one.epoch), float(one.value)] for one in after.losses],
        "photons": after.metadata.probe_photon_count,
        "energy": after.metadata.photon_energy_eV,
        "distance": after.metadata.detector_distance_m,
        "exposure": after.metadata.exposure_time_s,
        "comments": after.metadata.comments,
        "misfit": misfit(after, frames),
    }


def listed(positions):
    return [[int(p.index), float(p.x_m), float(p.y_m)] for p in positions]


def misfit(product, frames):
    """R by Ptychodus' own forward model, after one common factor, without bad pixels."""
    good = ~frames.bad_pixels
    measured = np.sqrt(frames.diffraction_patterns[:, good].astype(float))
    modelled = np.sqrt(np.asarray(generate_diffraction_data(product)._patterns)[:, good])
    factor = (measured * modelled).sum() / (modelled**2).sum()
    return float(((factor * modelled - measured) ** 2).sum() / (measured**2).sum())


def train(scan, settings, data, out):
    """Export training data, train on them, save the network under another name."""
    with opened(scan, settings) as (core, algorithm, given):
        Path(data).mkdir()
        given.export_training_data(Path(data) / "one.h5", algorithm=algorithm)
        ours = core.processing_core.algorithm_parameter.get_current_reconstructor()
        told = list(ours.train(Path(data), Path(out)))
        ours.save_model(Path(out) / "mine.pth")
        ours.load_model_from_file(Path(out) / "mine.pth")
    return {
        "told": [
            {
                "epochs": one.progress,
                "training": [[loss.epoch, loss.value] for loss in one.training_loss],
                "validation": [[loss.epoch, loss.value] for loss in one.validation_loss],
            }
            for one in told
        ]
    }


def stop(scan, settings, data, out):
    """Train, and listen no longer after the first epoch."""
    with opened(scan, settings) as (core, algorithm, given):
        Path(data).mkdir()
        given.export_training_data(Path(data) / "one.h5", algorithm=algorithm)
        ours = core.processing_core.algorithm_parameter.get_current_reconstructor()
        epochs = ours.train(Path(data), Path(out))
        first = next(epochs)
        epochs.close()
    return {"epochs": first.progress, "kept": told_by(ours.save_model, Path(out) / "mine.pth")}


def leave(scan, settings):
    """Close Ptychodus as soon as a reconstruction has begun."""
    with opened(scan, settings) as (_, algorithm, given):
        given.reconstruct_local(algorithm=algorithm, block=False)
        while not list(Path(settings["runs_folder"]).glob("*/ledger/*.jsonl")):
            time.sleep(0.1)
    return {}


def offered(scan, settings):
    """Whether the window would let a user reconstruct who has opened no network."""
    with opened(scan, settings) as (core, algorithm, _):
        core.processing_core.processing_api.set_reconstructor_if_provided(algorithm)
        ours = core.processing_core.algorithm_parameter.get_current_reconstructor()
        return {"ready": ours.is_model_loaded()}


def refusals(scan, settings, folder):
    """What a user is told whose wishes cannot be met."""
    folder = Path(folder)
    (folder / "lonely.pth").write_bytes(b"")
    with opened(scan, settings) as (core, algorithm, given):
        frames = given.get_reconstruct_input()
        product = frames.product
        near = replace(product, metadata=replace(product.metadata, far_field=False))
        empty = folder / "empty"
        empty.mkdir()
        core.processing_core.processing_api.set_reconstructor_if_provided(algorithm)
        ours = core.processing_core.algorithm_parameter.get_current_reconstructor()
        told = {
            "no manifest": told_by(ours.load_model_from_file, folder / "lonely.pth"),
            "near field": told_by(write_input, replace(frames, product=near), folder / "near"),
            "no training data": told_by(lambda: list(ours.train(empty, empty))),
            "odd frames": told_by(write_input, cropped(frames), folder / "odd"),
            "nothing to save": told_by(ours.save_model, folder / "none.pth"),
        }
        core.settings_registry["PtychoPINNBatch"].parameters()["overrides"].set_value("infer.no=1")
        told["wrong key"] = told_by(lambda: list(ours.reconstruct(frames)))
        told["temporary folder on a cluster"] = on_a_cluster(core, frames)
    return told


def cropped(frames):
    return replace(
        frames,
        diffraction_patterns=frames.diffraction_patterns[:, 1:],
        bad_pixels=frames.bad_pixels[1:],
    )


def on_a_cluster(core, frames):
    parameters = core.settings_registry["PtychoPINNBatch"].parameters()
    parameters["executor"].set_value("slurm")
    parameters["runs_folder"].set_value("")
    ours = BatchReconstructor(ClientSettings(**parameters))
    return told_by(lambda: list(ours.reconstruct(frames)))


def told_by(call, *arguments):
    try:
        call(*arguments)
    except (RuntimeError, ValueError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def other_version():
    """As if another Ptychodus were installed."""
    import ptychopinn_batch.client.registration as registration

    registration.version = lambda name: "1.9.0"
    return {"told": told_by(check_version)}


if __name__ == "__main__":
    what, arguments = sys.argv[1], json.loads(sys.argv[2])
    answer = globals()[what](**arguments)
    sys.stdout.flush()
    print(json.dumps(answer))
    sys.stdout.flush()
    if what != "leave":
        os._exit(0)  # Ptychodus' threads may linger
