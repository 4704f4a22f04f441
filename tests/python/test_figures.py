"""Figures of small synthetic files: they are made, show something, repeat; wrong input is told in a line."""
import pathlib
import subprocess
import sys

import h5py
import numpy as np
import PIL.Image
import xarray
from matplotlib.image import imread

import tools  # finds the package
from tools import SCRIPT
from form import long, main, more
import sinode  # noqa: E402
from sinode import attractor, figures  # noqa: E402
from sinode.style import MOST_CELLS  # noqa: E402

LENGTH, POINTS, SNAPSHOTS = 22.0, 32, 60
HISTORY_HEADER = "epoch,iteration,seconds,train_loss,validation_loss,learning_rate,peak_memory_mib"


def write_trajectory(path, members=1, reference=False, points=POINTS, snapshots=SNAPSHOTS, **attributes):
    """A travelling wave; the prediction's amplitude error grows until nrmse passes 0.5 at about 0.7 of the time."""
    time, x = 50.0 + 0.2 * np.arange(snapshots), LENGTH / points * np.arange(points)
    phase = 2 * np.pi * (x[None, None] / LENGTH - 0.05 * time[None, :, None]) + np.arange(members)[:, None, None]
    truth = np.cos(phase)
    error = 0.7 * ((time - time[0]) / (time[-1] - time[0]))[None, :, None] * np.cos(phase)
    fields = ("member", "time", "x")
    variables = {"u": (fields, truth + error if reference else truth)}
    if reference:
        rmse = np.sqrt(np.mean(error**2 + 0 * truth, axis=2))
        climate = np.full_like(rmse, 1.0)
        variables |= {"reference": (fields, truth), "rmse": (fields[:2], rmse),
                      "nrmse": (fields[:2], rmse / np.sqrt(np.mean(truth**2))),
                      "nrmse_climatology": (fields[:2], climate),
                      "valid_time": (fields[:1], np.full(members, 0.7 * (time[-1] - time[0]))),
                      "valid_time_climatology": (fields[:1], np.zeros(members))}
    data = xarray.Dataset(variables, {"member": np.arange(members, dtype="i4"), "time": time, "x": x},
                          {"sinode_kind": "trajectory", "sinode_format": 1, "domain_length": LENGTH, **attributes})
    data.to_netcdf(path, engine="h5netcdf")
    return path


def write_history(path, epochs=5, validation=True):
    lines = [HISTORY_HEADER]
    for e in range(1, epochs + 1):
        held_out = 2e-2 * 0.5**e if validation else float("nan")
        lines.append(f"{e},{16 * e},{0.4 * e},{1e-2 * 0.5**e},{held_out},{5e-3 if e < 4 else 3.75e-3},100.5")
    path.write_text("\n".join(lines) + "\n")
    return path


class PlotTest(tools.Case):
    def assert_figure(self, stem, least_colours=50):
        png, pdf = stem.with_name(stem.name + ".png"), stem.with_name(stem.name + ".pdf")
        self.assertTrue(pdf.read_bytes().startswith(b"%PDF"), pdf)
        self.assertGreater(pdf.stat().st_size, 5000)
        image = imread(png)[:, :, :3]
        self.assertGreater(image.shape[1], 700)
        colours = np.unique((255 * image[::2, ::2]).astype(int) @ (1, 256, 65536))
        self.assertGreater(len(colours), least_colours, png)
        self.assertGreater(image.std(), 0.03, f"{png} is blank")

    def assert_error(self, status, words, *arguments):
        found, out, err = self.run_main(*arguments)
        self.assertEqual(found, status, err)
        self.assertEqual(out, "")
        self.assertEqual(err.count("\n"), 1, err)
        self.assertIn(words, err)


