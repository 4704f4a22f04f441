"""The tools on what the program writes: every figure, the comparison, the animation, and the report in a browser."""
import contextlib
import html.parser
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from matplotlib.image import imread

HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[2] / "io" / "python"))
sys.path.insert(0, str(HERE.parents[1] / "cli"))
import harness  # noqa: E402
import sinode  # noqa: E402
from sinode import cli, statistics  # noqa: E402

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CONFIG = """\
run: {directory: run, seed: 3}
grid: {points: 32, length: 22.0}
generate: {file: run/data.h5, members: 2, dt: 0.05, transient: 100.0, span: 60.0, interval: 0.2}
model: {nonlinear: {hidden: [48, 48], activation: tanh}}
integrator: {scheme: l2, dt: 0.2}
train: {data: run/data.h5, batch: 32, epochs: 6}
predict: {model: run/model.h5, data: run/data.h5, start: 150, span: 40.0, file: run/prediction.h5}
io: {compression: gzip}
benchmark: {only: [train_iteration, predict_step], repeats: 3, seconds: 0.01}
"""


class Page(html.parser.HTMLParser):
    """What a page is made of; every tag that must be closed is."""

    VOID = {"meta", "link", "br", "hr", "img"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.links, self.text = [], [], [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)


class Tools(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """One run of the program for all tests: data, training and prediction on two ranks."""
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        cls.folder = pathlib.Path(holder.name)
        (cls.folder / "c.yaml").write_text(CONFIG)
        for command in ("generate", "train", "predict"):
            status, out, err = harness.run(cls.folder, command, "c.yaml", "--quiet", ranks=2)
            assert status == 0, f"{command}: {out}{err}"
        cls.run_directory = cls.folder / "run"

    def tools(self, *arguments, status=0):
        """What the command says: the paths written and lines before them."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            found = cli.main([str(argument) for argument in arguments])
        self.assertEqual((found, err.getvalue()), (status, ""))
        return out.getvalue().splitlines()

    def assert_picture(self, path):
        image = imread(path)[:, :, :3]
        self.assertGreater(image.std(), 0.03, f"{path} is blank")

    @harness.long  # test_figures.py draws each of them, and the report below
    def test_every_figure(self):
        written = self.tools("all", self.run_directory, "-o", self.folder / "figures")
        names = {pathlib.Path(path).name for path in written}
        for stem in ("data_map", "data_spectrum", "prediction_map", "prediction_error", "prediction_joint", "history"):
            self.assertIn(f"{stem}.png", names)
            self.assertIn(f"{stem}.pdf", names)
        for path in written:
            if path.endswith(".png"):
                self.assert_picture(path)

    def test_statistics_are_of_the_attractor(self):
        """Known of Kuramoto-Sivashinsky at L = 22: rms of about 1.3, energy around k = 0.57 to 0.86, skewed slopes."""
        with sinode.open(self.run_directory / "data.h5") as data:
            length = sinode.length_of(data)
            energy = statistics.spectrum(data.u, length)
            self.assertTrue(1.0 < np.sqrt(2 * float(energy.sum()) * 2 * np.pi / length) < 1.7)
            waves = energy.values[1:]  # the mean is conserved, whatever it was at first
            self.assertIn(int(waves.argmax()) + 1, (2, 3))
            low, high = statistics.extent(data.u, length, 1)
            self.assertGreater(-low, high)
            self.assertAlmostEqual(float(statistics.time_correlation(data.u)[0]), 1)

    def test_comparison_and_scaling(self):
        other = self.folder / "other"
        shutil.copytree(self.run_directory, other)
        lines = self.tools("compare", self.run_directory, other, "-o", self.folder / "comparison")
        self.assertTrue(any(line.startswith("valid time") for line in lines))
        self.assert_picture(self.folder / "comparison.png")
        files = []
        for ranks in (1, 2):
            status, out, err = harness.run(self.folder, "benchmark", "c.yaml", "--quiet", "--set",
                                           f"run.directory=ranks{ranks}", ranks=ranks)
            self.assertEqual(status, 0, out + err)
            files.append(self.folder / f"ranks{ranks}" / "benchmark.csv")
        lines = self.tools("scaling", *files, "-o", self.folder / "scaling")
        self.assertEqual(sum(line.startswith("train_iteration") for line in lines), 2)
        self.assert_picture(self.folder / "scaling.png")

    def test_animation(self):
        path, = self.tools("animate", self.run_directory / "prediction.h5", "--frames", 4, "-o", self.folder / "a.gif")
        self.assertEqual(pathlib.Path(path).read_bytes()[:4], b"GIF8")

    def report(self):
        """Made once for all tests."""
        path = self.folder / "report.html"
        if not path.exists():
            self.assertEqual(self.tools("report", self.run_directory, "-o", path), [str(path)])
        return path

    def test_report_stands_alone(self):
        page = Page(self.report().read_text())
        for link in page.links:
            self.assertTrue(link.startswith(("#", "data:")), link)
        self.assertEqual(page.tags.count("svg"), 7)
        text = " ".join(page.text)
        for words in ("complete", "all epochs done", "valid time", "persistence", "linear part alone", "learning_rate",
                      "iterations a second", "time to a correlation of 0.8", "adjoint", "prediction.h5", "sinode predict c.yaml --quiet", "--quiet"):
            self.assertIn(words, text)

    def test_report_of_a_run_that_has_only_begun(self):
        begun = self.folder / "begun"
        begun.mkdir()
        shutil.copy(self.run_directory / "data.h5", begun)
        (begun / "status.json").write_text('{"state": "running", "step": 3, "checkpoint": "", "reason": "<training>"}\n')
        text = pathlib.Path(self.tools("report", begun)[0]).read_text()
        self.assertIn("&lt;training&gt;", text)
        self.assertEqual(Page(text).tags.count("svg"), 5)

    @unittest.skipUnless(BROWSER, "no chromium here (Debian: chromium): the report is not looked at in a browser")
    def test_report_in_a_browser(self):
        """Drawn on paper of the reader's choice, light or dark, with ink on it from top to bottom, nothing cut off."""
        page, pictures = self.report(), {}
        for name, options in (("light", []), ("dark", ["--blink-settings=preferredColorScheme=0"])):
            picture = self.folder / f"{name}.png"
            run = subprocess.run([BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *options,
                                  "--window-size=1100,4000", f"--user-data-dir={self.folder / 'browser'}",
                                  f"--screenshot={picture}", page.as_uri()], capture_output=True, text=True, timeout=harness.TIMEOUT)
            self.assertTrue(picture.exists(), run.stderr)
            pictures[name] = imread(picture)[:, :, :3]
        self.assertGreater(pictures["light"][5, 5].min(), 0.9)
        self.assertLess(pictures["dark"][5, 5].max(), 0.2)
        for name, picture in pictures.items():
            self.assertEqual(picture.shape[:2], (4000, 1100))
            paper = picture[5, 5]
            for top in range(0, 4000, 800):
                self.assertGreater(np.abs(picture[top:top + 800] - paper).max(), 0.4, f"{name}: nothing from {top} on")
            margin = np.concatenate([picture[:, :8], picture[:, -8:]], axis=1)
            self.assertLess(np.abs(margin - paper).max(), 0.05, f"{name}: the page is wider than the window")


if __name__ == "__main__":
    harness.main()
