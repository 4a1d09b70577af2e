// Module k210: what this chip has and module machine does not.

#include "py/runtime.h"

#include "k210_flash.h"

static const mp_rom_map_elem_t k210_module_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_k210)},
    {MP_ROM_QSTR(MP_QSTR_Flash), MP_ROM_PTR(&k210_flash_type)},
};
static MP_DEFINE_CONST_DICT(k210_module_globals, k210_module_globals_table);

const mp_obj_module_t mp_module_k210 = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&k210_module_globals,
};

MP_REGISTER_MODULE(MP_QSTR_k210, mp_module_k210);
