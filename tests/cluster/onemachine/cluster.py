"""A cluster's daemons: started in order, stopped in reverse, one by one or all together."""

from __future__ import annotations

import dataclasses
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from onemachine import database, memory
from onemachine.commands import Commands
from onemachine.config import write_config
from onemachine.console import Failure, say
from onemachine.daemon import Daemon
from onemachine.environment import environment
from onemachine.folder import ENV_STATE, Folder
from onemachine.layout import Layout, Settings
from onemachine.namespaces import make_namespaces, works_in_child
from onemachine.node import POWER_CUT
from onemachine.ports import free_ports, is_listening
from onemachine.programs import find
from onemachine.waiting import wait_for

PATIENCE = 60  # seconds; what takes longer will not come


def make_layout(settings: Settings) -> Layout:
    """Find out what this machine can do; say what it cannot."""
    if not settings.plain and not works_in_child(make_namespaces):
        say("cannot make namespaces here: nodes share this machine's name (as with --plain)")
        settings = dataclasses.replace(settings, plain=True)
    controller, accounting, *nodes = free_ports(2 + settings.nodes)
    cgroups = not settings.plain and memory.usable(memory.cluster_group(controller))
    if not cgroups:
        say("no memory cgroups here: jobs out of memory end as FAILED, not OUT_OF_MEMORY")
    return Layout(settings, controller, accounting, tuple(nodes), cgroups)


class Cluster:
    """The daemons of one state folder."""

    def __init__(self, folder: Folder, layout: Layout) -> None:
        self.folder = folder
        self.layout = layout
        self.commands = Commands(folder)
        self.started: list[str] = []  # names of the daemons that this process started

    @classmethod
    def open(cls, folder: Folder) -> Cluster | None:
        """None where there is no cluster."""
        layout = Layout.read(folder)
        return cls(folder, layout) if layout else None

    @classmethod
    def make(cls, folder: Folder, settings: Settings) -> Cluster:
        """Configured, not started. The marker comes last: half a cluster is none."""
        layout = make_layout(settings)
        write_config(folder, layout)
        layout.write(folder)
        return cls(folder, layout)

    @property
    def group(self) -> str:
        return memory.cluster_group(self.layout.controller_port)

    def daemon(self, name: str) -> Daemon:
        return Daemon(self.folder, name)

    def pids(self) -> dict[str, int | None]:
        return {name: self.daemon(name).pid for name in self.layout.daemons}

    def exports(self) -> str:
        conf, root = self.folder.slurm_conf, self.folder.root
        return f"export SLURM_CONF={conf}\nexport {ENV_STATE}={root}"

    # All together

    def up(self) -> None:
        """Start what does not run; what was started is stopped again when the rest fails."""
        began = time.monotonic()
        try:
            self.start_services()
            self.start_nodes(self.layout.nodes)
        except BaseException:
            self.stop(self.started)
            raise
        took = time.monotonic() - began
        say(f"{self.layout.settings.nodes} nodes up in {took:.1f} s, in {self.folder.root}")

    def down(self) -> None:
        self.stop(self.layout.daemons)
        if not wait_for(lambda: memory.remove_groups(self.group), 5):
            say(f"could not remove {self.group}")

    def stop(self, names: Sequence[str]) -> None:
        """The last started first; nodes all at once."""
        for name in set(names) & set(self.layout.nodes):
            self.daemon(name).send(signal.SIGTERM)
        for name in reversed(names):
            self.daemon(name).stop()

    def reset(self) -> None:
        """As after `up`: every daemon runs, every node is idle, no job is left."""
        self.start_services()
        self.commands.cancel_all()  # first: jobs of dead nodes would start elsewhere
        for name, state in self.commands.node_states().items():
            if state.startswith(("down", "drain")):
                self.commands.update_node(name, "State=RESUME")
        self.start_nodes(self.layout.nodes)
        if not wait_for(self.comes_to_rest, PATIENCE, pause=0.2):
            raise Failure(f"jobs or nodes did not come to rest; see {self.folder.logs}")

    def comes_to_rest(self) -> bool:
        """Whether it is idle; a job that was being requeued escapes the first cancel."""
        self.commands.cancel_all()
        states = self.commands.node_states()
        idle = all(states.get(name) == "idle" for name in self.layout.nodes)
        return idle and self.commands.no_jobs()

    # One by one

    def start_services(self) -> None:
        """All daemons but the nodes."""
        self.start_munged()
        if self.layout.settings.accounting:
            self.start_database()
            self.start_accounting()
        self.start_controller()

    def start(self, name: str, command: Sequence[str], is_ready: Callable[[], bool]) -> None:
        """Start a daemon unless it runs, and wait until it is ready."""
        daemon = self.daemon(name)
        if daemon.pid is None:
            program = find(command[0]) or command[0]
            daemon.start([program, *command[1:]], environment(self.folder))
            self.started.append(name)
        self.wait_until([name], is_ready)

    def wait_until(self, names: Sequence[str], is_ready: Callable[[], bool]) -> None:
        def settled() -> str:
            ended = [name for name in names if self.daemon(name).pid is None]
            if ended:
                return f"{', '.join(ended)} ended"
            return "ready" if is_ready() else ""

        outcome = wait_for(settled, PATIENCE)
        if outcome != "ready":
            problem = outcome or f"{', '.join(names)}: not ready after {PATIENCE} s"
            raise Failure(f"{problem}; see {self.folder.logs}")

    def start_munged(self) -> None:
        munge = self.folder.munge
        command = [
            "munged",
            "--foreground",
            "--force",  # put up with a state folder that only root can enter
            f"--key-file={munge / 'key'}",
            f"--socket={self.folder.munge_socket}",
            f"--pid-file={munge / 'pid'}",
            f"--seed-file={munge / 'seed'}",
            f"--log-file={self.folder.logs / 'munged.log'}",
        ]
        ask = ("munge", "-n", "-S", self.folder.munge_socket)
        self.start("munged", command, lambda: self.commands.run(*ask) is not None)

    def start_database(self) -> None:
        database.install(self.folder, self.commands)
        command = database.command(self.folder)
        self.start("mariadbd", command, lambda: database.answers(self.folder, self.commands))

    def start_accounting(self) -> None:
        """Before slurmctld: in a new state folder it does not start without."""
        self.start("slurmdbd", ["slurmdbd", "-D"], lambda: is_listening(self.layout.database_port))

    def start_controller(self) -> None:
        self.start("slurmctld", ["slurmctld", "-D"], self.commands.controller_answers)

    def start_nodes(self, names: Sequence[str]) -> None:
        """Nodes that slurmctld has down, too."""
        package = Path(__file__).parent
        for name in names:
            command = [sys.executable, str(package), "_node", str(self.folder.root), name]
            self.start(name, command, lambda: True)
        self.wait_until(names, lambda: self.commands.usable(names))

    def start_node(self, name: str) -> None:
        self.commands.update_node(name, "State=RESUME")  # refused, harmlessly, if it is not down
        self.start_nodes([name])

    def kill_node(self, name: str, *, notify: bool) -> None:
        """As a power cut would."""
        self.daemon(name).stop(POWER_CUT)
        if notify and not self.commands.update_node(name, "State=DOWN", "Reason=killed"):
            say("slurmctld could not be told")
