"""Makes a trajectory file of an array of others: the command import, where it is given data.

Says what it found and did, checks spacing and times, and warns of what looks wrong: an end point that is there twice, a
field that is not periodic, too coarse a grid, noise.
"""
import pathlib
import sys

import h5py
import numpy as np

from .files import InputError, write_whole
from .foreign import open_arrays

AXES = {"member": ("member", "members", "trajectory", "trajectories", "ensemble", "realization", "sample", "samples", "run",
                   "runs"),
        "time": ("time", "times", "t", "tt", "tspan", "snapshot", "snapshots"),
        "x": ("x", "xx", "space", "position", "point", "points", "grid")}
FIELDS = ("u", "uu", "usol", "u_sol", "data", "solution", "sol", "y")
BLOCK = 8 << 20    # numbers of a block
SAMPLE = 4 << 20   # numbers that are looked at
TAIL_MOST = 1e-4   # of the energy, in the top third of the spectrum: as of the generator
JUMP_MOST = 4      # between the ends, in differences of neighbours
NOISE = (1e-4, 0.3)  # of the standard deviation: packed numbers have less, what has more is structure


def _say(text):
    print(text)


def _warn(text):
    print(f"sinode-tools: warning: {text}", file=sys.stderr)


def _shape(array):
    return f"{array.name} {array.shape} {array.dtype}"


def _role_of(name):
    return next((role for role, names in AXES.items() if name and name.lower() in names), None)


def _choose(path, found, wanted, names, suits, what, option):
    """The array of that name, or of one of the usual names; None where there is none."""
    if wanted:
        if wanted not in found:
            raise InputError(f"{path}: has no array {wanted}; it has {', '.join(map(_shape, found.values()))}", status=2)
        if not suits(found[wanted]):
            raise InputError(f"{path}: {_shape(found[wanted])} is no {what}", status=2)
        return found[wanted]
    lower = {name.rsplit("/", 1)[-1].lower(): array for name, array in found.items() if suits(array)}
    return next((lower[name] for name in names if name in lower), None)


def _find_field(path, found, wanted):
    def suits(array):
        return sum(size > 1 for size in array.shape) >= 2
    field = _choose(path, found, wanted, FIELDS, suits, "array of two or three dimensions", "--name")
    several = [array for array in found.values() if suits(array)]
    if field is None and len(several) == 1:
        field = several[0]
    if field is None:
        raise InputError(f"{path}: which array is u? --name says it; there are "
                         f"{', '.join(map(_shape, found.values()))}", status=2)
    if len(field.shape) not in (2, 3):
        raise InputError(f"{path}: {_shape(field)} has {len(field.shape)} dimensions, expected two or three: time and x, "
                         "and member", status=2)
    return field


def _find_axes(path, field, wanted, sizes):
    """The roles of the dimensions of u: as asked, by their names, by the sizes of time and x, or by position."""
    usual = ("member", "time", "x")[-len(field.shape):]
    if wanted:
        roles = tuple(_role_of(name.strip()) for name in wanted.split(","))
        if sorted(map(str, roles)) != sorted(usual):
            raise InputError(f"--axes {wanted} does not fit {_shape(field)}, expected {len(usual)} of "
                             f"{', '.join(usual)} in their order", status=2)
        how = "as asked"
    elif all(map(_role_of, field.axes)) and len(set(map(_role_of, field.axes))) == len(field.axes):
        roles, how = tuple(map(_role_of, field.axes)), "by their names"
    else:
        roles, how = usual, f"by position; --axes {','.join(usual[::-1])} and the like say otherwise"
        fits = [order for order in ((usual, ("x", "time")) if len(usual) == 2 else (usual, ("member", "x", "time")))
                if all(sizes.get(role, size) == size for role, size in zip(order, field.shape))]
        if len(fits) == 1 and len(sizes) > 0:
            roles, how = tuple(fits[0]), "by the sizes of time and x"
    for role, size in zip(roles, field.shape):
        if sizes.get(role, size) != size:
            raise InputError(f"{path}: {_shape(field)} has {size} along {role}, but {role} has {sizes[role]} values; "
                             "--axes tells the order of its dimensions", status=2)
    _say(f"u: {_shape(field)}, dimensions ({', '.join(roles)}) {how}")
    return roles


def _vector(array):
    return np.asarray(array.take((slice(None),) * len(array.shape)), dtype=float).reshape(-1)


