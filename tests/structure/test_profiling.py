"""MPI's profiling interface is left to the user's profiler in sinode; sinode-bench counts by it."""
import os
import re
import subprocess
import unittest


def wrappers(program):
    """Functions of MPI's names that the program defines itself."""
    listed = subprocess.run([os.environ["SINODE_NM"], program], capture_output=True, text=True, check=True).stdout
    if "main" not in listed:
        raise ValueError(f"{program} has no symbols to look at")
    return set(re.findall(r"^[0-9a-f]+ [TtWw] (MPI_\w+)$", listed, re.M))


class Profiling(unittest.TestCase):
    def test_sinode_wraps_nothing(self):
        self.assertEqual(wrappers(os.environ["SINODE_PROGRAM"]), set())

    def test_bench_counts(self):
        found = wrappers(os.environ["SINODE_BENCH"])
        for call in ("MPI_Send", "MPI_Isend", "MPI_Alltoallv", "MPI_Allreduce", "MPI_Bcast"):
            self.assertIn(call, found)


if __name__ == "__main__":
    unittest.main()
