"""Pictures: colours span what is well lit, unseen area is pale blue, lengths are marked."""

import numpy as np
import pytest
from skimage.io import imread

from ptychopinn_batch.exports import preview
from ptychopinn_batch.exports.preview import amplitude_picture, phase_picture, write_png


def test_outliers_and_the_dim_rim_do_not_set_the_colours(make_result):
    result = make_result()
    obj = result.object.copy()
    obj[result.seen & (result.weight < 0.04)] = 1e3
    low, high = amplitude_picture(make_result(object=obj)).limits
    assert 0.5 < low < high < 1.5


def test_a_phase_plane_is_not_shown(make_result):
    plain = make_result()
    y, x = np.indices(plain.object.shape)
    tilted = plain.object * np.exp(0.7j * x - 0.4j * y).astype(np.complex64)
    expected, shown = phase_picture(plain), phase_picture(make_result(object=tilted))
    lit = plain.seen & (plain.weight > 0.2)
    assert np.corrcoef(expected.image[lit], shown.image[lit])[0, 1] > 0.999


@pytest.mark.parametrize("picture", [amplitude_picture, phase_picture])
def test_unseen_pixels_have_no_value(make_result, picture):
    result = make_result()
    assert np.isnan(picture(result).image[~result.seen]).all()
    assert np.isfinite(picture(result).image[result.seen]).all()


@pytest.mark.parametrize("geometry", ["known", "unknown"])
@pytest.mark.parametrize("residual", [None, 0.0123])
def test_a_picture_is_a_whole_png_with_pale_blue_where_nothing_was_seen(
    tmp_path, make_result, geometry, residual
):
    kwargs = {} if geometry == "known" else {"geometry": None}
    result = make_result(residual=residual, **kwargs)
    path = tmp_path / "amplitude.png"
    write_png(result, amplitude_picture(result), path)
    pixels = imread(path)[..., :3].reshape(-1, 3)
    blue = (pixels == (195, 210, 230)).all(1).sum()
    assert len(np.unique(pixels, axis=0)) > 50
    assert blue / len(pixels) > 0.2 * (~result.seen).mean()
    assert [p.name for p in tmp_path.iterdir()] == ["amplitude.png"]


def test_a_large_object_is_shown_thinned_out_in_its_own_pixels(tmp_path, make_result, monkeypatch):
    result = make_result(residual=0.01)
    monkeypatch.setattr(preview, "MOST_PIXELS", 20)
    for picture in (amplitude_picture(result), phase_picture(result)):
        assert max(picture.image.shape) <= 20
        write_png(result, picture, tmp_path / "p.png")
        assert imread(tmp_path / "p.png").shape[0] > 500


def test_an_object_nobody_saw_still_makes_a_picture(tmp_path, make_result):
    result = make_result()
    nothing = np.zeros_like(result.seen)
    blank = make_result(seen=nothing, object=np.full_like(result.object, np.nan))
    for name, picture in (("a", amplitude_picture), ("p", phase_picture)):
        write_png(blank, picture(blank), tmp_path / f"{name}.png")
        assert imread(tmp_path / f"{name}.png").ndim == 3
