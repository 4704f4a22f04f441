"""The text files of runs: history.csv, benchmark.csv, config.yaml, status.json."""
import csv
import dataclasses
import json
import pathlib

import numpy as np

from .files import InputError
from .trajectory import kind_of, open as open_trajectory


@dataclasses.dataclass
class History:
    """history.csv of a training run, a value an epoch; seconds are of training alone."""

    epoch: np.ndarray
    iteration: np.ndarray
    seconds: np.ndarray
    train_loss: np.ndarray
    validation_loss: np.ndarray  # NaN without a validation set
    learning_rate: np.ndarray
    peak_memory_mib: np.ndarray


def _read_columns(path, names, what):
    """{name: list of strings} of a CSV file."""
    path = pathlib.Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    try:
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            if not set(names) <= set(reader.fieldnames or ()):
                raise ValueError
            rows = list(reader)
        if any(row[name] is None for row in rows for name in names):
            raise ValueError
        return {name: [row[name] for row in rows] for name in names}
    except (ValueError, OSError, csv.Error):  # UnicodeDecodeError is a ValueError
        raise InputError(f"{path}: is not {what} (columns {','.join(names)})") from None


def _to_numbers(path, columns, what):
    try:
        return {name: np.array([float(value) for value in values]) for name, values in columns.items()}
    except ValueError as error:
        raise InputError(f"{path}: is not {what}: {error}") from None


def read_history(path):
    """history.csv, given by its own path or by that of the run directory."""
    path = pathlib.Path(path)
    if path.is_dir():
        path = path / "history.csv"
    names, what = [field.name for field in dataclasses.fields(History)], "a training history"
    history = History(**_to_numbers(path, _read_columns(path, names, what), what))
    if history.epoch.size == 0:
        raise InputError(f"{path}: no epoch is complete yet")
    return history


def read_benchmark(*paths):
    """benchmark.csv files together: a structured array with the columns of one."""
    counts = ("ranks", "space", "points", "batch")
    numbers = (*counts, "seconds_median", "seconds_min", "seconds_max", "floor_seconds", "ratio", "bytes", "messages")
    kind = [("name", "U64"), *((name, int if name in counts else float) for name in numbers)]
    parts = []
    for path in paths:
        columns = _read_columns(path, ("name", *numbers), "a benchmark file")
        values = _to_numbers(path, {name: [value or "nan" for value in columns[name]] for name in numbers},
                             "a benchmark file")
        part = np.zeros(len(columns["name"]), dtype=kind)
        part["name"] = columns["name"]
        for name in numbers:
            part[name] = values[name]
        parts.append(part)
    table = np.concatenate(parts) if parts else np.zeros(0, dtype=kind)
    if table.size == 0:
        raise InputError(f"{', '.join(map(str, paths))}: holds no measurement")
    return table


def read_config(path):
    """{section.key: value as text} of config.yaml as the program writes it: sections and keys, every value in a line."""
    try:
        return parse_config(pathlib.Path(path).read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def parse_config(text):
    """The same of its text, which is also the attribute `config` of every file."""
    found, sections = {}, []
    for line in text.splitlines():
        name, _, value = line.strip().partition(":")
        if not name or name.startswith("#"):
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        sections[depth:] = [name]
        if value.strip():
            found[".".join(sections)] = value.strip().strip("'\"")
    return found


@dataclasses.dataclass
class Run:
    """A run directory: what there is of it. Paths are None where a file is missing."""

    path: pathlib.Path
    status: dict
    config: dict
    history: History | None
    data: pathlib.Path | None        # the newest trajectory without metrics
    prediction: pathlib.Path | None  # the newest one with

    @property
    def name(self):
        return self.path.resolve().name


def _trajectories(path):
    """The whole trajectory files in a directory with whether they have metrics, oldest first."""
    found = []
    for file in sorted(path.glob("*.h5"), key=lambda file: (file.stat().st_mtime, file.name)):
        try:
            if kind_of(file) == "trajectory":
                with open_trajectory(file) as data:
                    found.append((file, "nrmse" in data))
        except InputError:  # torn, or of somebody else
            continue
    return found


def read_run(path):
    """The run in a directory."""
    path = pathlib.Path(path)
    if not path.is_dir():
        raise InputError(f"{path}: is not a run directory")
    status, files = {}, _trajectories(path)
    if (path / "status.json").exists():
        try:
            status = json.loads((path / "status.json").read_text())
        except ValueError as error:
            raise InputError(f"{path / 'status.json'}: is not JSON: {error}") from None
    history = None
    if (path / "history.csv").exists() and len((path / "history.csv").read_text().splitlines()) > 1:
        history = read_history(path)
    if not status and not files and history is None:
        raise InputError(f"{path}: is not a run directory (no status.json, history.csv or trajectory file)")
    return Run(path, status, read_config(path / "config.yaml") if (path / "config.yaml").exists() else {}, history,
               next((file for file, scored in reversed(files) if not scored), None),
               next((file for file, scored in reversed(files) if scored), None))