class Map(PlotTest):
    def test_prediction(self):
        """Under its own name and another: the same bytes."""
        path = write_trajectory(self.folder / "prediction.h5", members=2, reference=True)
        status, out, err = self.run_main("map", path, "--member", 1)
        self.assertEqual((status, err), (0, ""))
        written = [self.folder / f"prediction_map.{end}" for end in ("png", "pdf")]
        self.assertEqual(out.split(), list(map(str, written)))
        self.assert_figure(self.folder / "prediction_map")
        self.assertEqual(self.run_main("map", path, "--member", 1, "-o", self.folder / "two")[0], 0)
        for one in written:
            self.assertEqual(one.read_bytes(), (self.folder / f"two{one.suffix}").read_bytes())

    def test_panels_share_scale_and_mark_valid_time(self):
        path = write_trajectory(self.folder / "p.h5", reference=True)
        with sinode.open(path) as data:
            figure = figures.draw_map(data)
        truth, prediction, error = [axes for axes in figure.axes if axes.get_title()]
        self.assertEqual(truth.collections[0].get_clim(), prediction.collections[0].get_clim())
        self.assertAlmostEqual(sum(error.collections[0].get_clim()), 0)
        valid = 0.7 * 0.2 * (SNAPSHOTS - 1)
        self.assertEqual(len(truth.lines), 0)
        for axes in (prediction, error):
            self.assertAlmostEqual(axes.lines[0].get_ydata()[0], valid)

    def test_plain_trajectory_is_one_panel(self):
        path = write_trajectory(self.folder / "data.h5")
        self.assertEqual(self.run_main("map", path, "-o", self.folder / "sub" / "fig.1")[0], 0)
        self.assert_figure(self.folder / "sub" / "fig.1")
        with sinode.open(path) as data:
            figure = figures.draw_map(data)
        self.assertEqual([axes.get_title() for axes in figure.axes if axes.get_title()], ["$L = 22$, $N = 32$"])

    def test_long_data_are_cut(self):
        """Plain data of a thousand time units would be stripes; predictions are whole."""
        def drawn(name, reference=False, **options):
            path = write_trajectory(self.folder / name, reference=reference, snapshots=5001)
            with sinode.open(path) as data:
                return figures.read_map(data, 0, **options)[1][-1], figures.draw_map(data, **options).axes[0].get_title()
        last, title = drawn("data.h5")
        self.assertAlmostEqual(last, 10 / 0.043, delta=0.7)
        self.assertTrue(title.endswith("the first 232 of 1000"), title)
        last, title = drawn("data.h5", span=1e9)
        self.assertGreater(last, 998)
        self.assertNotIn("first", title)
        self.assertGreater(drawn("prediction.h5", reference=True)[0], 998)
        self.assertEqual(self.run_main("map", self.folder / "data.h5", "--span", 20)[0], 0)
        self.assert_figure(self.folder / "data_map")

    def test_large_and_not_finite(self):
        path = write_trajectory(self.folder / "p.h5", reference=True, points=2500, snapshots=30)
        with h5py.File(path, "a") as file:
            file["u"][:, 20:] = np.nan
            file["u"][:, 19] = np.inf
        with sinode.open(path) as data:
            x, time, u, reference = figures.read_map(data, 0)
        self.assertLessEqual(x.size, MOST_CELLS)
        self.assertEqual(u.shape, (30, x.size))
        self.assertEqual(reference.shape, u.shape)
        self.assertEqual(self.run_main("map", path)[0], 0)
        self.assert_figure(self.folder / "p_map")

    def test_exponent(self):
        for path, given, expected in (
                (write_trajectory(self.folder / "p.h5", reference=True), None, 0.043),
                (write_trajectory(self.folder / "q.h5", reference=True, lyapunov_exponent=0.1), None, 0.1),
                (self.folder / "q.h5", 0.2, 0.2)):
            with sinode.open(path) as data:
                self.assertEqual(sinode.exponent_of(data, given), expected)


class Error(PlotTest):
    def test_members(self):
        for members in (3, *more(1, 12)):
            with self.subTest(members=members):
                path = write_trajectory(self.folder / f"p{members}.h5", members=members, reference=True)
                self.assertEqual(self.run_main("error", path)[0], 0)
                self.assert_figure(self.folder / f"p{members}_error")

    def test_times_start_at_zero_and_are_scaled(self):
        path = write_trajectory(self.folder / "p.h5", reference=True, lyapunov_exponent=0.1)
        with sinode.open(path) as data:
            axes = figures.draw_error(data).axes[0]
        np.testing.assert_allclose(axes.lines[0].get_xdata(), 0.1 * 0.2 * np.arange(SNAPSHOTS), atol=1e-12)

    def test_valid_throughout(self):
        path = write_trajectory(self.folder / "p.h5", members=2, reference=True, nrmse_threshold=0.8)
        with h5py.File(path, "a") as file:
            file["valid_time"][1] = np.nan
        with sinode.open(path) as data:
            figure = figures.draw_error(data)
        labels = [text.get_text() for text in figure.axes[-1].get_legend().get_texts()]
        self.assertTrue(labels[0].startswith("member 0, valid to $t$ = 8.26"), labels)
        self.assertEqual(labels[1:4], ["member 1, valid throughout", "climatology", "threshold 0.8"])

    def test_no_reference(self):
        self.assert_error(3, "no prediction with a reference", "error", write_trajectory(self.folder / "data.h5"))


