"""What is said and done when a computation goes wrong: explicit schemes beyond their limit, stiff and implicit steps
that fail, adjoints that explode, one replica failing alone. And what a user sees beforehand: warnings, error estimates."""
import re
import unittest

import h5py
import numpy as np
from harness import Case

EXACT = ("--set", "predict.model=none", "--set", "model.nonlinear.kind=ks")


def write_data(path, u, interval=0.2, length=22.0):
    """A trajectory file of u (member, time, x)."""
    members, times, points = u.shape
    with h5py.File(path, "w") as file:
        file.attrs.update({"sinode_kind": "trajectory", "sinode_format": 1, "domain_length": length})
        file["member"], file["time"] = np.arange(members, dtype="i4"), interval * np.arange(times)
        file["x"], file["u"] = length / points * np.arange(points), u


def write_linear_model(path, taps, points=16, length=22.0):
    """du/dt = A u with a stencil that is trained."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"sinode_kind": "model", "sinode_format": 1})
        group = file.create_group("model")
        group.attrs.update({"grid_points": points, "domain_length": length, "activation": "tanh",
                            "nonlinear_kind": "none", "linear_kind": "stencil", "linear_trainable": 1})
        group["linear/stencil"] = taps


class FailureTest(Case):
    def fails(self, command, *arguments, words, ranks=1, space=None, warned=False):
        """One line on stderr that has all the words, after a warning where one is due. What hangs is an error."""
        _, err = self.sinode(command, *arguments, status=1, ranks=ranks, space=space)
        self.assertEqual(len(err), 1 + warned, err)
        for word in words:
            self.assertIn(word, err[-1])
        return err

    def wave(self, points=16):
        return np.cos(2 * np.pi * np.arange(points) / points)

    def test_explicit_scheme_beyond_its_limit(self):
        self.sinode("generate", "--set", "grid.points=64")
        beyond = ("--set", "grid.points=64", "--set", "integrator.scheme=rk4", "--set", "integrator.dt=0.004")
        # -2.785 is where rk4's stability interval ends; the stencil's largest eigenvalue is 4/dx^2 - 16/dx^4.
        dx = 22 / 64
        limit = f"{2.7852936 / (16 / dx**4 - 4 / dx**2):.3g}"
        _, err = self.sinode("check", *beyond)
        self.assertIn(f"beyond the largest stable step of rk4 on this linear part, about {limit}", err[0])
        for command, words in (("predict", EXACT), ("train", ())):
            err = self.fails(command, *beyond, *words, "--set", "train.window=3", warned=True,
                             words=("rk4 blew up in step ", "at t = 0.", "norm (root mean square) of the state is",
                                    f"the largest stable step of rk4 on this linear part is {limit}", "IMEX"))
            self.assertIn("warning", err[0])

    def test_points_that_are_elsewhere(self):
        """They are refused, found by whichever rank, or warned of where they are to be ignored."""
        self.sinode("generate")
        with h5py.File(self.folder / "data.h5", "a") as file:
            file["x"][15] += 1e-6
        for ranks in (1, 3):
            _, err = self.sinode("train", ranks=ranks, status=3)
            self.assertIn("error: data.h5: x is not evenly spaced, not j L / N: x[15] is 20.625001, expected 20.625",
                          err[0])
            _, err = self.sinode("train", "--overwrite", "--set", "train.epochs=1", "--set", "grid.coordinates=ignore",
                                 ranks=ranks)
            self.assertIn("warning: data.h5: grid.coordinates is ignore", err[0])
            self.assertIn("x is not evenly spaced", err[0])

    def test_steps_are_counted_from_the_start_of_a_prediction(self):
        """u' = u / 2 by euler with dt 0.2 grows by 1.1 a step: past 1e6 in step 145, not in the first piece."""
        write_data(self.folder / "data.h5", np.ones((1, 3, 16)))
        write_linear_model(self.folder / "model.h5", [0.5])
        step = int(np.ceil(np.log(1e6) / np.log(1.1)))
        self.fails("predict", "--set", "predict.model=model.h5", "--set", "predict.span=40", "--set",
                   "integrator.scheme=euler", warned=True,
                   words=(f"euler blew up in step {step}, at t = {0.2 * step:g}: ", f"state is {1.1**step:.6g}"))

    def test_one_replica_fails_alone(self):
        """The second member is a thousand times larger; with two replicas the other rank must learn of it."""
        u = np.zeros((2, 3, 16))
        u[0], u[1] = 0.1 * self.wave(), 1000 * self.wave()
        write_data(self.folder / "data.h5", u)
        stiff = ("--set", "integrator.scheme=dopri5-adaptive", "--set", "integrator.minimum_step=1e-4", "--set",
                 "integrator.rtol=1e-12")
        newton = ("--set", "integrator.scheme=cn", "--set", "integrator.newton.max_iterations=2")
        for ranks in (1, 2):
            self.fails("predict", *EXACT, *stiff, "--set", "predict.span=0.4", ranks=ranks,
                       words=("stiff: the step of dopri5-adaptive fell below 0.0001 at t = ", "an IMEX scheme would"))
            self.fails("predict", *EXACT, *newton, "--set", "predict.span=0.4", ranks=ranks,
                       words=("did not converge in step 1 of cn, at t = 0 (relative residuals: ", "lower integrator"))
            train = ("--set", "model.nonlinear.kind=ks", "--set", "model.linear.trainable=true", "--set",
                     "train.validation=0")  # warned: all snapshots are alike
            self.fails("train", *train, *stiff, ranks=ranks, warned=True, words=("stiff: ",))
            self.fails("train", *train, *newton, ranks=ranks, warned=True, words=("did not converge",))

    def test_residual_history(self):
        """Newton's method converges quadratically, and says so."""
        self.sinode("generate")
        out, _ = self.sinode("predict", *EXACT, "--set", "integrator.scheme=beuler")
        line = next(line for line in out.splitlines() if "relative residuals of the hardest step:" in line)
        history = [float(word) for word in line.rpartition(":")[2].split()]
        self.assertGreaterEqual(len(history), 3)
        self.assertTrue(all(after < before / 5 for before, after in zip(history, history[1:])), line)
        self.assertLess(history[-1], 1e-11)

    def test_tolerance_of_implicit_schemes(self):
        """A looser one saves iterations of Newton's method and of the adjoint, and the training stays what it was."""
        self.sinode("generate")
        found = {}
        for tolerance in ("1e-13", "1e-4"):
            out, _ = self.sinode("train", "--overwrite", "--set", "integrator.scheme=cn", "--set", "train.epochs=2",
                                 "--set", "train.resume=never", "--set", f"integrator.newton.tolerance={tolerance}")
            newtons, krylovs = re.search(r"iterations: (\d+) of Newton's method, (\d+) of GMRES", out).groups()
            loss = float(re.search(r"training loss (\S+),", out)[1])
            found[tolerance] = int(newtons), int(krylovs), loss
        tight, loose = found.values()
        self.assertLess(loose[0], 0.7 * tight[0], found)
        self.assertLess(loose[1], 0.4 * tight[1], found)
        self.assertAlmostEqual(loose[2] / tight[2], 1, delta=1e-3)

    def test_error_estimate_follows_the_step(self):
        """An embedded method of order p - 1 makes an estimate that goes as dt^p."""
        self.sinode("generate")
        found = {}
        for dt in (0.2, 0.1, 0.05, 0.025):
            out, _ = self.sinode("predict", *EXACT, "--set", "integrator.scheme=4", "--set", f"integrator.dt={dt}",
                                 "--overwrite")
            with h5py.File(self.folder / "prediction.h5") as file:
                estimate = file["error_estimate"][()]
                self.assertEqual(file["error_estimate"].dims[1][0].name, "/time")
                self.assertEqual(estimate.shape, file["rmse"].shape)
            self.assertIn(f"at most {estimate.max():.2e}", out)
            found[dt] = estimate.max()
        order = np.log2(found[0.05] / found[0.025])
        self.assertTrue(3.5 < order < 4.5, found)
        out, _ = self.sinode("predict", *EXACT, "--set", "integrator.scheme=rk4", "--set", "integrator.dt=0.01",
                             "--overwrite")
        self.assertNotIn("estimate", out)  # no embedded method

    def test_exploding_adjoint(self):
        """u' = 50 u by euler: 11 times a step, forward from 1e-12 and so within bounds, back past 1e8."""
        taps = [0.0, 50.0, 0.0]
        u = np.zeros((2, 14, 16))
        u[:, 0] = 1e-12 * self.wave()
        write_data(self.folder / "data.h5", u)
        write_linear_model(self.folder / "run_model.h5", taps)
        words = ("--set", "integrator.scheme=euler", "--set", "train.window=12", "--set", "model.linear.trainable=true",
                 "--set", "model.linear.coefficients=[0.0, 50.0, 0.0]", "--set", "model.nonlinear.kind=none")
        for ranks, space in ((1, 1), (2, 2), (2, 1)):
            # The last of what is given is the largest; 8 steps back from step 12 it has grown by 11^8 > 1e8.
            self.fails("gradient", *words, "--set", "gradient.model=run_model.h5", "--overwrite", ranks=ranks,
                       space=space, words=("the adjoint of euler blew up going back through step 5 (t = 0.8)", "train.window"))
            with h5py.File(self.folder / "gradient.h5") as file:
                norms = file["adjoint_norm"][()]
            self.assertEqual(norms.shape, (12,))
            np.testing.assert_allclose(norms[:-2] / norms[1:-1], 11, rtol=0.01)
            self.fails("train", *words, "--set", "train.validation=0", "--overwrite", ranks=ranks, space=space,
                       words=("the adjoint of euler blew up going back through step 5",))


if __name__ == "__main__":
    unittest.main()
