# Which MPI was found, and whether the libraries that communicate were built for it. A program that loads two MPI
# libraries crashes, or runs as many times alone as it has ranks; so that is refused here, by name.
set(SINODE_MPI_LIBRARY_REGEX "(^|/)lib(mpi|mpich|mpi_cray|mpi_gnu|mpi_intel|mpi_nvidia|mpi_amd)(_[0-9]+)?\\.(so|a)")

# Compiles and links a program of a few lines against MPI and a target; OUT is its path, empty if that failed, and
# OUT_LOG what was said.
function(sinode_link_probe out target source)
  set(folder ${CMAKE_BINARY_DIR}/CMakeFiles/sinode-probes)
  file(WRITE ${folder}/${target}.c "${source}")
  try_compile(done ${folder}/${target} ${folder}/${target}.c LINK_LIBRARIES ${target} MPI::MPI_C
              OUTPUT_VARIABLE log COPY_FILE ${folder}/${target}.out COPY_FILE_ERROR failed)
  set(${out}_LOG "${log}" PARENT_SCOPE)
  if(done AND NOT failed)
    set(${out} ${folder}/${target}.out PARENT_SCOPE)
  else()
    set(${out} "" PARENT_SCOPE)
  endif()
endfunction()

# The MPI libraries that the system would load with a program; empty where they are linked statically, or unknown.
function(sinode_loaded_mpi out program)
  set(found "")
  execute_process(COMMAND ldd ${program} OUTPUT_VARIABLE lines ERROR_QUIET)
  string(REGEX MATCHALL "[^ \t\n]+ =>" names "${lines}")
  foreach(name ${names})
    string(REPLACE " =>" "" name ${name})
    if(name MATCHES "${SINODE_MPI_LIBRARY_REGEX}")
      list(APPEND found ${name})
    endif()
  endforeach()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

# SINODE_MPI_FAMILY (openmpi; mpich with all that descends from it; other), SINODE_MPI_NAME ("MPICH 4.0.2") and
# SINODE_MPI_LOADED. Read from a compiled program that is not run: on some clusters what is compiled runs elsewhere.
function(sinode_identify_mpi)
  if(NOT TARGET sinode_mpi_only)
    add_library(sinode_mpi_only INTERFACE IMPORTED)
  endif()
  sinode_link_probe(program sinode_mpi_only [[
#include <mpi.h>
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#ifdef OPEN_MPI
#define NAME "openmpi Open MPI " TEXT(OMPI_MAJOR_VERSION) "." TEXT(OMPI_MINOR_VERSION) "." TEXT(OMPI_RELEASE_VERSION)
#elif defined(I_MPI_VERSION)
#define NAME "mpich Intel MPI " I_MPI_VERSION
#elif defined(MVAPICH2_VERSION)
#define NAME "mpich MVAPICH2 " MVAPICH2_VERSION
#elif defined(CRAY_MPICH_VERSION)
#define NAME "mpich Cray MPICH " TEXT(CRAY_MPICH_VERSION)
#elif defined(MPICH_VERSION)
#define NAME "mpich MPICH " MPICH_VERSION
#else
#define NAME "other MPI " TEXT(MPI_VERSION) "." TEXT(MPI_SUBVERSION)
#endif
const char name[] = "sinode-mpi[" NAME "]";
int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  return MPI_Finalize() + name[argc];
}
]])
  if(NOT program)
    message(FATAL_ERROR "A program of three lines does not link with MPI (${MPI_C_COMPILER}):\n${program_LOG}")
  endif()
  file(STRINGS ${program} text REGEX "sinode-mpi\\[[a-z]+ .*\\]")
  string(REGEX MATCH "sinode-mpi\\[([a-z]+) ([^]]*)\\]" text "${text}")
  set(SINODE_MPI_FAMILY ${CMAKE_MATCH_1} PARENT_SCOPE)
  set(SINODE_MPI_NAME "${CMAKE_MATCH_2}" PARENT_SCOPE)
  sinode_loaded_mpi(loaded ${program})
  set(SINODE_MPI_LOADED "${loaded}" PARENT_SCOPE)
endfunction()

