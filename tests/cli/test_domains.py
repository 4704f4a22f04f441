"""A model of convolutions and stencils trained on one domain runs on others of the same spacing; others do not."""
import unittest

import h5py
import numpy as np
from harness import Case, datasets

CONV = ("--set", "model.nonlinear.kind=conv", "--set", "model.nonlinear.channels=[4, 3]", "--set",
        "model.nonlinear.kernel=9")
DOUBLE = ("--set", "grid.points=32", "--set", "grid.length=44", "--set", "predict.data=double.h5", "--set",
          "gradient.data=double.h5", "--overwrite")


class DomainTest(Case):
    def setUp(self):
        super().setUp()
        self.sinode("generate")
        with h5py.File(self.folder / "data.h5") as file, h5py.File(self.folder / "double.h5", "w") as double:
            double.attrs.update({"sinode_kind": "trajectory", "sinode_format": 1, "domain_length": 44.0})
            double["member"], double["time"] = file["member"][()], file["time"][()]
            double["x"], double["u"] = 44 / 32 * np.arange(32), np.tile(file["u"][()], 2)

    def test_twice_the_domain(self):
        """Two periods of the data give two periods of the prediction, and twice the gradient of a sum."""
        for linear in ((), ("--set", "model.linear.kind=spectral")):
            self.sinode("train", *CONV, *linear, "--overwrite")
            self.sinode("predict", "--overwrite")
            self.sinode("gradient", "--overwrite")
            once, slope = datasets(self.folder / "prediction.h5"), datasets(self.folder / "gradient.h5")
            # 32 points over 4 ranks are blocks of 8; the kernel reaches 4 to each side. With 5 ranks they are uneven.
            for ranks in (1, 4, 5):
                self.sinode("predict", *DOUBLE, ranks=ranks, space=ranks)
                self.sinode("gradient", *DOUBLE, ranks=ranks, space=ranks)
                twice, slopes = datasets(self.folder / "prediction.h5"), datasets(self.folder / "gradient.h5")
                np.testing.assert_allclose(twice["u"], np.tile(once["u"], 2), rtol=0, atol=1e-10)
                for name in ("loss", "gradient/nonlinear/layer_0/weight", "gradient/nonlinear/layer_2/bias"):
                    np.testing.assert_allclose(slopes[name], slope[name], rtol=1e-8, atol=1e-14, err_msg=name)

    def test_other_spacing_is_refused(self):
        self.sinode("train", *CONV)
        with h5py.File(self.folder / "double.h5", "a") as file:  # the same 32 points on 22 are half as far apart
            file.attrs["domain_length"], file["x"][...] = 22.0, 22 / 32 * np.arange(32)
        _, err = self.sinode("predict", *DOUBLE, "--set", "grid.length=22", status=2)
        self.assertEqual(err, ["sinode: error: run/model.h5 is for points 1.375 apart (16 on [0, 22)), but grid.length "
                               "over grid.points is 0.6875; its weights do not depend on the domain, but on the "
                               "spacing"])

    def test_perceptrons_and_matrices_are_of_one_grid(self):
        for words in ((), (*CONV, "--set", "model.linear.kind=dense")):
            self.sinode("train", *words, "--overwrite")
            _, err = self.sinode("predict", *DOUBLE, status=2)
            self.assertEqual(err, ["sinode: error: run/model.h5 is for 16 grid points, but grid.points is 32; they "
                                   "must agree"])


if __name__ == "__main__":
    unittest.main()
