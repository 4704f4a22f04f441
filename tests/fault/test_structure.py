"""Files that are sound HDF5 but not what they should be, by mistake or on purpose."""
import os

import h5py
import numpy as np

import faults

PREDICT = ("predict", "predict.model=model.h5")


def edits(name):
    """An edit of a file of the folder by h5py, as a decorator of its function."""
    def wrap(function):
        def edit(folder):
            with h5py.File(folder / name, "r+") as file:
                function(file)
        return edit
    return wrap


def data(function):
    return edits("data.h5")(function)


def replaced(name, make):
    """data.h5 with a dataset made anew."""
    @data
    def edit(file):
        del file[name]
        make(file)
    return edit


class Trajectory(faults.Case):
    def refuse(self, words, edit):
        self.refused(3, words, "train", "run.directory=other", edit=edit)

    def test_missing(self):
        """a trajectory without u, time or x -> status 3, names file and dataset; nothing is written"""
        for name in ("u", "time", "x"):
            self.refuse(("data.h5: has no dataset", name), replaced(name, lambda file: None))

    def test_dimensions(self):
        """u of one or four dimensions, of two that do not fit, time of two -> status 3, says what was found and expected"""
        for shape in ((4,), (1, 2, 21, 16)):
            self.refuse((f"u has {len(shape)} dimensions, expected (member, time, x), or (time, x)",),
                        replaced("u", lambda file, shape=shape: file.create_dataset("u", shape)))
        self.refuse(("u has 1 members, 4 snapshots and 4 points", "does not go with 21 times and 16 x"),
                    replaced("u", lambda file: file.create_dataset("u", (4, 4))))
        self.refuse(("time has 2 dimensions, expected 1",), replaced("time", lambda file: file.create_dataset("time", (4, 4))))

    def test_type(self):
        """u of text, of pairs of numbers, a group instead of a dataset -> status 3"""
        self.refuse("/u does not hold numbers", replaced("u", lambda file: file.create_dataset("u", (2, 21, 16), "S3")))
        pair = np.dtype([("r", "f8"), ("i", "f8")])
        self.refuse("/u does not hold numbers", replaced("u", lambda file: file.create_dataset("u", (2, 21, 16), pair)))
        self.refuse("has no dataset /u", replaced("u", lambda file: file.create_group("u")))

    def test_sizes(self):
        """u that does not go with time and x -> status 3, says all sizes"""
        self.refuse("does not go with 21 times", replaced("u", lambda file: file.create_dataset("u", data=np.ones((2, 9, 16)))))
        self.refuse("does not go with", replaced("u", lambda file: file.create_dataset("u", data=np.ones((2, 21, 17)))))
        self.refuse("does not go with", replaced("u", lambda file: file.create_dataset("u", (0, 21, 16))))

    def test_absurd_sizes(self):
        """u that claims exabytes -> status 3, says that the file cannot hold it; no memory is taken for it"""
        for shape in ((1 << 40, 21, 16), (2, 21, 1 << 40), (1 << 20, 1 << 20, 1 << 20)):
            def make(file, shape=shape):
                file.create_dataset("u", shape, "f8", chunks=(1, 1, 16))
            self.refuse("more than a file of", replaced("u", make))

        def make(file):
            file.create_dataset("u", (2, 1 << 40, 16), "f8", chunks=(1, 1, 16))
            del file["time"]
            file.create_dataset("time", (1 << 40,), "f8", chunks=(16,))
        self.refuse("more than a file of", replaced("u", make))

    def test_not_finite(self):
        """NaN or infinity in u -> status 3, says in which member, snapshot and point"""
        for value in (np.nan, np.inf):
            @data
            def edit(file, value=value):
                file["u"][1, 3, 13] = value
            self.refuse("not finite", edit)

    def test_times(self):
        """times that are uneven, NaN, or go back -> status 3"""
        for change in (lambda t: np.where(np.arange(21) == 5, t + 0.1, t), lambda t: np.where(np.arange(21) == 5, np.nan, t),
                       lambda t: -t, lambda t: 0 * t):
            @data
            def edit(file, change=change):
                file["time"][:] = change(file["time"][:])
            self.refuse("data.h5", edit)

    def test_length(self):
        """a domain of length -1, 0, NaN, or of a text -> status 3"""
        for value in (-1.0, 0.0, np.nan, np.inf, "long"):
            @data
            def edit(file, value=value):
                file.attrs["domain_length"] = value
            self.refuse("domain_length", edit)

    def test_kind_and_format(self):
        """an attribute sinode_kind that is a number, or missing; a format from the future -> status 3"""
        @data
        def number(file):
            file.attrs["sinode_kind"] = 3
        self.refuse("sinode_kind", number)

        @data
        def future(file):
            file.attrs["sinode_format"] = 99
        self.refuse(("format 99", "newer sinode"), future)

    def test_changed_by_hand(self):
        """u changed by another program -> status 3, says which snapshot and what to do if it was on purpose"""
        @data
        def edit(file):
            file["u"][1, 4, 2] += 1e-12
        self.refuse(("snapshot 4", "u_checksum"), edit)

    def test_external_link(self):
        """u as a link into another file, also by way of a soft link -> status 3; the other file is not read"""
        def link(folder):
            os.rename(folder / "data.h5", folder / "target.h5")
            with h5py.File(folder / "target.h5") as target, h5py.File(folder / "data.h5", "w") as file:
                for name, value in target.attrs.items():
                    file.attrs[name] = value
                for name in ("time", "x", "member"):
                    file[name] = target[name][:]
                file["u"] = h5py.ExternalLink("target.h5", "/u")
        self.refuse("/u is in another file", link)

        def soft(folder):
            link(folder)
            with h5py.File(folder / "data.h5", "r+") as file:
                file.move("u", "v")
                file["u"] = h5py.SoftLink("/v")
        self.refuse("/u is in another file", soft)

    def test_external_storage(self):
        """u whose bytes are in another file, or which is put together from other files -> status 3"""
        def outside(file):
            file.create_dataset("u", (2, 21, 16), "f8", external=[("/etc/passwd", 0, 2 * 21 * 16 * 8)])
        self.refuse("in another file", replaced("u", outside))

        def virtual(file):
            layout = h5py.VirtualLayout((2, 21, 16), "f8")
            layout[...] = h5py.VirtualSource("other.h5", "u", (2, 21, 16))
            file.create_virtual_dataset("u", layout)
        self.refuse("in another file", replaced("u", virtual))

    def test_filter(self):
        """u compressed by a filter that is not there -> status 3, names the filter; no plugin is loaded for it"""
        def edit(folder):
            path = folder / "data.h5"
            with h5py.File(path) as old:
                values, attributes = {name: old[name][:] for name in ("u", "time", "x")}, dict(old.attrs)
            with h5py.File(path, "w") as file:
                for name, value in attributes.items():
                    file.attrs[name] = value
                for name in ("time", "x"):
                    file[name] = values[name]
                file.create_dataset("u", data=values["u"], compression="gzip")
            content = path.read_bytes()
            at = content.index(b"deflate") - 8  # the number of the filter, the length of its name, flags, count
            self.assertEqual(content[at:at + 2], b"\x01\x00")
            path.write_bytes(content[:at] + (32015).to_bytes(2, "little") + content[at + 2:])
        self.refuse(("/u is written with the filter 32015", "which is not there"), edit)

    def test_loop(self):
        """u as a soft link to itself -> status 3"""
        self.refuse("has no dataset /u", replaced("u", lambda file: file.__setitem__("u", h5py.SoftLink("/u"))))

    def test_not_a_file(self):
        """a pipe, a directory, an empty file, a text in place of the data -> status 3, and no waiting"""
        def pipe(folder):
            (folder / "data.h5").unlink()
            os.mkfifo(folder / "data.h5")
        for ranks, space in faults.SPLITS:
            pipe(self.folder)
            _, err = self.sinode("train", "--set", "run.directory=other", ranks=ranks, space=space, status=3)
            self.assertIn("data.h5: is not a regular file", err[0])
        self.refuse("is not an HDF5 file", lambda folder: (folder / "data.h5").write_bytes(b""))
        self.refuse("is not an HDF5 file", lambda folder: (folder / "data.h5").write_text("u = 1\n" * 99))


