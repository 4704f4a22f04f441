"""Data, and the plainest file of it: what the other files are compared with."""
import h5py
import numpy as np

LENGTH, POINTS, SNAPSHOTS, MEMBERS, INTERVAL = 22.0, 48, 48, 3, 0.25  # as many snapshots as points: sizes tell nothing
X, TIME = LENGTH / POINTS * np.arange(POINTS), INTERVAL * np.arange(SNAPSHOTS)
ATTRIBUTES = {"sinode_kind": "trajectory", "sinode_format": 1, "domain_length": LENGTH}


def field(members=MEMBERS, time=TIME, x=X):
    """u (members, time, x): waves that travel, different in every member, with period LENGTH."""
    m, t, phase = np.arange(members)[:, None, None], time[None, :, None], 2 * np.pi / LENGTH * x[None, None, :]
    return np.cos(phase - 0.3 * t + m) + 0.5 * np.sin(3 * phase + 0.7 * t) * np.cos(0.1 * m + t)


U = field()


def write(path, u=U, time=TIME, x=X, attributes=ATTRIBUTES, **file_options):
    """The layout of docs/formats.md by h5py, without names of dimensions. None: leaves it out."""
    with h5py.File(path, "w", **file_options) as file:
        file.attrs.update(attributes)
        for name, values in (("u", u), ("time", time), ("x", x)):
            if values is not None:
                file[name] = values
    return path
