"""The error of one interval of data, by jobs/convergence/one_interval.py, against values found elsewhere."""
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "jobs" / "convergence"))
import one_interval  # noqa: E402

KNOWN = {("etdrk4", 1): 1.8e-5, ("etdrk4", 2): 2.5e-6, ("etdrk4", 4): 3.1e-7, ("etdrk4", 8): 3.2e-8,
         ("etdrk4", 16): 2.8e-9, ("4", 2): 1.06e-5, ("4", 4): 1.15e-6, ("4", 8): 1.15e-7}


class OneInterval(unittest.TestCase):
    def test_errors(self):
        found = one_interval.measure(os.environ["SINODE_PROGRAM"], [*KNOWN, ("exprk5s8", 1)])
        for case, error in KNOWN.items():  # of other states on the attractor
            with self.subTest(case=case):
                self.assertLess(abs(found[case] / error - 1), 0.2)
        self.assertLess(found["exprk5s8", 1], 5e-7)


if __name__ == "__main__":
    unittest.main()
