"""What the tests of the command line share: running the program, looking at folders and files.

SINODE_PROGRAM and SINODE_MPIEXEC name the program and the launcher.
"""
import atexit
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

import h5py
import numpy as np

from form import LONG, long, main, more  # noqa: F401  for the tests

PROGRAM, MPIEXEC = os.path.abspath(os.environ["SINODE_PROGRAM"]), os.environ.get("SINODE_MPIEXEC", "mpiexec")
TIMEOUT = 240  # seconds; what takes longer hangs, also on a machine that has other things to do
HISTORY_HEADER = "epoch,iteration,seconds,train_loss,validation_loss,learning_rate,peak_memory_mib"

CONFIG = """\
run: {directory: run, seed: 3}
grid: {points: 16, length: 22.0}
generate: {file: data.h5, members: 2, dt: 0.05, transient: 10.0, span: 4.0, interval: 0.2}
model: {nonlinear: {hidden: [8], activation: tanh}}
integrator: {scheme: l2, dt: 0.2}
train: {data: data.h5, batch: 8, epochs: 3, checkpoint: {every: 1}}
predict: {model: run/model.h5, data: data.h5, span: 2.0, file: prediction.h5}
gradient: {model: run/model.h5, data: data.h5, file: gradient.h5}
"""


# Where MPI keeps the files of a start: its session, and the memory that its ranks share.
PLACES = (("OMPI_MCA_orte_tmpdir_base", "PRTE_MCA_prte_tmpdir_base"),
          ("OMPI_MCA_btl_vader_backing_directory", "OMPI_MCA_btl_sm_backing_directory"))


def start_of_its_own():
    """The environment of a start of MPI that shares no folder with another that is under way."""
    environment = dict(os.environ)
    for names in PLACES:
        above = os.environ.get(names[0])
        folder = tempfile.mkdtemp(prefix="", dir=above)
        if above is None:  # launch.py removes what is in its own
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
        environment.update(dict.fromkeys(names, folder))
    return environment


def launch(command, ranks, folder, environment=(), **options):
    """Starts a command on so many ranks, one without launcher. `environment` is added to that of this process."""
    launcher = [] if ranks == 1 else [MPIEXEC, "-n", str(ranks)]
    variables = {**start_of_its_own(), **dict(environment)}
    return subprocess.Popen([*launcher, *map(str, command)], cwd=folder, env=variables, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", **options)


def start(folder, arguments, ranks=1, space=None):
    """The program under way in `folder`."""
    split = [] if space is None else ["--set", f"parallel.space={space}"]
    words = [str(word) for word in arguments]
    return launch([PROGRAM, *words[:1], *split, *words[1:]], ranks, folder)


def finish(process):
    """(exit status, stdout, stderr) of a process; one that hangs is ended, and an error."""
    try:
        out, err = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        ranks = ranks_of(process)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in (*ranks, process.pid):
                send(pid, number)
            try:
                out, err = process.communicate(timeout=5)
                break
            except subprocess.TimeoutExpired:
                out, err = "", ""
        raise AssertionError(f"hangs: {' '.join(process.args)}\n{out}{err}") from None
    return process.returncode, out, err


def run(folder, *arguments, ranks=1, space=None):
    return finish(start(folder, arguments, ranks, space))


def mpi_library():
    """Name and version of the MPI library, "Open MPI 4.1.4" say."""
    return re.search(r"^MPI: (.*) \(compiled", run(None, "--version")[1], re.MULTILINE)[1]


def state(pid):
    """The state of a process, a letter, and the number of its parent; of one that has ended "X"."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "X", 0
    return fields[0], int(fields[1])


def is_alive(pid):
    return state(pid)[0] not in "XZ"


def has_signal_waiting(pid):
    """Whether a signal has been sent to a process that it has not taken yet."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return any(int(mask, 16) for mask in re.findall(r"^(?:SigPnd|ShdPnd):\s+(\w+)$", text, re.MULTILINE))


def ranks_of(process):
    """The processes of the program that a launcher has started, by itself (Open MPI) or by a proxy (MPICH), in the order
    of their ranks."""
    parents = {int(entry.name): state(int(entry.name))[1] for entry in pathlib.Path("/proc").iterdir()
               if entry.name.isdigit()}
    below, generation = set(), {process.pid}
    while generation:
        generation = {pid for pid, parent in parents.items() if parent in generation}
        below |= generation
    return sorted(pid for pid in below if runs_program(pid))


def runs_program(pid):
    """Whether it is sinode or sinode-bench, which is beside it."""
    try:
        return os.path.dirname(os.readlink(f"/proc/{pid}/exe")) == os.path.dirname(os.path.realpath(PROGRAM))
    except OSError:
        return False


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def without_launcher(err):
    """The lines on stderr that are not mpirun's remarks on ranks that failed."""
    err = re.sub(r"^-{60,}\n.*?^-{60,}\n", "", err, flags=re.MULTILINE | re.DOTALL)
    remarks = ("has sent help message", "have sent help message", "orte_base_help_aggregate",
               ": Forwarding signal ")  # of a job that was suspended and goes on
    return [line for line in err.splitlines() if line and not any(remark in line for remark in remarks)]


def tree(folder):
    """Contents of all files below a folder, by path; None for folders."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
            for path in sorted(pathlib.Path(folder).rglob("*"))}


def datasets(path):
    """All datasets of an HDF5 file, by path."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def history(directory):
    """The rows of a run's history.csv."""
    return np.atleast_2d(np.loadtxt(pathlib.Path(directory) / "history.csv", delimiter=",", skiprows=1))


class Case(unittest.TestCase):
    """A test in a temporary folder of its own, with CONFIG in c.yaml."""

    maxDiff = 2000

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "c.yaml").write_text(CONFIG)

    def sinode(self, command, *arguments, config="c.yaml", ranks=1, space=None, status=0, folder=None):
        """Runs a command that must end with a status; (stdout, stderr without the launcher's lines)."""
        found, out, err = run(folder or self.folder, command, config, *arguments, ranks=ranks, space=space)
        self.assertEqual(found, status, f"{command} {arguments} on {ranks} ranks:\n{out}{err}")
        return out, without_launcher(err)

    def assert_same_data(self, one, other, tolerance=0.0):
        """The datasets of two files are the same: to the bit, or relative to the largest value of each."""
        a, b = datasets(one), datasets(other)
        self.assertEqual(a.keys(), b.keys())
        self.assertGreater(len(a), 0)
        for name in a:
            if tolerance > 0 and name == "u_checksum":
                continue  # of bits
            if tolerance == 0:
                self.assertEqual(np.asarray(a[name]).tobytes(), np.asarray(b[name]).tobytes(), f"{name} of {other}")
            else:
                scale = np.nanmax(np.abs(a[name]), initial=0.0)
                np.testing.assert_allclose(b[name], a[name], rtol=0, atol=tolerance * scale, err_msg=f"{name} of {other}")
