// Module `maix`.

#include "py/runtime.h"

#include "kpu_class.h"

static const mp_rom_map_elem_t module_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_maix)},
    {MP_ROM_QSTR(MP_QSTR_KPU), MP_ROM_PTR(&maix_kpu_type)},
};
static MP_DEFINE_CONST_DICT(module_globals, module_table);

const mp_obj_module_t maix_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&module_globals,
};

MP_REGISTER_MODULE(MP_QSTR_maix, maix_module);
