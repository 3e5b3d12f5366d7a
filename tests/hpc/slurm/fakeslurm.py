"""SLURM's commands as far as faults need them that no real cluster can be made to show.

Run as `fakeslurm.py COMMAND ARGUMENT...`; it keeps its queue in the folder FAKESLURM. A file
COMMAND.faults holds one word per call still to come: what goes wrong with it.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

HERE = Path(os.environ["FAKESLURM"])
QUEUE = HERE / "queue.json"
TIMED_OUT = "error: Batch job submission failed: Socket timed out on send/recv operation"
REFUSED = "error: AssocMaxSubmitJobLimit\nerror: Job violates accounting/QOS policy"
BUSY = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
DISABLED = "Slurm accounting storage is disabled"


def load() -> list[dict]:
    return json.loads(QUEUE.read_text()) if QUEUE.exists() else []


def save(jobs: list[dict]) -> None:
    QUEUE.write_text(json.dumps(jobs))


def fail(text: str) -> None:
    print(text, file=sys.stderr)
    sys.exit(1)


def fault_of(command: str) -> str:
    """The fault that is due with this call."""
    path = HERE / f"{command}.faults"
    words = path.read_text().split() if path.exists() else []
    if words and words[0] == "always":
        return words[1]
    path.write_text(" ".join(words[1:]))
    return words[0] if words else "none"


def sbatch(arguments: list[str], fault: str) -> None:
    if fault == "refused":
        fail(REFUSED)
    if fault == "lost":
        fail(TIMED_OUT)
    text = Path(arguments[-1]).read_text()
    jobs = load()
    found = dict(re.findall(r"#SBATCH --([\w-]+)=(.*)", text))
    last = re.match(r"0-(\d+)", found.get("array", ""))
    elements = [f"_{i}" for i in range(int(last[1]) + 1)] if last else [""]
    number = 100 + len(jobs)
    for element in elements:
        jobs.append({"job": f"{number}{element}", "name": found["job-name"], "state": "PENDING"})
    save(jobs)
    if fault == "late":
        fail(TIMED_OUT)
    if fault == "hangs":
        time.sleep(600)
    if fault == "wordy":
        print(f"-- Welcome to the cluster --\n-- 12 nodes are down --\n{number};cluster")
    elif fault != "mute":
        print(number)


def squeue(arguments: list[str], fault: str) -> None:
    if fault == "busy":
        fail(BUSY)
    (names,) = [a.removeprefix("--name=").split(",") for a in arguments if a.startswith("--name=")]
    for job in load():
        if job["name"] in names and job.get("in_queue", True) and fault != "blind":
            fields = (job["job"], job["name"], job["state"], job.get("reason", "None"))
            print("|".join((*fields, job.get("nodes", ""), job.get("ended", "N/A"))) + "|")


def sacct(arguments: list[str], fault: str) -> None:
    if fault == "disabled":
        fail(DISABLED)
    if fault == "busy":
        fail("sacct: error: slurmdbd: Connection refused")
    options = dict(a.removeprefix("--").split("=", 1) for a in arguments if "=" in a)
    for job in load():
        named = job["name"] == options.get("name")
        if (named or job["job"] in options.get("jobs", "").split(",")) and job.get(
            "in_sacct", True
        ):
            fields = (job["job"], job["name"], job["state"], job.get("exit_code", "0:0"), "0:0")
            print("|".join((*fields, job.get("nodes", ""), job.get("ended", "Unknown"), "")))


def scancel(arguments: list[str], fault: str) -> None:
    if fault == "busy":
        fail(BUSY)
    targets = [a for a in arguments if not a.startswith("-")]
    jobs = load()
    for job in jobs:
        if job["job"] in targets or job["job"].partition("_")[0] in targets:
            job["state"] = "CANCELLED"
    save(jobs)


def scontrol(arguments: list[str], fault: str) -> None:
    if fault == "busy":
        fail(BUSY)
    if "show" not in arguments:
        return
    for job in load():
        if job["job"] == arguments[-1] and job.get("in_queue", True):
            code, nodes = job.get("exit_code", "0:0"), job.get("nodes", "(null)")
            print(
                f"JobId={job['job']} JobName={job['name']} JobState={job['state']} Reason=None "
                f"ExitCode={code} NodeList={nodes} EndTime={job.get('ended', 'Unknown')}"
            )
            return
    fail("slurm_load_jobs error: Invalid job id specified")


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    with (HERE / "calls").open("a") as calls:
        calls.write(json.dumps([command, *arguments]) + "\n")
    globals()[command](arguments, fault_of(command))
