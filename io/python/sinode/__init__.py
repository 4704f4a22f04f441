"""sinode in Python: its files, its solver and its training.

    import sinode
    with sinode.open("runs/quickstart/prediction.h5") as data:         # an xarray Dataset; read as it is used
        energy = sinode.statistics.spectrum(data.u, sinode.length_of(data))
        sinode.save(sinode.figures.draw_error(data), "error")          # error.png, error.pdf

    model = sinode.Model.from_file("runs/quickstart/best.h5")          # in this process, by libsinode.so
    states = sinode.Integrator(model, "l2", dt=0.2).forward(u0, times)

`python3 -m sinode --help` tells of the commands. What is wrong with the input of the tools is a sinode.InputError, what
the library refuses a sinode.Error. Modules are imported when they are first used: the tools need numpy, xarray,
h5netcdf and matplotlib, the solver numpy, cffi and libsinode.so, sinode.torch PyTorch as well.
"""
import importlib

_MODULES = ("animation", "attractor", "equation", "figures", "kernels", "model", "runs", "scaling", "statistics", "torch",
            "weights")
_NAMES = {"Error": "errors", "FileError": "errors", "Generator": "generator", "InputError": "files",
          "Integrator": "integrator", "Model": "dynamics", "Network": "network", "RunError": "errors",
          "Stopped": "errors", "UsageError": "errors", "exponent_of": "trajectory", "generate": "commands",
          "known_reference": "trajectory", "length_of": "trajectory", "open": "trajectory", "predict": "commands",
          "read_benchmark": "records", "read_config": "records", "read_history": "records", "read_run": "records",
          "run": "commands", "save": "style", "schemes": "integrator", "threshold_of": "trajectory",
          "train": "commands", "write_report": "report"}

__all__ = sorted([*_MODULES, *_NAMES])


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
