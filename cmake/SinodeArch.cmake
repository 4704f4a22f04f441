# SINODE_ARCH_FLAG: for which processors is compiled. -march=native, unless something else was asked for.
set(SINODE_ARCH_FLAG "")
if(SINODE_ARCH)
  include(CheckCCompilerFlag)
  string(MAKE_C_IDENTIFIER "SINODE_KNOWS_${SINODE_ARCH}" known)
  check_c_compiler_flag(-march=${SINODE_ARCH} ${known})
  if(NOT ${known})
    message(FATAL_ERROR "SINODE_ARCH=${SINODE_ARCH}: ${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION} knows no "
                        "-march=${SINODE_ARCH}; x86-64, x86-64-v2, x86-64-v3 or a processor's name was expected")
  endif()
  set(SINODE_ARCH_FLAG -march=${SINODE_ARCH})
elseif(SINODE_NATIVE AND CMAKE_BUILD_TYPE STREQUAL Release)
  set(SINODE_ARCH_FLAG -march=native)
endif()
