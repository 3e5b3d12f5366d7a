"""The page: everything is told, nothing is loaded, nothing a name holds is markup, all has room."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from ptychopinn_batch.report.page import render
from ptychopinn_batch.verdict.findings import Finding
from ptychopinn_batch.verdict.told import Judged
from tests.ptychopinn_batch.report.samples import (
    entry,
    failure,
    metrics,
    result_report,
    run_report,
)

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"
LIMIT = 30_000_000  # bytes of a page of a thousand results
EMPTY = {"meta", "link", "img", "input", "br", "use", "hr"}


class Parsed(HTMLParser):
    """Elements and what they link to; every element that opens must close."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in EMPTY and self.open[-1] != tag:  # HTML lets these end by themselves
            assert self.open.pop() in ("option", "li", "p", "dt", "dd")
        if tag not in EMPTY:
            assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def parsed(*entries, **more):
    return Parsed(render(run_report(*entries, **more)))


def test_nothing_is_loaded_from_anywhere():
    page = parsed(entry(), failures=[failure()])
    sources = [a[key] for _, a in page.elements for key in ("src", "srcset", "data") if key in a]
    assert sources
    assert all(source.startswith("data:image/webp;base64,") for source in sources)
    assert [a["href"] for a in page.all("link")] == ["data:,"]
    policies = [a["content"] for a in page.all("meta") if "http-equiv" in a]
    assert policies[0].startswith("default-src 'none'; img-src data:;")
    assert not re.search(r"url\((?!#)", render(run_report(entry())))
    assert len(page.all("script")) == 1


@pytest.mark.parametrize(
    "hostile",
    [
        entry(HOSTILE),
        entry(variant=HOSTILE),
        entry(metrics=metrics(reasons=(HOSTILE,))),
        entry(command=HOSTILE, network=HOSTILE),
        entry(metrics=None, status="failed", cause=HOSTILE),
        entry(folder=HOSTILE),
    ],
)
def test_names_and_messages_are_never_markup(hostile):
    page = parsed(hostile)
    assert len(page.all("script")) == 1
    assert not [a for _, a in page.elements if any(key.startswith("on") for key in a)]


def test_what_logs_hold_is_never_markup():
    page = parsed(failures=[failure(cause=HOSTILE, lines=(HOSTILE,), advice=HOSTILE)])
    assert len(page.all("script")) == 1
    assert page.all("img") == []


def test_what_a_result_folder_holds_is_never_markup():
    report = result_report()
    panels = tuple(
        each.model_copy(update={"title": HOSTILE, "alt": HOSTILE, "full": HOSTILE, "unit": HOSTILE})
        for each in report.panels
    )
    curves = tuple(
        each.model_copy(update={"name": HOSTILE, "y_label": HOSTILE}) for each in report.curves
    )
    page = parsed(entry(report=report.model_copy(update={"panels": panels, "curves": curves})))
    assert len(page.all("script")) == 1
    assert not [a for _, a in page.elements if any(key.startswith("on") for key in a)]


def test_a_result_has_its_pictures_figures_stages_and_command():
    text = render(run_report(entry("scan_7")))
    for told in (
        "scan_7",
        "0.0114",
        "so it is",
        "2 µm",
        "1.5 GB",
        "8 GB",
        "torch 2.6",
        "0.4 CPU-h",
    ):
        assert told in text
    assert "ptychopinn-batch submit spec.json --runs repeated" in text
    page = Parsed(text)
    shown = [a for a in page.all("img") if a.get("alt")]
    assert {a["alt"] for a in shown} == {each.alt for each in result_report().panels}


def test_a_failure_has_its_cause_its_log_and_what_to_do():
    text = render(run_report(failures=[failure()]))
    assert "a faulty frame" in text
    assert "the last line" in text
    assert "<code>ptychopinn-batch resubmit demo</code>" in text


def test_a_run_without_any_result_has_a_page():
    assert "0 of 0 results" in render(run_report())


def test_results_on_their_way_and_of_other_versions_have_their_place():
    waiting = entry("w", status="pending", metrics=None, report=None, made=None, hours=None)
    older = entry("o", report=None)
    other = entry("x", metrics=None, report=None)
    text = render(run_report(waiting, older, other))
    assert "3 of 3 results" in text
    assert "No pictures were made of it" in text
    assert "written by another version" in text


def test_curves_that_results_share_are_drawn_once():
    page = parsed(entry("a"), entry("b"))
    assert len(page.all("symbol")) == 2
    assert len(page.all("use")) >= 4


def test_ids_are_those_of_one_element_and_links_lead_to_them():
    page = parsed(entry("a"), entry("b"), failures=[failure()])
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    hrefs = {a["href"][1:] for a in page.all("a") if a["href"].startswith("#")}
    assert hrefs <= set(ids)


def test_few_results_are_shown_in_full_and_a_thousand_have_room():
    report = result_report(side=300, n=128)
    few = render(run_report(entry(report=report)))
    assert all(panel.full in few for panel in report.panels)
    many = render(run_report(*(entry(f"scan_{k:04}", report=report) for k in range(1000))))
    assert len(many.encode()) < LIMIT
    assert many.count(report.panels[0].compact) + many.count(report.panels[0].full) == 1000


def test_however_many_results_there_are_the_page_stays_in_bounds():
    report = result_report(side=300, n=128)
    many = render(run_report(*(entry(f"scan_{k:04}", report=report) for k in range(2500))))
    assert len(many.encode()) < LIMIT
    assert "had no room on this page" in many


def test_a_result_is_shown_with_its_reasons_and_their_mends():
    found = (
        Finding(fault="axes", judgement="bad", reason="axes are <wrong>", mend="Use `inspect`"),
        Finding(fault="photons", judgement="doubtful", reason="little light"),
        Finding(fault="halves", judgement="good", reason="they agree"),
    )
    text = render(run_report(entry(metrics=metrics(verdict="bad", findings=found))))
    assert "axes: axes are &lt;wrong&gt;. <b>What to do:</b> Use <code>inspect</code>." in text
    assert "photons: little light.</li>" in text
    assert "<small>axes, photons</small>" in text  # in the overview, what is wrong in a word


def test_a_result_of_an_older_version_is_shown_with_its_reasons():
    assert "<li>so it is</li>" in render(run_report(entry()))


def test_what_checks_found_in_scans_is_shown_with_its_mend():
    found = Finding(fault="axes", judgement="bad", reason="axes are wrong", mend="Swap them")
    doubt = Judged(task="check-a", stage="check", verdict="bad", findings=(found,))
    text = render(replace(run_report(entry()), doubts=(doubt,)))
    assert '<a href="#doubts">Doubtful scans (1)</a>' in text
    assert "axes: axes are wrong. <b>What to do:</b> Swap them." in text
    assert "Doubtful scans" not in render(run_report(entry()))
