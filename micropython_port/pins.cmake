# The board's names of pads, out of its pins.csv: machine_pin_board.h with a
# table for machine_pin.c and the numbers MICROPY_HW_PIN_NAME, and the list
# MICROPY_QSTRDEFS_PINS of files that make them known as names.

set_property(
  DIRECTORY
  APPEND
  PROPERTY CMAKE_CONFIGURE_DEPENDS ${MICROPY_BOARD_DIR}/pins.csv)
file(STRINGS ${MICROPY_BOARD_DIR}/pins.csv lines REGEX "^[^#]")
set(pins "")
set(names "")
set(numbers "")
foreach(line IN LISTS lines)
  if(NOT line MATCHES "^([A-Z][A-Z0-9_]*),([0-9]+)$" OR CMAKE_MATCH_2 GREATER
                                                        47)
    message(FATAL_ERROR "${MICROPY_BOARD_DIR}/pins.csv: what is '${line}'?")
  endif()
  string(APPEND pins "    {MP_ROM_QSTR(MP_QSTR_${CMAKE_MATCH_1}), "
         "MP_ROM_PTR(&machine_pin_obj_table[${CMAKE_MATCH_2}])}, \\\n")
  string(APPEND names "Q(${CMAKE_MATCH_1})\n")
  string(APPEND numbers
         "#define MICROPY_HW_PIN_${CMAKE_MATCH_1} (${CMAKE_MATCH_2})\n")
endforeach()
file(CONFIGURE OUTPUT machine_pin_board.h CONTENT
     "#define MACHINE_PIN_BOARD_PINS \\\n${pins}\n${numbers}")
file(CONFIGURE OUTPUT machine_pin_board_qstrs.h CONTENT "${names}")
set(MICROPY_QSTRDEFS_PINS ${CMAKE_BINARY_DIR}/machine_pin_board_qstrs.h)
