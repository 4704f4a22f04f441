"""States and coefficients behind noisy frames: the iterated extended Kalman smoother, by the exact tangents of sinode.

B. M. Bell, The iterated Kalman smoother as a Gauss-Newton method, SIAM J. Optim. 4, 626-636 (1994): the sum of squares
of what the frames differ from the states, and of what each state differs from the model's forecast from the one before
(weak-constraint 4D-Var), over all frames at once. The model is known but for the coefficients of its derivatives, which
are estimated as a part of the state that does not change.
"""
import dataclasses

import numpy as np
import sinode

JUMPS = (1, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.01)  # between states and forecasts, by iteration, in noise levels
DOUBT = 0.3   # standard deviation of the coefficients before any frame is seen
BATCH = 250   # intervals whose tangents are in memory


@dataclasses.dataclass
class Smoothed:
    states: np.ndarray        # (frames, points)
    coefficients: np.ndarray  # of the derivatives
    errors: np.ndarray        # their standard errors; 0: not estimated
    misfit: float             # mean square of frames - states, in noise levels, over the modes estimated


def noise_level(frames):
    """Standard deviation of white noise on frames (..., points) that are resolved, from the top third of the spectrum."""
    points = frames.shape[-1]
    return float(np.sqrt((np.abs(np.fft.rfft(frames)[..., points // 3:-1])**2).mean() / points))


def _basis(points, modes):
    """Orthonormal rows: the mean, cosines and sines."""
    angle = 2 * np.pi * np.arange(1, modes + 1)[:, None] * np.arange(points) / points
    return np.concatenate([np.full((1, points), points**-0.5), *(np.sqrt(2 / points) * f(angle) for f in (np.cos, np.sin))])


def _variance_before(observed, modes, noise):
    """That of the states without noise, the same for cosine and sine."""
    power = (observed**2).mean(axis=0)
    pairs = (power[1:modes + 1] + power[modes + 1:]) / 2
    return np.maximum(np.concatenate([power[:1], pairs, pairs]) - noise**2, 1e-3 * noise**2)


class Smoother:
    """Of a model with trainable derivatives, `config` (sections grid and model), whose first coefficients are changed."""

    def __init__(self, config, modes, scheme, dt):
        self.model = sinode.Model.from_config(config, samples=BATCH)
        self.integrator = sinode.Integrator(self.model, scheme, dt=dt)
        self.coefficients = self.model.parameters["linear/derivatives"]
        self.basis = _basis(self.model.grid.points, modes)
        self.modes = modes

    def _set(self, coefficients):
        self.coefficients[...] = coefficients
        self.model.update()

    def _linearize(self, states, interval, extra):
        """(forecasts (frames, points), their derivatives (frames, modes, modes + extra)) an interval after states."""
        basis, size, count = self.basis, len(self.basis), len(self.coefficients)
        forecasts, matrices = [], []
        for first in range(0, len(states), BATCH):
            part = states[first:first + BATCH]
            du = np.zeros((size + extra, *part.shape))
            du[:size] = basis[:, None]
            dc = np.zeros((size + extra, count))
            dc[size:] = np.eye(extra, count)
            found, tangents = self.integrator.jvp(part, (0.0, interval), du, {"linear/derivatives": dc})
            forecasts.append(found[1])
            matrices.append(np.matmul(tangents[1], basis.T).transpose(1, 2, 0))
        return np.concatenate(forecasts), np.concatenate(matrices)

    def run(self, frames, noise, interval=1.0, estimate=True):
        """Smoothed, of frames (frames, points) with white noise of that standard deviation. estimate: coefficients too."""
        basis, size = self.basis, len(self.basis)
        extra = len(self.coefficients) if estimate else 0
        observed = frames @ basis.T
        variance = _variance_before(observed, self.modes, noise)
        start, doubt = self.coefficients.copy(), np.full(extra, DOUBT**2)
        mean = np.concatenate([np.zeros(size), start[:extra]])
        states, coefficients = observed * (variance / (variance + noise**2)), start
        for jump in JUMPS if estimate else JUMPS[::2]:  # what is known is found sooner
            self._set(coefficients)
            forecasts, matrices = self._linearize(states[:-1] @ basis, interval, extra)
            at = np.hstack([states, np.tile(coefficients[:extra], (len(states), 1))])
            found, covariance = _pass(observed, noise, at, forecasts @ basis.T, matrices, mean,
                                      np.diag(np.concatenate([variance, doubt])), jump * noise)
            states = found[:, :size]
            if extra:
                coefficients = found[0, size:]
        self._set(coefficients)
        full = states @ basis  # the modes that are not estimated follow the others: by the model, from the frame before
        full[1:] += forecasts - forecasts @ basis.T @ basis
        errors = np.sqrt(np.diag(covariance)[size:]) if extra else np.zeros_like(coefficients)
        return Smoothed(full, coefficients.copy(), errors, float(((observed - states)**2).mean() / noise**2))


def _pass(observed, noise, at, forecasts, matrices, mean, covariance, jump):
    """Forwards (Kalman), and backwards (Rauch, Tung, Striebel): (means of all, covariance of the last). `at` is what the
    model was linearized about, and its forecasts and their derivatives from there."""
    count, size = observed.shape
    step = np.eye(at.shape[1])
    change = np.diag(np.r_[np.full(size, jump**2), np.zeros(at.shape[1] - size)])
    before, after = [], []
    for t in range(count):
        if t:
            step[:size] = matrices[t - 1]
            mean = step @ (after[-1][0] - at[t - 1])
            mean[:size] += forecasts[t - 1]
            mean[size:] += at[t - 1, size:]
            covariance = step @ after[-1][1] @ step.T + change
        before.append((mean, covariance))
        gain = np.linalg.solve(covariance[:size, :size] + noise**2 * np.eye(size), covariance[:size]).T
        mean = mean + gain @ (observed[t] - mean[:size])
        covariance = covariance - gain @ covariance[:size]
        after.append((mean, (covariance + covariance.T) / 2))
    found = [mean]
    for t in range(count - 2, -1, -1):
        step[:size] = matrices[t]
        gain = np.linalg.solve(before[t + 1][1], step @ after[t][1]).T
        found.append(after[t][0] + gain @ (found[-1] - before[t + 1][0]))
    return np.array(found[::-1]), covariance