class Model(faults.Case):
    def refuse(self, words, edit):
        self.refused(3, words, *PREDICT, edit=edits("model.h5")(edit))

    def test_shapes(self):
        """weights of a wrong or an absurd shape, a layer too many -> status 3, says what was found and expected"""
        def wrong(file):
            del file["model/nonlinear/layer_1/weight"]
            file["model/nonlinear/layer_1/weight"] = np.ones((16, 9))
        self.refuse("weight has shape (16, 9), expected (16, 8)", wrong)

        def absurd(file):
            del file["model/nonlinear/layer_0/weight"]
            file.create_dataset("model/nonlinear/layer_0/weight", (1 << 50, 16), "f8", chunks=(16, 16))
        self.refuse("more than a file of", absurd)

        def many(file):
            for k in range(2, 20):
                file[f"model/nonlinear/layer_{k}/weight"] = np.ones((4, 4))
        self.refuse("more than 17 layers", many)

    def test_stencil(self):
        """a stencil of no, of an even number of, or of too many points -> status 3"""
        for taps in (0, 4, 99):
            def edit(file, taps=taps):
                del file["model/linear/stencil"]
                file["model/linear/stencil"] = np.ones(taps)
            self.refuse("stencil", edit)

    def test_attributes(self):
        """a grid of -5 points, a length of NaN, words for numbers -> status 3"""
        for name, value, words in (("grid_points", -5, "-5 grid points"), ("domain_length", np.nan, "of length nan"),
                                   ("grid_points", "many", "grid_points is not one number"),
                                   ("nonlinear_kind", 7, "nonlinear_kind is not one text"),
                                   ("nonlinear_kind", "x" * 300, "nonlinear_kind is 'xxx")):
            def edit(file, name=name, value=value):
                file["model"].attrs[name] = value
            self.refuse(("model.h5", words), edit)


