"""The generator on overlapping subdomains: the same trajectories and statistics as by transforms of the whole grid,
going on to the bit, on all numbers of ranks; what is refused.
"""

import h5py
import numpy as np

import harness
from test_resume import StepByStep


def words(*settings):
    return [word for setting in settings for word in ("--set", setting)]


def settings_of(points, transform, *more):
    return words(f"grid.points={points}", f"grid.length={22 * points / 64}", f"generate.transform={transform}",
                 "generate.initial=noise", *more)


class LongDomains(StepByStep):
    SHORT = ("generate.transient=1.0", "generate.span=1.0", "generate.members=2")

    def test_both_ways_and_all_splits_agree(self):
        self.sinode("generate", "--quiet", *settings_of(2051, "global", "generate.file=global.h5", *self.SHORT))
        for ranks, space in ((1, 1), (2, 2), (3, 3), (4, 2)):
            with self.subTest(ranks=ranks, space=space):
                self.sinode("generate", "--quiet", "--overwrite", *settings_of(2051, "local", *self.SHORT), ranks=ranks,
                            space=space)
                self.assert_same_data(self.folder / "global.h5", self.folder / "data.h5", tolerance=1e-9)

    def test_stopped_after_every_step(self):
        for ranks, space in ((1, 1), (2, 2)):
            with self.subTest(ranks=ranks, space=space):
                whole, arguments = (settings_of(2051, "local", f"generate.file={name}{ranks}.h5", *self.SHORT)
                                    for name in ("whole", "new"))
                self.sinode("generate", "--quiet", *whole, ranks=ranks, space=space)
                self.assertEqual(self.step_by_step("generate", arguments, ranks, space), 9)
                self.assert_same_data(self.folder / f"whole{ranks}.h5", self.folder / f"new{ranks}.h5")

    def test_the_other_way_goes_on(self):
        self.sinode("generate", "--quiet", *settings_of(2051, "global", "generate.file=whole.h5", *self.SHORT))
        for transform, ranks in (("local", 2), ("global", 2), ("local", 1), ("global", 1)):
            self.sinode("generate", *settings_of(2051, transform, *self.SHORT, "run.time_limit=0.001s"), ranks=ranks,
                        space=ranks, status=75)
        self.sinode("generate", "--quiet", *settings_of(2051, "local", *self.SHORT))
        self.assert_same_data(self.folder / "whole.h5", self.folder / "data.h5", tolerance=1e-9)

    def test_auto_says_which_way_and_why(self):
        brief = ("generate.transient=0.1", "generate.span=0.1", "generate.interval=0.1", "generate.members=1")
        for points, expected in ((16, "transforms of the whole grid: "), (65536, "local transforms: subdomains of ")):
            out, _ = self.sinode("generate", "--overwrite", *settings_of(points, "auto", *brief))
            self.assertIn("generator: " + expected, out)
            out, _ = self.sinode("check", "--ranks", 1, *settings_of(points, "auto", "model.nonlinear.kind=conv"))
            self.assertIn("in all a step, by " + expected, out)

    def test_what_is_not_local_is_refused(self):
        for settings, message in (
                ((64, "local"), "subdomains must overlap by 72 points, but a rank's block has 64"),
                ((2048, "local", "generate.dealias=true"), "generate.dealias: false"),
                ((2048, "local", "grid.length=2816"), "is wrong by .* use more grid.points"),
                ((2048, "local", "grid.length=1"), "on a grid as fine as this")):
            with self.subTest(settings=settings):
                _, err = self.sinode("generate", *settings_of(*settings), status=2)
                self.assertRegex(err[0], message)
                self.assertIn("generate.transform: global", err[0])


class Statistics(harness.Case):
    """Over 10^4 time units of a domain of 32 times the paper's, from different states: within their sampling errors."""

    POINTS, BLOCKS = 2048, 20

    def statistics(self, transform, seed):
        """Means and standard errors, by blocks of time, of energy, of moments of the density and of the spectrum."""
        self.sinode("generate", "--quiet", "--overwrite", *settings_of(
            self.POINTS, transform, f"run.seed={seed}", "generate.members=1", "generate.dt=0.1",
            "generate.transient=200", "generate.span=10000", "generate.interval=5"))
        with h5py.File(self.folder / "data.h5") as file:
            u = file["u"][0] if file["u"].ndim == 3 else file["u"][:]
        power = np.abs(np.fft.rfft(u, axis=-1))**2 / self.POINTS**2
        bands = np.array([power[:, low:low + 32].sum(axis=-1) for low in range(1, 161, 32)]).T
        density = [(u**2).mean(-1), (u**4).mean(-1), (np.abs(u) > 2).mean(-1), (np.diff(u)**2).mean(-1)]
        rows = np.column_stack([*density, bands])
        blocks = np.array([block.mean(axis=0) for block in np.array_split(rows, self.BLOCKS)])
        return blocks.mean(axis=0), blocks.std(axis=0, ddof=1) / np.sqrt(self.BLOCKS)

    def test_spectrum_and_density(self):
        mean, error = self.statistics("global", 1)
        local, local_error = self.statistics("local", 2)
        np.testing.assert_array_less(np.abs(local - mean), 4 * np.hypot(error, local_error))
        self.assertLess((error / mean).max(), 0.1)  # so that it can fail

    def growth(self, transform):
        """Rate at which a disturbance of 1e-9 grows, over 50 time units from a state of the attractor."""
        self.sinode("generate", "--quiet", "--overwrite", *settings_of(
            self.POINTS, transform, "generate.initial=file", "generate.initial_file=start.h5",
            "generate.members=2", "generate.perturbation=1e-9", "generate.transient=0", "generate.span=60",
            "generate.interval=1"))
        with h5py.File(self.folder / "data.h5") as file:
            u = file["u"][:]
        apart = np.linalg.norm(u[1] - u[0], axis=-1)
        return np.polyfit(np.arange(10, 61), np.log(apart[10:]), 1)[0]

    def test_leading_exponent(self):
        self.sinode("generate", "--quiet", *settings_of(
            self.POINTS, "global", "generate.file=start.h5", "generate.members=1", "generate.transient=200",
            "generate.span=1", "generate.interval=1"))
        rates = [self.growth(transform) for transform in ("global", "local")]
        self.assertGreater(rates[0], 0.05)
        self.assertLess(abs(rates[1] / rates[0] - 1), 0.05)


def load_tests(loader, standard, _):
    """With --long the statistics, without it all else."""
    del standard
    return loader.loadTestsFromTestCase(Statistics if harness.LONG else LongDomains)


if __name__ == "__main__":
    harness.main()