def _even(path, name, values, dtype):
    """The spacing of values that are even within their precision."""
    if values.size < 2 or not np.isfinite(values).all():
        raise InputError(f"{path}: {name} has {values.size} values, expected two or more, all finite")
    steps = np.diff(values)
    step = (values[-1] - values[0]) / (values.size - 1)
    if step == 0 or (np.sign(steps) != np.sign(step)).any():
        at = int(np.argmax(np.sign(steps) != np.sign(step)))
        raise InputError(f"{path}: {name} goes from {values[at]:.9g} to {values[at + 1]:.9g} at index {at}, but must rise "
                         "throughout")
    rounded = 4 * float(np.finfo(dtype).eps) * np.abs(values).max() if dtype.kind == "f" else 0
    off = np.abs(values - (values[0] + step * np.arange(values.size))).max()
    if off > max(1e-4 * abs(step), rounded):
        raise InputError(f"{path}: {name} is not evenly spaced: steps from {np.abs(steps).min():.9g} to "
                         f"{np.abs(steps).max():.9g}; interpolate it first")
    return step


def _find_times(path, times, options, count):
    """The time of the first snapshot and the interval between those that are taken."""
    if times is not None and options.interval:
        raise InputError(f"{path}: has the times {times.name}; leave --interval out", status=2)
    if times is None and not options.interval:
        raise InputError(f"{path}: has no times; --interval says how far apart snapshots are, --time which array is the "
                         "times", status=2)
    if times is None:
        return 0.0, options.interval
    values = _vector(times)
    interval = _even(path, times.name, values, times.dtype)
    if interval < 0:
        raise InputError(f"{path}: {times.name} falls from {values[0]:.9g} to {values[-1]:.9g}; times must rise")
    _say(f"time: {_shape(times)}, from {values[0]:.9g} to {values[-1]:.9g}, every {interval:.9g}")
    return float(values[0]), float(interval)


def _find_length(path, x, options, points, end):
    """The length of the domain of so many points, `end` of which are left out, and whether x falls."""
    spacing = None
    if x is not None:
        values = _vector(x)
        spacing = _even(path, x.name, values, x.dtype)
        _say(f"x: {_shape(x)}, from {values[0]:.9g} to {values[-1]:.9g}, every {abs(spacing):.9g}")
    if spacing is None and not options.length:
        raise InputError(f"{path}: has no positions; --length says how long the domain is, --x which array is x", status=2)
    length = options.length or abs(spacing) * (points - end)
    if spacing is not None and abs(abs(spacing) * (points - end) - length) > 1e-4 * length:
        twice = abs(abs(spacing) * (points - end - 1) - length) <= 1e-4 * length
        raise InputError(f"{path}: {points - end} points {abs(spacing):.9g} apart are a period of "
                         f"{abs(spacing) * (points - end):.9g}, but --length is {length:.9g}"
                         + ("; the end point is there twice: leave it out by --drop-end" if twice else ""), status=2)
    _say(f"period: {length:.9g}" + ("" if options.length else f", {points - end} times the spacing"))
    return float(length), spacing is not None and spacing < 0


