"""The program on files of others: the same numbers as from the plainest layout, and what it says of data and splits."""
import h5py
import numpy as np
import xarray

import harness
from files import ATTRIBUTES, INTERVAL, LENGTH, POINTS, SNAPSHOTS, TIME, U, X, write

CONFIG = f"""\
run: {{directory: run, seed: 3}}
grid: {{points: {POINTS}, length: {LENGTH}}}
generate: {{file: made.h5, members: 1, transient: 1.0, span: 1.0, interval: 0.25}}
model: {{nonlinear: {{hidden: [8], activation: tanh}}}}
integrator: {{scheme: l2, dt: {INTERVAL}}}
train: {{data: plain.h5, batch: 8, epochs: 1, window: 2}}
gradient: {{model: run/model.h5, data: plain.h5, file: g.h5}}
"""


class Program(harness.Case):
    def setUp(self):
        super().setUp()
        (self.folder / "c.yaml").write_text(CONFIG)

    def settings(self, *settings):
        return [word for setting in settings for word in ("--set", setting)]

    def test_same_numbers(self):
        """Loss and gradient of a file that is transposed, falls and counts milliseconds are those of the plain one."""
        write(self.folder / "plain.h5")
        self.sinode("train", "--quiet")
        ms = (1000 * TIME).astype("timedelta64[ms]").astype("timedelta64[ns]")
        data = xarray.Dataset({"u": (("trajectory", "time", "x"), U)}, {"time": ms, "x": X}, ATTRIBUTES)
        data.sortby("x", ascending=False).transpose("x", "time", "trajectory").to_netcdf(self.folder / "other.nc")
        for ranks, space in ((1, 1), (2, 2)):
            found = []
            for name in ("plain.h5", "other.nc"):
                out, err = self.sinode("gradient", "--overwrite", *self.settings(f"gradient.data={name}"), ranks=ranks,
                                       space=space)
                self.assertEqual(err, [])
                found.append(harness.datasets(self.folder / "g.h5"))
            for words in ("other.nc: u is (x, time, member), read as (member, time, x)",
                          "other.nc: time is in 'milliseconds', converted to seconds: a snapshot every 0.25",
                          "other.nc: x falls: u is put in order with it"):
                self.assertIn(words, out)
            self.assertEqual(found[0].keys(), found[1].keys())
            for name in found[0]:
                self.assertEqual(found[0][name].tobytes(), found[1][name].tobytes(), name)
        packed = {"u": {"dtype": "i2", "scale_factor": 2.0**-12, "add_offset": 0.25, "_FillValue": -32768}}
        data.to_netcdf(self.folder / "packed.nc", encoding=packed)
        self.sinode("gradient", "--overwrite", "--quiet", *self.settings("gradient.data=packed.nc"))
        with h5py.File(self.folder / "g.h5") as file:
            np.testing.assert_allclose(file["loss"][()], found[0]["loss"], rtol=1e-3)  # counts are 2e-4 apart
        out, _ = self.sinode("info", config="packed.nc")
        self.assertIn(f"last time            {250 * (SNAPSHOTS - 1)} milliseconds\n", out)

    def test_what_is_not_observed(self):
        """A stride, a mask of x, one of u, missing values, and times left out that are missing: the same losses."""
        seen = np.zeros(POINTS, dtype="i2")
        seen[1::3] = 1
        whole = np.broadcast_to(seen, U.shape)
        holes = np.where(whole == 1, U, -999.0)
        write(self.folder / "plain.h5")
        for name, u, mask in (("mask", U, seen), ("masks", U, whole), ("holes", holes, None)):
            with h5py.File(write(self.folder / f"{name}.h5", u=u), "a") as file:
                if mask is None:
                    file["u"].attrs["missing_value"] = -999.0
                else:
                    file["mask"] = mask
        kept = np.r_[0:4, 6:SNAPSHOTS]
        write(self.folder / "uneven.h5", u=U[:, kept], time=TIME[kept])
        without = np.array(U)
        without[:, 4:6] = np.nan
        write(self.folder / "without.h5", u=without)
        found = {}
        for name, ranks, *settings in (("plain", 1, "stride=3", "offset=1"), ("mask", 1, "mask=mask"),
                                       ("masks", 2, "mask=mask"), ("holes", 1, "missing=skip"),
                                       ("uneven", 1, f"interval={INTERVAL}"), ("without", 1, "missing=skip")):
            settings = [f"train.observations.{setting}" for setting in settings]
            self.sinode("train", "--quiet", *self.settings(f"train.data={name}.h5", f"run.directory={name}", *settings),
                        ranks=ranks, space=ranks)
            found[name] = harness.history(self.folder / name)[-1, 3:5]
        for name in ("mask", "masks", "holes"):
            np.testing.assert_allclose(found[name], found["plain"], rtol=1e-12, err_msg=name)
        np.testing.assert_array_equal(found["uneven"], found["without"])
        self.assertGreater(abs(found["plain"] - found["uneven"]).max(), 1e-6)

    def test_data_from_which_nothing_is_learned(self):
        for u, words in ((0 * U + 0.5, "u is the same everywhere (0.5)"),
                         (1e-310 * U, "u differs by 2.98291e-310 at most, too little"),
                         (0 * U + U[:, :1], "u is the same in all snapshots")):
            write(self.folder / "plain.h5", u=u)
            _, err = self.sinode("train", "--quiet", "--overwrite", ranks=2, space=1)
            self.assertEqual(len(err), 1, err)
            self.assertIn(f"warning: plain.h5: {words}", err[0])

    def test_ranks_without_work(self):
        """One line, whose remedy is then tried."""
        words = "1 of 2 ranks idle: there are fewer members (1) than replicas (2); parallel.space 2 would use them, or " \
                "generate.members 2\n"
        out, _ = self.sinode("generate", ranks=2, space=1)
        self.assertIn(words, out)
        for space, members in ((2, 1), (1, 2)):
            out, _ = self.sinode("generate", "--overwrite", *self.settings(f"generate.members={members}"), ranks=2,
                                 space=space)
            self.assertNotIn("idle", out)

    def test_other_schemes(self):
        """What is said to do instead does, and is not what is used."""
        write(self.folder / "plain.h5")
        for scheme, dt in (("l2", 4), ("ars122", 0.25), ("4", 16)):
            grid = ("grid.points=128", f"integrator.scheme={scheme}", f"integrator.dt={dt}", f"generate.interval={dt}",
                    "train.data=none.h5", f"generate.span={100 * dt}")
            _, err = self.sinode("check", *self.settings(*grid))
            with self.subTest(scheme=scheme, dt=dt):
                said = [line for line in err if "amplifies" in line]
                self.assertEqual(len(said), 1, err)
                remedy = said[0].rpartition("; ")[2].split()
                better = f"integrator.dt={remedy[-1]}" if remedy[0] == scheme else f"integrator.scheme={remedy[0]}"
                self.assertEqual("no scheme suits this step" in said[0], remedy[0] == scheme)
                _, err = self.sinode("check", *self.settings(*grid, better))
                self.assertFalse([line for line in err if "amplifies" in line], err)


if __name__ == "__main__":
    harness.unittest.main()
