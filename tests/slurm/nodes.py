"""A Slurm of three nodes on this host, without systemd."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

NODES = 3
CONF = """
ClusterName=streamkm
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.log
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SlurmctldParameters=preempt_send_user_signal
MailProg=/bin/true
RebootProgram=/bin/true
PropagateResourceLimits=NONE
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=5
InactiveLimit=0
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,requeue_setup_env_fail
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
{nodes}
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=8 MaxTime=60
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF MaxTime=60
"""


def missing() -> str | None:
    """The missing requirements of Slurm on this host."""
    tools = ("slurmctld", "slurmd", "sbatch", "munged")
    lost = [tool for tool in tools if shutil.which(tool) is None]
    if lost:
        return (
            f"no {', '.join(lost)}: apt-get install -y --no-install-recommends "
            "slurmctld slurmd slurm-client munge"
        )
    return None if os.geteuid() == 0 else "its daemons need root here: run the tests as root"


def _free_ports(count):
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class Slurm:
    """A Slurm that starts on construction; `close` stops all of its processes."""

    def __init__(self, folder: Path, cpus: int = 4) -> None:
        self.folder = folder
        host = socket.gethostname().split(".")[0]
        port, *ports = _free_ports(1 + NODES)
        nodes = "\n".join(
            f"NodeName=n{at} NodeHostname={host} NodeAddr=127.0.0.1 Port={own} CPUs={cpus} "
            "RealMemory=16000 State=UNKNOWN"
            for at, own in enumerate(ports, 1)
        )
        self.conf = folder / "slurm.conf"
        self.conf.write_text(CONF.format(host=host, port=port, folder=folder, nodes=nodes))
        (folder / "state").mkdir()
        self.environment = os.environ | {"SLURM_CONF": str(self.conf)}
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        folder.chmod(0o755)
        self._call(
            "munged",
            f"--key-file={key}",
            f"--socket={folder}/munge.socket",
            f"--pid-file={folder}/munged.pid",
            f"--log-file={folder}/munged.log",
            f"--seed-file={folder}/munged.seed",
            "--force",
        )
        self._call("slurmctld", "-c", "-f", str(self.conf))
        for at in range(1, NODES + 1):
            (folder / f"spool-n{at}").mkdir()
            self._call("slurmd", "-N", f"n{at}", "-f", str(self.conf))
        self.until(lambda: self._call("sinfo", "-h", "-o", "%t %D").split() == ["idle", str(NODES)])

    def _call(self, *command, check=True):
        said = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        if check and said.returncode:
            raise RuntimeError(f"{command}: {said.stdout}{said.stderr}")
        return said.stdout

    def submit(self, *arguments, **environment):
        """Submit a job and return its number."""
        before = self.environment
        self.environment = before | environment
        try:
            return self._call("sbatch", "--parsable", *map(str, arguments)).strip().split(";")[0]
        finally:
            self.environment = before

    def call(self, *command):
        return self._call(*map(str, command), check=False)

    def states(self, job):
        """The state of each task of a job, while Slurm stores it."""
        return self.call("squeue", "-h", "-r", "-t", "all", "-j", job, "-o", "%T").split()

    def facts(self, job):
        said = self.call("scontrol", "show", "job", "-o", job)
        return dict(word.split("=", 1) for word in said.split() if "=" in word)

    def until(self, true, seconds=100):
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                logs = [p.read_text()[-3000:] for p in sorted(self.folder.glob("*.log"))]
                raise TimeoutError("\n".join([self.call("squeue", "-t", "all"), *logs]))
            time.sleep(0.2)

    def ended(self, job, seconds=150):
        """Wait for a job to end, and return its last states."""
        over = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"}
        self.until(lambda: set(self.states(job)) <= over, seconds)
        return self.states(job)

    def close(self):
        self.call("scancel", "--full", "-t", "RUNNING")
        self.call("scontrol", "shutdown")
        pids = list(self.folder.glob("*.pid"))
        for number in (signal.SIGTERM, signal.SIGKILL):
            for path in pids:
                try:
                    os.kill(int(path.read_text()), number)
                except (OSError, ValueError):
                    continue
            time.sleep(0.6)
