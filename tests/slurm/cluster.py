"""A SLURM of one node on this machine, from Debian's packages: everything below one folder, ports on loopback only.

Wants root (slurmd starts jobs as their users) and no systemd; leaves nothing behind. tests/hosts makes one of several
hosts of it.
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

# cred_expire is also how long a requeued job waits before it starts again; the default is 120 s.
CONFIGURATION = """\
ClusterName=test
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,batch_sched_delay=0,bf_interval=5
SlurmdParameters=config_overrides
ReturnToService=2
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
KillWait=20
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

SEARCH = "/usr/sbin:/sbin:" + os.environ.get("PATH", "")


# What tests/launch.py and tests/mpi set for the other tests.
MPI = ("OMPI_MCA_orte_", "OMPI_MCA_pml", "OMPI_MCA_btl", "OMPI_MCA_osc", "OMPI_MCA_ess", "PRTE_MCA_", "PMIX_", "HWLOC_")


class PortTaken(Exception):
    """A daemon found its port in use."""


def missing():
    """Why there can be no SLURM here, or None."""
    for name, package in (("munged", "munge"), ("slurmctld", "slurm-wlm"), ("sbatch", "slurm-wlm")):
        if not shutil.which(name, path=SEARCH):
            return f"there is no {name}: install the Debian packages slurm-wlm, slurm-wlm-basic-plugins and munge " \
                   f"({package} has it)"
    if os.getuid() != 0:
        return "starting a SLURM needs root"
    return None


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Cluster:
    """Started by `with`; `environment` is what its commands want. Other hosts than this one: by a class of its own."""

    nodes = ("n1",)
    settings = """\
SlurmctldHost=localhost(127.0.0.1)
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 CPUs=8
"""

    def on(self, host, folder=None):
        """What starts a command on a host, the controller's where it is None, in a folder."""
        del host, folder
        return ()

    ATTEMPTS = 5  # a port that was free may be taken before a daemon has it

    def __enter__(self):
        for attempt in range(self.ATTEMPTS):
            try:
                return self._attempt()
            except PortTaken:
                if attempt == self.ATTEMPTS - 1:
                    raise

    def _attempt(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="slurm-"))  # short: sockets have short names
        # Jobs choose for themselves what the tests choose for MPI: the scripts are to set all that users need.
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(MPI)}
        self.environment |= {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": SEARCH}
        self.daemons = []
        try:
            self._configure()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _configure(self):
        for name in ("state", "spool", "keys", "local"):
            (self.folder / name).mkdir(mode=0o700)
        key = self.folder / "keys/munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self.folder.chmod(0o755)
        (self.folder / "slurm.conf").write_text(
            CONFIGURATION.format(folder=self.folder, controller=free_port(), node=free_port()) + self.settings)
        (self.folder / "mpi.conf").write_text(f"PMIxCliTmpDirBase={self.folder}/local\n")  # not /tmp, which is all SLURMs'

    def _start(self):
        folder, configuration = self.folder, self.environment["SLURM_CONF"]
        self._launch("munged", "--foreground", "--force", f"--key-file={folder}/keys/munge.key",
                     f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid",
                     f"--log-file={folder}/munged.log", f"--seed-file={folder}/munge.seed")
        self.wait_until(lambda: (folder / "munge.socket").exists(), 60, "munged does not start")
        self._launch("slurmctld", "-D", "-f", configuration)
        for node in self.nodes:
            self._launch("slurmd", "-D", "-f", configuration, "-N", node, host=node)
        self.wait_until(lambda: self.states() == {"idle"}, 240, "SLURM does not get ready")

    def _launch(self, *command, host=None):
        with open(self.folder / f"{command[0]}-{host or 'controller'}.out", "w", encoding="utf8") as out:
            self.daemons.append(subprocess.Popen((*self.on(host), *command), env=self.environment,
                                                 stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                                 start_new_session=True))

    def states(self):
        """Of the nodes: idle, allocated, down*, ..."""
        return set(self.ask("sinfo", "--noheader", "--Node", "--format=%t").split())

    def logs(self):
        """The ends of the daemons' logs, for messages."""
        return "\n".join(f"-- {path.name}\n{path.read_text(errors='replace')[-1500:]}"
                         for path in sorted(self.folder.glob("*.[lo]*")))

    def wait_until(self, condition, seconds, complaint):
        """Calls condition until it is true."""
        deadline = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            if any("Address already in use" in path.read_text(errors="replace") for path in self.folder.glob("*d.log")):
                raise PortTaken(self.logs())
            if time.monotonic() > deadline:
                raise AssertionError(f"{complaint} within {seconds} s\n{self.logs()}")
            time.sleep(0.2)

    def ask(self, *command, host=None, folder=None, seconds=240, **variables):
        """Output of a command, of SLURM's as a rule; what it says on stderr is added when it fails."""
        words = [*self.on(host, folder), *(str(word) for word in command)]
        found = subprocess.run(words, env={**self.environment, **variables}, cwd=folder, stdin=subprocess.DEVNULL,
                               capture_output=True, text=True, timeout=seconds, check=False)
        return found.stdout if found.returncode == 0 else found.stdout + found.stderr

    def job(self, job):
        """What SLURM knows of a job, by name; for a job array, of one task ("7_2")."""
        return dict(re.findall(r"(\S+?)=(\S*)", self.ask("scontrol", "--oneliner", "show", "job", job)))

    def state(self, job):
        return self.job(job).get("JobState")

    def wait_for(self, job, *states, seconds=300):
        """Waits for a job to reach one of the states."""
        return self.wait_until(lambda: self.state(job) in states and self.state(job), seconds,
                               f"job {job} is {self.state(job)}, not {' or '.join(states)},")
