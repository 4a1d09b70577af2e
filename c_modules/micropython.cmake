# Our C modules, which every firmware of ours has.
include(${CMAKE_CURRENT_LIST_DIR}/image/micropython.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/kmodel/micropython.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/kmodel/chip/micropython.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/maix/micropython.cmake)
