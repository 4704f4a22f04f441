# The generated header sinode/version.h, with the commit at configure time.
execute_process(COMMAND git -C ${CMAKE_CURRENT_SOURCE_DIR} describe --always --dirty --abbrev=12
                OUTPUT_VARIABLE SINODE_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
# Configured anew after every commit, so that files do not name an old one.
execute_process(COMMAND git -C ${CMAKE_CURRENT_SOURCE_DIR} rev-parse --path-format=absolute --git-path logs/HEAD
                OUTPUT_VARIABLE SINODE_GIT_LOG OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(EXISTS "${SINODE_GIT_LOG}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${SINODE_GIT_LOG}")
endif()
if(NOT SINODE_COMMIT)
  set(SINODE_COMMIT unknown)
endif()
configure_file(${CMAKE_CURRENT_SOURCE_DIR}/cmake/version.h.in ${CMAKE_BINARY_DIR}/generated/sinode/version.h @ONLY)
