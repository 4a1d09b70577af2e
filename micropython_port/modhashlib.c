// hashlib: SHA-256 on the chip's engine (sha256.h says what of it), MD5 and SHA-1 in software.
// In place of extmod/modhashlib.c, which takes the latter two from TLS libraries that are not here.
#include "py/runtime.h"
#include "digest.h"
#include "sha256.h"

typedef struct {
    mp_obj_base_t base;
    bool final; // no update and no digest any more
    union {
        sha256_context_t sha;
        digest_t other;
    } u;
} hash_obj_t;

static const mp_obj_type_t hashlib_md5_type, hashlib_sha1_type, hashlib_sha256_type;

static hash_obj_t *usable_hash(mp_obj_t self_in) {
    hash_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->final) {
        mp_raise_ValueError(MP_ERROR_TEXT("hash is final"));
    }
    return self;
}

static mp_obj_t hash_update(mp_obj_t self_in, mp_obj_t data) {
    hash_obj_t *self = usable_hash(self_in);
    mp_buffer_info_t info;
    mp_get_buffer_raise(data, &info, MP_BUFFER_READ);
    if (self->base.type == &hashlib_sha256_type) {
        sha256_update(&self->u.sha, info.buf, info.len);
    } else if (self->base.type == &hashlib_sha1_type) {
        sha1_update(&self->u.other, info.buf, info.len);
    } else {
        md5_update(&self->u.other, info.buf, info.len);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(hash_update_obj, hash_update);

static mp_obj_t hash_digest(mp_obj_t self_in) {
    hash_obj_t *self = usable_hash(self_in);
    uint8_t digest[SHA256_HASH_LEN];
    size_t len;
    self->final = true;
    if (self->base.type == &hashlib_sha256_type) {
        sha256_final(&self->u.sha, digest);
        len = SHA256_HASH_LEN;
    } else if (self->base.type == &hashlib_sha1_type) {
        sha1_final(&self->u.other, digest);
        len = SHA1_LEN;
    } else {
        md5_final(&self->u.other, digest);
        len = MD5_LEN;
    }
    return mp_obj_new_bytes(digest, len);
}
static MP_DEFINE_CONST_FUN_OBJ_1(hash_digest_obj, hash_digest);

static mp_obj_t hash_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 0, 1, false);
    hash_obj_t *self = mp_obj_malloc(hash_obj_t, type);
    self->final = false;
    if (type == &hashlib_sha256_type) {
        sha256_init(&self->u.sha, 0);
    } else if (type == &hashlib_sha1_type) {
        sha1_init(&self->u.other);
    } else {
        md5_init(&self->u.other);
    }
    if (n_args == 1) {
        hash_update(MP_OBJ_FROM_PTR(self), args[0]);
    }
    return MP_OBJ_FROM_PTR(self);
}

static const mp_rom_map_elem_t hash_locals_dict_table[] = {
    {MP_ROM_QSTR(MP_QSTR_update), MP_ROM_PTR(&hash_update_obj)},
    {MP_ROM_QSTR(MP_QSTR_digest), MP_ROM_PTR(&hash_digest_obj)},
};
static MP_DEFINE_CONST_DICT(hash_locals_dict, hash_locals_dict_table);

static MP_DEFINE_CONST_OBJ_TYPE(
    hashlib_md5_type, MP_QSTR_md5, MP_TYPE_FLAG_NONE, make_new, hash_make_new, locals_dict, &hash_locals_dict);
static MP_DEFINE_CONST_OBJ_TYPE(
    hashlib_sha1_type, MP_QSTR_sha1, MP_TYPE_FLAG_NONE, make_new, hash_make_new, locals_dict, &hash_locals_dict);
static MP_DEFINE_CONST_OBJ_TYPE(
    hashlib_sha256_type, MP_QSTR_sha256, MP_TYPE_FLAG_NONE, make_new, hash_make_new, locals_dict, &hash_locals_dict);

static const mp_rom_map_elem_t hashlib_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_hashlib)},
    {MP_ROM_QSTR(MP_QSTR_md5), MP_ROM_PTR(&hashlib_md5_type)},
    {MP_ROM_QSTR(MP_QSTR_sha1), MP_ROM_PTR(&hashlib_sha1_type)},
    {MP_ROM_QSTR(MP_QSTR_sha256), MP_ROM_PTR(&hashlib_sha256_type)},
};
static MP_DEFINE_CONST_DICT(hashlib_globals, hashlib_globals_table);

const mp_obj_module_t mp_module_hashlib = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&hashlib_globals,
};

MP_REGISTER_EXTENSIBLE_MODULE(MP_QSTR_hashlib, mp_module_hashlib);