# What to install, for this MPI.
function(sinode_package_for name out)
  set(openmpi_fftw "the Debian package 'libfftw3-mpi-dev'")
  set(openmpi_scalapack "the Debian package 'libscalapack-openmpi-dev'")
  set(openmpi_hdf5 "the Debian package 'libhdf5-openmpi-dev'")
  set(mpich_fftw "an FFTW 3.3 configured with --enable-mpi and this MPI's compiler (on Debian packaging/mpich/run.sh \
builds it, and its folder belongs into CMAKE_PREFIX_PATH)")
  set(mpich_scalapack "the Debian package 'libscalapack-mpich-dev'")
  set(mpich_hdf5 "the Debian package 'libhdf5-mpich-dev'")
  set(other_fftw "an FFTW 3.3 configured with --enable-mpi and this MPI's compiler")
  set(other_scalapack "a ScaLAPACK built with this MPI's compiler")
  set(other_hdf5 "an HDF5 configured with --enable-parallel and this MPI's compiler")
  set(${out} "${${SINODE_MPI_FAMILY}_${name}}" PARENT_SCOPE)
endfunction()

# Refuses a library: `what` it is, `why` it will not do, and what to do.
function(sinode_refuse name what why)
  sinode_package_for(${name} package)
  message(FATAL_ERROR "${what} ${why}, but sinode is compiled for ${SINODE_MPI_NAME} (${MPI_C_COMPILER}): install "
                      "${package}, or choose the MPI it belongs to by MPI_C_COMPILER")
endfunction()

# Open MPI's predefined handles are variables of its library, which all that communicates names; MPICH's are numbers.
function(sinode_names_open_mpi out)
  set(${out} FALSE PARENT_SCOPE)
  foreach(library ${ARGN})
    if(EXISTS ${library})
      file(STRINGS ${library} found REGEX "ompi_mpi_" LIMIT_COUNT 1)
      if(found)
        set(${out} TRUE PARENT_SCOPE)
      endif()
    endif()
  endforeach()
endfunction()

# By linking; by the MPI libraries that are then loaded; by the handles, where a library does not say which it needs.
function(sinode_see_that_it_belongs name title setting source)
  get_target_property(libraries sinode_${name} INTERFACE_LINK_LIBRARIES)
  list(GET libraries 0 library)
  set(what "${title} ${library}${setting}")
  sinode_link_probe(program sinode_${name} "${source}")
  if(program_LOG MATCHES "sinode: HDF5 is serial")
    sinode_refuse(${name} "${what}" "was built without MPI")
  elseif(program_LOG MATCHES "undefined reference to `ompi_mpi_")
    sinode_refuse(${name} "${what}" "was built for Open MPI")
  elseif(NOT program)
    sinode_refuse(${name} "${what}" "does not link with it\n${program_LOG}\n")
  endif()
  sinode_loaded_mpi(loaded ${program})
  list(REMOVE_ITEM loaded ${SINODE_MPI_LOADED})
  if(loaded)
    list(JOIN loaded ", " loaded)
    sinode_refuse(${name} "${what}" "was built for another MPI (it loads ${loaded})")
  endif()
  sinode_names_open_mpi(names_open_mpi ${libraries})
  if(SINODE_MPI_FAMILY STREQUAL openmpi AND NOT names_open_mpi)
    sinode_refuse(${name} "${what}" "was built for another MPI")
  endif()
endfunction()

# Looked at whenever something else was found than the last time.
function(sinode_see_that_they_belong_together)
  set(seen ${MPI_C_COMPILER} ${MPI_C_LIBRARIES} ${CMAKE_C_COMPILER})
  foreach(name fftw scalapack hdf5)
    get_target_property(libraries sinode_${name} INTERFACE_LINK_LIBRARIES)
    list(APPEND seen ${libraries})
  endforeach()
  if("${seen}" STREQUAL "${SINODE_BELONG_TOGETHER}")
    return()
  endif()
  sinode_see_that_it_belongs(fftw "FFTW's MPI part" "" "#include <fftw3-mpi.h>
int main(void) { fftw_mpi_init(); return 0; }\n")
  sinode_see_that_it_belongs(scalapack ScaLAPACK " (SINODE_SCALAPACK_MODULE=${SINODE_SCALAPACK_MODULE})"
                             "void pdgetrf_(void);\nint main(void) { pdgetrf_(); return 0; }\n")
  sinode_see_that_it_belongs(hdf5 HDF5 " (SINODE_HDF5_MODULE=${SINODE_HDF5_MODULE})" "#include <mpi.h>
#include <hdf5_hl.h>
#ifndef H5_HAVE_PARALLEL
#error sinode: HDF5 is serial
#endif
int main(void) { return H5Pset_fapl_mpio(0, MPI_COMM_WORLD, MPI_INFO_NULL) + H5LTfind_dataset(0, 0); }\n")
  set(SINODE_BELONG_TOGETHER "${seen}" CACHE INTERNAL "libraries that were found to be of one MPI")
endfunction()
