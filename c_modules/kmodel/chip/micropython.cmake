# Kernel models on the chip's own KPU.
target_sources(usermod_kmodel INTERFACE ${CMAKE_CURRENT_LIST_DIR}/kmodel_chip.c
                                        ${CMAKE_CURRENT_LIST_DIR}/kpu_kmodel.c)
target_include_directories(usermod_kmodel INTERFACE ${CMAKE_CURRENT_LIST_DIR})
