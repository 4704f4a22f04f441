"""sinode's files for Python: trajectories in xarray, statistics, figures, reports, weights from and to PyTorch.

    import sinode
    with sinode.open("runs/quickstart/prediction.h5") as data:         # an xarray Dataset; read as it is used
        energy = sinode.statistics.spectrum(data.u, sinode.length_of(data))
        sinode.save(sinode.figures.draw_error(data), "error")          # error.png, error.pdf

`python3 -m sinode --help` tells of the commands. What is wrong with the input is a sinode.InputError. Needs numpy,
xarray, h5netcdf and matplotlib.
"""
from . import animation, attractor, figures, model, runs, scaling, statistics, weights
from .files import InputError
from .records import read_benchmark, read_config, read_history, read_run
from .report import write_report
from .style import save
from .trajectory import exponent_of, known_reference, length_of, open, threshold_of

__all__ = ["InputError", "animation", "attractor", "exponent_of", "figures", "known_reference", "length_of", "model",
           "open", "read_benchmark", "read_config", "read_history", "read_run", "runs", "save", "scaling",
           "statistics", "threshold_of", "weights", "write_report"]
