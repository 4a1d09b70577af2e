# The runtime of kernel models, for USER_C_MODULES: no MicroPython in it, so no
# qstrs.
add_library(usermod_kmodel INTERFACE)

target_sources(
  usermod_kmodel
  INTERFACE ${CMAKE_CURRENT_LIST_DIR}/describe.c
            ${CMAKE_CURRENT_LIST_DIR}/float_layers.c
            ${CMAKE_CURRENT_LIST_DIR}/header.c
            ${CMAKE_CURRENT_LIST_DIR}/judge.c
            ${CMAKE_CURRENT_LIST_DIR}/kpu_layers.c
            ${CMAKE_CURRENT_LIST_DIR}/layer_kinds.c
            ${CMAKE_CURRENT_LIST_DIR}/layout.c
            ${CMAKE_CURRENT_LIST_DIR}/moving_layers.c
            ${CMAKE_CURRENT_LIST_DIR}/pool_layers.c
            ${CMAKE_CURRENT_LIST_DIR}/quantized_layers.c
            ${CMAKE_CURRENT_LIST_DIR}/run.c
            ${CMAKE_CURRENT_LIST_DIR}/walk.c)

# What goes over whole images is worth a kilobyte of code.
foreach(source float_layers layout moving_layers pool_layers quantized_layers)
  set_property(
    SOURCE ${CMAKE_CURRENT_LIST_DIR}/${source}.c
    APPEND
    PROPERTY COMPILE_OPTIONS -O2)
endforeach()

target_include_directories(usermod_kmodel INTERFACE ${CMAKE_CURRENT_LIST_DIR})

target_link_libraries(usermod INTERFACE usermod_kmodel)
