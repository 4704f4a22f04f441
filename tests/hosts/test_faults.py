"""What becomes of a job when a host, its link or a message is lost. Trainings add up in slices, so that a run that goes
on with fewer ranks must end with the bits of an unbroken one."""
import sys
import time
import unittest

import jobs

CONFIG = """\
run: {directory: run, seed: 3, stall_limit: 10s}
grid: {points: 32, length: 22.0}
parallel: {reproducible: true, slice: 8}
generate: {file: data.h5, transient: 10.0, span: 40.0, interval: 0.2}
model: {nonlinear: {hidden: [24], activation: tanh}}
train: {data: data.h5, batch: 32, epochs: EPOCHS, checkpoint: {every: 5}}
"""
TIMEOUT = 10  # SlurmdTimeout
MOST = 100  # seconds from the fault to the job's next turn: docs/cluster.md says what they are made of

setUpModule = jobs.skip_where_impossible


class Faults(jobs.Case):
    def start(self, hosts, nodes, epochs=jobs.FOREVER):
        """A training under way, with a checkpoint. The number of its job."""
        self.set_epochs(epochs)
        self.sinode("generate")
        self.start_hosts(hosts, TIMEOUT)
        job = self.submit("train.sbatch", f"--nodes={nodes}")[0]
        self.wait_for_checkpoint(job)
        return job

    def set_epochs(self, epochs):
        (self.folder / "c.yaml").write_text(CONFIG.replace("EPOCHS", str(epochs)))

    def assert_loses_nothing(self, epochs):
        self.assertEqual(self.status()["state"], "complete")
        self.sinode("train", "--set", "run.directory=unbroken")
        self.assert_same_run("run", "unbroken")
        self.assertEqual(len(jobs.harness.history(self.folder / "run")), epochs)

    def assert_goes_on(self, job, fault, host, left):
        """After a fault of a host the job is requeued on those that are left, and nothing is lost."""
        started = time.monotonic()
        self.slurm.network.tell(fault, host)
        self.slurm.wait_until(lambda: self.slurm.job(job).get("Restarts") != "0", MOST,
                              f"the job is not requeued\n{self.log(job)}")
        epochs = self.status()["epoch"] + 30
        self.set_epochs(epochs)  # read when the job starts again
        if fault == "cut":
            self.slurm.wait_until(lambda: "sinode" not in self.programs(host), 10, "ranks of the lost host live on")
        self.slurm.wait_for(job, "RUNNING", *jobs.ENDED, seconds=MOST)
        self.assertLess(time.monotonic() - started, MOST)
        print(f"{fault} {host}: next turn after {time.monotonic() - started:.0f} s, on {left}", file=sys.stderr)
        self.assert_completes(job, 60)
        log = self.log(job)
        self.assertIn(f"turn 2, {left}, ", log)
        self.assertIn("resuming from", log)
        self.assert_loses_nothing(epochs)


class Usual(Faults):
    def test_link_of_a_host_cut(self):
        """On the host that is left there are fewer ranks."""
        self.assert_goes_on(self.start(2, "1-2"), "cut", "n2", "2 ranks on n1")


class Long(Faults):
    def test_link_of_the_first_host_cut(self):
        """That of the script and of the lock on the run."""
        self.assert_goes_on(self.start(2, "1-2"), "cut", "n1", "2 ranks on n2")

    def test_host_dead(self):
        self.assert_goes_on(self.start(2, "1-2"), "kill", "n2", "2 ranks on n1")

    def test_first_host_dead(self):
        self.assert_goes_on(self.start(2, "1-2"), "kill", "n1", "2 ranks on n2")

    def test_host_to_spare(self):
        """As many hosts, and ranks, as before."""
        job = self.start(3, "2")
        self.assertEqual(self.slurm.job(job)["NodeList"], "n[1-2]")
        self.assert_goes_on(job, "cut", "n2", "4 ranks on n[1,3]")

    def test_ranks_dead_but_no_host(self):
        """The job sees it by itself."""
        job = self.start(2, "2")
        self.slurm.ask("sh", "-c", "kill -KILL $(grep -lx sinode /proc/[0-9]*/comm | head -n 1 | tr -cd 0-9)",
                       host="n2")
        self.slurm.wait_until(lambda: "requeued at step" in self.log(job), 30, f"no end\n{self.log(job)}")
        epochs = self.status()["epoch"] + 30
        self.set_epochs(epochs)
        self.assert_completes(job, MOST)
        self.assertIn("turn 2, 4 ranks on n[1-2], ", self.log(job))
        self.assert_loses_nothing(epochs)

    def test_message_late(self):
        """By a second: the run waits for it."""
        job = self.start(2, "2", epochs=100)
        self.slurm.network.tell("hold", "n2", 1000000)
        then = self.status()["step"]
        self.assertEqual(self.status()["state"], "running")
        self.slurm.wait_until(lambda: self.status()["step"] > then, 60, "the run does not get on")
        self.assert_completes(job, 300)
        self.assertEqual(self.slurm.job(job)["Restarts"], "0")
        self.assert_loses_nothing(100)


if __name__ == "__main__":
    unittest.main()
