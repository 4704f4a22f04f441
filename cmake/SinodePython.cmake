# The Python package as it runs from the build, PYTHONPATH=build/release/python: its modules as links, beside them the
# header that says what the library has, and where the library is.
set(SINODE_PYTHON_LOCATION [[
"""Where the library is, from the folder of this file. Generated."""
LIBRARY = "@SINODE_LIBRARY_PATH@"
]])
file(GLOB modules CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/io/python/sinode/*.py)
set(folder ${CMAKE_BINARY_DIR}/python/sinode)
file(REMOVE_RECURSE ${folder})
file(MAKE_DIRECTORY ${folder})
foreach(file ${modules} ${CMAKE_CURRENT_SOURCE_DIR}/include/sinode.h)
  get_filename_component(name ${file} NAME)
  file(CREATE_LINK ${file} ${folder}/${name} SYMBOLIC)
endforeach()
set(SINODE_LIBRARY_PATH $<TARGET_SONAME_FILE:sinode_shared>)
string(CONFIGURE "${SINODE_PYTHON_LOCATION}" location @ONLY)
file(GENERATE OUTPUT ${folder}/location.py CONTENT "${location}")
