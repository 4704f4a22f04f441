"""Statistics against closed forms and against numpy on whole arrays; files larger than memory; what open() refuses."""
import os
import pathlib
import subprocess
import sys
import tempfile
import textwrap
import unittest

import h5py
import numpy as np
import xarray

PACKAGE = pathlib.Path(__file__).resolve().parents[2] / "io" / "python"
sys.path.insert(0, str(PACKAGE))
import sinode  # noqa: E402
from sinode import statistics, trajectory  # noqa: E402

LENGTH = 22.0


def to_field(values, interval=0.2):
    """An array (member, time, x) as a field."""
    members, snapshots, points = values.shape
    return xarray.DataArray(values, dims=("member", "time", "x"),
                            coords={"member": np.arange(members), "time": 7 + interval * np.arange(snapshots),
                                    "x": LENGTH / points * np.arange(points)})


def noise(members=2, snapshots=300, points=24, seed=1):
    """Smooth in x and t, with a mean."""
    random = np.random.default_rng(seed)
    values = 0.4 + random.normal(size=(members, snapshots, points))
    for axis in (1, 2):
        values = values + np.roll(values, 1, axis) + np.roll(values, 2, axis)
    return values


class Small(unittest.TestCase):
    """Each test also goes in small blocks, so that their seams are met."""

    def setUp(self):
        self.whole = trajectory.BLOCK_BYTES
        self.addCleanup(setattr, trajectory, "BLOCK_BYTES", self.whole)

    def both(self, compute):
        """The result in one block, seen to be the same in blocks of some snapshots."""
        whole = compute()
        trajectory.BLOCK_BYTES = 8 * 24 * 37
        np.testing.assert_allclose(compute(), whole, rtol=1e-10, atol=1e-12)
        trajectory.BLOCK_BYTES = self.whole
        return whole

    def test_spectrum_of_waves(self):
        x = LENGTH / 24 * np.arange(24)
        values = 3 + 2 * np.cos(2 * np.pi * 4 * x / LENGTH + 1) + 0.5 * np.cos(np.pi * np.arange(24))  # the last: Nyquist
        energy = self.both(lambda: statistics.spectrum(to_field(np.tile(values, (2, 100, 1))), LENGTH))
        step = 2 * np.pi / LENGTH
        np.testing.assert_allclose(energy.k, step * np.arange(13))
        expected = np.zeros(13)
        expected[[0, 4, 12]] = np.array([9 / 2, 2**2 / 4, 0.5**2 / 2]) / step
        np.testing.assert_allclose(energy, expected, atol=1e-14)

    def test_spectrum_sums_up_to_the_energy(self):
        for points in (24, 25):
            values = noise(points=points)
            energy = statistics.spectrum(to_field(values), LENGTH)
            self.assertAlmostEqual(float(energy.sum()) * 2 * np.pi / LENGTH, (values**2).mean() / 2, places=10)

    def test_derivative(self):
        x = LENGTH / 32 * np.arange(32)
        k = 2 * np.pi * 3 / LENGTH
        for order, expected in ((0, np.sin(k * x)), (1, k * np.cos(k * x)), (2, -k**2 * np.sin(k * x))):
            np.testing.assert_allclose(statistics.derivative(np.sin(k * x), LENGTH, order), expected, atol=1e-12)

    def test_density(self):
        values = noise()
        found = self.both(lambda: statistics.density(to_field(values), LENGTH, bins=30))
        expected, edges = np.histogram(values, bins=30, density=True)
        np.testing.assert_allclose(found, expected)
        np.testing.assert_allclose(found.u, (edges[1:] + edges[:-1]) / 2)
        # A sine wave has an arcsine density.
        x = 2 * np.pi / 4096 * np.arange(4096)
        found = statistics.density(to_field(np.sin(x)[None, None]), LENGTH, bins=20, limits=(-1, 1))
        edges = np.linspace(-1, 1, 21)
        np.testing.assert_allclose(found, np.diff(np.arcsin(edges)) / np.pi / np.diff(edges), rtol=0.02)

    def test_joint_density(self):
        values = noise()
        found = self.both(lambda: statistics.joint_density(to_field(values), LENGTH, bins=12))
        slope, curvature = (statistics.derivative(values, LENGTH, order) for order in (1, 2))
        np.testing.assert_allclose(found, np.histogram2d(slope.ravel(), curvature.ravel(), bins=12, density=True)[0])
        self.assertEqual(found.dims, ("u_x", "u_xx"))

    def test_correlations(self):
        values = noise()
        off = values - values.mean()
        in_time = self.both(lambda: statistics.time_correlation(to_field(values), lags=60))
        expected = [(off[:, :300 - lag] * off[:, lag:]).mean() / off.var() for lag in range(61)]
        np.testing.assert_allclose(in_time, expected, atol=1e-12)
        np.testing.assert_allclose(in_time.lag, 0.2 * np.arange(61))
        in_space = self.both(lambda: statistics.space_correlation(to_field(values), LENGTH))
        expected = [(off * np.roll(off, shift, axis=2)).mean() / off.var() for shift in range(13)]
        np.testing.assert_allclose(in_space, expected, atol=1e-12)

    def test_snapshots_that_are_not_finite(self):
        values = noise()
        holed = np.concatenate([values, np.full((2, 5, 24), np.nan)], axis=1)
        for compute in (lambda v: statistics.spectrum(to_field(v), LENGTH),
                        lambda v: statistics.density(to_field(v), LENGTH, 1),
                        lambda v: statistics.joint_density(to_field(v), LENGTH)):
            np.testing.assert_allclose(compute(holed), compute(values))
        with self.assertRaisesRegex(sinode.InputError, "not finite"):
            statistics.time_correlation(to_field(holed))
        with self.assertRaisesRegex(sinode.InputError, "no snapshot of the field is finite"):
            statistics.spectrum(to_field(np.full((1, 3, 8), np.nan)), LENGTH)