class History(PlotTest):
    @long  # All.test_of_a_history has the directory, the test below the file
    def test_directory_and_file(self):
        path = write_history(self.folder / "history.csv")
        self.assertEqual(self.run_main("history", self.folder)[0], 0)
        self.assert_figure(self.folder / "history")
        self.assertEqual(self.run_main("history", path, "-o", self.folder / "other")[0], 0)
        self.assert_figure(self.folder / "other")

    def test_one_epoch_without_validation(self):
        path = write_history(self.folder / "history.csv", epochs=1, validation=False)
        self.assertEqual(self.run_main("history", path)[0], 0)
        self.assert_figure(self.folder / "history", least_colours=20)

    def test_wrong_contents(self):
        path = self.folder / "history.csv"
        for text, words in (("", "not a training history"), ("a,b\n1,2\n", "not a training history"),
                            (HISTORY_HEADER + "\n", "no epoch"), (HISTORY_HEADER + "\n1,2\n", "not a training history"),
                            (HISTORY_HEADER + "\n1,2,x,4,5,6,7\n", "not a training history")):
            with self.subTest(text=text):
                path.write_text(text)
                self.assert_error(3, words, "history", path)


class All(PlotTest):
    def test_of_a_history(self):
        """The rest of a run directory is in the long form."""
        write_history(self.folder / "history.csv")
        (self.folder / "torn.h5").write_bytes(b"\x89HDF")
        status, out, err = self.run_main("all", self.folder)
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(out.split(), [str(self.folder / f"figures/history.{end}") for end in ("png", "pdf")])
        self.assert_figure(self.folder / "figures/history")

    @long
    def test_run_directory(self):
        write_history(self.folder / "history.csv")
        write_trajectory(self.folder / "data.h5")
        write_trajectory(self.folder / "prediction.h5", reference=True)
        with h5py.File(self.folder / "model.h5", "w") as file:
            file.attrs["sinode_kind"] = "model"
        (self.folder / "torn.h5").write_bytes(b"\x89HDF")
        status, out, err = self.run_main("all", self.folder)
        self.assertEqual((status, err), (0, ""))
        names = {pathlib.Path(line).stem for line in out.split()}
        statistics = {f"{stem}_{what}" for stem in ("data", "prediction")
                      for what in ("map", "spectrum", "density", "joint", "autocorrelation")}
        self.assertEqual(names, {"history", "prediction_error", *statistics})
        for name in names:
            self.assert_figure(self.folder / "figures" / name, least_colours=20)

    def test_nothing_there(self):
        self.assert_error(3, "is not a run directory", "all", self.folder)
        self.assert_error(3, "is not a run directory", "all", self.folder / "missing")


class WrongInput(PlotTest):
    def test_files(self):
        missing, text, model, damaged = (self.folder / name for name in ("no.h5", "text.h5", "model.h5", "damaged.h5"))
        text.write_text("not HDF5\n")
        with h5py.File(model, "w") as file:
            file.attrs["sinode_kind"] = "model"
        write_trajectory(damaged)
        with h5py.File(damaged, "a") as file:
            del file["time"]
        for command in ("map", "error"):
            self.assert_error(3, "no such file", command, missing)
            self.assert_error(3, "cannot be read as HDF5", command, text)
            self.assert_error(3, "is not a trajectory file", command, model)
            self.assert_error(3, "damaged", command, damaged)
            self.assert_error(3, "is a directory", command, self.folder)
        self.assert_error(3, "no such file", "history", missing)

    def test_options(self):
        path = write_trajectory(self.folder / "data.h5")
        self.assert_error(2, "no member 7", "map", path, "--member", 7)
        for arguments in ((), ("portrait", path), ("map", path, "--exponent", 0), ("error", path, "--member", 1)):
            self.assertEqual(self.run_main(*arguments)[0], 2, arguments)

    def test_output_that_cannot_be_written(self):
        path = write_trajectory(self.folder / "data.h5")
        self.assert_error(3, "cannot be written", "map", path, "-o", path / "figure")

    def test_as_a_program(self):
        command = [sys.executable, SCRIPT, "map", self.folder / "no.h5"]
        found = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual((found.returncode, found.stdout), (3, ""))
        self.assertEqual(found.stderr, f"sinode-tools: error: {self.folder / 'no.h5'}: no such file\n")


