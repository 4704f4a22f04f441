"""Libraries that do not belong together are refused when sinode is configured: by name, with what to install.

Debian lets several MPI libraries, and what was built for each, stand beside each other.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

CMAKE, ROOT = os.environ["SINODE_CMAKE"], pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cli"))
from form import long, main  # noqa: E402

MPICH_FFTW = ROOT / "build/fftw-mpich"  # where packaging/mpich/run.sh puts it


def needs(*packages):
    """Skips a test where one of the Debian packages is not installed."""
    found = subprocess.run(["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *packages],
                           capture_output=True, text=True, check=False).stdout.splitlines()
    missing = [package for package in packages if f"{package} installed" not in found]
    return unittest.skipIf(missing, f"not installed: {', '.join(missing)}")


def needs_mpich_fftw(test):
    return unittest.skipUnless((MPICH_FFTW / "lib/libfftw3_mpi.so").exists(), f"there is no {MPICH_FFTW}")(test)


OPENMPI = needs("libopenmpi-dev", "libhdf5-openmpi-dev", "libscalapack-openmpi-dev", "libfftw3-mpi-dev")
MPICH = needs("libmpich-dev", "libhdf5-mpich-dev", "libscalapack-mpich-dev")


class Configure(unittest.TestCase):
    def configure(self, mpi, *options):
        """Exit status and what was said, with lines joined."""
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([CMAKE, "-S", ROOT, "-B", folder, "-G", "Ninja", "-DBUILD_TESTING=OFF",
                                   f"-DMPI_C_COMPILER=mpicc.{mpi}", *options], capture_output=True, text=True,
                                  timeout=240, check=False)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def refused(self, mpi, options, *words):
        status, said = self.configure(mpi, *options)
        self.assertNotEqual(status, 0, said)
        for word in words:
            self.assertIn(word, said)

    @long  # as in the build of the tests
    @OPENMPI
    def test_what_belongs_together(self):
        status, said = self.configure("openmpi")
        self.assertEqual(status, 0, said)

    @MPICH
    @needs_mpich_fftw
    def test_what_belongs_together_with_mpich(self):
        status, said = self.configure("mpich", f"-DCMAKE_PREFIX_PATH={MPICH_FFTW}")
        self.assertEqual(status, 0, said)

    @long
    @OPENMPI
    @needs("libhdf5-dev")
    def test_serial_hdf5(self):
        self.refused("openmpi", ["-DSINODE_HDF5_MODULE=hdf5-serial"], "HDF5", "hdf5-serial", "was built without MPI",
                     "compiled for Open MPI", "'libhdf5-openmpi-dev'")

    @OPENMPI
    @needs("libhdf5-mpich-dev")
    def test_hdf5_of_another_mpi(self):
        self.refused("openmpi", ["-DSINODE_HDF5_MODULE=hdf5-mpich"], "HDF5", "hdf5-mpich", "was built for another MPI",
                     "libmpich.so", "compiled for Open MPI", "'libhdf5-openmpi-dev'")

    @long
    @OPENMPI
    @needs("libscalapack-mpich-dev")
    def test_scalapack_of_another_mpi(self):
        self.refused("openmpi", ["-DSINODE_SCALAPACK_MODULE=scalapack-mpich"], "ScaLAPACK", "scalapack-mpich",
                     "was built for another MPI", "compiled for Open MPI", "'libscalapack-openmpi-dev'")

    @OPENMPI
    @needs_mpich_fftw
    def test_fftw_of_another_mpi(self):
        self.refused("openmpi", [f"-DCMAKE_PREFIX_PATH={MPICH_FFTW}"], "FFTW's MPI part", str(MPICH_FFTW),
                     "was built for another MPI", "compiled for Open MPI", "'libfftw3-mpi-dev'")

    @MPICH
    @needs("libfftw3-mpi-dev")
    def test_fftw_of_open_mpi_with_mpich(self):
        self.refused("mpich", [], "FFTW's MPI part", "was built for another MPI (it loads libmpi.so",
                     "compiled for MPICH", "--enable-mpi", "packaging/mpich/run.sh", "CMAKE_PREFIX_PATH")

    @MPICH
    @needs_mpich_fftw
    @needs("libscalapack-openmpi-dev", "libhdf5-openmpi-dev")
    def test_libraries_of_open_mpi_with_mpich(self):
        for setting, package in (("SINODE_SCALAPACK_MODULE=scalapack-openmpi", "'libscalapack-mpich-dev'"),
                                 ("SINODE_HDF5_MODULE=hdf5-openmpi", "'libhdf5-mpich-dev'")):
            with self.subTest(setting=setting):
                self.refused("mpich", [f"-DCMAKE_PREFIX_PATH={MPICH_FFTW}", f"-D{setting}"], setting,
                             "built for", "compiled for MPICH", package)

    @long
    @OPENMPI
    def test_no_mpi_part_of_fftw(self):
        """Hidden from where it is found."""
        places = ";".join(str(path) for root in ("/usr/lib", "/lib") for path in pathlib.Path(root).glob("*-linux-gnu"))
        self.refused("openmpi", [f"-DCMAKE_IGNORE_PATH={places}"], "The library 'fftw3_mpi' was not found",
                     "'libfftw3-mpi-dev'")

    @long
    @OPENMPI
    def test_unknown_processor(self):
        self.refused("openmpi", ["-DSINODE_ARCH=x86-64-v9"], "SINODE_ARCH=x86-64-v9", "knows no -march=x86-64-v9")


if __name__ == "__main__":
    main()
