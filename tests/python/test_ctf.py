"""The scores of jobs/ctf against values by hand."""
import pathlib
import sys
import tempfile
import unittest

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "jobs/ctf"), str(ROOT / "io/python")]
import framework  # noqa: E402
from sinode.files import InputError  # noqa: E402

X = 2 * np.pi * np.arange(1024) / 1024


class Scores(unittest.TestCase):
    def test_norm_is_the_largest_singular_value(self):
        truth, prediction = np.diag([3.0, 4.0]), np.diag([3.0, 2.0])
        self.assertAlmostEqual(framework.reconstruction(truth, prediction), 50)  # by Frobenius' it were 60
        self.assertAlmostEqual(framework.reconstruction(truth, 0 * truth), 0)
        self.assertAlmostEqual(framework.reconstruction(truth, -truth), -100)

    def test_short_time_sees_the_first_frames(self):
        truth = np.outer(np.arange(1.0, 31), np.cos(X))
        prediction = 0.9 * truth
        prediction[20:] = 7
        self.assertAlmostEqual(framework.short_time(truth, prediction), 90)

    def test_long_time_sees_the_mean_power_of_the_last_frames(self):
        truth = np.outer(np.r_[np.full(10, 9.0), np.tile([1, 3**0.5], 10)], np.cos(5 * X))  # mean square 2
        np.testing.assert_allclose(framework.power(truth[-20:])[4:7], [0, 2 * 512**2, 0], atol=1e-15 * 1024**2)
        same = np.tile(2**0.5 * np.sin(5 * X + 1) + np.cos(120 * X), (30, 1))              # there are no modes from 100 on
        self.assertAlmostEqual(framework.long_time(truth, same), 100)
        self.assertAlmostEqual(framework.long_time(truth, np.tile(np.cos(5 * X), (30, 1))), 50)
        self.assertAlmostEqual(framework.long_time(truth, np.tile(2**0.5 * np.cos(6 * X), (30, 1))), 100 * (1 - 2**0.5))
        self.assertEqual(framework.power(np.ones((20, 1024)))[0], 1024**2)                  # the mean is mode 0

    def test_pairs(self):
        self.assertEqual(framework.SCORES, [f"E{k}" for k in range(1, 13)])
        self.assertEqual(sorted({name for pair in framework.PAIRS.values() for name in (*pair.train, pair.start) if name}),
                         sorted(f"X{k}train" for k in range(1, 11)))
        self.assertEqual(sorted(pair.test for pair in framework.PAIRS.values()), [f"X{k}test" for k in range(1, 10)])
        self.assertEqual(str(framework.path_of("d", "X10train")), "d/train/X10train.mat")
        truth = np.tile(np.cos(X), (25, 1))
        self.assertEqual(framework.scores_of(framework.PAIRS[1], truth, 9 * truth), {"E1": -100, "E2": -100})
        with self.assertRaisesRegex(InputError, "X2test: the prediction is .24, 1024., expected .25, 1024."):
            framework.scores_of(framework.PAIRS[2], truth, truth[1:])

    def test_published_table(self):
        methods = framework.published()
        means = {name: np.mean(list(scores.values())) for name, scores in methods.items()}
        self.assertEqual(max(means, key=means.get), "ODE-LSTM")
        self.assertAlmostEqual(means["ODE-LSTM"], 18.57, 2)
        self.assertAlmostEqual(np.mean([max(scores[name] for scores in methods.values()) for name in framework.SCORES]),
                               57.15, 2)

    def test_resampling(self):
        fine = 1 + np.cos(3 * X) - 2 * np.sin(17 * X)
        coarse = framework.resample(fine, 128)
        np.testing.assert_allclose(coarse, fine[::8], atol=1e-13)
        np.testing.assert_allclose(framework.resample(coarse, 1024), fine, atol=1e-13)

    def test_matrices(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "train/X1train.mat")
            values = np.arange(6.0).reshape(2, 3)
            framework.write_matrix(path, values)
            np.testing.assert_array_equal(framework.read_matrix(path), values)
            from scipy.io import savemat
            for arrays, text in (({"a": values, "b": values}, "arrays a, b, expected one"),
                                 ({"a": values * np.nan}, "of finite numbers")):
                savemat(path, arrays)
                with self.assertRaisesRegex(InputError, text):
                    framework.read_matrix(path)


if __name__ == "__main__":
    unittest.main()
