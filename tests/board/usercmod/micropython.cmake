# A C module as MicroPython's documentation describes them, for
# test_firmware_build.py.
add_library(usermod_sums INTERFACE)
target_sources(usermod_sums INTERFACE ${CMAKE_CURRENT_LIST_DIR}/sums.c)
target_link_libraries(usermod INTERFACE usermod_sums)
