"""Commands of the program sinode in this process, with a dict for the parameter file."""
from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

from .dynamics import to_yaml
from .library import check, communicator, load

QUIET, OVERWRITE = 1, 2


def run(command: str, config: Mapping[str, Any], comm=None, quiet: bool = True, overwrite: bool = False) -> None:
    """Runs "generate", "train", "predict", "gradient", "lyapunov" or "check" on the ranks of comm, with a dict with the
    keys of the parameter file. Rank 0 prints what the program prints unless quiet. While it runs, SIGINT and SIGTERM ask
    for a checkpoint and the end: sinode.Stopped. Errors: sinode.Error with the program's text."""
    _, library = load()
    flags = QUIET * bool(quiet) | OVERWRITE * bool(overwrite)
    check(library.sinode_run(communicator(comm), command.encode(), to_yaml(config).encode(), flags))


def _path(config, section, key, fallback):
    return pathlib.Path(config.get(section, {}).get(key, fallback))


def generate(config: Mapping[str, Any], comm=None, quiet: bool = True, overwrite: bool = False) -> pathlib.Path:
    """sinode generate: writes trajectories of the equation in generate.equation; the path of the file, for sinode.open.
    sinode.Generator has them in memory."""
    run("generate", config, comm, quiet, overwrite)
    return _path(config, "generate", "file", "data.h5")


def train(config: Mapping[str, Any], comm=None, quiet: bool = True, overwrite: bool = False) -> pathlib.Path:
    """sinode train: the run directory, for sinode.read_run; a run that was stopped goes on."""
    run("train", config, comm, quiet, overwrite)
    return _path(config, "run", "directory", "run")


def predict(config: Mapping[str, Any], comm=None, quiet: bool = True, overwrite: bool = False) -> pathlib.Path:
    """sinode predict: the path of the file, for sinode.open."""
    run("predict", config, comm, quiet, overwrite)
    return _path(config, "predict", "file", "prediction.h5")
