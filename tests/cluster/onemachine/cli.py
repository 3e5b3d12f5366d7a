"""The command line of the throw-away cluster."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

from onemachine.cluster import Cluster
from onemachine.console import Failure, say
from onemachine.folder import ENV_STATE, Folder
from onemachine.layout import Layout, Settings
from onemachine.node import run_node
from onemachine.ports import in_turn
from onemachine.programs import what_is_missing

DESCRIPTION = """\
A throw-away SLURM cluster on one machine.

    exports=$(tests/cluster/slurm up) && eval "$exports"   # start; point SLURM_CONF at it
    sinfo; sbatch ...; sacct ...
    tests/cluster/slurm kill-node node2 --notify           # its jobs become NODE_FAIL
    tests/cluster/slurm start-node node2
    tests/cluster/slurm down --purge                       # stop all, delete its folder

munged, MariaDB, slurmdbd, slurmctld and several slurmd 'nodes' are started without systemd, with
all their files in one state folder and all their traffic over the loopback interface. Needs Linux,
root and Debian's SLURM packages.
"""
MOST_NODES = 99


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0 done, 2 refused; see `status` for its 1 and 3."""
    if arguments[:1] == ["_node"]:
        return node(Folder(Path(arguments[1])), arguments[2])
    args = build_parser().parse_args(arguments)
    try:
        return VERBS[args.verb](args)
    except Failure as failure:
        say(failure)
        return 2
    except KeyboardInterrupt:
        return 130


def node(folder: Folder, name: str) -> int:
    layout = Layout.read(folder)
    return run_node(folder, layout, name) if layout else 2


# Verbs


def up(args: argparse.Namespace) -> int:
    given = {
        field.name: getattr(args, field.name)
        for field in fields(Settings)
        if getattr(args, field.name) is not None
    }
    missing = what_is_missing(accounting=given.get("accounting", True))
    if missing:
        raise Failure(missing)
    folder = Folder.new() if args.state is None else Folder(args.state.absolute())
    folder.check()
    folder.root.mkdir(mode=0o755, parents=True, exist_ok=True)
    with folder.locked(), in_turn():
        cluster = Cluster.open(folder) or Cluster.make(folder, Settings(**given))
        refuse_changes(cluster, given)
        cluster.up()
    print(cluster.exports())
    return 0


def refuse_changes(cluster: Cluster, given: dict[str, object]) -> None:
    settings = cluster.layout.settings
    changed = [name for name, value in given.items() if getattr(settings, name) != value]
    if changed:
        raise Failure(f"{cluster.folder.root} was made with another {', '.join(changed)}")


def down(args: argparse.Namespace) -> int:
    folder = state_folder(args)
    if not folder.marker.exists():
        say(f"nothing to stop in {folder.root}")
        return 0
    with folder.locked():
        cluster = existing(folder)
        running = [name for name, pid in cluster.pids().items() if pid]
        cluster.down()
        say(f"stopped {', '.join(running) or 'nothing'}")
        if args.purge:
            folder.purge()
    return 0


def status(args: argparse.Namespace) -> int:
    cluster = Cluster.open(state_folder(args))
    if not cluster:
        say("no cluster there")
        return 3
    pids = cluster.pids()
    for name, pid in pids.items():
        print(f"{name:<10} {pid or 'not running'}")
    if pids["munged"] and pids["slurmctld"]:
        print(cluster.commands.run("sinfo", "-N", "-l") or "sinfo failed")
    return 0 if all(pids.values()) else 1 if any(pids.values()) else 3


def on_cluster(action: Callable[[Cluster, argparse.Namespace], None]) -> Callable[..., int]:
    """A verb for a cluster that is there, one at a time."""

    def verb(args: argparse.Namespace) -> int:
        folder = state_folder(args)
        existing(folder)  # before a lock file is made in a folder that is not ours
        with folder.locked():
            action(existing(folder), args)
        return 0

    return verb


def existing(folder: Folder) -> Cluster:
    cluster = Cluster.open(folder)
    if not cluster:
        raise Failure(f"no cluster in {folder.root}")
    return cluster


