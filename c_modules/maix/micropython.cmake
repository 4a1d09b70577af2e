# Module `maix`.
add_library(usermod_maix INTERFACE)
target_sources(
  usermod_maix
  INTERFACE ${CMAKE_CURRENT_LIST_DIR}/kpu_backend.c
            ${CMAKE_CURRENT_LIST_DIR}/kpu_class.c
            ${CMAKE_CURRENT_LIST_DIR}/loaded_model.c
            ${CMAKE_CURRENT_LIST_DIR}/model_source.c
            ${CMAKE_CURRENT_LIST_DIR}/modmaix.c
            ${CMAKE_CURRENT_LIST_DIR}/net_input.c
            ${CMAKE_CURRENT_LIST_DIR}/plate_layer.c
            ${CMAKE_CURRENT_LIST_DIR}/region_layer.c)
target_include_directories(usermod_maix INTERFACE ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(usermod_maix INTERFACE usermod_image usermod_kmodel)
target_link_libraries(usermod INTERFACE usermod_maix)
