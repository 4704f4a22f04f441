"""Two to four hosts on this machine, as network.c makes them, and a SLURM with one slurmd a host.

SINODE_NETWORK names the program. All goes with the process that made it, however it ends; runs beside each other do not
meet: addresses and ports are those of their own networks.
"""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "slurm"))
import cluster

NETWORK = os.environ["SINODE_NETWORK"]


class Network:
    """Hosts by name, joined by a switch. A host k has the address 10.0.0.k, from 1 in the order of the names."""

    def __init__(self, local, *names):
        self.names = names
        self.switch = subprocess.Popen([NETWORK, str(local), *names], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.processes = dict(zip(names, self.switch.stdout.readline().split()))
        if len(self.processes) < len(names):
            raise OSError(self.switch.communicate()[1].strip())

    def close(self):
        self.switch.communicate()

    def on(self, host, folder=None):
        """What starts a command on a host, in a folder."""
        return ("nsenter", f"--target={self.processes[host]}", "--net", "--uts", "--mount", "--pid", "--ipc", "--",
                "env", f"--chdir={folder or '/'}")

    def tell(self, command, host=None, *numbers):
        """A command of network.c's, on a host or on all of the network."""
        number = [] if host is None else [self.names.index(host) + 1]
        print(command, *number, *numbers, file=self.switch.stdin, flush=True)
        if self.switch.stdout.readline() != "done\n":
            raise OSError(self.switch.communicate()[1])


def missing():
    """Why there can be no hosts here, or None."""
    try:
        Network("/mnt", "n1").close()
    except OSError as error:
        return f"this kernel gives no hosts of our own: {error}"
    return None


class Cluster(cluster.Cluster):
    """One node a host, and a host for slurmctld, at which jobs are submitted. A node that does not answer is down after
    `timeout` seconds."""

    def __init__(self, hosts, timeout):
        self.nodes = tuple(f"n{number}" for number in range(1, hosts + 1))
        addresses = "\n".join(f"NodeName={node} NodeHostname={node} NodeAddr=10.0.0.{number} CPUs=8"
                              for number, node in enumerate(self.nodes, 1))
        self.settings = f"SlurmctldHost=head(10.0.0.{hosts + 1})\nSlurmdTimeout={timeout}\n{addresses}\n"
        self.network = None

    def on(self, host, folder=None):
        return self.network.on(host or "head", folder)

    def _configure(self):
        super()._configure()
        self.network = Network(self.folder / "local", *self.nodes, "head")

    def __exit__(self, *details):
        if self.network:
            self.network.close()
        super().__exit__(*details)