class Checkpoint(faults.Case):
    def refuse(self, words, edit):
        """The newest checkpoint is edited; there are no others."""
        def prepare(folder):
            *others, newest = sorted((folder / "run/checkpoints").iterdir())
            for path in others:
                path.unlink()
            with h5py.File(newest, "r+") as file:
                edit(file)
        self.refused(3, words, "train", "train.epochs=9", edit=prepare)

    def test_numbers(self):
        """a checkpoint whose epoch is -1, or 2^60; whose position is beyond the epoch -> status 3"""
        for name, value in (("epoch", -1), ("epoch", 1 << 60), ("position", 1 << 40), ("position", -3)):
            def edit(file, name=name, value=value):
                file["progress"][name][0] = value
            self.refuse("damaged", edit)

    def test_types(self):
        """a checkpoint with text for a number, without its checksum, its parameters or a moment -> status 3"""
        def text(file):
            del file["progress/epoch"]
            file["progress/epoch"] = np.array([b"three"])
        self.refuse("/progress/epoch does not hold numbers", text)
        self.refuse("checksum", lambda file: file.attrs.__delitem__("checksum"))
        self.refuse("config", lambda file: file.attrs.__delitem__("config"))
        self.refuse("has no dataset /optimizer/exp_avg", lambda file: file["optimizer"].__delitem__("exp_avg"))
        self.refuse("is longer than", long_config)


def long_config(file):
    """An attribute of 2 MiB, which needs the newer of HDF5's ways to store it."""
    del file.attrs["config"]
    file.attrs.create("config", np.bytes_(b"x" * (1 << 21)))


if __name__ == "__main__":
    faults.main()
