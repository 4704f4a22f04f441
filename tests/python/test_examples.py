"""The examples in Python, run as their heads say, with the package of the build: what they print is right.

SINODE_PACKAGE names the folder of the package; what needs PyTorch or mpi4py is skipped without.
"""
import importlib.util
import os
import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cli"))
import harness  # noqa: E402

EXAMPLES = ROOT / "examples" / "python"


def needs(*modules):
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return unittest.skipIf(missing, f"needs {', '.join(missing)}")


class Examples(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_example(self, name, *words, ranks=1):
        command = [sys.executable, *(["-m", "mpi4py"] if ranks > 1 else []), EXAMPLES / name, *words]
        process = harness.launch(command, ranks, self.folder, {"PYTHONPATH": os.environ["SINODE_PACKAGE"],
                                                               "OMP_NUM_THREADS": "1"})
        out, err = process.communicate(timeout=harness.TIMEOUT)
        self.assertEqual(process.returncode, 0, out + err)
        return out

    def numbers(self, pattern, out):
        return [float(text) for text in re.findall(pattern, out)]

    @needs("torch")
    def test_paper_model(self):
        losses = self.numbers(r"epoch \d+: loss (\S+)", self.run_example("paper_model.py", "--epochs", "3", "--width", "64"))
        self.assertEqual(len(losses), 3)
        self.assertLess(losses[2], 0.6 * losses[0])
        self.assertTrue((self.folder / "paper_model.pt").is_file())

    @needs("mpi4py")
    def test_distributed_rollout(self):
        out = self.run_example("distributed_rollout.py", "--points", "128", "--time", "1", ranks=2)
        errors = self.numbers(r"relative error (\S+) on 2 ranks", out)
        self.assertEqual(len(errors), 4)
        self.assertLess(max(errors), 1e-4)

    @needs("torch")
    def test_lyapunov_exponents(self):
        out = self.run_example("lyapunov_exponents.py", "--exponents", "3", "--time", "60")
        exponents = self.numbers(r"exponent \d: (\S+)", out)
        self.assertEqual(len(exponents), 3)
        self.assertGreater(exponents[0], 0)
        self.assertLess(exponents[0], 0.1)
        self.assertEqual(exponents, sorted(exponents, reverse=True))

    def test_own_training(self):
        out = self.run_example("own_training.py", "--iterations", "120")
        first, last = self.numbers(r"(?:first|last) (\S+?)[,;]", out)
        self.assertLess(last, 0.5 * first)
        self.assertEqual((self.folder / "own_training.png").read_bytes()[1:4], b"PNG")

    def test_every_example_is_run(self):
        tested = {f"{name[len('test_'):]}.py" for name in dir(self) if name.startswith("test_")}
        self.assertLessEqual({path.name for path in EXAMPLES.glob("*.py")}, tested)


if __name__ == "__main__":
    unittest.main()
