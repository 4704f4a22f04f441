"""The recipes of docs/developer.md: an example of each is added to a copy of the sources; what it touches compiles, and
in the long form all is built and run.

An example is a file of its own, kept beside this one, and lines that go into files that are there. How many files it
touches is part of what is promised, and that the recipe names them.
"""
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np

CMAKE, MPIEXEC, SOURCE, BUILD = (os.environ[f"SINODE_{name}"] for name in ("CMAKE", "MPIEXEC", "SOURCE", "BUILD"))
ROOT = pathlib.Path(SOURCE)  # as the commands of the build spell it
HERE = ROOT / "tests/recipes"
sys.path.insert(0, str(ROOT / "tests/cli"))
from form import long, main  # noqa: E402

SOURCES = ("CMakeLists.txt", "cmake", "docs", "include", "io", "jobs", "src", "LICENSE", "CITATION.cff")

CONFIG = """\
run: {directory: run, seed: 3}
grid: {points: 16, length: 22.0}
generate: {file: data.h5, members: 2, dt: 0.05, transient: 10.0, span: 4.0, interval: 0.2}
model: {nonlinear: {hidden: [8], activation: tanh}}
integrator: {scheme: l2, dt: 0.2}
train: {data: data.h5, batch: 8, epochs: 3, checkpoint: {every: 1}}
predict: {model: run/model.h5, data: data.h5, span: 2.0, file: prediction.h5}
gradient: {model: run/model.h5, data: data.h5, file: gradient.h5}
"""


class Recipe:
    """Files to touch at most; the example's own file; (file, a line of it, the lines that follow it from now on)."""

    def __init__(self, most, own, *insertions):
        self.most, self.own, self.insertions = most, own, insertions
        self.files = {path for path, *_ in insertions} | ({own} if own else set())

    def follow(self, name, tree):
        if self.own:
            shutil.copy(HERE / name / pathlib.Path(self.own).name, tree / self.own)
        for path, anchor, lines in self.insertions:
            text = (tree / path).read_text()
            places = [match.end() for match in re.finditer(f".*{re.escape(anchor)}.*\n", text)]
            assert len(places) == 1, f"{path} has {len(places)} lines with {anchor!r}, not 1"
            (tree / path).write_text(text[:places[0]] + lines + "\n" + text[places[0]:])


RECIPES = {
    "key": Recipe(  # two, and the module's own file, where the option does something
        3, None,
        ("include/sinode/ks_initial.h", "double perturbation;", "  double offset; /* added to the state */"),
        ("src/config/schema.c", "size of those perturbations relative to the initial state",
         '    {"generate.offset", REAL(generate.initial.offset), .fallback = "0.0", WITHIN(-10, 10),\n'
         '     .commands = SN_FOR_GENERATE, .help = "added to the initial state"},'),
        ("src/ks/ks_initial.c", "row[j] = value_at(",
         "    for (ptrdiff_t j = 0; j < range.count; j++) row[j] += options->offset;")),
    "network": Recipe(  # with a key of its own
        4, "src/network/polynomial.c",
        ("include/sinode/network.h", "MEMBER(SN_NETWORK_KS,",
         '  MEMBER(SN_NETWORK_POLYNOMIAL, "polynomial", sn_network_polynomial) \\'),
        ("include/sinode/network.h", "ptrdiff_t products;", "  ptrdiff_t degree; /* polynomial */"),
        ("src/config/schema.c", "of a bilinear convolution (product): how many products it sums",
         '    {"model.nonlinear.degree", INTEGER(model.network.degree), .fallback = "3", WITHIN(1, 16),\n'
         '     .commands = BUILDS, .help = "of a polynomial"},')),
    "solver": Recipe(
        3, "src/linear/solver_gauss.c",
        ("include/sinode/solver.h", "MEMBER(SN_SOLVER_DENSE,", '  MEMBER(SN_SOLVER_GAUSS, "gauss", sn_solver_gauss) \\')),
    "optimizer": Recipe(
        2, "src/learn/lion.c",
        ("include/sinode/optimizer.h", "MEMBER(SN_OPTIMIZER_SGD,",
         '  MEMBER(SN_OPTIMIZER_LION, "lion", sn_optimizer_lion) \\')),
    "command": Recipe(
        2, "src/commands/spacing.c",
        ("src/commands/commands.h", "COMMAND(explain)", "  COMMAND(spacing) \\")),
    "scheme": Recipe(
        1, None,
        ("src/time/tableau.c", '{.name = "bosh3", BOSH3},',
         '    {.name = "ralston2",\n     .source = "Ralston 1962",\n     .kind = SN_TABLEAU_EXPLICIT,\n'
         "     .order = 2,\n     .stages = 2,\n     .a = {{0}, {0.6666666666666666}},\n     .b = {0.25, 0.75}},")),
}


