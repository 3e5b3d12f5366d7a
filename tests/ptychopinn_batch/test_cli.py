"""The command line as its users meet it: what each command prints, writes and returns."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hpc.fsio import write_atomic
from hpc.ledger import read_state
from hpc.paths import RunPaths
from hpc.submission import read_plan
from ptychopinn_batch.cli import COMMANDS
from ptychopinn_batch.speclang.file import load_spec
from ptychopinn_batch.stages.params import StageParams
from tests.waiting import until

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

SPEC = """\
version: 1
name: two                      # a comment that is kept
scans:
  - {name: a, simulate: {frames: 20, frame_size: 32}}
  - {name: b, simulate: {frames: 20, frame_size: 32, seed: 2}}
model: {pretrained: none}
train: {split: frames}
"""
TASKS = [
    "prepare-a",
    "prepare-b",
    "train-default",
    "package-default",
    "infer-default-a-0",
    "finalize-default-a",
    "infer-default-b-0",
    "finalize-default-b",
]


@pytest.fixture(autouse=True)
def folder(here, monkeypatch):
    """A working folder with a spec in it, and stages that do nothing."""
    (here / "two.yaml").write_text(SPEC)
    (here / "fakes").mkdir()
    monkeypatch.setenv("FAKES", str(here / "fakes"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(ROOT)]))
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setattr(StageParams, "entry", classmethod(fake_entry))
    return here


def fake_entry(cls):
    return f"fake_stages:{'finalize' if cls.stage == 'finalize' else 'quiet'}"


def behave(task, how):
    Path("fakes", task).write_text(how)


def tree():
    """Every file below the working folder with its content."""
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def attempts(run="two"):
    """How often each task was tried."""
    paths = RunPaths(Path("runs"), run)
    return {name: read_state(paths, name).attempt for name in TASKS}


START = """\
from ptychopinn_batch.cli import main
from ptychopinn_batch.stages.params import StageParams
def entry(cls):
    return f"fake_stages:{'finalize' if cls.stage == 'finalize' else 'quiet'}"
