# cmake --install: programs, shared library with its header, CMake package and pkg-config file, Python package, manual,
# completion, module files, job scripts.
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/sinode)
set(data ${CMAKE_INSTALL_DATADIR}/sinode)

install(TARGETS sinode_program sinode_bench RUNTIME)
install(TARGETS sinode_shared EXPORT sinodeTargets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES include/sinode.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

install(EXPORT sinodeTargets NAMESPACE sinode:: DESTINATION ${package})
configure_package_config_file(cmake/sinodeConfig.cmake.in ${CMAKE_BINARY_DIR}/sinodeConfig.cmake
                              INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/sinodeConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/sinodeConfig.cmake ${CMAKE_BINARY_DIR}/sinodeConfigVersion.cmake
        DESTINATION ${package})

file(RELATIVE_PATH to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/sinode.pc.in ${CMAKE_BINARY_DIR}/sinode.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/sinode.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(FILES ${CMAKE_BINARY_DIR}/manual/sinode.1 ${CMAKE_BINARY_DIR}/manual/sinode-bench.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${CMAKE_BINARY_DIR}/manual/sinode.yaml.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
foreach(program sinode sinode-bench) # bash looks for a file by the program's name
  install(FILES ${CMAKE_BINARY_DIR}/manual/sinode.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
          RENAME ${program})
endforeach()

# Module files carry the prefix that cmake --install is given, which may not be the one configured.
foreach(language lua tcl)
  string(REPLACE tcl "" suffix ${language})
  string(REPLACE lua .lua suffix "${suffix}")
  install(CODE "
    set(PROJECT_VERSION ${PROJECT_VERSION})
    set(CMAKE_INSTALL_BINDIR ${CMAKE_INSTALL_BINDIR})
    set(CMAKE_INSTALL_LIBDIR ${CMAKE_INSTALL_LIBDIR})
    set(CMAKE_INSTALL_MANDIR ${CMAKE_INSTALL_MANDIR})
    set(CMAKE_INSTALL_DATADIR ${CMAKE_INSTALL_DATADIR})
    configure_file(${CMAKE_CURRENT_SOURCE_DIR}/cmake/module.${language}.in
                   \$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${data}/modulefiles/sinode/${PROJECT_VERSION}${suffix} @ONLY)")
endforeach()

install(FILES LICENSE CITATION.cff DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY jobs/slurm jobs/configs DESTINATION ${data} USE_SOURCE_PERMISSIONS PATTERN modules.sh EXCLUDE)
install(DIRECTORY io/python/ DESTINATION ${data}/python USE_SOURCE_PERMISSIONS FILES_MATCHING PATTERN *.py
        PATTERN setup.py EXCLUDE)
install(FILES include/sinode.h io/python/sinode/py.typed DESTINATION ${data}/python/sinode)
# The package finds the library from where it is itself, so that the tree may be moved.
file(RELATIVE_PATH SINODE_LIBRARY_PATH /${data}/python/sinode /${CMAKE_INSTALL_LIBDIR}/$<TARGET_SONAME_FILE_NAME:sinode_shared>)
string(CONFIGURE "${SINODE_PYTHON_LOCATION}" location @ONLY)
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/location.py CONTENT "${location}")
install(FILES ${CMAKE_BINARY_DIR}/location.py DESTINATION ${data}/python/sinode)
