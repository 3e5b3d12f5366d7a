"""Tables and answers of the quality bench."""

import pytest
from quality_bench.bench import progress
from quality_bench.records import Records
from quality_bench.table import table
from quality_bench.verdicts import questions, summary


def cells(lines, method):
    return next(
        [c.strip() for c in line.split("|")][2:-1]
        for line in lines
        if line.startswith(f"| {method} ")
    )


def test_a_scan_has_a_section_and_a_method_a_line(row):
    lines = list(table([row("shipped:16"), row("lsqml", budget=10.0), row("dm", scene="star")]))
    assert [line for line in lines if line.startswith("#")] == ["### photo", "### star"]
    assert cells(lines, "shipped:16")[:2] == ["0.00110", "0.00100"]
    assert cells(lines, "lsqml 10x")


def test_all_lines_of_a_section_are_as_wide_as_its_head(row):
    lines = [line for line in table([row("a:1"), row("b:1", amp_ssim=None)]) if line[:1] == "|"]
    assert len({line.count("|") for line in lines}) == 1


def test_columns_that_say_nothing_are_left_out(row):
    head = next(line for line in table([row("a:1", amp_psnr=None)]) if line.startswith("| method"))
    assert "amp PSNR" not in head
    assert "half-scan" not in head
    assert "phase PSNR" in head


def test_seeds_are_averaged_and_flaws_counted(row):
    rows = [row("a:1", seed=0, R=0.1), row("a:1", seed=1, R=0.3, flat=True)]
    lines = list(table(rows))
    assert cells(lines, "a:1")[1] == "0.20000"
    assert cells(lines, "a:1")[-1] == "**flat** 1/2"
    assert "means of 2 seeds" in "\n".join(lines)


def verdict_of(rows, asked):
    found = next(q for q in questions(rows, "shipped:16") if asked in q.asked)
    return found.verdict(rows)


def test_a_network_is_compared_with_the_best_engine_of_a_budget_on_each_measure(row):
    rows = [
        row("shipped:16", R_held=0.0010, amp_ssim=0.95),
        row("lsqml", budget=1.0, R_held=0.0011, amp_ssim=0.90),
        row("rpie", budget=1.0, R_held=0.0030, amp_ssim=0.97),
        row("lsqml", budget=10.0, R_held=0.0009, amp_ssim=0.94),
    ]
    now, later = verdict_of(rows, "1x"), verdict_of(rows, "10x")
    assert not now.holds
    assert str(now) == "no: amp SSIM 0.950 (rpie 1x: 0.970)"
    assert str(later) == "no: R 0.00100 (lsqml 10x: 0.00090)"


def test_as_good_allows_for_the_last_digit(row):
    rows = [
        row("shipped:16", R_held=0.001005, amp_ssim=0.946),
        row("dm", budget=1.0, R_held=0.0010, amp_ssim=0.95),
    ]
    assert verdict_of(rows, "1x").holds


def test_a_result_without_figures_is_never_as_good(row):
    rows = [row("shipped:16", R_held=None, R=None), row("dm", budget=1.0)]
    assert not verdict_of(rows, "1x").holds


def test_the_untrained_network_is_asked_with_four_times_the_steps(row):
    rows = [row("shipped:16"), row("untrained:64", phase_ssim=0.5), row("untrained:16")]
    assert verdict_of(rows, "untrained").holds


def test_measures_that_the_reference_lacks_do_not_count(row):
    rows = [row("shipped:16", amp_ssim=None), row("dm", budget=1.0, amp_ssim=None)]
    assert len(verdict_of(rows, "1x").points) == 2


def test_the_summary_counts_scans_that_are_right_and_names_collapses(row):
    rows = [
        row("shipped:16"),
        row("dm", budget=1.0),
        row("shipped:16", scene="star", R_held=0.5, diverged=True),
        row("dm", budget=1.0, scene="star"),
        row("shipped:16", scene="positions", right=False, R_held=0.5),
        row("dm", budget=1.0, scene="positions", right=False),
    ]
    text = "\n".join(summary(rows, "shipped:16"))
    assert "as good on 1 of 2 scans with the right probe" in text
    assert "| positions (wrong on purpose) | no: R 0.50000 (dm 1x: 0.00110) |" in text
    assert "Flat or diverged results of shipped: 1 of 3; star #0 shipped:16." in text


def test_records_are_read_again_and_the_last_of_a_key_counts(row, tmp_path):
    path = tmp_path / "records.jsonl"
    records = Records(path)
    records.add(row("a:1"))
    records.add(row("a:1", R=0.5))
    with path.open("a") as file:
        file.write('{"key": "torn')  # killed while writing
    again = Records(path)
    key = row("a:1").key
    assert again.get(key) == row("a:1", R=0.5)
    assert [found.key for found in again.of(["other", key])] == [key]


@pytest.mark.parametrize("held", [None, 0.001])
def test_progress_is_told_in_a_line(row, held):
    assert "shipped:16" in progress(row("shipped:16", R_held=held))