StageParams.entry = classmethod(entry)
main()
"""


def process(*arguments, start=START):
    """A command in a process of its own, with the fake stages and real workers."""
    return subprocess.Popen(
        [sys.executable, "-c", start, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def runs_now(task):
    path = RunPaths(Path("runs"), "two")
    return path.ledger(task).exists() and read_state(path, task).status == "running"


# Help


def test_help_names_every_command_and_every_exit_code(prints):
    text = prints("--help")
    assert all(re.search(rf"^  {name} ", text, re.M) for name in COMMANDS)
    assert all(re.search(rf"^\s+{code}\b", text, re.M) for code in (0, 1, 2, 70, 130))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_gives_an_example(prints, name):
    assert f"Example: ptychopinn-batch {name}" in " ".join(prints(name, "--help").split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_an_example(name):
    text = (ROOT / "docs" / "cli.md").read_text()
    assert re.search(rf"^## `{name}", text, re.M)
    assert re.search(rf"^ptychopinn-batch {name} ", text, re.M)


def test_every_option_is_documented(prints):
    text = (ROOT / "docs" / "cli.md").read_text()
    for name in COMMANDS:
        for option in re.findall(r"^  (--[a-z-]+)", prints(name, "--help"), re.M):
            assert option in text, f"{name} {option}"


def test_the_version_is_told(prints):
    assert re.fullmatch(r"ptychopinn-batch, version \d+\.\d+\.\d+\n", prints("--version"))


def test_an_unknown_command_or_option_is_a_mistake_of_the_user(refuses):
    assert "No such command 'sbmit'" in refuses("sbmit")
    assert "No such option" in refuses("plan", "two.yaml", "--jsn")


# init, validate, schema


def test_init_writes_a_spec_that_is_valid_as_it_stands(prints):
    assert prints("init", "mine.yaml") == (
        "Wrote mine.yaml. Next: ptychopinn-batch validate mine.yaml\n"
    )
    assert load_spec(Path("mine.yaml")).spec.name == "mine"


def test_init_takes_the_scan(call, folder):
    (folder / "scan.npz").touch()
    assert call("init", "--scan", "scan.npz")[0] == 0
    assert load_spec(Path("job.yaml")).spec.scans[0].path == str(folder / "scan.npz")


def test_init_replaces_nothing_unless_told_to(prints, refuses):
    assert refuses("init", "two.yaml") == (
        "Error: two.yaml: this file exists. Choose another name, or say --force to replace it\n"
    )
    prints("init", "two.yaml", "--force")
    assert Path("two.yaml").read_text() != SPEC


def test_validate_counts_what_a_spec_comes_to(prints):
    assert prints("validate", "two.yaml", "--set", "sweep.infer.steps=[4, 8]") == (
        "two.yaml is valid: 2 scans, 2 variants, 13 tasks\n"
    )


def test_the_schema_is_json_on_the_terminal_or_in_a_file(prints):
    text = prints("schema")
    assert json.loads(text)["title"].startswith("ptychopinn-batch job spec")
    assert prints("schema", "--output", "schema.json") == "Wrote schema.json\n"
    assert Path("schema.json").read_text() == text


# plan


def test_plan_shows_every_task_and_writes_nothing(prints, folder):
    before = tree()
    text = prints("plan", "two.yaml")
    assert tree() == before
    assert not (folder / "runs").exists()
    lines = [line.split() for line in text.splitlines()]
    assert [line[0] for line in lines if "new" in line] == TASKS
    assert re.search(
        r"^8 of 8 tasks to run: about \d.* on 2 CPU cores, .* GB on disk\.$", text, re.M
    )


def test_plan_as_json_holds_what_the_table_holds(prints):
    plan = json.loads(prints("plan", "two.yaml", "--json"))
    assert [task["id"] for task in plan["tasks"]] == TASKS
    infer = plan["tasks"][4]
    assert (infer["action"], infer["reason"]) == ("run", "new")
    assert infer["needs"] == ["prepare-a", "train-default"]
    assert infer["resources"]["time"] == "01:00:00"
    assert plan["expected"]["cpu_seconds"] > infer["expected"]["cpu_seconds"] > 0


def test_plan_tells_what_has_changed_since_the_last_submit(call, prints):
    call("submit", "two.yaml")
    plan = json.loads(prints("plan", "two.yaml", "--set", "infer.steps=8", "--json"))
    reasons = {task["id"]: (task["action"], task["reason"]) for task in plan["tasks"]}
    assert reasons["train-default"] == ("skip", "done")
    assert reasons["infer-default-a-0"] == ("run", "changed: infer.steps 16 -> 8")


def test_the_local_profile_is_used_unless_another_or_none_is_chosen(prints, refuses, folder):
    (folder / "two.yaml").write_text(
        SPEC + "profiles: {local: {infer.steps: 4}, fine: {infer.steps: 32}}\n"
    )

    def steps(*options):
        tasks = json.loads(prints("plan", "two.yaml", "--json", *options))["tasks"]
        return {task["key"] for task in tasks}

    assert steps() == steps("--profile", "local") == steps("--set", "infer.steps=4")
    assert steps("--profile", "fine") == steps("--set", "infer.steps=32")
    assert steps("--profile", "none") == steps("--set", "infer.steps=16")
    assert "(profile 'local'; --profile none: the spec as written)" in prints("plan", "two.yaml")
    assert "(profile 'fine')" in prints("plan", "two.yaml", "--profile", "fine")
    assert "there is no profile 'fast'" in refuses("plan", "two.yaml", "--profile", "fast")


# submit


def test_submit_runs_every_task_and_prints_every_result(prints):
    text = prints("submit", "two.yaml")
    assert attempts() == dict.fromkeys(TASKS, 1)
    rows = [re.split(r"  +", line) for line in text.splitlines()]
    assert ["default", "b", "0.01140", "0.01210", "0.9910", "412", "good"] in [r[:7] for r in rows]
    assert "runs/two/results/default/a" in text
    assert "model: runs/two/models/default" in text
    assert re.search(r"^\d\d:\d\d:\d\d  train-default  done \(", text, re.M)
    assert re.search(r"^All 8 tasks are done, after .* s\.$", text, re.M)


def test_a_submit_ends_with_a_report_of_what_was_done_and_what_failed(call, folder):
    (folder / "fakes" / "infer-default-a-0").write_text("fail")
    code, text, _ = call("submit", "two.yaml")
    assert (code, "report: runs/two/report.html" in text) == (1, True)
    page = RunPaths(Path("runs"), "two").report.read_text()
    assert "a faulty frame" in page
    assert "infer-default-a-0 says hello" in page
    assert "2 of 2 results" in page


def test_submit_keeps_the_spec_to_the_letter_and_what_became_of_it(prints):
    prints("submit", "two.yaml", "--set", "seed=5")
    run = RunPaths(Path("runs"), "two")
    assert run.spec.read_text() == SPEC
    assert load_spec(run.resolved).spec.seed == 5
    assert [task["id"] for task in json.loads(run.plan.read_text())["tasks"]] == TASKS
    assert all(run.task(name).exists() for name in TASKS)


def test_the_same_submit_again_does_nothing_and_says_so(call, prints):
    call("submit", "two.yaml")
    text = prints("submit", "two.yaml")
    assert text.startswith("Nothing to do: all 8 tasks are done.\n")
    assert "0.01140" in text
    assert attempts() == dict.fromkeys(TASKS, 1)


def test_changing_the_inference_does_not_repeat_the_training(call, prints):
    call("submit", "two.yaml")
    text = prints("submit", "two.yaml", "--set", "infer.steps=8")
    assert "4 tasks to do, 4 done before" in text
    repeated = {name for name, times in attempts().items() if times == 2}
    assert repeated == {name for name in TASKS if name.startswith(("infer", "finalize"))}


def test_one_scan_that_fails_does_not_stop_the_others_and_is_tried_again(call, prints):
    behave("infer-default-a-0", "fail")
    code, stdout, stderr = call("submit", "two.yaml")
    assert code == 1
    assert stderr == (
        "failed: infer-default-a-0: frame 7: a faulty frame. Leave it out\n"
        "    log: runs/two/logs/infer-default-a-0.log\n"
        "blocked behind them: 1 task\n"
    )
    assert "6 of 8 tasks are done" in stdout
    assert re.search(r"^default +b ", stdout, re.M)
    assert not re.search(r"^default +a ", stdout, re.M)
    behave("infer-default-a-0", "be good")
    assert "2 tasks to do, 6 done before" in prints("submit", "two.yaml")


def test_a_dry_run_prints_the_commands_and_writes_nothing(call):
    before = tree()
    code, stdout, stderr = call("submit", "two.yaml", "--executor", "dry-run")
    assert (code, tree()) == (0, before)
    assert [re.search(r"--task (\S+)", line)[1] for line in stdout.splitlines()] == TASKS
    assert stdout.splitlines()[4].endswith("# after prepare-a, train-default")
    assert stderr == "Nothing was started: 8 tasks would be.\n"


def test_limits_reach_the_executor(prints, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "ptychopinn_batch.commands.submit.carry_out",
        lambda work, executor, **_: seen.append(executor) or 0,
    )
    limits = ("--set", "resources.infer.array_parallelism=5", "--set", "retry.memory=7")
    prints("submit", "two.yaml", "--parallel", "3", *limits)
    (executor,) = seen
    assert executor.room.tasks == 3
    assert executor.stage_limits == {
        "prepare": 8, "train": 4, "refine": 8, "infer": 5, "finalize": 8, "package": 8,
        "check": 8,
    }  # fmt: skip
    assert executor.retry.memory == 7


def test_a_pretraining_has_a_model_for_its_result(prints, folder):
    text = "version: 1\nname: p\nmodel: {pretrained: none}\ntrain: {simulated: 1}\n"
    (folder / "p.yaml").write_text(text)
    assert "model: runs/p/models/default" in prints("submit", "p.yaml")


# Folders of runs


def test_the_folder_of_another_spec_is_refused_and_left_as_it_is(call, prints, refuses, folder):
    call("submit", "two.yaml")
    (folder / "other.yaml").write_text(
        "version: 1\nname: two\nscans: [{name: x, simulate: {object: star}}]\n"
        "model: {pretrained: none}\n"
    )
    message = refuses("submit", "other.yaml")
    assert message == (
        f"Error: {folder}/runs/two: this folder holds the run of another spec, of simulated "
        "natural 'a' and 1 more. Give the spec a name of its own (--set name=...), or choose "
        "another --runs folder\n"
    )
    assert "1 scan, 1 variant" in prints("validate", "other.yaml", "--set", "name=other")


def test_a_folder_that_is_no_run_is_refused(refuses, folder):
    (folder / "runs" / "two").mkdir(parents=True)
    (folder / "runs" / "two" / "thesis.tex").write_text("precious")
    assert "this folder is not empty, and not that of a run" in refuses("submit", "two.yaml")


def test_a_spec_that_keeps_one_of_its_scans_is_still_the_same_run(call, prints):
    call("submit", "two.yaml")
    changes = ("--set", "scans.1.simulate.photons=1e4", "--set", "scans.0.simulate.object=star")
    plan = json.loads(prints("plan", "two.yaml", "--json", *changes))
    reasons = {task["id"]: task["reason"] for task in plan["tasks"]}
    assert reasons["prepare-b"] == "changed: scan.simulate.photons 1000000.0 -> 10000.0"


def test_a_run_without_its_spec_because_submit_was_killed_goes_on(call, prints):
    call("submit", "two.yaml")
    for path in (RunPaths(Path("runs"), "two").resolved, RunPaths(Path("runs"), "two").spec):
        path.unlink()
    assert "Nothing to do" in prints("submit", "two.yaml")
    assert RunPaths(Path("runs"), "two").spec.read_text() == SPEC


# status, logs, cancel


@pytest.mark.parametrize("target", ["two", "two.yaml", "runs/two"])
def test_a_run_is_found_by_its_name_its_spec_and_its_folder(call, prints, target):
    call("submit", "two.yaml")
    assert "Everything is done." in prints("status", target)
    assert "says hello" in prints("logs", target)
    assert "nothing there waits or runs" in prints("cancel", target)


def test_a_run_that_is_not_there_is_named_with_those_that_are(call, refuses):
    call("submit", "two.yaml")
    assert refuses("status", "tow") == (
        "Error: runs: no run 'tow' has been submitted. Did you mean 'two'?\n"
    )
    assert "Runs there: two" in refuses("logs", "zzzz")
    assert "Runs there: none" in refuses("cancel", "zzzz", "--runs", "elsewhere")


def test_status_shows_causes_and_says_how_to_go_on(call, prints):
    behave("train-default", "fail")
    call("submit", "two.yaml")
    text = prints("status", "two")
    assert "2 done, 1 failed, 5 blocked" in text
    assert "No submit is at work on it: submit it again to go on." in text
    assert re.search(
        r"^train-default +failed .* frame 7: a faulty frame\. Leave it out$", text, re.M
    )


def test_status_as_json_holds_every_task(call, prints):
    call("submit", "two.yaml")
    status = json.loads(prints("status", "two", "--json"))
    assert status["counts"] == {"done": 8}
    assert [row["id"] for row in status["rows"]] == TASKS


def test_status_of_many_tasks_shows_those_that_need_a_look(call, prints):
    behave("infer-default-b-0", "fail")
    call("submit", "two.yaml")
    run = RunPaths(Path("runs"), "two")
    plan = json.loads(run.plan.read_text())
    more = [{**task, "id": f"{task['id']}-{k}"} for k in range(10) for task in plan["tasks"]]
    run.plan.write_text(json.dumps({**plan, "tasks": [*more, *plan["tasks"]]}))
    text = prints("status", "two")
    assert re.search(r"^infer-default-b-0 +failed", text, re.M)
    assert "\nand 48 tasks more (--all)\n" in text
    assert prints("status", "two", "--all").count("pending") == 81


def test_logs_of_one_task_or_of_those_that_failed(call, prints, refuses):
    behave("infer-default-b-0", "fail")
    call("submit", "two.yaml")
    assert "prepare-a says hello" in prints("logs", "two", "prepare-a")
    failed = prints("logs", "two", "--failed")
    assert failed.startswith("==> infer-default-b-0: runs/two/logs/infer-default-b-0.log\n")
    assert "a faulty frame" in failed
    assert failed.count("==>") == 1
    assert len(prints("logs", "two", "prepare-a", "--lines", "1").splitlines()) == 1
    assert "there is no task 'prepare-x'. Did you mean" in refuses("logs", "two", "prepare-x")


def test_cancel_wants_a_task_or_a_stage_that_exists(call, refuses):
    call("submit", "two.yaml")
    said = refuses("cancel", "two", "--stage", "trian")
    assert "run two: there is no stage 'trian'. Its stages: prepare, train" in said
    assert "there is no task 'x'" in refuses("cancel", "two", "x")


def test_a_running_task_shows_its_figures_and_can_be_cancelled_from_elsewhere(prints, refuses):
    behave("infer-default-a-0", "hang")
    submit = process("submit", "two.yaml")
    until(lambda: runs_now("infer-default-a-0"))
    until(lambda: "3/10" in prints("status", "two"))
    status = prints("status", "two")
    assert re.search(r"^infer-default-a-0 +running +3/10 .* loss 0\.125$", status, re.M)
    assert "Worked on by" in status
    assert "pid" in refuses("submit", "two.yaml")  # one submit at a time
    assert prints("cancel", "two", "infer-default-a-0") == "1 task cancelled: infer-default-a-0\n"
    stdout, stderr = submit.communicate(timeout=60)
    assert submit.returncode == 1
    assert "cancelled: infer-default-a-0" in stderr
    assert "6 of 8 tasks are done" in stdout


# Interruptions


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_submit_stops_its_workers_and_can_go_on(prints, number, code):
    behave("train-default", "hang")
    submit = process("submit", "two.yaml")
    until(lambda: runs_now("train-default"))
    submit.send_signal(number)
    _, stderr = submit.communicate(timeout=60)
    assert submit.returncode == code
    assert "Traceback" not in stderr
    assert "Stopping: running tasks save their state." in stderr
    assert read_state(RunPaths(Path("runs"), "two"), "train-default").status == "cancelled"
    behave("train-default", "be good")
    assert "6 tasks to do, 2 done before" in prints("submit", "two.yaml")


def test_a_killed_submit_leaves_its_worker_to_the_next_one(prints):
    behave("train-default", "hang")
    submit = process("submit", "two.yaml")
    until(lambda: runs_now("train-default"))
    submit.kill()
    submit.communicate(timeout=60)
    assert "its tasks go on" in prints("status", "two")
    again = process("submit", "two.yaml")
    planned = RunPaths(Path("runs"), "two")
    until(
        lambda: (
            {task.id: task for task in read_plan(planned).tasks}["train-default"].action == "wait"
        )
    )
    assert "Worked on by" in prints("status", "two")
    assert attempts()["train-default"] == 1
    behave("train-default", "be good")
    worker = read_state(RunPaths(Path("runs"), "two"), "train-default").pid
    os.kill(worker, signal.SIGKILL)
    _, stderr = again.communicate(timeout=60)
    assert (again.returncode, "killed: train-default" in stderr) == (1, True)
    assert "All 8 tasks are done" in prints("submit", "two.yaml")


# Speed and errors of our own


HEAVY = ("torch", "lightning", "zarr", "matplotlib", "h5py")
LIGHT = ("status two", "logs two", "cancel two")
OTHERS = ("plan two.yaml", "validate two.yaml", "submit two.yaml")


@pytest.mark.parametrize("command", [*LIGHT, *OTHERS])
def test_commands_that_answer_at_once_import_nothing_heavy(call, command):
    call("submit", "two.yaml")
    light = command in LIGHT
    absent = (*HEAVY, "numpy", "ptychopinn_batch.jobspec") if light else HEAVY
    look = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print([name for name in {absent} if name in sys.modules]))\n"
    )
    start = "from ptychopinn_batch.cli import main\nmain()\n" if light else START
    done = process(*command.split(), start=look + start)
    stdout, stderr = done.communicate(timeout=60)
    assert (done.returncode, stdout.splitlines()[-1]) == (0, "[]"), stderr


def test_an_error_of_the_program_is_one_message_and_its_traceback_is_kept(
    call, monkeypatch, tmp_path
):
    def broken(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("ptychopinn_batch.commands.plan.plan_run", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, stdout, stderr = call("plan", "two.yaml")
    assert (code, stdout) == (70, "")
    first, second = stderr.splitlines()
    assert first == "Error in ptychopinn-batch itself: ZeroDivisionError: a bug"
    kept = Path(re.search(r"kept in (\S+);", second)[1])
    assert "in broken" in kept.read_text()


@pytest.mark.parametrize("file", ["plan.json", "tasks/prepare-b.json", "spec.resolved.json"])
def test_a_disk_that_is_full_is_one_message_and_the_same_submit_goes_on(
    call, prints, monkeypatch, file
):
    def write(path, data, **options):
        if path == Path("runs/two", file).absolute():
            raise OSError(28, "No space left on device", str(path))
        write_atomic(path, data, **options)

    with monkeypatch.context() as full:
        full.setattr("hpc.submission.write_atomic", write)
        full.setattr("hpc.fsio.write_atomic", write)  # of `write_changed`
        code, stdout, stderr = call("submit", "two.yaml")
    assert (code, stdout) == (2, "")
    path = Path("runs/two", file).absolute()
    assert stderr == (
        f"Error: no space left on the disk: [Errno 28] No space left on device: '{path}'. "
        "Free some space, then give the same command again\n"
    )
    assert "All 8 tasks are done" in prints("submit", "two.yaml")


def test_a_reader_that_goes_away_is_no_error(call):
    call("submit", "two.yaml")
    shown = process("schema")
    shown.stdout.close()
    _, stderr = shown.communicate(timeout=60)
    assert "Traceback" not in stderr
    assert "Error" not in stderr


@pytest.mark.parametrize(
    ("command", "place"),
    [
        ("submit two.yaml --runs two.yaml/runs", "two.yaml/runs"),
        ("plan two.yaml --runs two.yaml/runs", "two.yaml/runs"),
        ("init two.yaml/job.yaml", "two.yaml: there is no such folder"),
        ("schema --output nowhere/jobspec.json", "nowhere: there is no such folder"),
    ],
)
def test_a_place_that_is_no_folder_is_a_mistake_of_the_user(refuses, command, place):
    assert place in refuses(*command.split())


def test_a_folder_that_is_no_run_is_named_with_the_runs_beside_it(call, refuses, folder):
    call("submit", "two.yaml")
    (folder / "elsewhere" / "other").mkdir(parents=True)
    text = "elsewhere: no run 'other' has been submitted. Runs there: none"
    assert text in refuses("status", "elsewhere/other")


@pytest.mark.parametrize("command", [("plan", "two.yaml"), ("runs",), ("init",)])
def test_a_folder_that_is_gone_is_told(call, tmp_path, monkeypatch, command):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    code, _, stderr = call(*command)
    assert (code, stderr) == (2, "Error: the folder you are in is gone. Change to another\n")


@pytest.mark.parametrize("kind", ["dangling", "loop"])
def test_a_folder_of_runs_that_leads_nowhere_is_told(call, kind):
    Path("nowhere").symlink_to("nowhere" if kind == "loop" else "missing")
    code, _, stderr = call("submit", "two.yaml", "--runs", "nowhere")
    assert code == 2
    assert stderr.startswith("Error: ")
    assert "nowhere" in stderr


def test_a_home_of_nobody_is_told(call):
    Path("home.yaml").write_text("version: 1\nname: home\nscans: [{path: ~nobody_at_all/a.npz}]\n")
    code, _, stderr = call("plan", "home.yaml")
    assert code == 2
    assert "it is not known which folder '~' means here" in stderr


def test_a_terminal_that_lacks_a_sign_shows_another():
    code = (
        "import sys; sys.argv = ['p', '--version']\n"
        "from ptychopinn_batch.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    print('wait\\u2026')"
    )
    command = [sys.executable, "-c", code]
    latin = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = subprocess.run(command, env=latin, capture_output=True, check=True, text=True).stdout
    assert shown.endswith("wait?\n")
