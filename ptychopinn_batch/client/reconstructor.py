"""The `TrainableReconstructor` of Ptychodus that works with packaged networks (`.pth` + manifest).

Ptychodus has the network's path; every call is one run of ptychopinn-batch in a process of its
own, on this machine or on a cluster. Without a network, the one that ships with it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ptychodus.api.io import save_training_data
from ptychodus.api.reconstruct import (
    ReconstructInput,
    Reconstructor,
    ReconstructorLibrary,
    ReconstructOutput,
    TrainableReconstructor,
    TrainOutput,
)
from ptychodus.api.settings import SettingsRegistry

from ptychopinn_batch.client.command import Run, Stopped
from ptychopinn_batch.client.exchange import read_result, write_input
from ptychopinn_batch.client.model import WEIGHTS, check_model, copy_model, manifest_of
from ptychopinn_batch.client.settings import ClientSettings
from ptychopinn_batch.client.training import Progress, training_spec
from ptychopinn_batch.client.workplace import workplace

VARIANT = "default"  # of a run without a sweep


class BatchReconstructor(TrainableReconstructor):  # type: ignore[misc]
    """Key in Ptychodus: `ptychopinn-batch_network`."""

    def __init__(
        self, settings: ClientSettings, is_stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._settings, self._is_stopping = settings, is_stopping
        self._model: Path | None = None
        self._is_training = False

    @property
    def name(self) -> str:
        return "Network"

    def get_progress_goal(self) -> int:
        """Steps of a reconstruction, epochs of a training."""
        settings = self._settings
        return (settings.epochs if self._is_training else settings.steps).get_value()

    def reconstruct(self, parameters: ReconstructInput) -> Iterator[ReconstructOutput]:
        with suppress(Stopped):
            yield self._reconstructed(parameters)

    def _reconstructed(self, parameters: ReconstructInput) -> ReconstructOutput:
        steps = self._settings.steps.get_value()
        with workplace(self._settings, "reconstruct", self._is_stopping) as run:
            scan = run.folder / f"{run.name}.input"
            write_input(parameters, scan)
            spec = {
                "scans": [{"name": "scan", "path": str(scan), "format": "ptychodus"}],
                "model": {"pretrained": self._network(run, self._model)},
                "infer": {"steps": steps},
                "export": ["ptychodus"],
            }
            for _ in run.go(spec):
                pass
            found = read_result(run.paths / "results" / VARIANT / "scan", parameters.product, steps)
        return ReconstructOutput(product=found, progress=steps)

    def train(self, input_path: Path, output_path: Path) -> Iterator[TrainOutput]:
        """Adapt the network that is loaded, else `model.pth` of the input, else the shipped one.

        The new one is written to the output as `model.pth` and `manifest.json`, and is loaded then.
        """
        self._is_training = True
        try:
            with suppress(Stopped), workplace(self._settings, "train", self._is_stopping) as run:
                network = self._network(run, self._model or _beside(input_path))
                spec = training_spec(input_path, network, self._settings.epochs.get_value())
                yield from run.go(spec, Progress(run.paths).news)
                trained = run.paths / "models" / VARIANT / WEIGHTS
                copy_model(trained, output_path / WEIGHTS)
                self._model = (output_path / WEIGHTS).absolute()
        finally:
            self._is_training = False

    def is_model_loaded(self) -> bool:
        """Always: there is the shipped one; without a network Ptychodus' window offers nothing."""
        return True

    def get_model_file_filter(self) -> str:
        return "PtychoPINN-Batch Networks (*.pth)"

    def get_model_file_extension(self) -> str:
        return Path(WEIGHTS).suffix

    def load_model_from_file(self, file_path: Path) -> None:
        check_model(file_path)
        self._model = file_path.absolute()

    def save_model(self, file_path: Path) -> None:
        if self._model is None:
            raise RuntimeError("No network to save: none was opened or trained")
        copy_model(self._model, file_path)

    def get_training_data_file_filter(self) -> str:
        return "Ptychodus Training Data (*.h5)"

    def export_training_data(self, file_path: Path, parameters: ReconstructInput) -> None:
        save_training_data(file_path, parameters, inpaint_bad_pixels=False)  # they are masked

    def _network(self, run: Run, model: Path | None) -> str:
        """The word of a job spec for a network: a folder that holds nothing else."""
        if model is None:
            return "default"
        folder = run.folder / f"{run.name}.network"
        copy_model(model, folder / WEIGHTS)
        return str(folder)


class BatchLibrary(ReconstructorLibrary):  # type: ignore[misc]
    """All reconstructors of ptychopinn-batch, with their settings."""

    def __init__(self, registry: SettingsRegistry, is_stopping: Callable[[], bool]) -> None:
        super().__init__("ptychopinn-batch")
        self.settings = ClientSettings.registered(registry)
        self._reconstructors = (BatchReconstructor(self.settings, is_stopping),)

    @property
    def name(self) -> str:
        return "PtychoPINN-Batch"

    def __iter__(self) -> Iterator[Reconstructor]:
        return iter(self._reconstructors)


def _beside(folder: Path) -> Path | None:
    weights = folder / WEIGHTS
    return weights if weights.is_file() and manifest_of(weights).is_file() else None
