"""sinode.Generator: against the model of the exact term, and to the bit against sinode generate, of any equation.

SINODE_LIBRARY names the library.
"""
import pathlib
import sys
import tempfile
import unittest

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "io" / "python")]
import sinode  # noqa: E402


class GeneratorTest(unittest.TestCase):
    def test_it_solves_the_equation(self):
        """The generator's trajectory obeys the equation that the model of its exact term has."""
        generator = sinode.Generator(64, 22.0, dt=0.001, members=2, seed=5)
        generator.step(2000)
        before, now, after = generator.trajectory(3)
        model = sinode.Model.from_config({"grid": {"points": 64, "length": 22.0},
                                          "model": {"linear": {"kind": "spectral"}, "nonlinear": {"kind": "ks"}}},
                                         samples=2)
        slope = (after - before) / 0.002
        self.assertLess(abs(model.rhs(now) - slope).max(), 1e-4 * abs(slope).max())

    def test_equations_are_those_of_the_program(self):
        """To the bit, with as many members as parameters and more; what is wrong is told in the same words."""
        slope = {"linear": {0: -0.2, 2: 0.5, 3: 0.1}, "u_ux": -1.0, "ux2": 0.3, "u3": -0.1, "constant": 0.05}
        equations = (None, {"linear": {2: 1.0}, "u_ux": -1}, {"linear": {0: 0.3, 2: -2, 4: -1}, "u_ux": 0, "u3": -1},
                     {**slope, "parameter": {"of": "u_xx", "values": np.array([0.8, 1.2])}})
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "data.h5"

            def program(equation):
                own = {} if equation is None else {"equation": equation}
                generate = {"file": path, "initial": "random", "members": 3, "dt": 0.01, "interval": 0.05, "span": 0.2,
                            "transient": 0.1, **own}
                return sinode.generate({"run": {"directory": folder, "seed": 3}, "grid": {"points": 32, "length": 20.0},
                                        "generate": generate}, overwrite=True)
            for equation in equations:
                generator = sinode.Generator(32, 20.0, dt=0.01, members=3, seed=3, equation=equation)
                generator.step(10)
                with sinode.open(program(equation)) as data:
                    np.testing.assert_array_equal(generator.trajectory(5, every=5).transpose(1, 0, 2), data.u)
            self.assertEqual(generator.parameters.tolist(), [0.8, 1.2, 0.8])
            for equation in ({"u_x": 1.0}, {"linear": {9: 1.0}}, {"u2": "1"}, {"parameter": {"of": "u_xx"}},
                             {"parameter": {"of": "u3", "values": [1.0]}}, {"u_ux": 0, "u2": 1000.0}):
                said = []
                for call in (program, lambda e: sinode.Generator(32, 20.0, dt=0.01, equation=e, seed=3).step(5)):
                    with self.assertRaises(sinode.Error) as raised:
                        call(equation)
                    said.append((raised.exception.code, str(raised.exception)))
                self.assertEqual(said[0], said[1])


if __name__ == "__main__":
    unittest.main()
