"""`status`: time and memory, used and asked for."""

import re
from datetime import timedelta

from hpc.ledger import Queued, append


def test_a_running_task_shows_time_and_memory_of_what_it_asked_for(on_disk, prints, asking):
    run = on_disk("demo", asking("train-a", mem_gb=1000, time=timedelta(hours=4)), "infer-a")
    run.start("train-a")
    run.beat("train-a", 3, 9, loss=0.5)
    text = prints("status", "demo")
    assert re.search(
        r"^train-a +running +3/9 +\d+ s/4 h +\S+( s)? +\d\.\d/1000 GB +loss", text, re.M
    )
    assert re.search(r"^infer-a +pending +- +- +- +-$", text, re.M)
    assert "asked for" not in text


def test_a_finished_run_says_which_stages_asked_for_too_much(on_disk, prints, asking):
    run = on_disk("demo", asking("train-a", mem_gb=64, time=timedelta(hours=4)), "infer-a")
    append(run.paths.ledger("train-a"), Queued(key=run.tasks["train-a"].key, batch="t1"))
    run.finish("train-a", seconds=7000, peak_mb=3100.0)
    run.finish("infer-a", peak_mb=3100.0)
    lines = prints("status", "demo").splitlines()
    assert re.search(r"^train-a +done +- +1 h 56 min +- +3\.1/64 GB$", lines[-4])
    assert lines[-2:] == [
        "",
        "train asked for 64 GB and used at most 3.1 GB: resources.train.mem_gb 8 would do",
    ]
