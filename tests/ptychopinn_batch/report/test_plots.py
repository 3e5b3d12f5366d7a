"""Curves and sweeps as SVG: texts stay texts, names are no markup and no mathematics."""

import xml.etree.ElementTree as ET

import pytest

from ptychopinn_batch.report.plots import Line, gradient, line_plot
from ptychopinn_batch.report.sweeps import sweep_plots
from tests.ptychopinn_batch.report.samples import entry, metrics, run_report

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg):
    return [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_a_plot_is_one_element_with_its_name_and_labels():
    svg = line_plot([Line([(1, 2), (2, 1)])], x_label="epoch", y_label="loss", title='<"loss">')
    assert ET.fromstring(svg).get("aria-label") == '<"loss">'
    assert {"epoch", "loss"} <= set(texts(svg))
    assert "currentColor" in svg
    assert "#010203" not in svg


@pytest.mark.parametrize("name", ["$x^2", "<script>alert(1)</script>", "a & b", r"\frac{1}"])
def test_names_are_shown_as_they_are(name):
    line = Line([(0, 1), (1, 2)])
    svg = line_plot([line], x_label=name, y_label="y", categories=(name, "other"))
    assert texts(svg).count(name) == 2


def test_no_two_plots_share_an_id():
    found = [line_plot([Line([(0, 1), (1, y)])], x_label="x", y_label="y") for y in (2, 3)]
    ids = [{e.get("id") for e in ET.fromstring(svg).iter()} - {None} for svg in found]
    assert not ids[0] & ids[1]


def test_a_gradient_goes_up_from_the_first_colour():
    assert gradient("gray").startswith("linear-gradient(to top,rgb(0,0,0),")
    assert gradient("gray").endswith(",rgb(255,255,255))")


def swept(key, values, scans=("a",)):
    points = {f"v{k}": {key: value} for k, value in enumerate(values)}
    entries = [
        entry(scan, variant, metrics=metrics(R=0.1 * (k + 1)))
        for k, variant in enumerate(points)
        for scan in scans
    ]
    return run_report(*entries, points=points)


def test_every_figure_is_plotted_against_every_key_that_varies():
    found = sweep_plots(swept("infer.steps", [2, 8, 16], ("a", "b")))
    assert [plot.figure for plot in found] == ["R", "R held out", "phase corr.", "time (s)"]
    assert {plot.key for plot in found} == {"infer.steps"}
    assert [name for _, name in found[0].legend] == ["a", "b"]


def test_values_that_are_no_numbers_are_named():
    found = sweep_plots(swept("infer.precision", ["32", "bf16"]))
    assert {"32", "bf16"} <= set(texts(found[0].svg))


def test_what_does_not_vary_is_not_plotted():
    assert sweep_plots(swept("infer.steps", [2])) == ()
    assert sweep_plots(run_report(entry())) == ()


def test_more_scans_than_colours_are_one_line():
    found = sweep_plots(swept("infer.steps", [2, 8], [f"s{k}" for k in range(20)]))
    assert [name for _, name in found[0].legend] == ["all 20 scans"]


def test_results_without_figures_are_left_out():
    points = {"v0": {"infer.steps": 2}, "v1": {"infer.steps": 4}}
    entries = [entry("a", "v0"), entry("a", "v1", metrics=None, status="failed")]
    assert sweep_plots(run_report(*entries, points=points)) == ()
