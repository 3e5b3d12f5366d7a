"""What the machine can do at most: Fourier transforms in cache, and bytes through memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

from hpc.record import Record
from ptychopinn_batch import physics
from ptychopinn_batch.inference import best_device
from ptychopinn_batch.networks import transforms
from ptychopinn_batch.networks.transforms import Waves

CHUNKS = (2**14, 2**15, 2**16, 2**17, 2**18)  # frame pixels transformed at once, on a CPU
GPU_CHUNKS = (2**22, 2**24)
PASS_PIXELS = 2**22  # transformed between two looks at the clock, on a CPU
TRIAD_BYTES = 2**27  # of each of three arrays: far more than any cache
SECONDS = 0.4  # that each is repeated for
AMPLITUDE_BYTES = 4  # of a pixel of a frame, as the network reads it


class Ceiling(Record):
    """At most so many frames per second and step of a network.

    fft_frames_per_s: a forward and an inverse transform of each frame, in the best of `CHUNKS`, by
    whatever transforms the network would use;
    memory_frames_per_s: its amplitudes read once, at memory_gb_per_s (triad: 2 reads, 1 write).
    """

    n: int
    chunk: int
    fft_frames_per_s: float
    memory_gb_per_s: float
    memory_frames_per_s: float


def measure(n: int, *, seconds: float = SECONDS) -> Ceiling:
    """The ceilings for frames of n x n pixels on the device that is used."""
    device = best_device()
    speeds = {size: _fft(n, size, device, seconds) for size in _chunks(n, device)}
    chunk, speed = max(speeds.items(), key=lambda pair: pair[1])
    bandwidth = triad(device, seconds)
    return Ceiling(
        n=n,
        chunk=chunk,
        fft_frames_per_s=speed,
        memory_gb_per_s=bandwidth / 1e9,
        memory_frames_per_s=bandwidth / (AMPLITUDE_BYTES * n**2),
    )


def _chunks(n: int, device: torch.device) -> list[int]:
    """Frames transformed at once."""
    pixels = GPU_CHUNKS if device.type == "cuda" else CHUNKS
    return sorted({max(1, size // n**2) for size in pixels})


def _fft(n: int, count: int, device: torch.device, seconds: float) -> float:
    """Frames per second that go forward and back, `count` at once, on a CPU in every thread."""
    if device.type == "cpu":
        return _fft_in_threads(n, count, seconds)
    waves = torch.randn(count, n, n, dtype=torch.complex64, device=device)
    return count / quickest(lambda: physics.ifft(physics.fft(waves)), device, seconds)


def _fft_in_threads(n: int, count: int, seconds: float) -> float:
    threads, passes = torch.get_num_threads(), max(1, PASS_PIXELS // (count * n**2))
    rooms = [transforms.waves((count, 1, n, n)) for _ in range(threads)]

    def transform(waves: Waves) -> None:
        for _ in range(passes):
            waves.to_detector()
            waves.to_sample()

    with ThreadPoolExecutor(threads, "frames", torch.set_num_threads, (1,)) as pool:
        duration = quickest(lambda: list(pool.map(transform, rooms)), torch.device("cpu"), seconds)
    return threads * passes * count / duration


@torch.inference_mode()
def triad(device: torch.device, seconds: float = SECONDS, size: int = TRIAD_BYTES) -> float:
    """Bytes per second of a = b + s * c."""
    a, b, c = (torch.rand(size // 4, device=device) for _ in range(3))
    return 3 * size / quickest(lambda: torch.add(b, c, alpha=3.0, out=a), device, seconds)


def quickest(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """The shortest time that a call took in so many seconds; the first one does not count."""
    timed(work, device)
    end, shortest = time.perf_counter() + seconds, float("inf")
    while shortest == float("inf") or time.perf_counter() < end:
        shortest = min(shortest, timed(work, device))
    return shortest


def timed(work: Callable[[], object], device: torch.device) -> float:
    """How long a call takes, on a GPU until it is really over."""
    _finish(device)
    began = time.perf_counter()
    work()
    _finish(device)
    return time.perf_counter() - began


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
