"""Random real images in [0, 1]: the material that simulated objects are made of."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import skimage
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage
from skimage import color, io

Image = NDArray[np.float64]

# Pictures that ship inside scikit-image. `astronaut` and `chelsea` are left out on purpose: scans
# made of them test networks that were trained on the others.
PICTURES = (
    "brick.png",
    "camera.png",
    "cell.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "color.png",
    "grass.png",
    "gravel.png",
    "horse.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "microaneurysms.png",
    "moon.png",
    "motorcycle_left.png",
    "page.png",
    "phantom.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
)


@cache
def picture(name: str) -> Image:
    """A picture of scikit-image as grey levels, its 0.5 and 99.5 percentiles at 0 and 1."""
    raw = io.imread(Path(skimage.__file__).parent / "data" / name)
    grey = color.rgb2gray(raw[..., :3]) if raw.ndim == 3 else raw.astype(np.float64)
    low, high = np.percentile(grey, [0.5, 99.5])
    scaled: Image = np.clip((grey - low) / (high - low), 0, 1)
    return scaled


def resized(image: Image, side: int) -> Image:
    """A square image at another size, blurred first where it shrinks."""
    ratio = len(image) / side
    smooth = ndimage.gaussian_filter(image, 0.4 * ratio) if ratio > 1 else image
    grid = np.linspace(0, len(image) - 1, side)
    out: Image = ndimage.map_coordinates(smooth, np.meshgrid(grid, grid, indexing="ij"), order=1)
    return out


def natural(side: int, random: Generator) -> Image:
    """A random part of a random picture, turned and mirrored, at 0.35 to 2 times its size."""
    image = picture(PICTURES[random.integers(len(PICTURES))])
    zoom = np.exp(random.uniform(np.log(0.35), np.log(2.0)))
    part = int(min(side / zoom, min(image.shape) - 1))
    top, left = (int(random.integers(extent - part)) for extent in image.shape)
    crop = np.rot90(image[top : top + part, left : left + part], int(random.integers(4)))
    return resized(crop[::-1] if random.random() < 0.5 else crop, side)


def power_law(side: int, random: Generator) -> Image:
    """A Gaussian random field with a power-law spectrum, sometimes pushed to two levels."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    spectrum = np.fft.fft2(random.standard_normal((side, side)))
    field = np.fft.ifft2(spectrum / (frequency + 1 / side) ** random.uniform(0.8, 2.2)).real
    field = (field - field.mean()) / field.std()
    if random.random() < 0.4:
        return 1 / (1 + np.exp(-np.clip(8 * field, -30, 30)))
    return np.clip(0.5 + 0.25 * field, 0, 1)


def _shape(side: int, random: Generator) -> NDArray[np.bool_]:
    """An ellipse, a box or a disk of stripes somewhere on the image."""
    y, x = np.mgrid[:side, :side] - random.uniform(0, side, 2)[:, None, None]
    size = np.exp(random.uniform(np.log(2), np.log(side / 3)))
    turn, squeeze = random.uniform(0, np.pi), np.exp(random.uniform(-1.5, 0))
    u, v = x * np.cos(turn) + y * np.sin(turn), -x * np.sin(turn) + y * np.cos(turn)
    match random.integers(3):
        case 0:
            return np.asarray(u**2 + (v / squeeze) ** 2 < size**2)
        case 1:
            return np.asarray((abs(u) < size) & (abs(v) < size * squeeze))
        case _:
            stripes = np.sin(u * 2 * np.pi / max(3, size * squeeze)) > 0
            return np.asarray(stripes & (u**2 + v**2 < size**2))


def star(side: int, centre: tuple[float, float], spokes: int, turn: float) -> Image:
    """A Siemens star of so many spokes that fills the image."""
    y, x = np.mgrid[:side, :side]
    return (np.sin(spokes * np.arctan2(y - centre[0], x - centre[1]) + turn) > 0) * 1.0


def shapes(side: int, random: Generator) -> Image:
    """Many shapes over each other, or now and then a Siemens star over everything."""
    if random.random() < 0.3:
        centre = (random.uniform(0, side), random.uniform(0, side))
        image = star(side, centre, int(random.integers(8, 40)), 3 * random.random())
    else:
        image = np.zeros((side, side))
        for _ in range(random.integers(3, 25)):
            level = random.random() if random.random() < 0.7 else image + 0.3
            image = np.where(_shape(side, random), level, image)
    return np.clip(ndimage.gaussian_filter(image, random.uniform(0.4, 1.0)), 0, 1)


def any_field(side: int, random: Generator) -> Image:
    """One of the kinds above: half of the time a picture."""
    kinds: tuple[Callable[[int, Generator], Image], ...] = (natural, power_law, shapes)
    return kinds[random.choice(3, p=[0.5, 0.2, 0.3])](side, random)
