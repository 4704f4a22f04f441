#!/bin/bash
# Installs what sinode is built from and tested with, on Debian 12 and its relatives: only what is missing, by apt.
# Does nothing when all is there. Elsewhere it prints the list; SINODE_SKIP_INSTALL=1 makes it trust you.
#   jobs/install.sh [--tests]     --tests: also what only tests want, some 500 MB: SLURM, Chromium, PyTorch among them
set -euo pipefail

packages=(
  gcc cmake ninja-build pkg-config git
  libopenmpi-dev openmpi-bin                # MPI
  libfftw3-dev libfftw3-mpi-dev             # Fourier transforms
  libscalapack-openmpi-dev libopenblas-dev  # dense linear algebra
  libhdf5-openmpi-dev hdf5-tools            # files
  libyaml-dev                               # the parameter file
  librandom123-dev                          # random numbers
  libcmocka-dev                             # unit tests
  python3-numpy python3-h5py python3-xarray python3-h5netcdf python3-netcdf4 python3-matplotlib # figures, tests
  python3-jsonschema python3-yaml           # tests of the JSON Schema
  python3-cffi                              # the library from Python
)
if [ "${1:-}" = --tests ]; then
  packages+=(
    slurm-wlm slurm-wlm-basic-plugins munge   # a SLURM to run job scripts under
    lmod mandoc doxygen                       # the module file, the manual page, the documentation
    chromium                                  # looks at the report
    python3-torch                             # weights as .pt, gradients to compare with
    python3-mpi4py                            # Python on several ranks
    python3-dask                              # arithmetic on files larger than memory
    python3-scipy                             # MATLAB files before -v7.3
  )
fi

say() { printf 'install: %s\n' "$*"; }

if [ -n "${SINODE_SKIP_INSTALL:-}" ]; then
  say "skipped (SINODE_SKIP_INSTALL is set)"
  exit 0
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  {
    say "this system has no apt. sinode needs these, named as in Debian 12:"
    printf '  %s\n' "${packages[@]}"
    say "on a cluster, load modules for MPI, FFTW (with MPI), ScaLAPACK, OpenBLAS, parallel HDF5 and libyaml; then run"
    say "again with SINODE_SKIP_INSTALL=1"
  } >&2
  exit 3
fi

missing=()
for package in "${packages[@]}"; do
  # shellcheck disable=SC2016 # the field is dpkg-query's, not the shell's
  if [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
    missing+=("$package")
  fi
done
if [ ${#missing[@]} = 0 ]; then
  say "all ${#packages[@]} packages are there"
  exit 0
fi
say "missing: ${missing[*]}"

root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    {
      say "installing needs root or sudo. Ask your administrator for:"
      printf '  apt-get install --no-install-recommends %s\n' "${missing[*]}"
    } >&2
    exit 3
  fi
  root=(sudo)
fi

run_apt() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@"; }
install() { run_apt install --yes --no-install-recommends "${missing[@]}"; }

# The package lists are fetched only if apt does not know the packages, or no longer finds them.
if ! apt-get --simulate --no-install-recommends install "${missing[@]}" >/dev/null 2>&1; then
  say "updating the package lists"
  run_apt update
  say "installing ${#missing[@]} packages"
  install
else
  say "installing ${#missing[@]} packages"
  install || { say "updating the package lists"; run_apt update; install; }
fi
say "done"
