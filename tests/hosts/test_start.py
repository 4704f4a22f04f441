"""How ranks on several hosts wait for each other as they start: none may send before all can receive (docs/cluster.md)."""
import collections
import os
import re
import unittest

import jobs

HOSTS = 4
setUpModule = jobs.skip_where_impossible


class Start(jobs.Case):
    def fences(self, text):
        """By the fences' numbers, whether all ranks had entered it before one left."""
        times = collections.defaultdict(lambda: ([], []))
        for number, what, seconds in re.findall(r"^fence (\d+) (enter|leave) ([\d.]+)$", text, re.M):
            times[int(number)][what == "leave"].append(float(seconds))
        for number, both in times.items():
            self.assertEqual([len(some) for some in both], [HOSTS, HOSTS], f"fence {number}\n{text}")
        return {number: max(entered) <= min(left) for number, (entered, left) in times.items()}

    def test_fences_are_waited_for(self):
        """The two in MPI_Init and the one in MPI_Finalize."""
        self.sinode("generate")
        self.start_hosts(HOSTS)
        launch = f"srun --mpi=pmix --export=ALL,LD_PRELOAD={os.environ['SINODE_FENCE_LIBRARY']}"
        job = self.submit("train.sbatch", f"--nodes={HOSTS}", "--ntasks-per-node=1", "--set", "train.epochs=1",
                          SINODE_LAUNCH=launch)[0]
        self.assert_completes(job, 600)
        log = self.log(job).partition(": turn ")[2]  # without those of the single rank that is asked for the state
        self.assertIn(f"{HOSTS} ranks on n[1-{HOSTS}]", log)
        self.assertEqual(self.fences(log), {1: True, 2: True, 3: True})


if __name__ == "__main__":
    unittest.main()
