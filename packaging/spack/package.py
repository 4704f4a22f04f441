# SPDX-License-Identifier: BSD-2-Clause
#
# Spack recipe. Until sinode is part of a repository of Spack's:
#   spack repo create my-repo && mkdir my-repo/packages/sinode && cp package.py my-repo/packages/sinode/
#   spack repo add my-repo && spack dev-build sinode@main       (in a checkout of sinode)
from spack.package import *


class Sinode(CMakePackage):
    """Distributed-memory training of semi-implicit neural ODEs: C17, MPI, parallel HDF5, FFTW, ScaLAPACK."""

    license("BSD-2-Clause")

    version("main", branch="main")

    variant("native", default=False, description="Use all instructions of the machine that compiles; else those of the target")

    depends_on("c", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("pkgconfig", type=("build", "link"))
    depends_on("mpi@3:")
    depends_on("fftw@3.3: +mpi precision=double")
    depends_on("hdf5@1.10: +mpi +hl")
    depends_on("netlib-scalapack@2.2:")
    depends_on("openblas")
    depends_on("libyaml")
    depends_on("random123", type="build")
    depends_on("cmocka", type="test")
    depends_on("python@3.9:", type="test")

    def cmake_args(self):
        return [
            self.define_from_variant("SINODE_NATIVE", "native"),
            self.define("BUILD_TESTING", self.run_tests),
        ]

    @run_after("install")
    @on_package_attributes(run_tests=True)
    def prove(self):
        Executable(self.prefix.bin.sinode)("selftest")
