"""The files that SLURM reads: written once, when a cluster is made, and kept by later starts."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

from onemachine.folder import Folder
from onemachine.layout import Layout

SLURM_CONF = """\
# Written by the first 'up' in this state folder, and kept by later ones.
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={layout.controller_port}
SlurmUser=root
AuthType=auth/munge
# cred_expire (default 120, at least 5) is how many seconds a requeued job waits
# before it may start again.
AuthInfo=socket={folder.munge_socket},cred_expire=5
StateSaveLocation={folder.root}/slurmctld
SlurmdSpoolDir={folder.root}/spool/%n
SlurmctldPidFile={folder.root}/slurmctld.pid
SlurmdPidFile={folder.root}/spool/%n.pid
SlurmctldLogFile={folder.logs}/slurmctld.log
SlurmdLogFile={folder.logs}/%n.log
SlurmctldDebug=info
SlurmdDebug=info
MailProg=/bin/true
MpiDefault=none
{memory}
SwitchType=switch/none
# Every cluster counts from elsewhere: were it always 1, a test that names folders
# by job id would find there what jobs of an earlier cluster left.
FirstJobId={first_job_id}

# Accounting
{accounting}
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2

# Scheduling: react at once instead of after the seconds that suit real sites.
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
# Without a default, a job that names no memory gets the whole node's.
DefMemPerCPU={mem_per_cpu}
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
# Preempted jobs get the signal they asked for with --signal first.
SlurmctldParameters=preempt_send_user_signal

# Time-outs, shortened for tests
KillWait=5
SlurmdTimeout=10
SlurmctldTimeout=10
MessageTimeout=10
# A node that stopped answering comes back by itself; one set down by hand does not.
ReturnToService=1
JobRequeue=1

# Nodes: config_overrides lets them declare CPUs that the machine lacks.
SlurmdParameters=config_overrides
{gres}
{nodes}

# Jobs in main push out (requeue) those in low, which have GraceTime seconds to end.
PartitionName=main Nodes=ALL PriorityTier=10 PreemptMode=OFF Default=YES
PartitionName=low Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE GraceTime=10
"""

NODE = (
    "NodeName={name} NodeHostname={name} NodeAddr={address} Port={port} "
    "CPUs={settings.cpus} RealMemory={settings.mem}{gres} State=UNKNOWN"
)

NO_ACCOUNTING = "AccountingStorageType=accounting_storage/none"
ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={layout.database_port}
# slurmctld looks for munge's socket here when it talks to slurmdbd.
AccountingStoragePass={folder.munge_socket}
AccountingStoreFlags=job_comment"""

# As on most sites. A signal then reaches what SLURM has started, not all that runs below it: the
# process that mounts an image for an ordinary user must not get it.
CGROUP_MEMORY = """\
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherParams=NoOverMemoryKill"""
# Sample memory instead, and kill a step that is above its limit.
SAMPLED_MEMORY = """\
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherParams=OverMemoryKill"""

SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={folder.munge_socket}
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={layout.database_port}
SlurmUser=root
PidFile={folder.root}/slurmdbd.pid
LogFile={folder.logs}/slurmdbd.log
DebugLevel=info
StorageType=accounting_storage/mysql
# localhost means a Unix socket, whose path is in MYSQL_UNIX_PORT
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct_db
"""


def write_config(folder: Folder, layout: Layout) -> None:
    folder.make(layout.nodes)
    write_key(folder.munge / "key")
    for gpu in range(layout.settings.gpus):
        folder.device(gpu).unlink(missing_ok=True)
        folder.device(gpu).symlink_to("/dev/null")  # any device will do
    folder.hosts.write_text(hosts(layout))
    folder.slurm_conf.write_text(slurm_conf(folder, layout))
    (folder.etc / "gres.conf").write_text(gres_conf(folder, layout))
    (folder.etc / "cgroup.conf").write_text(cgroup_conf(layout))
    slurmdbd = folder.etc / "slurmdbd.conf"
    slurmdbd.touch(mode=0o600)  # slurmdbd insists
    slurmdbd.write_text(SLURMDBD_CONF.format(folder=folder, layout=layout))


def write_key(path: Path) -> None:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(os.urandom(1024))


def slurm_conf(folder: Folder, layout: Layout) -> str:
    settings = layout.settings
    accounting = ACCOUNTING if settings.accounting else NO_ACCOUNTING
    return SLURM_CONF.format(
        folder=folder,
        layout=layout,
        host=socket.gethostname().split(".")[0],
        memory=CGROUP_MEMORY if layout.cgroups else SAMPLED_MEMORY,
        first_job_id=random.randrange(10_000, 900_000),
        accounting=accounting.format(folder=folder, layout=layout),
        mem_per_cpu=settings.mem // settings.cpus,
        gres="GresTypes=gpu" if settings.gpus else "",
        nodes="\n".join(node_lines(layout)),
    )


def node_lines(layout: Layout) -> list[str]:
    settings = layout.settings
    gres = f" Gres=gpu:{settings.gpus}" if settings.gpus else ""
    return [
        NODE.format(name=name, address=address, port=port, settings=settings, gres=gres)
        for (name, address), port in zip(addresses(layout), layout.node_ports, strict=True)
    ]


def addresses(layout: Layout) -> list[tuple[str, str]]:
    """Node and address; all of 127.0.0.0/8 is the loopback interface on Linux."""
    return [(name, f"127.0.0.{11 + index}") for index, name in enumerate(layout.nodes)]


def hosts(layout: Layout) -> str:
    """The machine's /etc/hosts and the nodes."""
    lines = [Path("/etc/hosts").read_text().rstrip("\n")]
    lines += [f"{address} {name}" for name, address in addresses(layout)]
    return "\n".join(lines) + "\n"


def gres_conf(folder: Folder, layout: Layout) -> str:
    gpus = range(layout.settings.gpus)
    return (
        "\n".join(["AutoDetect=off", *(f"Name=gpu File={folder.device(i)}" for i in gpus)]) + "\n"
    )


def cgroup_conf(layout: Layout) -> str:
    return "CgroupPlugin=cgroup/v1\n" + ("ConstrainRAMSpace=yes\n" if layout.cgroups else "")
