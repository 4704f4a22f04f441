# Targets for developers: `format` rewrites the sources; `format-check`, `tidy` and `cppcheck` fail where something is
# wrong; `coverage`, in the build of that preset, reports the lines that the tests have run so far.
file(GLOB_RECURSE SINODE_ALL_SOURCES CONFIGURE_DEPENDS include/*.h src/*.[ch] io/*.[ch] tests/*.[ch] examples/*.[ch])
find_program(CLANG_FORMAT clang-format)
find_program(CLANG_TIDY clang-tidy)
if(CLANG_FORMAT)
  add_custom_target(format COMMAND ${CLANG_FORMAT} -i ${SINODE_ALL_SOURCES} VERBATIM)
  add_custom_target(format-check COMMAND ${CLANG_FORMAT} --dry-run --Werror ${SINODE_ALL_SOURCES} VERBATIM)
endif()
if(CLANG_TIDY)
  file(GLOB_RECURSE SINODE_LIBRARY_SOURCES CONFIGURE_DEPENDS src/*.c io/*.c)
  add_custom_target(tidy COMMAND ${CLANG_TIDY} --quiet -p ${CMAKE_BINARY_DIR} ${SINODE_LIBRARY_SOURCES} VERBATIM)
endif()
find_program(CPPCHECK cppcheck)
if(CPPCHECK)
  # Of the libraries only their prototypes matter, and those are not looked for; MPI_Comm and the like are pointers.
  add_custom_target(cppcheck COMMAND ${CPPCHECK} --quiet --std=c11 --enable=warning,performance,portability
    --inline-suppr --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches --error-exitcode=1
    -I ${CMAKE_SOURCE_DIR}/include -I ${CMAKE_SOURCE_DIR}/src -I ${CMAKE_SOURCE_DIR}/io
    ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/io VERBATIM)
endif()
find_program(GCOVR gcovr)
if(GCOVR AND SINODE_COVERAGE)
  add_custom_target(coverage COMMAND ${GCOVR} --root ${CMAKE_SOURCE_DIR} --filter "${CMAKE_SOURCE_DIR}/(src|io)/"
    --sort-percentage --print-summary ${CMAKE_BINARY_DIR} VERBATIM)
endif()
find_program(DOXYGEN doxygen)
if(DOXYGEN)
  add_custom_target(docs COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/docs
    COMMAND ${CMAKE_COMMAND} -E env SINODE_DOCS=${CMAKE_BINARY_DIR}/docs ${DOXYGEN} docs/Doxyfile
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} VERBATIM)
endif()
