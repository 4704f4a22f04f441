"""The reader on files that h5py, netCDF4 and xarray write: values to the bit, or one error that names what is wrong.

All files are made first and then read in one start of read_files on each number of ranks.
"""
import itertools
import os
import pathlib
import subprocess
import tempfile
import unittest

import h5py
import netCDF4
import numpy as np
import xarray

from files import ATTRIBUTES, INTERVAL, LENGTH, MEMBERS, POINTS, SNAPSHOTS, TIME, U, X, field, write

READ_FILES, MPIEXEC = os.environ["SINODE_READ_FILES"], os.environ["SINODE_MPIEXEC"]
RANKS = (1, 2)


def dataset(u=U, dims=("member", "time", "x"), time=TIME, x=X, **variables):
    """An xarray data set with named dimensions."""
    return xarray.Dataset({"u": (dims, u), **variables}, {"time": time, "x": x}, dict(ATTRIBUTES))


def packed(values, scale, offset, kind="i2"):
    """(raw counts, what they stand for)"""
    raw = np.rint((values - offset) / scale).astype(kind)
    return raw, raw * scale + offset


class Reader(unittest.TestCase):
    """Every test is about some files; what was read of them comes from setUpClass."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder, cls.expected = pathlib.Path(folder.name), {}
        for name in dir(cls):
            if name.startswith("make_"):
                getattr(cls, name)()
        cls.found = {ranks: cls.read(ranks) for ranks in RANKS}

    @classmethod
    def read(cls, ranks):
        """{file: (fields of its line, u or None)} on a number of ranks."""
        launcher = [] if ranks == 1 else [MPIEXEC, "-n", str(ranks)]
        run = subprocess.run([*launcher, READ_FILES, *cls.expected], cwd=cls.folder, stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=600)
        assert run.returncode == 0, run.stdout + run.stderr
        found = {}
        for line in run.stdout.splitlines():
            name, *rest = line.split("\t")
            raw = cls.folder / f"{name}.raw"
            found[name] = rest, np.fromfile(raw) if raw.exists() else None
            raw.unlink(missing_ok=True)
        return found

    @classmethod
    def path(cls, name, ignore=False):
        assert name not in cls.expected, name
        return cls.folder / name

    @classmethod
    def good(cls, name, u=U, notes=(), interval=INTERVAL, tolerance=0, ignore=False):
        """Registers a file that must be read as u, with words of notes; none: there must be no note."""
        cls.expected[f"ignore:{name}" if ignore else name] = ("ok", u, notes, interval, tolerance)

    @classmethod
    def bad(cls, name, *words):
        cls.expected[name] = ("error", words)

    def test_files(self):
        """Of every file: the values, the interval and what is said, or the error, alike on all ranks."""
        for ranks, (argument, (kind, *expected)) in itertools.product(RANKS, self.expected.items()):
            name = argument.removeprefix("ignore:")
            with self.subTest(name, ranks=ranks):
                self.assertIn(name, self.found[ranks])
                (found, *told), u = self.found[ranks][name]
                self.assertEqual(found, kind, told)
                if kind == "error":
                    self.assertEqual(told[0], "3")
                    self.assertTrue(told[1].startswith(f"{name}: "), told[1])
                    for word in expected[0]:
                        self.assertIn(word, told[1])
                    continue
                values, notes, interval, tolerance = expected
                self.assertEqual(u.size, values.size)
                if tolerance == 0:
                    self.assertEqual(u.tobytes(), np.ascontiguousarray(values, dtype="f8").tobytes())
                else:
                    np.testing.assert_allclose(u, np.ravel(values), rtol=0, atol=tolerance)
                self.assertEqual(float.fromhex(told[0]), interval)
                for word in notes:
                    self.assertIn(word, told[1])
                self.assertEqual(bool(told[1]), bool(notes), told[1])

    # What was always read.

    @classmethod
    def make_types(cls):
        for kind in ("<f8", ">f8", "<f4", ">f4", "<f2", np.longdouble):
            name = f"type_{np.dtype(kind).str.replace('>', 'big').strip('<')}.h5"
            write(cls.path(name), u=U.astype(kind))
            cls.good(name, U.astype(kind).astype("f8"))
        counts = np.rint(1000 * U).astype(">i4")
        write(cls.path("type_int.h5"), u=counts)
        cls.good("type_int.h5", counts)

    @classmethod
    def make_storage(cls):
        with h5py.File(cls.path("compressed.h5"), "w") as file:
            file.attrs.update(ATTRIBUTES | {"title": "Kuramoto–Sivashinsky, Δx = 0.46 µm"})
            file.create_dataset("u", data=U, chunks=(1, 7, 11), maxshape=(None, None, POINTS), compression="gzip",
                                shuffle=True, fletcher32=True)
            file["time"], file["x"] = TIME, X
        cls.good("compressed.h5")
        many = field(8000, TIME[:2], X[:8] * 6)
        write(cls.path("members.h5"), many, TIME[:2], X[:8] * 6)
        cls.good("members.h5", many)

    @classmethod
    def make_by_libraries(cls):
        for engine in ("netcdf4", "h5netcdf"):
            dataset().to_netcdf(cls.path(f"{engine}.nc"), engine=engine, unlimited_dims=("time",))
            cls.good(f"{engine}.nc")

    # Packed values.

    @classmethod
    def make_packed(cls):
        raw, values = packed(U, 1e-4, 0.5)
        with netCDF4.Dataset(cls.path("packed.nc"), "w") as file:
            file.setncatts(ATTRIBUTES)
            for name, size in (("member", MEMBERS), ("time", SNAPSHOTS), ("x", POINTS)):
                file.createDimension(name, size)
            u = file.createVariable("u", "i2", ("member", "time", "x"), fill_value=-32767)
            u.setncatts({"scale_factor": 1e-4, "add_offset": 0.5})
            for name, scale, offset, of in (("time", 0.25, 100.0, TIME + 100), ("x", LENGTH / POINTS, 0.0, X)):
                variable = file.createVariable(name, "i4", (name,))
                variable.setncatts({"scale_factor": scale, "add_offset": offset})
                variable[:] = of  # netCDF4 packs it
            u.set_auto_maskandscale(False)
            u[:] = raw
        cls.good("packed.nc", values, ["u is packed: 0.0001 times the stored numbers + 0.5"])
        encoding = {"u": {"dtype": "i2", "scale_factor": 2.0**-12, "add_offset": 0.25, "_FillValue": -32768}}
        dataset().to_netcdf(cls.path("packed_xarray.nc"), encoding=encoding)
        cls.good("packed_xarray.nc", packed(U, 2.0**-12, 0.25)[1], ["u is packed"])
        raw, values = packed(U, 1 / 64, -2.0, "u1")
        with h5py.File(write(cls.path("packed_unsigned.h5"), u=raw.view("i1")), "a") as file:
            file["u"].attrs.update({"scale_factor": np.float32(1 / 64), "add_offset": -2.0, "_Unsigned": "true",
                                    "_FillValue": np.int8(-1)})
        cls.good("packed_unsigned.h5", values, ["u is packed"])
        for name, attribute, words in (("zero", 0.0, "scale_factor 0"), ("text", "many", "is not one number")):
            with h5py.File(write(cls.path(f"packed_{name}.h5")), "a") as file:
                file["u"].attrs["scale_factor"] = attribute
            cls.bad(f"packed_{name}.h5", words)

    # Missing values.

    @classmethod
    def make_missing(cls):
        place = (2, 5, 13)
        where = "member 2, snapshot 5, at point 13"
        for name, kind, value, attributes, words in (
                ("fill", "f8", 1e20, {"_FillValue": 1e20}, "1e+20, the _FillValue"),
                ("fill_single", "f4", 1e20, {"_FillValue": np.float32(1e20)}, "the _FillValue"),
                ("fill_other_type", "f4", 1e20, {"missing_value": 1e20}, "the missing_value"),
                ("missing_value", "f8", -999, {"missing_value": -999.0}, "-999, the missing_value"),
                ("missing_values", "f8", -998, {"missing_value": [-999.0, -998.0]}, "-998, the missing_value"),
                ("default", "f8", netCDF4.default_fillvals["f8"], {}, "the default fill value of netCDF"),
                ("range", "f8", 7, {"valid_range": [-5.0, 5.0]}, "7, outside of the valid range -5 to 5"),
                ("least", "f8", -7, {"valid_min": -5.0}, "-7, outside of the valid range -5 to inf"),
                ("nan", "f8", np.nan, {"_FillValue": np.nan}, "u is not finite (nan)")):
            u = U.astype(kind)
            u[place] = value
            with h5py.File(write(cls.path(f"missing_{name}.h5"), u=u), "a") as file:
                file["u"].attrs.update(attributes)
            cls.bad(f"missing_{name}.h5", where, words)
        raw = packed(U, 1e-4, 0.0)[0]
        raw[place] = -32767
        with h5py.File(write(cls.path("missing_packed.h5"), u=raw), "a") as file:
            file["u"].attrs.update({"scale_factor": 1e-4, "_FillValue": np.int16(-32767)})
        cls.bad("missing_packed.h5", where, "-32767, the _FillValue")
        with h5py.File(write(cls.path("nothing_missing.h5")), "a") as file:  # a fill value that is nowhere is no harm
            file["u"].attrs.update({"_FillValue": np.nan, "missing_value": -999.0, "valid_range": [-2.0, 2.0]})
        cls.good("nothing_missing.h5")
        time = TIME.copy()
        time[3] = -1
        with h5py.File(write(cls.path("missing_time.h5"), time=time), "a") as file:
            file["time"].attrs["_FillValue"] = -1.0
        cls.bad("missing_time.h5", "time[3] is missing", "the _FillValue")

    @classmethod
    def make_never_written(cls):
        integer = "-32767, the fill value of rows never written"
        for kind, words, zlib in (("f8", "9.96920997", False), ("i2", integer, False), ("f4", "9.96920997", True)):
            with netCDF4.Dataset(cls.path(f"unwritten_{kind}.nc"), "w") as file:
                file.setncatts(ATTRIBUTES)
                for name, size in (("member", MEMBERS), ("time", None), ("x", POINTS)):
                    file.createDimension(name, size)
                u = file.createVariable("u", kind, ("member", "time", "x"), zlib=zlib)
                for name, values in (("time", TIME), ("x", X)):
                    file.createVariable(name, "f8", (name,))[:] = values
                values = np.rint(100 * U) if kind == "i2" else U
                u[:, :40], u[:, 47:] = values[:, :40], values[:, 47:]
            cls.bad(f"unwritten_{kind}.nc", "member 0, snapshot 40, at point 0", words)
        dataset().to_netcdf(cls.path("short.nc"), unlimited_dims=("time",))
        with netCDF4.Dataset(cls.folder / "short.nc", "a") as file:
            file["time"][SNAPSHOTS:] = INTERVAL * np.arange(SNAPSHOTS, SNAPSHOTS + 4)
        cls.bad("short.nc", "does not go with 52 times", "the snapshots from 48 on were never written")

    # Orders and names of dimensions.

    @classmethod
    def make_orders(cls):
        for order in itertools.permutations(("member", "time", "x")):
            name = "order_" + "_".join(order) + ".nc"
            dataset().transpose(*order).to_netcdf(cls.path(name))
            plain = order == ("member", "time", "x")
            cls.good(name, notes=() if plain else [f"u is ({', '.join(order)}), read as (member, time, x)"])
        for order in (("time", "x"), ("x", "time")):
            name = "one_" + "_".join(order) + ".nc"
            dataset(U[0], ("time", "x")).transpose(*order).to_netcdf(cls.path(name))
            cls.good(name, U[:1], [f"u is ({', '.join(order)})"])
        names = {"member": "Realization", "time": "T", "x": "space"}
        dataset().transpose("x", "member", "time").rename(names).to_netcdf(cls.path("synonyms.nc"))
        cls.good("synonyms.nc", notes=["u is (x, member, time)"])
        big = field(2, np.arange(900) * INTERVAL, LENGTH / 1600 * np.arange(1600))  # more than what is read at once
        dataset(big, time=np.arange(900) * INTERVAL, x=LENGTH / 1600 * np.arange(1600)).transpose(
            "x", "time", "member").to_netcdf(cls.path("large.nc"))
        cls.good("large.nc", big, ["u is (x, time, member)"])

    @classmethod
    def make_names(cls):
        swapped = np.ascontiguousarray(U.transpose(0, 2, 1))
        with h5py.File(write(cls.path("labels.h5"), u=swapped), "a") as file:
            for d, name in enumerate(("member", "x", "time")):
                file["u"].dims[d].label = name
        cls.good("labels.h5", notes=["u is (member, x, time)"])
        with h5py.File(write(cls.path("two_named.h5"), u=swapped), "a") as file:
            for d, name in ((1, "x"), (2, "time")):
                file[name].make_scale()
                file["u"].dims[d].attach_scale(file[name])
        cls.good("two_named.h5", notes=["u is (member, x, time)"])
        with h5py.File(write(cls.path("contradiction.h5")), "a") as file:
            file["time"].make_scale("time")
            file["u"].dims[1].attach_scale(file["time"])
            file["u"].dims[1].label = "x"
        cls.bad("contradiction.h5", "dimension 1 of u is called both time and x")
        with h5py.File(write(cls.path("twice.h5")), "a") as file:
            for d, name in enumerate(("time", "time", "x")):
                file["u"].dims[d].label = name
        cls.bad("twice.h5", "the dimensions of u are (time, time, x)")
        dataset(dims=("batch_number", "time", "x")).to_netcdf(cls.path("unknown.nc"))
        cls.bad("unknown.nc", "the dimensions of u are (batch_number, time, x)", "rename")
        with h5py.File(write(cls.path("one_elsewhere.h5")), "a") as file:
            file["u"].dims[0].label = "x"
        cls.bad("one_elsewhere.h5", "the dimensions of u are (x, ?, ?)")
        xarray.Dataset({"u": (("dim_0", "dim_1", "dim_2"), U), "time": ("n", TIME), "x": ("k", X)},
                       attrs=ATTRIBUTES).to_netcdf(cls.path("made_up.nc"))
        cls.good("made_up.nc")  # by position
        dataset().to_netcdf(cls.path("replaced.nc"))
        with h5py.File(cls.folder / "replaced.nc", "a") as file:  # its scales may still know where the old one was
            del file["u"]
            file["u"] = U[0]
        cls.good("replaced.nc", U[:1], ["u is (time, x)"])
        write(cls.path("position.h5"), u=U[0])
        cls.good("position.h5", U[:1], ["u is (time, x)"])
        write(cls.path("sizes.h5"), u=U[:, :40].transpose(0, 2, 1), time=TIME[:40])
        cls.bad("sizes.h5", "does not go with 40 times", "but (member, x, time) would fit")
        write(cls.path("four.h5"), u=U[None])
        cls.bad("four.h5", "u has 4 dimensions, expected (member, time, x)")

    # Times.

    @classmethod
    def make_units(cls):
        ms = (250 * np.arange(SNAPSHOTS)).astype("timedelta64[ms]")
        dataset(time=ms.astype("timedelta64[ns]")).to_netcdf(cls.path("timedelta.nc"))
        cls.good("timedelta.nc", notes=["time is in 'milliseconds', converted to seconds: a snapshot every 0.25"])
        start = np.datetime64("2001-03-01T12:00", "ns")
        for unit in ("days", "hours", "seconds", "milliseconds"):
            encoding = {"time": {"units": f"{unit} since 2001-03-01 12:00:00", "dtype": "f8"}}
            dataset(time=start + ms).to_netcdf(cls.path(f"datetime_{unit}.nc"), encoding=encoding)
            notes = ["converted to seconds"] if unit != "seconds" else ()
            cls.good(f"datetime_{unit}.nc", notes=notes, interval=INTERVAL)
        dataset(time=start + 86400000 * (ms // 250).astype("i8").astype("timedelta64[ms]")).to_netcdf(
            cls.path("days.nc"))  # days since ..., as integers
        cls.good("days.nc", notes=["time is in 'days since 2001-03-01 12:00:00'"], interval=86400)
        for name, units, factor in (("plain", "1", 1), ("empty", "", 1), ("second", "s", 1), ("capital", "Seconds", 1),
                                    ("none", "dimensionless", 1), ("minutes", "minutes", 60), ("micro", "µs", 1e-6)):
            with h5py.File(write(cls.path(f"unit_{name}.h5"), time=TIME / factor), "a") as file:
                file["time"].attrs["units"] = units
            cls.good(f"unit_{name}.h5", notes=["converted to seconds"] if factor != 1 else (), interval=INTERVAL)
        for name, units, words in (("months", "months since 2001-01-01", "not always of the same length"),
                                   ("years", "years", "not always of the same length"),
                                   ("wrong", "furlongs", "are no units of time")):
            with h5py.File(write(cls.path(f"unit_{name}.h5")), "a") as file:
                file["time"].attrs["units"] = units
            cls.bad(f"unit_{name}.h5", f"time has the units '{units}'", words)

    @classmethod
    def make_rounded_times(cls):
        step, many = np.arange(2001), field(1, np.arange(2001) * 0.1)
        write(cls.path("single.h5"), many, step.astype("f4") * np.float32(0.1))
        cls.good("single.h5", many, ["within the precision it is stored with: 0.1 taken for the interval"], 0.1)
        write(cls.path("thirds.h5"), time=np.round(np.arange(SNAPSHOTS) / 3, 2))
        cls.good("thirds.h5", notes=["rounded to 2 decimal digits", "0.333333333333 taken for the interval"],
                 interval=1 / 3)
        # As far apart as one digit allows, which is too far: nobody could tell it from times that are uneven.
        write(cls.path("coarse.h5"), time=np.round(TIME, 1))
        cls.bad("coarse.h5", "not evenly spaced in time")
        late = TIME.copy()
        late[20:] += 3e-5
        write(cls.path("late.h5"), time=late)
        cls.bad("late.h5", "not evenly spaced in time (0.25003 after snapshot 19, 0.250001 in the mean)")
        write(cls.path("gap.h5"), time=np.append(TIME[:20], TIME[20:] + INTERVAL))
        cls.bad("gap.h5", "not evenly spaced in time (0.5 after snapshot 19, 0.255319 in the mean)")

    @classmethod
    def make_without_coordinates(cls):
        write(cls.path("zeros.h5"), time=np.zeros(SNAPSHOTS))
        cls.bad("zeros.h5", "time does not rise: it is 0 at the first snapshot and 0 at the last")
        for missing in ("time", "x"):
            dataset().drop_vars(missing).to_netcdf(cls.path(f"without_{missing}.nc"))
            cls.bad(f"without_{missing}.nc", f"{missing} has no values")
            write(cls.path(f"without_{missing}.h5"), **{missing: None})
            cls.bad(f"without_{missing}.h5", "has no dataset", missing)

    # Places.

    @classmethod
    def make_places(cls):
        falling = dataset().sortby("x", ascending=False)
        falling.to_netcdf(cls.path("falling.nc"))
        cls.good("falling.nc", notes=["x falls: u is put in order with it"])
        falling.transpose("x", "time", "member").to_netcdf(cls.path("falling_transposed.nc"))
        cls.good("falling_transposed.nc", notes=["u is (x, time, member)", "x falls"])
        spoilt = U.copy()
        spoilt[1, 3, POINTS - 1 - 10] = np.nan
        dataset(spoilt).sortby("x", ascending=False).to_netcdf(cls.path("falling_nan.nc"))
        cls.bad("falling_nan.nc", "member 1, snapshot 3, at point 10")  # where it is in the file
        for name, x, notes in (("origin", X - 11, "does not begin at 0"), ("centres", X + X[1] / 2, "does not begin"),
                               ("single", X.astype("f4"), ()), ("digits", np.round(X, 2), ())):
            write(cls.path(f"places_{name}.h5"), x=x)
            cls.good(f"places_{name}.h5", notes=[notes] if notes else ())
        closed = LENGTH / POINTS * np.arange(POINTS + 1)
        for name, order in (("rising", 1), ("falling", -1)):
            write(cls.path(f"closed_{name}.h5"), field(x=closed)[:, :, ::order], x=closed[::order])
            cls.bad(f"closed_{name}.h5", "the end point is there twice", "leave the last point out", "48 points of 49")
        write(cls.path("stretched.h5"), x=LENGTH / (POINTS - 1) * np.arange(POINTS))  # u(L) is not u(0)
        cls.bad("stretched.h5", "0.468085 apart, but domain_length over their number is 0.458333",
                "these points have 22.4680851064")
        write(cls.path("circle.h5"), x=2 * np.pi / POINTS * np.arange(POINTS))
        cls.bad("circle.h5", "0.1309 apart", "these points have 6.28318530718", "grid.coordinates")
        write(cls.path("uneven.h5"), x=X + 0.1 * np.sin(X))
        cls.bad("uneven.h5", "x is not evenly spaced, not j L / N: x[1] is 0.50", "expected 0.458333")
        for name, x in (("circle", 2 * np.pi / POINTS * np.arange(POINTS)), ("falling", X[::-1])):
            write(cls.path(f"ignored_{name}.h5"), x=x)
            cls.good(f"ignored_{name}.h5", ignore=True)  # in the order of the file

    # What is around the data.

    @classmethod
    def make_containers(cls):
        for size in (512, 4096):
            path = write(cls.path(f"block_{size}.h5"), userblock_size=size)
            with open(path, "r+b") as file:
                file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(size))
            cls.good(f"block_{size}.h5")
        for kind in ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"):
            netCDF4.Dataset(cls.path(f"{kind}.nc"), "w", format=kind).close()
            cls.bad(f"{kind}.nc", "is not an HDF5 file but a netCDF-3 file", "nccopy -k nc4")
        np.save(cls.path("array.npy"), U)
        cls.bad("array.npy", "an array of NumPy")
        np.savez(cls.path("arrays.npz"), u=U)
        cls.bad("arrays.npz", "a zip archive")

    @classmethod
    def make_formats(cls):
        for name, value in (("double", 1.0), ("single", np.float32(1)), ("byte", np.uint8(1)), ("array", [1])):
            write(cls.path(f"format_{name}.h5"), attributes=ATTRIBUTES | {"sinode_format": value})
            cls.good(f"format_{name}.h5")
        write(cls.path("format_half.h5"), attributes=ATTRIBUTES | {"sinode_format": 1.5})
        cls.bad("format_half.h5", "sinode_format is 1.5, but must be a whole number")


if __name__ == "__main__":
    unittest.main()
