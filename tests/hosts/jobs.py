"""Jobs of jobs/slurm on hosts of our own: what the tests of this folder share."""
import json
import pathlib
import re
import sys

import numpy as np

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "cli"), str(TESTS / "slurm")]
import cluster
import harness
import hosts

SCRIPTS = TESTS.parent / "jobs/slurm"
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")
FOREVER = 200000  # epochs


def skip_where_impossible():
    """For setUpModule."""
    reason = cluster.missing() or hosts.missing()
    if reason:
        print(f"skipped: {reason}")
        raise harness.unittest.SkipTest(reason)


class Case(harness.Case):
    """A test with hosts, a SLURM and a folder of its own, which all hosts see."""

    def start_hosts(self, count, timeout=30):
        """SLURM takes a host that is silent for `timeout` seconds for down."""
        self.slurm = self.enterContext(hosts.Cluster(count, timeout))
        # Sessions of MPI are the host's own; files of all hosts are here.
        self.slurm.environment.update(SINODE=harness.PROGRAM, TMPDIR=str(self.slurm.folder / "local"))

    def submit(self, script, *options, **variables):
        """A script of jobs/slurm for c.yaml; options from --set on are the program's. The jobs' numbers."""
        split = options.index("--set") if "--set" in options else len(options)
        path, given = SCRIPTS / script, options[:split]
        command = (path, *given) if path.suffix == ".sh" else ("sbatch", *given, path)
        found = self.slurm.ask(*command, "c.yaml", *options[split:], folder=self.folder, **variables)
        jobs = re.findall(r"job (\d+)", found)
        self.assertTrue(jobs, found)
        return jobs

    def log(self, job):
        return "".join(path.read_text() for path in sorted(self.folder.glob(f"sinode-*-{job}.log")))

    def assert_completes(self, job, seconds):
        found = self.slurm.wait_for(job, *ENDED, seconds=seconds)
        self.assertEqual(found, "COMPLETED", f"job {job}\n{self.log('*')}")

    def status(self, run="run"):
        """status.json, or nothing; it is replaced whole."""
        try:
            return json.loads((self.folder / run / "status.json").read_text())
        except OSError:
            return {}

    def wait_for_checkpoint(self, job, run="run"):
        """Until one has been written and the run has got beyond it."""
        self.slurm.wait_until(lambda: list((self.folder / run).glob("checkpoints/checkpoint-*.h5")), 60,
                              f"no checkpoint\n{self.log(job)}")
        then = self.status(run)["step"]
        self.slurm.wait_until(lambda: self.status(run)["step"] > then, 60, "the run does not get on")

    def assert_same_run(self, one, other):
        """Models and histories, to the bit."""
        self.assert_same_data(self.folder / one / "model.h5", self.folder / other / "model.h5")
        a, b = (harness.history(self.folder / run) for run in (one, other))
        same = [0, 1, 3, 4, 5]  # but seconds and memory
        np.testing.assert_array_equal(a[:, same], b[:, same])

    def sent(self, host):
        """Bytes that have left a host by its network."""
        return int(re.search(r"eth0:(.*)", self.slurm.ask("cat", "/proc/net/dev", host=host))[1].split()[8])

    def programs(self, host):
        """Names of the processes on a host."""
        return self.slurm.ask("sh", "-c", "cat /proc/[0-9]*/comm", host=host).split()
