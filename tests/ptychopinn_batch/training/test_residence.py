"""Frames on the device: the same lessons as from the disk, if there is room for them."""

import pytest
import torch

from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.training import residence
from ptychopinn_batch.training.lessons import Lessons
from ptychopinn_batch.training.residence import Resident, bytes_of, room_on
from ptychopinn_batch.training.syllabus import TrainingScan, syllabus_of

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "train",
    [
        Train(regions_per_epoch=8, accumulate=2, window=32),
        Train(regions_per_epoch="cover", accumulate=2, frames_per_region=60),
    ],
)
def test_lessons_are_completed_from_what_a_rank_keeps(small_store, other_store, train):
    scans = [TrainingScan.of(store, train) for store in (small_store, other_store)]
    for rank in range(2):
        syllabus = syllabus_of(train, scans, seed=1, world=2)
        kept = Resident([small_store, other_store], syllabus.frames_of(rank), CPU)
        read, lacking = (
            Lessons(train, scans, 1, syllabus, resident=resident) for resident in (False, True)
        )
        for turn in range(syllabus.spread.lessons):
            key = 0, syllabus.spread.number(rank, turn)
            assert lacking[key].region.amplitudes.numel() == 0
            completed = kept.completed(lacking[key]).region
            assert torch.equal(completed.amplitudes, read[key].region.amplitudes)


def test_a_simulated_lesson_brings_all_it_needs(small_store):
    train = Train(simulated=1.0, regions_per_epoch=1)
    lesson = Lessons(train, [], 1, syllabus_of(train, [], seed=1, world=1), resident=True)[0, 0]
    assert Resident([], [], CPU).completed(lesson) is lesson


def test_frames_are_kept_on_a_gpu_where_they_fit_and_never_on_a_cpu(small_store, monkeypatch):
    train = Train()
    scans = [TrainingScan.of(small_store, train)]
    rows = [scans[0].split.training]
    assert room_on(CPU, 1) == 0
    assert Resident.where_it_fits(scans, rows, CPU, 1) is None
    for room, fits in ((bytes_of(scans, rows), True), (bytes_of(scans, rows) - 1, False)):
        monkeypatch.setattr(residence, "room_on", lambda device, ranks, room=room: room)
        assert (Resident.where_it_fits(scans, rows, CPU, 1) is not None) == fits


def test_ranks_that_share_a_gpu_share_its_memory(monkeypatch):
    class Properties:
        total_memory = 10**10

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties)
    gpu = torch.device("cuda", 0)
    assert room_on(gpu, 1) == 3 * 10**9
    assert room_on(gpu, 2) == room_on(gpu, 1) // 2