class Tree(unittest.TestCase):
    """A copy of the sources in which all recipes have been followed."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.tree = cls.folder / "tree"
        cls.tree.mkdir()
        for name in SOURCES:
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, cls.tree / name)
        for name, recipe in RECIPES.items():
            recipe.follow(name, cls.tree)

    @classmethod
    def call(cls, *command, status=0, timeout=600, folder=None):
        """Output of a command that must end with a status."""
        found = subprocess.run([str(word) for word in command], cwd=folder or cls.folder, capture_output=True, text=True,
                               timeout=timeout, stdin=subprocess.DEVNULL, check=False)
        assert found.returncode == status, f"{command}: {found.returncode}\n{found.stdout}{found.stderr}"
        return found.stdout + found.stderr


class Followed(Tree):
    def test_files_to_touch(self):
        text = (ROOT / "docs/developer.md").read_text().replace("To add an ", "To add a ")
        for name, recipe in RECIPES.items():
            with self.subTest(name):
                self.assertLessEqual(len(recipe.files), recipe.most)
                section = re.search(rf"^### To add a {name}\n(.*?)^##", text, re.M | re.S).group(1)
                for path in recipe.files:
                    path = re.sub("polynomial|gauss|lion|spacing", "NAME", path)
                    self.assertIn(re.sub("(src/ks/)?ks_initial", "MODULE", path), section)

    def test_what_is_touched_compiles(self):
        """As the build compiles it, or another file of its folder if it is new; of a header, the source of its name."""
        commands = {}
        for entry in json.loads((pathlib.Path(BUILD) / "compile_commands.json").read_text()):
            path = pathlib.Path(entry["file"])
            commands[path] = commands[path.parent] = (path, entry["command"])
        for name in sorted({path for recipe in RECIPES.values() for path in recipe.files}):
            files = [self.tree / name] if name.endswith(".c") else self.tree.glob(f"src/*/{pathlib.Path(name).stem}.c")
            for file in files:
                with self.subTest(file.name):
                    there = ROOT / file.relative_to(self.tree)
                    path, command = commands.get(there) or commands[there.parent]
                    for source in SOURCES:
                        command = command.replace(f"{ROOT}/{source}/", f"{self.tree}/{source}/")
                        command = re.sub(rf"{ROOT}/{source}(?= |$)", f"{self.tree}/{source}", command)
                    words = [str(file) if word == str(self.tree / path.relative_to(ROOT)) else word
                             for word in shlex.split(command)]
                    self.assertIn(str(file), words)
                    self.call(*words, "-fsyntax-only")


@long
class Recipes(Tree):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        build = cls.folder / "build"
        cls.call(CMAKE, "-G", "Ninja", "-S", cls.tree, "-B", build, "-DCMAKE_BUILD_TYPE=Debug", "-DBUILD_TESTING=OFF",
                 "-DSINODE_WARNINGS_AS_ERRORS=ON")
        cls.call(CMAKE, "--build", build, "--target", "sinode_program", timeout=800)
        cls.program = build / "sinode"

    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir=self.folder)
        self.addCleanup(folder.cleanup)
        self.case = pathlib.Path(folder.name)
        (self.case / "case.yaml").write_text(CONFIG)

    def sinode(self, command, *settings, options=(), ranks=1, status=0):
        launcher = [] if ranks == 1 else [MPIEXEC, "-n", ranks]
        words = [word for setting in settings for word in ("--set", setting)]
        return self.call(*launcher, self.program, command, "case.yaml", *words, *options, status=status,
                         folder=self.case)

    def losses(self, *settings):
        """Training losses of a run."""
        shutil.rmtree(self.case / "run", ignore_errors=True)
        self.sinode("train", *settings)
        return np.loadtxt(self.case / "run/history.csv", delimiter=",", skiprows=1)[:, 3]

    def test_key(self):
        self.assertIn("a number >= -10 and <= 10", self.call(self.program, "explain", "generate.offset"))
        self.assertIn("  offset: 0.0\n", self.call(self.program, "template", "generate"))
        self.assertIn("did you mean generate.offset?", self.sinode("generate", "generate.ofset=1", status=2))
        means = []
        for offset in (0, 1.5):
            self.sinode("generate", f"generate.offset={offset}", "generate.transient=0", "generate.members=1",
                        options=["--overwrite"])
            with h5py.File(self.case / "data.h5") as file:
                means.append(file["u"][0, 0].mean())
                self.assertIn(f"offset: {float(offset)}".encode(), file.attrs["config"])
        self.assertAlmostEqual(means[1] - means[0], 1.5)

    def test_network(self):
        kind = ("model.nonlinear.kind=polynomial", "model.nonlinear.degree=4")
        self.sinode("generate")
        losses = self.losses(*kind)
        self.assertLess(losses[-1], losses[0])
        with h5py.File(self.case / "run/model.h5") as file:
            self.assertEqual(file["model/nonlinear/layer_0/weight"].shape, (4, 1))
        self.sinode("predict")
        for ranks in (1, 2):
            self.sinode("gradient", f"parallel.space={ranks}", options=["--check", "--overwrite"], ranks=ranks)
        self.assertIn("must be one of mlp, conv, product, ks, polynomial, none",
                      self.sinode("train", "model.nonlinear.kind=quadratic", status=2))
        with h5py.File(self.case / "run/model.h5", "r+") as file:
            file["model"].attrs["nonlinear_kind"] = "quadratic"
        self.assertIn("'quadratic', but must be mlp, conv, product, ks, polynomial or none",
                      self.sinode("predict", options=["--overwrite"], status=3))

    def test_solver(self):
        self.sinode("generate")
        ours, dense = (self.losses(f"integrator.solver.kind={kind}", "model.linear.trainable=true")
                       for kind in ("gauss", "dense"))
        np.testing.assert_allclose(ours, dense, rtol=1e-9)
        self.assertIn("linear part of kind spectral has no matrix; use fft",
                      self.sinode("train", "integrator.solver.kind=gauss", "model.linear.kind=spectral", status=2))

    def test_optimizer(self):
        self.sinode("generate")
        losses = self.losses("train.optimizer.kind=lion", "train.optimizer.learning_rate=1e-3", "train.epochs=6")
        self.assertLess(losses[-1], losses[0])
        newest = max((self.case / "run/checkpoints").glob("*.h5"))
        with h5py.File(newest) as file:
            self.assertIn("exp_avg", file["optimizer"])

    def test_command(self):
        self.assertAlmostEqual(float(self.sinode("spacing", "grid.points=11").split()[0]), 2)
        self.assertIn("the distance of two grid points", self.call(self.program, "--help"))

    def test_scheme(self):
        self.assertIn("ralston2", self.call(self.program, "explain", "integrator.scheme"))
        self.sinode("generate")
        self.losses()
        self.sinode("gradient", "integrator.scheme=ralston2", "integrator.dt=0.1", options=["--check"])


if __name__ == "__main__":
    main()
