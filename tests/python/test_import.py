"""sinode-tools import of data: every format, order and option; what it says, warns of and refuses."""
import unittest

import h5py
import netCDF4
import numpy as np
import scipy.io
import xarray
from tools import Case

POINTS, SNAPSHOTS, LENGTH = 32, 20, 22.0
X, T = LENGTH / POINTS * np.arange(POINTS), 0.5 * np.arange(SNAPSHOTS)


def wave(t, x, member=0):
    return np.sin(2 * np.pi * x / LENGTH - t) + 0.1 * member + 0.2 * np.cos(4 * np.pi * x / LENGTH + t)


U = wave(T[:, None], X)                                        # (time, x)
MEMBERS = np.stack([wave(T[:, None], X, m) for m in range(3)])  # (member, time, x)


class ImportTest(Case):
    def taken(self, name, *words, expected=U, warns=()):
        """Imports a file of this folder; what came out is as expected, and so are the warnings."""
        status, out, err = self.run_main("import", self.folder / name, "-o", self.folder / "out.h5", "--overwrite", *words)
        self.assertEqual(status, 0, err)
        self.assertEqual(err.count("warning: "), len(warns), err)
        for words in warns:
            self.assertIn(words, err)
        with xarray.open_dataset(self.folder / "out.h5") as data:
            np.testing.assert_allclose(data.u, expected if expected.ndim == 3 else expected[None], rtol=0, atol=1e-6)
            self.assertEqual((data.u.dims, data.u.dtype), (("member", "time", "x"), float))
            return out, data.time.values, data.x.values, float(data.attrs["domain_length"])

    def refused(self, status, words, name, *arguments):
        found, out, err = self.run_main("import", self.folder / name, "-o", self.folder / "bad.h5", *arguments)
        self.assertEqual(found, status, err)
        self.assertIn(words, err)
        self.assertEqual(len(err.splitlines()), 1 + err.count("warning: "))
        self.assertFalse((self.folder / "bad.h5").exists())

    def test_numpy(self):
        np.save(self.folder / "u.npy", U)
        _, times, x, length = self.taken("u.npy", "--interval", 0.5, "--length", LENGTH)
        np.testing.assert_allclose(times, T)
        np.testing.assert_allclose(x, X)
        np.save(self.folder / "m.npy", np.asfortranarray(MEMBERS.transpose(2, 0, 1)).astype(">f4"))
        self.taken("m.npy", "--interval", 0.5, "--length", LENGTH, "--axes", "x,member,time", expected=MEMBERS)
        out, *_ = self.taken("m.npy", "--interval", 0.5, "--length", LENGTH, "--axes", "x,member,time", "--parameter",
                             "0.02,0.1,5e-2", expected=MEMBERS)
        self.assertIn("parameter: 3 numbers, from 0.02 to 0.1", out)
        with xarray.open_dataset(self.folder / "out.h5") as data:
            self.assertEqual(data.parameter.values.tolist(), [0.02, 0.1, 0.05])
        np.savez(self.folder / "u.npz", u=U.T, x=X + 3, t=T + 7, other=np.zeros((2, 3)))
        out, times, _, length = self.taken("u.npz")  # the order by the sizes of t and x
        self.assertIn("by the sizes of time and x", out)
        self.assertEqual((times[0], length), (7, LENGTH))

    def test_matlab(self):
        scipy.io.savemat(self.folder / "old.mat", {"usol": U.T + 0j, "x": X, "t": T})
        self.taken("old.mat")
        with h5py.File(self.folder / "new.mat", "w", userblock_size=512) as file:  # as -v7.3 writes u(x, t)
            file["uu"], file["xx"], file["tt"] = U, X[:, None], T[:, None]
            file["#refs#/a"] = U
        self.taken("new.mat", "--axes", "x,time")

    def test_netcdf_and_hdf5(self):
        data = xarray.Dataset({"height": (("x", "time", "run"), MEMBERS.transpose(2, 1, 0))},
                              {"x": X, "time": np.datetime64("2020-01-01") + (1000 * T).astype("timedelta64[ms]")})
        data["nu"] = ("run", [0.1, 0.2, 0.4])
        data.to_netcdf(self.folder / "four.nc", engine="h5netcdf")
        _, times, _, _ = self.taken("four.nc", "--parameter", "nu", expected=MEMBERS)
        with xarray.open_dataset(self.folder / "out.h5") as out:
            self.assertEqual((out.parameter.dims, list(out.parameter)), (("member",), [0.1, 0.2, 0.4]))
        np.testing.assert_allclose(times, T)
        with netCDF4.Dataset(self.folder / "three.nc", "w", format="NETCDF3_CLASSIC") as file:
            file.createDimension("t", SNAPSHOTS)
            file.createDimension("x", POINTS)
            for name, values, axes in (("t", T, "t"), ("x", X, "x"), ("u", np.round(1e4 * U), ("t", "x"))):
                variable = file.createVariable(name, "i2" if name == "u" else "f8", axes)
                variable[:] = values
        self.taken("three.nc", "--scale", 1e-4, expected=np.round(1e4 * U) * 1e-4)
        with h5py.File(self.folder / "plain.h5", "w") as file:
            file["run/field"], file["run/positions"] = U, X[::-1]
        self.taken("plain.h5", "--x", "run/positions", "--interval", 0.5, expected=U[:, ::-1])

    def test_options(self):
        np.save(self.folder / "u.npy", np.concatenate([U, U[:, :1]], axis=1))
        words = ("u.npy", "--interval", 0.5, "--length", LENGTH)
        _, times, x, _ = self.taken(*words, "--drop-end", "--stride", 3, "--stride-x", 2, "--scale", -2, "--offset", 1,
                                    expected=1 - 2 * U[::3, ::2])
        np.testing.assert_allclose(times, T[::3])
        np.testing.assert_allclose(x, X[::2])

    def test_warnings(self):
        random = np.random.default_rng(1)
        for values, warns in ((np.concatenate([U, U[:, :1]], axis=1), "the end point a second time"),
                              (U + 0.5 * X, "does not look periodic"), (U + 1e-3 * random.normal(size=U.shape), "noisy"),
                              (np.tanh(20 * U), "under-resolved"), (0 * U, "the same everywhere")):
            np.save(self.folder / "u.npy", values)
            self.taken("u.npy", "--interval", 0.5, "--length", LENGTH, expected=values, warns=[warns])
        np.save(self.folder / "u.npy", U + 1e-3 * random.normal(size=U.shape))
        _, _, err = self.run_main("import", self.folder / "u.npy", "-o", self.folder / "n.h5", "--interval", 1, "--length", 1)
        level = float(err.split("about ")[1].split(",")[0])
        self.assertLess(abs(level - 1e-3), 3e-4)

    def test_localized(self):
        """Ends that are alike since nothing happens there are not taken for one point."""
        pulse = 3 / np.cosh(4 * (X - 11 - 0.1 * T[:, None])) ** 2
        np.save(self.folder / "u.npy", pulse)
        self.taken("u.npy", "--interval", 0.5, "--length", LENGTH, expected=pulse, warns=["under-resolved"])
        x = LENGTH / 256 * np.arange(256)
        pulse = 3 / np.cosh(2 * (x - 11 - 0.1 * T[:, None])) ** 2
        np.save(self.folder / "u.npy", pulse)
        self.taken("u.npy", "--interval", 0.5, "--length", LENGTH, expected=pulse)

    def test_refused(self):
        np.savez(self.folder / "u.npz", u=U, x=X, t=T)
        np.savez(self.folder / "two.npz", a=U, b=U, s=T)
        np.savez(self.folder / "back.npz", u=U, x=X, t=np.where(T == 3, 1, T))
        np.savez(self.folder / "uneven.npz", u=U, x=X ** 2, t=T)
        np.savez(self.folder / "nan.npz", u=np.where(U == U[3, 4], np.nan, U), x=X, t=T)
        np.savez(self.folder / "twice.npz", u=np.concatenate([U, U[:, :1]], 1), x=LENGTH / POINTS * np.arange(POINTS + 1), t=T)
        np.savez(self.folder / "complex.npz", u=U * 1j, x=X, t=T)
        np.savez(self.folder / "texts.npz", u=np.array(["a"]))
        np.save(self.folder / "four.npy", np.zeros((2, 3, 4, 5)))
        for name in ("broken.npy", "broken.npz", "u.csv"):
            (self.folder / name).write_bytes(b"nothing")
        np.savez(self.folder / "viscosities.npz", u=MEMBERS, x=X, t=T, nu=[0.1, np.nan, 0.3])
        for status, words, *arguments in (
                (2, "which array is u? --name says it; there are a (20, 32)", "two.npz"),
                (2, "has no array w; it has u (20, 32)", "u.npz", "--name", "w"),
                (2, "--axes x,member does not fit", "u.npz", "--axes", "x,member"),
                (2, "has 20 along x, but x has 32 values", "u.npz", "--axes", "x,time"),
                (2, "leave --interval out", "u.npz", "--interval", 1),
                (2, "has no times; --interval", "two.npz", "--name", "a", "--length", 1),
                (2, "has no positions; --length", "two.npz", "--name", "a", "--interval", 1),
                (3, "t goes from 2.5 to 1 at index 5, but must rise", "back.npz"),
                (3, "x is not evenly spaced", "uneven.npz"),
                (3, "u is nan in member 0, snapshot 3, point 4", "nan.npz"),
                (2, "leave it out by --drop-end", "twice.npz", "--length", LENGTH),
                (2, "x (32,) float64 is no list of 1 numbers, one a member", "u.npz", "--parameter", "x"),
                (2, "does not divide the 32 points", "u.npz", "--stride-x", 5),
                (3, "has imaginary parts", "complex.npz"),
                (3, "has no numeric arrays", "texts.npz"),
                (2, "has 4 dimensions", "four.npy"),
                (3, "cannot be read", "broken.npy"),
                (3, "cannot be read", "broken.npz"),
                (3, "no such file", "gone.npy"),
                (3, "no such file", "gone.npz"),
                (2, "or as data in .npy", "u.csv"),
                (2, "--scale none that is 0", "u.npz", "--scale", 0),
                (2, "take finite numbers", "u.npz", "--offset", "nan"),
                (3, "nu is nan for member 1", "viscosities.npz", "--parameter", "nu"),
                (2, "--parameter gives 2 numbers, expected 3, one a member", "viscosities.npz", "--parameter", "0.1,0.2"),
                (3, "--parameter is inf for member 2", "viscosities.npz", "--parameter", "0.1,0.2,inf")):
            self.refused(status, words, *arguments)


if __name__ == "__main__":
    unittest.main()