def write_large(path, mebibytes):
    """A file of waves, u (1, time, 1024), written a piece at a time; the time average of E is known."""
    points, piece = 1024, 128
    pieces = mebibytes // (8 * points * piece >> 20)
    x = np.arange(points)
    with h5py.File(path, "w") as file:
        file.attrs.update({"sinode_kind": "trajectory", "sinode_format": 1, "domain_length": LENGTH})
        file["member"], file["time"] = np.zeros(1, dtype="i4"), 0.2 * np.arange(pieces * piece)
        file["x"] = LENGTH / points * x
        u = file.create_dataset("u", (1, pieces * piece, points), "f8", chunks=(1, piece, points))
        for index, name in enumerate(("member", "time", "x")):
            file[name].make_scale(name)
            u.dims[index].attach_scale(file[name])
        for k in range(pieces):
            t = 0.2 * (k * piece + np.arange(piece))[:, None]
            u[0, k * piece:(k + 1) * piece] = np.cos(2 * np.pi * (5 * x / points - t / 8))
    return path


class LargerThanMemory(unittest.TestCase):
    def limited(self, code, mebibytes=192):
        """Runs code with `data` open in a process whose address space may grow by so much beyond the libraries."""
        program = textwrap.dedent(f"""
            import resource, sys
            sys.path.insert(0, {str(PACKAGE)!r})
            import numpy as np, sinode
            from sinode import statistics
            from sinode.figures import draw_map
            data = sinode.open({str(self.path)!r}, chunks=CHUNKS)
            held = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (held + ({mebibytes} << 20),) * 2)
            """).replace("CHUNKS", "'auto'" if "chunked" in code else "None") + textwrap.dedent(code)
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=900,
                             env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "DASK_ARRAY__CHUNK_SIZE": "8MiB"})
        return run.returncode, run.stdout, run.stderr

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = write_large(pathlib.Path(cls.folder.name) / "large.h5", 224)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_whole_array_does_not_fit(self):
        status, _, err = self.limited("data.u.values")
        self.assertEqual(status, 1)
        self.assertRegex(err, "(?i)memory")

    def test_statistics_fit(self):
        status, out, err = self.limited("""
            energy = statistics.spectrum(data.u, sinode.length_of(data))
            assert int(energy.argmax()) == 5
            assert abs(float(energy.sum()) * 2 * np.pi / 22 - 0.25) < 1e-9  # <cos^2> / 2
            slope = statistics.density(data.u, sinode.length_of(data), 1)
            assert abs(float(slope.sum()) * float(slope.u_x[1] - slope.u_x[0]) - 1) < 1e-9
            lag = statistics.time_correlation(data.u, lags=40)  # one period is 40 snapshots
            assert np.allclose(lag, np.cos(2 * np.pi * np.arange(41) / 40), atol=1e-3), lag
            draw_map(data)
            print("done")
            """)
        self.assertEqual((status, out), (0, "done\n"), err)

    def test_arithmetic_of_xarray_with_dask(self):
        try:
            import dask  # noqa: F401
        except ImportError:
            self.skipTest("python3-dask is not installed")
        status, out, err = self.limited("""
            import dask  # chunked
            with dask.config.set(scheduler="synchronous"):
                print(f"{float((data.u**2).mean()):.6f}")
            """)
        self.assertEqual((status, out), (0, "0.500000\n"), err)


if __name__ == "__main__":
    unittest.main()
