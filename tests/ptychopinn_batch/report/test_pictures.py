"""Pictures: numbers as colours, small, and transparent where there is no number."""

import base64
import io

import numpy as np
from PIL import Image

from ptychopinn_batch.report.pictures import COMPACT, FULL, Look, coloured, panel, scattered

GRAY = Look("gray", (0.0, 2.0), "", ("0", "2"))


def decoded(text):
    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_colours_go_from_the_first_limit_to_the_second():
    found = np.asarray(coloured(np.array([[-1.0, 0.0, 1.0, 2.0, 9.0]]), GRAY))[0]
    assert found[:, 0].tolist() == [0, 0, 128, 255, 255]
    assert (found[:, 3] == 255).all()


def test_what_has_no_number_is_transparent():
    assert np.asarray(coloured(np.array([[np.nan, 1.0]]), GRAY))[0, :, 3].tolist() == [0, 255]


def test_a_constant_image_has_a_colour():
    flat = Look("viridis", (1.0, 1.0), "", ("1", "1"))
    assert np.asarray(coloured(np.ones((2, 2)), flat)).shape == (2, 2, 4)


def test_large_images_are_made_smaller_and_keep_their_shape():
    image = coloured(np.random.default_rng(0).uniform(0, 2, (300, 1200)), GRAY)
    found = panel(image, GRAY, name="a", title="A", alt="a picture")
    assert found.size == (FULL, FULL // 4)
    assert decoded(found.full).size == found.size
    assert decoded(found.compact).size == (COMPACT, COMPACT // 4)


def test_small_images_are_left_as_they_are():
    found = panel(coloured(np.ones((8, 16)), GRAY), GRAY, name="a", title="A", alt="a picture")
    assert decoded(found.full).size == decoded(found.compact).size == (16, 8)


def test_positions_lie_where_they_are_on_the_canvas():
    look = Look("viridis", (0.0, 1.0), "R", ("0", "1"))
    points = np.array([[10.0, 90.0], [90.0, 10.0], [50.0, 50.0]])
    image = np.asarray(scattered(points, np.array([0.0, 1.0, np.nan]), (100, 100), look))
    at = [image[round(FULL * y / 100), round(FULL * x / 100)] for x, y in points]
    assert at[0][3] == at[1][3] == 255
    assert at[0][2] > at[0][0]  # the first colour is a blue one, the last is yellow
    assert at[1][0] > 200
    assert at[2][3] == 0