class Statistics(PlotTest):
    def test_prediction_beside_truth(self):
        path = write_trajectory(self.folder / "p.h5", members=2, reference=True)
        other = write_trajectory(self.folder / "other.h5", points=48)
        for name in ("spectrum", "joint", *more("density", "autocorrelation")):
            self.assertEqual(self.run_main(name, path, other, "-o", self.folder / name)[0], 0)
            self.assert_figure(self.folder / name, least_colours=20)
        with sinode.open(path) as a, sinode.open(other) as b:
            self.assertEqual([one.label for one in attractor.series_of([("a", a), ("b", b)])], ["truth", "a", "b"])

    def test_reference_that_ends(self):
        path = write_trajectory(self.folder / "p.h5", reference=True)
        with h5py.File(path, "a") as file:
            file["reference"][:, 40:] = np.nan
            file["nrmse"][:, 40:] = np.nan
        with sinode.open(path) as data:
            self.assertEqual([one.field.sizes["time"] for one in attractor.series_of([("p", data)])], [40, 40])
        self.assertEqual(self.run_main("autocorrelation", path)[0], 0)


BENCHMARK = "name,ranks,space,points,batch,seconds_median,seconds_min,seconds_max,floor_seconds,ratio,bytes,messages\n"


class Scaling(PlotTest):
    def write(self, weak=False, ranks=(1, 2, 4, 8)):
        """Amdahl's law with a tenth that does not scale."""
        paths = []
        for count in ranks:
            seconds = 0.8 * (0.1 * (count if weak else 1) + 0.9 / (1 if weak else count))
            path = self.folder / f"benchmark{count}.csv"
            path.write_text(BENCHMARK + f"train_iteration,{count},1,{64 * (count if weak else 1)},256,{seconds},"
                            f"{0.9 * seconds},{1.2 * seconds},,,0,0\nhalo,{count},1,64,256,1e-5,1e-5,2e-5,1e-6,10,8,2\n")
            paths.append(path)
        return paths

    def test_strong(self):
        status, out, err = self.run_main("scaling", *self.write(), "--only", "train_iteration", "-o",
                                         self.folder / "scaling")
        self.assertEqual((status, err), (0, ""))
        last = next(line.split() for line in out.splitlines() if line.startswith("train_iteration") and " 8 " in line)
        self.assertAlmostEqual(float(last[6]), 1 / (0.1 + 0.9 / 8), delta=0.01)  # speed-up
        self.assertEqual(last[7], f"{100 / (0.8 + 0.9):.0f}")                     # efficiency in per cent
        self.assert_figure(self.folder / "scaling", least_colours=20)

    def test_weak(self):
        out = self.run_main("scaling", *self.write(weak=True), "--only", "train_iteration")[1]
        last = next(line.split() for line in out.splitlines() if line.startswith("train_iteration") and " 8 " in line)
        self.assertEqual(last[7], f"{100 * 1.0 / (0.1 * 8 + 0.9):.0f}")

    def test_wrong_input(self):
        path = self.write(ranks=(2,))[0]
        self.assert_error(3, "same number of ranks", "scaling", path)
        self.assert_error(2, "no measurement is called solve; there are train_iteration, halo", "scaling",
                          *self.write(), "--only", "solve")
        path.write_text("a,b\n1,2\n")
        self.assert_error(3, "is not a benchmark file", "scaling", path)


class Animation(PlotTest):
    def test_gif(self):
        path = write_trajectory(self.folder / "p.h5", reference=True)
        self.assertEqual(self.run_main("animate", path, "--frames", 5)[0], 0)
        with PIL.Image.open(self.folder / "p.gif") as image:
            self.assertEqual((image.format, image.n_frames), ("GIF", 5))
            first = np.asarray(image.convert("L"), dtype=float)
            image.seek(4)
            self.assertGreater(np.abs(np.asarray(image.convert("L"), dtype=float) - first).max(), 50)
        self.assert_error(3, "is there already", "animate", path, "--frames", 5)
        self.assert_error(2, "must end in .gif", "animate", path, "-o", self.folder / "p.mp4")


class Comparison(PlotTest):
    def test_runs(self):
        for name, epochs in (("one", 5), ("two", 8)):
            (self.folder / name).mkdir()
            write_history(self.folder / name / "history.csv", epochs)
            (self.folder / name / "config.yaml").write_text(f"grid:\n  points: 32\ntrain:\n  epochs: {epochs}\n")
        write_trajectory(self.folder / "two" / "prediction.h5", reference=True)
        status, out, err = self.run_main("compare", self.folder / "one", self.folder / "two", "-o", self.folder / "c")
        self.assertEqual((status, err), (0, ""))
        rows = {line.split("  ")[0]: line.split()[-2:] for line in out.splitlines()}
        self.assertEqual(rows["train.epochs"], ["5", "8"])
        self.assertEqual(rows["valid time"], ["–", "8.26"])
        self.assertNotIn("grid.points", out)
        self.assert_figure(self.folder / "c", least_colours=20)


if __name__ == "__main__":
    main()