def _judge(sample, dropped):
    """Warns of what looks wrong in snapshots (count, points)."""
    deviation = sample.std()
    if deviation == 0:
        _warn("u is the same everywhere")
        return
    neighbours = np.sqrt(np.mean(np.diff(sample, axis=-1) ** 2))
    jump = np.sqrt(np.mean((sample[:, 0] - sample[:, -1]) ** 2))
    beside = np.sqrt(np.mean(np.diff(sample[:, [0, 1, -2, -1]], axis=-1)[:, [0, 2]] ** 2))
    if jump < 1e-3 * beside and not dropped:
        _warn("the last point has the values of the first: where it is the end point a second time, leave it out by "
              "--drop-end")
        sample = sample[:, :-1]
    elif jump > JUMP_MOST * neighbours:
        _warn(f"u does not look periodic: its ends differ by {jump:.2g}, neighbours by {neighbours:.2g} (root mean "
              "square)")
        return  # such a field has no spectrum to speak of
    power = np.mean(np.abs(np.fft.rfft(sample - sample.mean(axis=-1, keepdims=True))) ** 2, axis=0)
    modes = len(power) - 1
    tail = power[2 * modes // 3:].sum() / power[1:].sum()
    levels = [np.median(part) for part in np.array_split(power[modes // 2:modes], 3) if part.size]
    noise = np.sqrt(np.median(power[modes // 2:modes]) / sample.shape[-1])
    if len(levels) == 3 and max(levels) < 1.7 * min(levels) and NOISE[0] < noise / deviation < NOISE[1]:
        _warn(f"u looks noisy: about {noise:.2g}, {100 * noise / deviation:.2g} % of its standard deviation "
              f"{deviation:.3g}, by the flat end of its spectrum")
    elif tail > TAIL_MOST:
        _warn(f"u looks under-resolved: {tail:.1e} of its energy is in the top third of the spectrum (at most "
              f"{TAIL_MOST:g} is usual); a finer grid would show more")
    else:
        _say(f"resolved: {tail:.1e} of the energy is in the top third of the spectrum")


def _blocks(shape):
    """Members and ranges of snapshots, about a block each."""
    members, snapshots, points = shape
    count = max(1, BLOCK // points)
    for member in range(members):
        for first in range(0, snapshots, count):
            yield member, first, min(first + count, snapshots)


class _Field:
    """u as it will be: (members, snapshots, points), read a part at a time."""

    def __init__(self, path, array, roles, options, mirrored):
        self.path, self.array, self.roles, self.mirrored = path, array, roles, mirrored
        self.scale, self.offset = options.scale, options.offset
        size = dict(zip(roles, array.shape))
        self.taken = {"time": range(0, size["time"], options.stride), "member": range(size.get("member", 1)),
                      "x": range(0, size["x"] - options.drop_end, options.stride_x)}
        self.shape = tuple(len(self.taken[role]) for role in ("member", "time", "x"))

    def read(self, member, first, end):
        """Snapshots of a member, (end - first, points)."""
        time, x = self.taken["time"][first:end], self.taken["x"]
        index = {"member": member, "time": slice(time.start, time.stop, time.step), "x": slice(x.start, x.stop, x.step)}
        values = np.asarray(self.array.take(tuple(index[role] for role in self.roles)))
        if [role for role in self.roles if role != "member"] == ["x", "time"]:
            values = values.T
        if values.dtype.kind == "c":
            if np.any(values.imag):
                raise InputError(f"{self.path}: {self.array.name} has imaginary parts, expected real numbers")
            values = values.real
        values = self.offset + self.scale * values.astype(float)
        if not np.isfinite(values).all():
            at, point = np.argwhere(~np.isfinite(values))[0]
            raise InputError(f"{self.path}: {self.array.name} is {values[at, point]} in member {member}, snapshot "
                             f"{time[at]}, point {x[point]}; numbers are wanted everywhere")
        return values[:, ::-1] if self.mirrored else values

    def sample(self):
        """Snapshots spread over all of it."""
        members, snapshots, points = self.shape
        count = max(2, SAMPLE // points // members)
        step = max(1, snapshots // count)
        return np.concatenate([self.read(member, first, first + 1) for member in range(members)
                               for first in range(0, snapshots, step)])


def _write(file, field, parameters, length, first, interval, line):
    members, snapshots, points = field.shape
    file.attrs.update({"Conventions": "CF-1.8", "sinode_kind": "trajectory", "sinode_format": 1, "domain_length": length,
                       "title": f"imported from {field.path}", "source": f"{field.path}, {field.array.name}",
                       "history": line})
    scales = {"member": np.arange(members, dtype="i4"), "time": first + interval * np.arange(snapshots),
              "x": length / points * np.arange(points)}
    u = file.create_dataset("u", field.shape, "f8", chunks=(1, min(snapshots, max(1, 131072 // points)), points))
    for axis, (name, values) in enumerate(scales.items()):
        file[name] = values
        file[name].make_scale(name)
        u.dims[axis].attach_scale(file[name])
    if parameters is not None:
        file["parameter"] = parameters
        file["parameter"].dims[0].attach_scale(file["member"])
    for member, start, end in _blocks(field.shape):
        u[member, start:end] = field.read(member, start, end)


def _find_parameters(path, others, given, members):
    """Of --parameter, an array's name or the numbers themselves."""
    try:
        parameters, what = np.array([float(word) for word in given.split(",")]), "--parameter"
        described = f"{len(parameters)} number{'s' if len(parameters) > 1 else ''}"
    except ValueError:
        array = _choose(path, others, given, (), lambda a: np.prod(a.shape) == members,
                        f"list of {members} numbers, one a member", "--parameter")
        parameters, what, described = _vector(array), array.name, _shape(array)
    if len(parameters) != members:
        raise InputError(f"--parameter gives {len(parameters)} numbers, expected {members}, one a member of u", status=2)
    if not np.isfinite(parameters).all():
        at = int(np.argmin(np.isfinite(parameters)))
        raise InputError(f"{path}: {what} is {parameters[at]} for member {at}; numbers are wanted everywhere")
    _say(f"parameter: {described}, from {parameters.min():.9g} to {parameters.max():.9g}")
    return parameters


DATA_ENDINGS = (".npy", ".npz", ".mat", ".nc", ".nc3", ".nc4", ".cdf", ".h5", ".hdf5", ".hdf", ".he5")


def is_data(path):
    """Whether a file to import holds data rather than weights, which .npz may hold too."""
    ending = pathlib.Path(path).suffix.lower()
    if ending != ".npz" or not pathlib.Path(path).is_file():
        return ending in DATA_ENDINGS and ending != ".npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            return bool(file.files) and not any(name.rpartition(".")[2] in ("weight", "bias") for name in file.files)
    except Exception:  # what is wrong with it is told where it is read
        return False


def import_data(options, line):
    """Runs the command import on data; line is what it was called with."""
    path = options.input
    with open_arrays(path) as found:
        field = _find_field(path, found, options.name)
        others = {name: array for name, array in found.items() if array is not field}

        def is_vector(array):
            return max(array.shape, default=0) > 1 and np.prod(array.shape) == max(array.shape)
        times = _choose(path, others, options.time, AXES["time"], is_vector, "list of times", "--time")
        x = _choose(path, others, options.x, AXES["x"], is_vector, "list of positions", "--x")
        sizes = {role: max(array.shape) for role, array in (("time", times), ("x", x)) if array is not None}
        roles = _find_axes(path, field, options.axes, sizes)
        size = dict(zip(roles, field.shape))
        first, interval = _find_times(path, times, options, size["time"])
        length, falls = _find_length(path, x, options, size["x"], options.drop_end)
        if (size["x"] - options.drop_end) % options.stride_x:
            raise InputError(f"--stride-x {options.stride_x} does not divide the {size['x'] - options.drop_end} points of "
                             "the period", status=2)
        if not np.isfinite((options.scale, options.offset)).all() or options.scale == 0:
            raise InputError(f"u is {options.offset:g} + {options.scale:g} times {field.name}; --scale and --offset take "
                             "finite numbers, --scale none that is 0", status=2)
        u = _Field(path, field, roles, options, falls)
        if falls:
            _say("x falls: points are put in order")
        if u.shape[1] < 2 or u.shape[2] < 4:
            raise InputError(f"{path}: {u.shape[1]} snapshots and {u.shape[2]} points are left, expected at least 2 and 4")
        _judge(u.sample(), options.drop_end)
        interval *= options.stride
        parameters = _find_parameters(path, others, options.parameter, u.shape[0]) if options.parameter else None

        def write(temporary):
            with h5py.File(temporary, "w") as file:
                _write(file, u, parameters, length, first, interval, line)
        write_whole(options.output, options.overwrite, write)
        _say(f"written: {u.shape[0]} member{'s' if u.shape[0] > 1 else ''}, {u.shape[1]} snapshots every {interval:.9g}, "
             f"{u.shape[2]} points on [0, {length:.9g}); use it by grid: {{points: {u.shape[2]}, length: {length:.12g}}}")
    return [pathlib.Path(options.output)]


def add_data_options(parser, positive):
    """The options of import for data; positive(kind) makes a type of argparse."""
    group = parser.add_argument_group("of data", "a .npy, .npz, MATLAB, netCDF or HDF5 file becomes a trajectory file")
    group.add_argument("--name", metavar="NAME", help="the array that is u (default: u, usol, ..., or the only one)")
    group.add_argument("--axes", metavar="AXIS,...", help="its dimensions in their order, such as x,time or "
                       "member,time,x (default: by names, by the sizes of time and x, or time last but one, x last)")
    group.add_argument("--time", metavar="NAME", help="the array of the times (default: t, time, ...)")
    group.add_argument("--interval", type=positive(float), metavar="DT", help="between snapshots, where there are no times")
    group.add_argument("--x", metavar="NAME", help="the array of the positions (default: x, ...)")
    group.add_argument("--parameter", metavar="NAME", help="a parameter of each member, for models that take one "
                       "(model.linear.parameter): the array, or the numbers, 0.02,0.05,0.1")
    group.add_argument("--drop-end", action="store_true", help="leave out the last point, which repeats the first")
    group.add_argument("--stride", type=positive(int), default=1, metavar="N", help="take every Nth snapshot")
    group.add_argument("--stride-x", type=positive(int), default=1, metavar="N", help="take every Nth point")
    group.add_argument("--scale", type=float, default=1.0, metavar="S", help="u is OFFSET + S times the array")
    group.add_argument("--offset", type=float, default=0.0, metavar="OFFSET")
