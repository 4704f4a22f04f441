"""The memory that `check` estimates is what a run takes at its peak, within a tenth, whatever takes it.

Of several ranks, up to 8 MiB of it are buffers that MPI fills or not, as messages come early or late: the same run on two
has been seen to peak at 93 and at 107 MiB.
"""
import re
import unittest

from harness import Case

# (ranks, space ranks), settings
CASES = [
    ((1, 1), ["model.nonlinear.hidden=[200, 200, 200, 200]", "grid.points=64"]),
    ((1, 1), ["model.nonlinear.hidden=[1200, 1200]", "train.batch=32"]),
    ((2, 1), ["model.nonlinear.hidden=[1200, 1200]", "train.batch=32"]),
    ((2, 2), ["model.nonlinear.hidden=[1200, 1200, 1200]", "grid.points=512", "train.optimizer.kind=sgd"]),
    ((1, 1), ["train.window=10", "train.batch=64", "model.nonlinear.hidden=[300, 300]", "adjoint.storage=all"]),
    ((1, 1), ["train.window=10", "train.batch=64", "model.nonlinear.hidden=[300, 300]", "adjoint.storage=solutions"]),
    ((2, 2), ["model.nonlinear.kind=conv", "model.nonlinear.channels=[16, 16]", "train.window=10", "grid.points=128",
              "train.batch=64"]),
    ((1, 1), ["model.nonlinear.kind=product", "model.nonlinear.products=16", "model.nonlinear.kernel=15",
              "grid.points=64", "train.batch=32", "train.window=2", "train.optimizer.kind=lm"]),
    ((2, 1), ["model.nonlinear.kind=product", "model.nonlinear.products=16", "model.nonlinear.kernel=15",
              "grid.points=64", "train.batch=16", "train.optimizer.kind=lm"]),
    ((1, 1), ["model.nonlinear.hidden=[1200, 1200]", "train.batch=32", "train.optimizer.kind=lbfgs"]),
    ((1, 1), ["model.linear.kind=dense", "model.linear.trainable=true", "grid.points=256", "integrator.scheme=cn",
              "train.batch=64"]),
    ((2, 2), ["model.linear.kind=dense", "model.linear.trainable=true", "grid.points=256", "train.batch=64"]),
    ((1, 1), ["integrator.scheme=dopri5-adaptive", "train.window=10", "grid.points=64", "train.batch=64"]),
    ((2, 2), ["integrator.scheme=bosh3-adaptive", "train.window=10", "grid.points=64", "train.batch=64"]),
]


# The symbols of the functions of an exponential scheme, for as many A as there are members.
VALUES = [f"{0.8 + 0.01 * number:g}" for number in range(64)]
SCALED = ["model.linear={kind: derivatives, parameter: u_xxxx, trainable: true}", "model.nonlinear.kind=none",
          "grid.points=512", "integrator.scheme=exprk5s8"]

BUFFERS = 8  # MiB, of MPI, for the parts of a file that come from other ranks


class MemoryTest(Case):
    def assert_estimated(self, estimated, measured, ranks):
        least = estimated - (BUFFERS if ranks > 1 else 0)
        self.assertGreater(estimated / measured - 1, -0.1, f"estimated {estimated}, measured {measured}")
        self.assertLess(least / measured - 1, 0.1, f"estimated {estimated}, measured {measured}")

    def test_memory_is_estimated(self):
        for points in (16, 64, 128, 256, 512):
            self.sinode("generate", "--set", f"grid.points={points}", "--set", f"generate.file=data{points}.h5",
                        "--set", "generate.span=8")
        for number, ((ranks, space), settings) in enumerate(CASES):
            points = next((word.partition("=")[2] for word in settings if word.startswith("grid.points")), 16)
            words = [word for setting in (*settings, f"train.data=data{points}.h5", f"run.directory=run{number}",
                                          "train.epochs=2") for word in ("--set", setting)]
            with self.subTest(settings=settings, ranks=ranks):
                out, _ = self.sinode("check", *words, ranks=ranks, space=space)
                estimated = float(re.search(r"memory: about (\d+) MiB a rank", out)[1])
                out, _ = self.sinode("train", *words, ranks=ranks, space=space)
                found = re.search(r"memory: (\d+) MiB a rank at its peak, (\d+) estimated", out)
                measured, same = map(float, found.groups())
                self.assert_estimated(estimated, measured, ranks)
                self.assert_estimated(same, measured, ranks)

    def test_functions_of_each_parameter_are_counted(self):
        words = [word for setting in (*SCALED, "generate.members=64", "generate.transient=0", "generate.span=0.8", "train.epochs=1",
                                      f"generate.equation.parameter={{of: u_xxxx, values: [{', '.join(VALUES)}]}}")
                 for word in ("--set", setting)]
        before, _ = self.sinode("check", *words)  # as generate will make them
        self.sinode("generate", *words)
        out, _ = self.sinode("check", *words)
        self.assertEqual(re.search(r"functions of A: 27, .*", out)[0], re.search(r"functions of A: 27, .*", before)[0])
        functions = float(re.search(r"functions of A: 27, ([\d.]+) MiB a rank", out)[1])
        arrays, factors = map(float, re.search(r"arrays ([\d.]+) .*factors ([\d.]+)", out).groups())
        self.assertAlmostEqual(functions, factors, delta=0.1)
        self.assertGreater(factors, 0.5 * arrays)
        estimated = float(re.search(r"memory: about (\d+) MiB a rank", out)[1])
        out, _ = self.sinode("train", *words)
        self.assert_estimated(estimated, float(re.search(r"memory: (\d+) MiB a rank at its peak", out)[1]), 1)


if __name__ == "__main__":
    unittest.main()
