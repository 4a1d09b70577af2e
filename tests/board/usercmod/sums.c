// sums.add_ints(a, b): the least that a user C module can be.

#include "py/runtime.h"

static mp_obj_t sums_add_ints(mp_obj_t a, mp_obj_t b) {
    return mp_obj_new_int(mp_obj_get_int(a) + mp_obj_get_int(b));
}
static MP_DEFINE_CONST_FUN_OBJ_2(sums_add_ints_obj, sums_add_ints);

static const mp_rom_map_elem_t sums_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_sums)},
    {MP_ROM_QSTR(MP_QSTR_add_ints), MP_ROM_PTR(&sums_add_ints_obj)},
};
static MP_DEFINE_CONST_DICT(sums_globals, sums_globals_table);

const mp_obj_module_t sums_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&sums_globals,
};

MP_REGISTER_MODULE(MP_QSTR_sums, sums_module);
