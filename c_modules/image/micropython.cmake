# Module `image`. Needs stb_image.h (Debian: libstb-dev).
find_path(
  STB_INCLUDE_DIR stb_image.h
  PATHS /usr/include/stb /usr/local/include/stb
  NO_CMAKE_FIND_ROOT_PATH)
if(NOT STB_INCLUDE_DIR)
  message(FATAL_ERROR "stb_image.h is not there: install libstb-dev")
endif()

add_library(usermod_image INTERFACE)
target_sources(
  usermod_image
  INTERFACE ${CMAKE_CURRENT_LIST_DIR}/ai_plane.c
            ${CMAKE_CURRENT_LIST_DIR}/fit.c
            ${CMAKE_CURRENT_LIST_DIR}/image.c
            ${CMAKE_CURRENT_LIST_DIR}/modimage.c
            ${CMAKE_CURRENT_LIST_DIR}/picture_file.c)
target_include_directories(usermod_image INTERFACE ${CMAKE_CURRENT_LIST_DIR}
                                                   ${STB_INCLUDE_DIR})
target_link_libraries(usermod INTERFACE usermod_image)

# A frame's pixels go through these.
set_property(
  SOURCE ${CMAKE_CURRENT_LIST_DIR}/ai_plane.c ${CMAKE_CURRENT_LIST_DIR}/fit.c
         ${CMAKE_CURRENT_LIST_DIR}/image.c
         ${CMAKE_CURRENT_LIST_DIR}/picture_file.c
  APPEND
  PROPERTY COMPILE_OPTIONS -O2)
