"""An installation, made with cmake --install and then moved elsewhere, as others use it."""
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

CMAKE, MPICC, MPIEXEC, BUILD = (os.environ[f"SINODE_{name}"] for name in ("CMAKE", "MPICC", "MPIEXEC", "BUILD"))
ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/own_network"
LMOD = pathlib.Path("/usr/share/lmod/lmod/libexec/lmod")
loads_library = unittest.skipIf(os.environ.get("SINODE_SANITIZED") == "ON", "programs would have to load sanitizers first")
STRICT = ("-std=c17", "-D_XOPEN_SOURCE=700", "-Wall", "-Wextra", "-Werror")


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        first, cls.prefix = cls.folder / "first", cls.folder / "moved"
        cls.call(CMAKE, "--install", BUILD, "--prefix", first)
        cls.module_text = {suffix: (first / f"share/sinode/modulefiles/sinode/0.1.0{suffix}").read_text()
                           for suffix in ("", ".lua")}
        cls.first = first
        first.rename(cls.prefix)
        cls.program = cls.prefix / "bin/sinode"

    @classmethod
    def call(cls, *command, status=0, folder=None, **variables):
        """Output of a command that must end with a status."""
        environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
        found = subprocess.run([str(word) for word in command], cwd=folder or cls.folder, capture_output=True, text=True,
                               timeout=240, env=environment, stdin=subprocess.DEVNULL, check=False)
        assert found.returncode == status, f"{command}: {found.returncode}\n{found.stdout}{found.stderr}"
        return found.stdout + found.stderr

    def on_ranks(self, ranks, *command, **options):
        return self.call(MPIEXEC, "-n", ranks, *command, **options)

    def check_example(self, program, **variables):
        for ranks in (1, 2, 3):
            out = self.on_ranks(ranks, program, **variables)
            left, middle, right, expected = map(float, re.search(
                r"weights (\S+) (\S+) (\S+), expected \S+ 0 (\S+)", out).groups())
            self.assertAlmostEqual((right - left) / 2, expected, delta=0.01 * expected)
            self.assertAlmostEqual(left + middle + right, 0, delta=0.01 * expected)

    @loads_library
    def test_cmake_package(self):
        build = self.folder / "by_cmake"
        self.call(CMAKE, "-S", EXAMPLE, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}",
                  f"-DCMAKE_C_FLAGS={' '.join(STRICT)}")
        self.call(CMAKE, "--build", build)
        self.check_example(build / "own_network")

    @loads_library
    def test_pkg_config(self):
        flags = self.call("pkg-config", "--cflags", "--libs", "sinode",
                          PKG_CONFIG_PATH=f"{self.prefix}/lib/pkgconfig").split()
        self.call(MPICC, *STRICT, EXAMPLE / "own_network.c", *flags, "-lm", "-o", "by_pkg_config")
        libraries = {"LD_LIBRARY_PATH": f"{self.prefix}/lib"}
        loaded = set(re.findall(r"lib(mpi|mpich)\.so", self.call("ldd", "by_pkg_config", **libraries)))
        self.assertEqual(len(loaded), 1, "one MPI library")
        self.check_example(self.folder / "by_pkg_config", **libraries)

    def test_the_interface_is_one_header_and_one_library(self):
        self.assertEqual([path.name for path in (self.prefix / "include").iterdir()], ["sinode.h"])
        self.assertEqual({path.name for path in (self.prefix / "lib").glob("lib*")},
                         {"libsinode.so", "libsinode.so.0.1", "libsinode.so.0.1.0"})
        for name, standard in (("one_header.c", STRICT), ("one_header.cc", ("-xc++", "-std=c++11", "-Wall", "-Werror"))):
            source = self.folder / name
            source.write_text("#include <sinode.h>\n")
            self.call(MPICC, *standard, "-fsyntax-only", f"-I{self.prefix}/include", source)

    @loads_library
    def test_python_package(self):
        """From the tree that was moved, in an interpreter that knows no other sinode."""
        script = "import sinode, numpy; model = sinode.Model(16, 22.0); " \
                 "print(sinode.Integrator(model, dt=0.1).forward(numpy.ones(16), [0, 0.1])[1, 0], sinode.__file__)"
        out = self.call(sys.executable, "-c", script, PYTHONPATH=self.prefix / "share/sinode/python")
        self.assertEqual(out.split(), ["1.0", str(self.prefix / "share/sinode/python/sinode/__init__.py")])

    @loads_library
    @unittest.skipUnless(importlib.util.find_spec("pip") and importlib.util.find_spec("setuptools"), "there is no pip")
    def test_python_package_by_pip(self):
        tree = self.folder / "checkout"  # as a wheel is built in the tree
        shutil.copytree(ROOT / "io/python", tree / "io/python")
        shutil.copytree(ROOT / "include", tree / "include")
        self.call(sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--no-index", "--target",
                  self.folder / "site", tree / "io/python")
        out = self.call(sys.executable, "-c", "import sinode; print(sinode.__file__, 'l2' in sinode.schemes())",
                        PYTHONPATH=self.folder / "site", SINODE_LIBRARY=self.prefix / "lib/libsinode.so")
        self.assertEqual(out.split(), [str(self.folder / "site/sinode/__init__.py"), "True"])

    def test_selftest(self):
        for ranks in (1, 2, 3, 4):
            out = self.on_ranks(ranks, self.program, "selftest")
            self.assertRegex(out, rf"all \d+ checks passed on {ranks} rank")
        self.assertEqual(list(self.folder.glob("sinode-selftest*")), [])
        out = self.call(self.program, "selftest", folder="/proc", status=1)  # where no file can be made
        self.assertIn("FAILED  trajectory file", out)
        self.assertIn("2 of 10 checks failed", out)

    def test_manual(self):
        program = (self.prefix / "share/man/man1/sinode.1").read_text()
        keys = (self.prefix / "share/man/man5/sinode.yaml.5").read_text()
        commands = re.findall(r"^  (\w+) ", self.call(self.program, "--help").split("options:")[0], re.M)
        self.assertIn("selftest", commands)
        for command in set(commands) - {"sinode", "mpirun"}:
            self.assertIn(f".B {command}\n", program)
        for command in ("generate", "train", "predict"):
            section = []
            for indent, key, value in re.findall(r"^( *)(\w+):(.*)$", self.call(self.program, "template", command), re.M):
                section[len(indent) // 2:] = [key]
                if value:
                    self.assertIn(f".B {'.'.join(section)}\n", keys)
        if shutil.which("mandoc"):
            for page in ("man1/sinode.1", "man1/sinode-bench.1", "man5/sinode.yaml.5"):
                self.call("mandoc", "-T", "lint", "-W", "error", self.prefix / "share/man" / page)

    def test_benchmark(self):
        """sinode runs sinode-bench, which is beside it or on the PATH; without it there is one error, on any ranks."""
        (self.folder / "b.yaml").write_text("grid: {points: 32, length: 11.0}\ntrain: {data: none.h5}\n"
                                            "benchmark: {only: [halo], repeats: 1, seconds: 0.001}\n")
        words = ("benchmark", "b.yaml", "--overwrite", "--set", "run.directory=bench")
        alone = self.prefix / "alone/sinode"
        alone.parent.mkdir()
        shutil.copy(self.program, alone)
        for ranks in (1, 3):
            self.assertRegex(self.on_ranks(ranks, self.program, *words), r"halo .*\n(.*\n)*written: bench/benchmark.csv")
            out = self.on_ranks(ranks, alone, *words, status=3)
            self.assertEqual(len(re.findall("benchmark is done by the program sinode-bench, which is neither beside "
                                            "sinode nor on the PATH", out)), 1)
        on_path = f"{self.prefix}/bin:{os.environ['PATH']}"
        self.assertIn("written: bench/benchmark.csv", self.call(alone, *words, PATH=on_path))
        self.assertIn("sinode-bench CONFIG.yaml", self.call(self.prefix / "bin/sinode-bench", "--help"))
        self.assertIn("sinode-bench 0.1.0", self.call(self.prefix / "bin/sinode-bench", "--version"))

    def complete(self, *words):
        """What bash offers for the last of the words."""
        quoted = " ".join(f"'{word}'" for word in words)
        script = f"source {self.prefix}/share/bash-completion/completions/{words[0]}; COMP_WORDS=({quoted}); " \
                 f"COMP_CWORD={len(words) - 1}; $(complete -p {words[0]} | cut -d' ' -f3) {words[0]}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        return self.call("bash", "-c", script).split()

    def test_completion(self):
        self.assertEqual(self.complete("sinode", "tr"), ["train"])
        self.assertEqual(self.complete("sinode", "train", "c.yaml", "--ov"), ["--overwrite"])
        self.assertEqual(self.complete("sinode", "train", "c.yaml", "--set", "grid."), ["grid.points=", "grid.length=", "grid.coordinates="])
        self.assertIn("ars343", self.complete("sinode", "train", "c.yaml", "--set", "integrator.scheme", "=", "ars"))
        self.assertEqual(self.complete("sinode", "train", "c.yaml", "--set", "generate.dealias", "="), ["true", "false"])
        self.assertEqual(self.complete("sinode", "explain", "run.se"), ["run.seed"])
        (self.folder / "complete.yaml").touch()
        self.assertEqual(self.complete("sinode-bench", "complete"), ["complete.yaml"])
        self.assertEqual(self.complete("sinode-bench", "c.yaml", "--set", "benchmark.on"), ["benchmark.only="])

    @unittest.skipUnless(LMOD.exists(), "there is no lmod")
    def test_modules(self):
        for suffix, text in self.module_text.items():
            with self.subTest(file=f"0.1.0{suffix}"):
                modules = self.folder / f"modules{suffix}"
                (modules / "sinode").mkdir(parents=True)
                (modules / f"sinode/0.1.0{suffix}").write_text(text)
                out = self.call(LMOD, "bash", "load", "sinode/0.1.0", MODULEPATH=str(modules), LMOD_CMD=str(LMOD))
                self.assertRegex(out, rf'PATH="?{self.first}/bin:')
                self.assertRegex(out, rf'PKG_CONFIG_PATH="?{self.first}/lib')
                self.assertRegex(out, rf'SINODE_ROOT="?{self.first}"?;')

    def test_what_else_is_there(self):
        for name in ("share/doc/sinode/LICENSE", "share/doc/sinode/CITATION.cff", "share/sinode/slurm/train.sbatch",
                     "share/sinode/configs/ks64.yaml"):
            self.assertTrue((self.prefix / name).is_file(), name)
        self.assertTrue(os.access(self.prefix / "share/sinode/slurm/pipeline.sh", os.X_OK))
        self.assertIn("0.1.0", self.call(self.program, "--version"))


if __name__ == "__main__":
    unittest.main()
