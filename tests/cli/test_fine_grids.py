"""Very fine grids: the exact equation by IMEX schemes gives the same trajectory on every grid; what cannot is refused.

usage: test_fine_grids.py [--long]: up to 16384 points with some schemes, or up to 262144 with all.
"""
import re
import resource
import subprocess
import sys

import h5py
import numpy as np

import harness

COARSE, GRIDS = 512, (4096, 16384, *harness.more(65536, 262144))
DAMPED = ("l2", "prssp2", "ars222", "bpr3", "2c", "3", "4", "5")
LENGTH, STEP, SPAN = 22.0, 0.05, 10.0

EXACT = f"""\
grid: {{points: {COARSE}, length: {LENGTH}}}
generate: {{file: data.h5, dt: {STEP}, transient: 100.0, span: {SPAN}, interval: {SPAN}, dealias: true}}
model: {{linear: {{kind: spectral}}, nonlinear: {{kind: ks}}}}
integrator: {{scheme: l2, dt: {STEP}}}
predict: {{model: none, data: data.h5, span: {SPAN}, file: prediction.h5}}
"""


def interpolate(u, points):
    """The trigonometric polynomial through u, without the modes that dealiasing cuts, on another grid."""
    modes = np.fft.rfft(u)
    modes[len(u) // 3 + 1:] = 0
    wanted = np.zeros(points // 2 + 1, complex)
    count = min(len(modes), len(wanted))
    wanted[:count] = modes[:count]
    return np.fft.irfft(wanted, points) * points / len(u)


def peak(command, folder):
    """Bytes that the largest process of a command has held. A Python of its own asks, which knows no other children."""
    ask = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); " \
          "print(1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    found = subprocess.run([sys.executable, "-c", ask, *command], cwd=folder, check=True, capture_output=True, text=True)
    return int(found.stdout.split()[-1])


class FineGrids(harness.Case):
    def setUp(self):
        super().setUp()
        (self.folder / "c.yaml").write_text(EXACT)
        self.sinode("generate", "--quiet")
        with h5py.File(self.folder / "data.h5") as data:
            self.start, self.time = data["u"][0, 0], data["time"][:]
            self.attributes = dict(data.attrs)

    def data(self, points, span=SPAN):
        """A trajectory file on another grid; the times are those at which a prediction is wanted."""
        name = f"data{points}.h5"
        with h5py.File(self.folder / name, "w") as data:
            data.attrs.update(self.attributes)
            data["u"] = np.tile(interpolate(self.start, points), (1, 2, 1))
            data["time"] = [0.0, span]
            data["x"] = LENGTH / points * np.arange(points)
        return name

    def end(self, points, *settings, ranks=1, space=None, span=SPAN):
        """The state at the end of the span."""
        words = [word for setting in (f"grid.points={points}", f"predict.data={self.data(points, span)}",
                                      f"predict.span={span}", *settings) for word in ("--set", setting)]
        self.sinode("predict", "--quiet", "--overwrite", *words, ranks=ranks, space=space)
        with h5py.File(self.folder / "prediction.h5") as prediction:
            return prediction["u"][0, -1]

    def test_damped_schemes_agree_on_all_grids(self):
        for scheme in DAMPED:
            coarse = self.end(COARSE, f"integrator.scheme={scheme}")
            self.assertGreater(coarse.std(), 0.5)
            for points in GRIDS if harness.LONG or scheme in ("l2", "4") else GRIDS[:1]:
                with self.subTest(scheme=scheme, points=points):
                    fine = self.end(points, f"integrator.scheme={scheme}")
                    np.testing.assert_allclose(fine[::points // COARSE], coarse, rtol=0, atol=1e-7)

    def test_ranks_in_space_agree(self):
        span = 2.0
        alone = self.end(4095, "integrator.scheme=4", span=span)
        for ranks in (3, *harness.more(2)):
            split = self.end(4095, "integrator.scheme=4", ranks=ranks, space=ranks, span=span)
            np.testing.assert_allclose(split, alone, rtol=0, atol=1e-9)

    def test_undamped_schemes_are_refused(self):
        self.data(4096)
        for scheme in ("ars122", "a2", "2d", "2e", "ars232", "ars343", "ars443"):
            _, err = self.sinode("predict", "--set", "grid.points=4096", "--set", "predict.data=data4096.h5", "--set",
                                 f"integrator.scheme={scheme}", status=2)
            self.assertEqual(len(err), 1)
            self.assertRegex(err[0], rf"scheme {scheme} amplifies wave number 2048 .* does not: .* blow-up")
        # On the paper's grid they are no more than doubtful.
        _, err = self.sinode("check", "--set", "grid.points=64", "--set", "integrator.scheme=ars122", "--set",
                             "integrator.dt=0.2", "--set", "generate.interval=0.2")
        self.assertTrue(any("warning" in line and "ars122" in line for line in err), err)

    def test_stencil_converges_at_second_order(self):
        span = 1.0
        exact = self.end(2048, span=span)
        errors = []
        for points in (128, 256, 512, 1024):
            u = self.end(points, "model.linear.kind=stencil", span=span)
            errors.append(np.sqrt(np.mean((u - exact[::2048 // points])**2)))
        orders = np.log2(np.divide(errors[:-1], errors[1:]))
        np.testing.assert_allclose(orders, 2, atol=0.05)

    def test_stencil_keeps_its_floor_on_the_finest_grids(self):
        span = 1.0
        exact = self.end(COARSE, span=span)
        for points in GRIDS[-2:]:
            u = self.end(points, "model.linear.kind=stencil", span=span)
            self.assertLess(np.abs(u[::points // COARSE] - exact).max(), 20 * (22 / points)**2 + 1e-7)

    def test_matrices_are_refused_where_they_lose_the_identity(self):
        self.data(16384)
        for kind in ("banded", "dense"):
            _, err = self.sinode("predict", "--set", "grid.points=16384", "--set", "predict.data=data16384.h5", "--set",
                                 "model.linear.kind=stencil", "--set", f"integrator.solver.kind={kind}", status=2)
            self.assertRegex(err[0], rf"the {kind} solver .* \d\.\de-0\d .* use integrator.solver.kind fft")


class Scale(harness.Case):
    def test_generation_takes_forty_doubles_a_point(self):
        points = 1 << 20
        settings = [f"grid.points={points}", f"grid.length={22 * points / 64}", "generate.members=1",
                    "generate.transient=0.1", "generate.span=0.1", "generate.interval=0.1"]
        for ranks, transform, most in ((2, "global", 40), (1, "local", 12),
                                       *harness.more((1, "global", 40), (2, "local", 24))):
            with self.subTest(ranks=ranks, transform=transform):
                words = [word for setting in (*settings, f"parallel.space={ranks}", f"generate.transform={transform}")
                         for word in ("--set", setting)]
                launcher = [harness.MPIEXEC, "-n", str(ranks)] if ranks > 1 else []
                resident = peak([*launcher, harness.PROGRAM, "generate", "c.yaml", "--quiet", "--overwrite", *words],
                                self.folder)
                self.assertLess(ranks * resident, most * 8 * points)

    def test_check_foresees_any_number_of_ranks(self):
        settings = ["grid.points=1073741824", "grid.length=369098752", "train.batch=1", "generate.members=1",
                    "generate.transform=global", "integrator.subdomains.domain=whole",
                    "integrator.solver.kind=banded"]
        words = ["--ranks", "4096", *(word for setting in settings for word in ("--set", setting))]
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        out, _ = self.sinode("check", *words, "--set", "model.nonlinear.kind=conv", space=4096)
        self.assertLess(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before, 1)
        self.assertIn("4096 ranks, estimated: 1 replica x 4096 in space", out)
        self.assertIn("at most 262144 on a rank", out)
        doubles = float(re.search(r"([\d.]+) doubles a point", out)[1])
        self.assertTrue(8 <= doubles <= 40, out)
        self.assertIn(f"a rank sends {8 * 4095} messages of 16.0 MiB in all a step", out)
        self.assertRegex(out, r"solves: 2 a time step by banded, .* 28 messages of \d+ B in all; factors of 18.0 MiB a rank")
        self.assertRegex(out, r"network: a rank sends 2 x \d messages of \d+ B")
        self.assertIn("memory: arrays of ", out)
        self.assertIn("the parameters are valid", out)
        # On subdomains two messages for eight steps, whatever the number of ranks.
        local, _ = self.sinode("check", *words, "--set", "model.nonlinear.kind=conv", "--set", "generate.transform=auto",
                               space=4096)
        self.assertRegex(local, r"a rank sends 0\.25 messages of [\d.]+ \w+ in all a step, by local transforms: ")
        # A perceptron of that width is none that BLAS and MPI can count.
        _, err = self.sinode("check", *words, "--set", "train.batch=256", space=4096, status=1)
        self.assertRegex(err[0], r"batch times the widest layer is 274877906944, more than the library below can count")
        _, err = self.sinode("check", "--ranks", "3", space=2, status=2)
        self.assertRegex(err[0], r"parallel.space is 2, which does not divide the 3 ranks")

    def test_what_is_foreseen_is_what_a_run_says(self):
        def facts(text):
            return [line for line in text.splitlines() if re.match("generate:|solves:|network:|gradient:", line)]

        for ranks, space in ((2, 2), (2, 1), (4, 2)):
            with self.subTest(ranks=ranks, space=space):
                told, _ = self.sinode("check", ranks=ranks, space=space)
                estimated, _ = self.sinode("check", "--ranks", ranks, space=space)
                self.assertEqual(facts(told)[:3], facts(estimated)[:3])
                self.assertGreaterEqual(len(facts(told)), 4)


if __name__ == "__main__":
    harness.main()