def state_folder(args: argparse.Namespace) -> Folder:
    state = args.state or os.environ.get(ENV_STATE)
    if not state:
        raise Failure(f"name the state folder, or set {ENV_STATE}")
    return Folder(Path(state).absolute())


def known_node(cluster: Cluster, args: argparse.Namespace) -> str:
    if args.node not in cluster.layout.nodes:
        raise Failure(f"no node {args.node}: there are {', '.join(cluster.layout.nodes)}")
    return str(args.node)


def kill_node(cluster: Cluster, args: argparse.Namespace) -> None:
    cluster.kill_node(known_node(cluster, args), notify=args.notify)


def start_node(cluster: Cluster, args: argparse.Namespace) -> None:
    cluster.start_node(known_node(cluster, args))


def stop_accounting(cluster: Cluster, _args: argparse.Namespace) -> None:
    need_accounting(cluster)
    cluster.daemon("slurmdbd").stop()


def start_accounting(cluster: Cluster, _args: argparse.Namespace) -> None:
    need_accounting(cluster)
    cluster.start_accounting()


def need_accounting(cluster: Cluster) -> None:
    if not cluster.layout.settings.accounting:
        raise Failure(f"{cluster.folder.root} was made without accounting")


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "up": up,
    "down": down,
    "status": status,
    "reset": on_cluster(lambda cluster, _: cluster.reset()),
    "kill-node": on_cluster(kill_node),
    "start-node": on_cluster(start_node),
    "stop-controller": on_cluster(lambda cluster, _: cluster.daemon("slurmctld").stop()),
    "start-controller": on_cluster(lambda cluster, _: cluster.start_controller()),
    "stop-accounting": on_cluster(stop_accounting),
    "start-accounting": on_cluster(start_accounting),
}

# The parser


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="slurm",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, text: str, *, of_node: bool = False) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        if of_node:
            sub.add_argument("node", help="node1, node2, ...")
        default = "a new temporary folder" if name == "up" else f"${ENV_STATE}"
        sub.add_argument("state", nargs="?", type=Path, help=f"state folder (default: {default})")
        return sub

    add_settings(verb("up", "start the cluster, or what is missing of it; prints exports to eval"))
    down = verb("down", "stop all that 'up' started, jobs included")
    down.add_argument("--purge", action="store_true", help="delete the state folder, logs included")
    verb("status", "what runs; exit status 0: all of it, 1: some, 3: nothing")
    verb("reset", "cancel every job, start and resume all that was stopped")
    kill = verb("kill-node", "kill a node with its jobs, as a power cut would", of_node=True)
    kill.add_argument(
        "--notify",
        action="store_true",
        help="tell slurmctld, whose jobs then are NODE_FAIL at once, not after some 30 s",
    )
    verb("start-node", "start a killed node again", of_node=True)
    verb("stop-controller", "stop slurmctld; jobs go on")
    verb("start-controller", "start slurmctld again")
    verb("stop-accounting", "stop slurmdbd; sacct fails")
    verb("start-accounting", "start slurmdbd again")
    return parser


def add_settings(up: argparse.ArgumentParser) -> None:
    """Without defaults: a second `up` knows which of them were given."""
    default = Settings()
    add = up.add_argument
    add("--nodes", type=number_to(MOST_NODES), help=f"slurmd daemons (default {default.nodes})")
    add("--cpus", type=number_to(1024), help=f"CPUs per node (default {default.cpus})")
    add("--mem", type=number_to(10**7), help=f"MB per node (default {default.mem})")
    add("--gpus", type=number_to(64, 0), help=f"fake GPUs per node (default {default.gpus})")
    add(
        "--no-accounting",
        dest="accounting",
        action="store_false",
        default=None,
        help="neither slurmdbd nor MariaDB: starts faster, but sacct fails",
    )
    add("--plain", action="store_true", default=None, help="no namespaces")


def number_to(most: int, least: int = 1) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text}: not a number from {least} to {most}")
        return int(text)

    return number
