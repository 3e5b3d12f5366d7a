"""The report in a real Chromium: sorted and filtered by hand, at two sizes of the window, light and
dark, on paper, by keyboard, and with a thousand results.

Without Chromium these are skipped; with REQUIRE_CHROMIUM=1 that is an error. Pictures of the window
are left in the folder that REPORT_PICTURES names, to be looked at.
"""

import os
from pathlib import Path

import pytest

from ptychopinn_batch.report.page import FEW, render
from tests.integration.chromium import chromium, find_chromium
from tests.ptychopinn_batch.report.samples import (
    entry,
    failure,
    metrics,
    result_report,
    run_report,
)

SIZES = {"desktop": (1400, 900), "phone": (390, 844)}
VERDICTS = ("good", "doubtful", "bad")
KEYS = "[...document.querySelectorAll('#table tbody tr')].filter(r => !r.hidden)"
SCANS = f"{KEYS}.map(row => row.cells[1].textContent)"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    program = find_chromium()
    if program is None and os.environ.get("REQUIRE_CHROMIUM") == "1":
        pytest.fail("REQUIRE_CHROMIUM=1, but there is no chromium", pytrace=False)
    if program is None:
        pytest.skip("no chromium here")
    with chromium(program, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(autouse=True)
def quiet(request):
    """Whatever a test does: the console stays empty, and only the page itself is loaded."""
    yield
    page = request.getfixturevalue("page")
    problems, requests = page.problems[:], page.requests[:]
    page.problems.clear()
    page.requests.clear()
    assert problems == []
    assert [url[:80] for url in requests if not url.startswith(("file:///", "data:"))] == []
    assert len({url for url in requests if url.startswith("file:///")}) <= 1


def results(count):
    return [
        entry(
            f"scan_{k:02}",
            f"infer.steps={2 ** (1 + k % 3)}",
            metrics=metrics(R=((7 * k) % count + 1) / 1000, verdict=VERDICTS[k % 3]),
        )
        for k in range(count)
    ]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A run of twelve results, of which one is waiting, and a failure."""
    entries = [*results(12), entry("waiting", status="pending", metrics=None, report=None)]
    points = {f"infer.steps={k}": {"infer.steps": k} for k in (2, 4, 8)}
    found = run_report(*entries, failures=[failure(lines=("x" * 400, "<b>"))], points=points)
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(found))
    return path.as_uri()


@pytest.fixture(params=SIZES)
def opened(page, url, request):
    page.open(url, *SIZES[request.param])
    yield page
    keep(page, f"{request.node.name}.png")


def keep(page, name):
    folder = os.environ.get("REPORT_PICTURES")
    if folder:
        page.picture(Path(folder) / name.replace("[", "-").replace("]", ""))


def press_head(page, name):
    page.value(
        "[...document.querySelectorAll('#table thead button')]"
        f".find(b => b.textContent === {name!r}).click()"
    )


def shown(page):
    return page.value(SCANS)


def test_a_head_sorts_by_number_up_and_down_and_what_has_none_comes_last(opened):
    press_head(opened, "R")
    up = shown(opened)
    press_head(opened, "R")
    down = shown(opened)
    expected = sorted(range(12), key=lambda k: (7 * k) % 12)
    assert up == [*(f"scan_{k:02}" for k in expected), "waiting"]
    assert down == [*(f"scan_{k:02}" for k in reversed(expected)), "waiting"]
    assert opened.value("document.querySelectorAll('[aria-sort=descending]').length") == 1


def test_a_head_sorts_by_name(opened):
    press_head(opened, "Scan")
    press_head(opened, "Scan")
    assert shown(opened) == ["waiting", *(f"scan_{k:02}" for k in range(11, -1, -1))]


def test_a_filter_leaves_what_fits_and_says_how_much(opened):
    opened.value("document.getElementById('find').focus()")
    opened.write("steps=4 scan_0")
    assert shown(opened) == ["scan_01", "scan_04", "scan_07"]
    assert opened.value("document.getElementById('count').textContent") == "3 of 13 results"
    opened.value(
        "const v = document.getElementById('verdict'); v.value = 'good';"
        "v.dispatchEvent(new Event('change'))"
    )
    assert shown(opened) == []
    hidden = "[...document.querySelectorAll('details.result')].every(r => r.hidden)"
    assert opened.value(hidden)


def test_nothing_is_wider_than_the_window(opened):
    opened.value("document.getElementById('open').click()")
    assert opened.value("document.querySelectorAll('details.result[open]').length") == 13
    assert opened.value("document.documentElement.scrollWidth <= innerWidth")


def test_a_result_is_opened_by_its_link_with_all_its_pictures(opened):
    opened.value("document.querySelector('#table tbody a').click()")
    opened.value("new Promise(done => setTimeout(done, 500))")
    assert opened.value("document.querySelector('details.result').open")
    decoded = "Promise.all([...document.querySelectorAll('#r1 img')].map(i => i.decode()))"
    opened.value(f"{decoded}.then(() => true)")
    sizes = "[...document.querySelectorAll('#r1 .panel img')].map(i => i.naturalWidth)"
    assert all(width > 0 for width in opened.value(sizes))
    assert len(opened.value(sizes)) == len(result_report().panels)
    curve = "document.querySelector('#r1 use').getBBox().width > 100"
    assert opened.value(curve)


def test_by_keyboard_alone_one_sorts_and_opens(opened):
    opened.value("document.body.focus()")
    reached = []
    for _ in range(40):
        opened.press("Tab")
        reached.append(opened.value("document.activeElement.textContent.trim().slice(0, 20)"))
        if reached[-1] == "R":
            break
    assert reached[0] == "Skip to the results"
    assert reached[-1] == "R"
    opened.press("Enter", "\r")
    assert shown(opened)[0] == "scan_00"
    while not opened.value("document.activeElement.matches('tbody a')"):
        opened.press("Tab")
    opened.press("Enter", "\r")
    opened.value("new Promise(done => setTimeout(done, 500))")
    assert opened.value("document.querySelector('#r1').open")
    assert opened.value("document.activeElement.matches('#r1 summary')")


def test_everything_that_acts_has_a_name_that_is_read_out(opened):
    opened.ask("Accessibility.enable")
    nodes = opened.ask("Accessibility.getFullAXTree")["nodes"]
    acting = {"button", "link", "searchbox", "combobox", "image", "table", "DisclosureTriangle"}
    nameless = [
        node["role"]["value"]
        for node in nodes
        if not node.get("ignored")
        and node["role"]["value"] in acting
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []
    names = {node["name"]["value"] for node in nodes if "name" in node}
    assert {"Overview", "Find", "Verdict", "R held out"} <= names
    opened.ask("Accessibility.disable")


CONTRAST = """(() => {
  const luminance = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = document.querySelectorAll(
    "h1, h2, p, td, a, label, button, .state, small, figcaption, pre, code");
  return Math.min(...[...texts].map((e) => {
    const [a, b] = [luminance(getComputedStyle(e).color), luminance(behind(e))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }));
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_in_light_and_dark(page, url, scheme):
    page.open(url, 1400, 900, color_scheme=scheme)
    page.value("document.getElementById('open').click()")
    assert page.value(CONTRAST) >= 4.5  # WCAG 2.2, AA
    paper = page.value("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(20, 23, 26)") == (scheme == "dark")
    keep(page, f"{scheme}.png")


def test_it_is_printed_light_with_what_is_open(page, url):
    page.open(url, 1400, 900, color_scheme="dark")
    few = page.printed().count(b"/Type /Page\n") or page.printed().count(b"/Type /Page")
    page.value("document.querySelector('#r1').open = true")
    assert page.printed().startswith(b"%PDF")
    assert page.printed().count(b"/Type /Page") > few
    page.ask("Emulation.setEmulatedMedia", media="print")
    assert page.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.value("getComputedStyle(document.querySelector('#r2')).display") == "none"
    assert page.value("getComputedStyle(document.querySelector('.filters')).display") == "none"
    page.ask("Emulation.setEmulatedMedia", media="")


@pytest.mark.parametrize("count", [1, FEW + 1])
def test_names_with_markup_are_only_names(page, tmp_path, count):
    hostile = (
        "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
    )
    entries = [entry(hostile, command=hostile)] * count
    found = run_report(*entries, failures=[failure(cause=hostile)])
    path = tmp_path / "report.html"
    path.write_text(render(found))
    page.open(path.as_uri(), 1400, 900)
    page.value("document.getElementById('open').click()")
    assert page.value("document.title") == "demo: ptychopinn-batch report"
    assert shown(page) == [hostile] * count
    assert hostile in page.value("document.querySelector('.made').textContent")


def test_a_thousand_results_open_sort_and_filter(page, tmp_path):
    report = result_report(side=300, n=128)
    entries = [
        entry(f"scan_{k:04}", report=report, metrics=metrics(R=((7 * k) % 1000 + 1) / 1e5))
        for k in range(1000)
    ]
    path = tmp_path / "report.html"
    path.write_text(render(run_report(*entries)))
    assert path.stat().st_size < 30_000_000
    page.open(path.as_uri(), 1400, 900)
    assert len(shown(page)) == 1000
    press_head(page, "R")
    assert shown(page)[:2] == ["scan_0000", "scan_0143"]
    page.value("document.getElementById('find').focus()")
    page.write("scan_0999")
    assert shown(page) == ["scan_0999"]
    page.value("document.querySelector('#table tbody tr:not([hidden]) a').click()")
    page.value("new Promise(done => setTimeout(done, 300))")
    assert page.value("document.querySelector('#r1000').open")
    assert page.value("document.querySelectorAll('#r1000 .panel img').length") == len(report.panels)
    page.value("document.querySelector('#r999').hidden = false")
    page.value("document.querySelector('#r999 summary').click()")
    page.value("new Promise(done => setTimeout(done, 300))")
    assert page.value("document.querySelectorAll('#r999 .panel img').length") == len(report.panels)
    keep(page, "thousand.png")
