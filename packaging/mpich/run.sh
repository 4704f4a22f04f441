#!/bin/bash
# Builds sinode with MPICH beside whatever MPI a Debian 12 already has, and runs its unit, golden, command-line and
# convergence tests: installs what is missing, builds FFTW's MPI part, which Debian has for Open MPI only, from Debian's
# source package, then configures, builds and tests the preset `mpich` (build/mpich).
#   packaging/mpich/run.sh [CMake options]     e.g. packaging/mpich/run.sh -DSINODE_WARNINGS_AS_ERRORS=ON
# SINODE_SKIP_INSTALL=1 installs nothing; SINODE_TEST_JOBS: tests at a time (default: the number of cores);
# SINODE_TESTS: which tests, a regular expression of ctest.
# The system's own choice of an MPI (update-alternatives --display mpi) stays as it is.
set -euo pipefail
# shellcheck source=jobs/common.sh
source "$(dirname "$0")/../../jobs/common.sh"
at_end say_where

packages=(
  gcc make cmake ninja-build pkg-config git dpkg-dev
  libmpich-dev mpich                        # MPI
  libscalapack-mpich-dev libopenblas-dev    # dense linear algebra
  libhdf5-mpich-dev                         # files
  libyaml-dev librandom123-dev libcmocka-dev
  python3-numpy python3-h5py python3-jsonschema python3-yaml
)
fftw=$PWD/build/fftw-mpich # where the preset looks for it

run_apt() {
  local root=()
  [ "$(id -u)" = 0 ] || root=(sudo)
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"
}

# chosen NAME: what the alternative NAME of this system is now; nothing where there is none.
chosen() { update-alternatives --query "$1" 2>/dev/null | sed -n 's/^Value: //p'; }

install_packages() {
  local name before=() missing=()
  for name in "${packages[@]}"; do
    # shellcheck disable=SC2016 # the field is dpkg-query's, not the shell's
    [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || { echo "all ${#packages[@]} packages are there"; return; }
  echo "missing: ${missing[*]}"
  before=("$(chosen mpi)" "$(chosen mpirun)")
  apt-get --simulate --no-install-recommends install "${missing[@]}" >/dev/null 2>&1 || run_apt update
  run_apt install --yes --no-install-recommends "${missing[@]}"
  for name in mpi mpirun; do
    if [ -n "${before[0]}" ] && [ "$(chosen $name)" != "${before[0]}" ]; then
      update-alternatives --set $name "${before[0]}"
    fi
    before=("${before[@]:1}")
  done
}

# Debian's source of FFTW into the current folder, by a list of packages of our own: the system's is not touched.
fetch_fftw() {
  local list options
  mkdir -p sources lists/partial
  for list in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
    [ -s "$list" ] && sed -E 's/^(Types:).*/\1 deb-src/; s/^deb /deb-src /' "$list" >"sources/${list##*/}"
  done
  [ -f sources/sources.list ] && mv sources/sources.list sources/main.list
  options=(-qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$PWD/sources" -o Dir::State::lists="$PWD/lists"
           -o Dir::Cache::srcpkgcache= -o Dir::Cache::pkgcache= -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update
  apt-get "${options[@]}" source fftw3
}

# With the instruction sets that Debian's own package has; FFTW chooses among them when it runs.
build_fftw() {
  local work simd=()
  [ ! -e "$fftw/lib/libfftw3_mpi.so" ] || { echo "$fftw is there"; return; }
  work=$(mktemp -d)
  [ "$(uname -m)" != x86_64 ] || simd=(--enable-sse2 --enable-avx)
  (
    cd "$work"
    fetch_fftw
    cd fftw3-*/
    ./configure --quiet --prefix="$fftw" --enable-mpi --enable-shared --disable-static --disable-fortran --disable-doc \
      "${simd[@]}" MPICC=mpicc.mpich MPILIBS=-lmpich
    make --silent --jobs="$(nproc)"
    make --silent install
  ) >"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2; rm -rf "$work"; return 1; }
  rm -rf "$work"
  echo "in $fftw"
}

begin "Packages"
if [ -n "${SINODE_SKIP_INSTALL:-}" ]; then echo "skipped (SINODE_SKIP_INSTALL is set)"; else install_packages; fi
begin "FFTW for MPICH"
build_fftw
begin "Build"
cmake --preset mpich "$@"
cmake --build --preset mpich
begin "Tests"
ctest --preset mpich --label-exclude long --parallel "${SINODE_TEST_JOBS:-$(nproc)}" \
  --tests-regex "${SINODE_TESTS:-^(unit|golden|cli|convergence)_}"
