// cryptolib: AES in ECB, CBC and CTR mode on the chip's cipher block.
// In place of extmod/modcryptolib.c, whose back ends are TLS libraries that are not here.
#include <string.h>

#include "py/mperrno.h"
#include "py/runtime.h"
#include "aes.h"

enum { MODE_ECB = 1, MODE_CBC = 2, MODE_CTR = 6 };
enum { USED_FOR_NOTHING, USED_TO_ENCRYPT, USED_TO_DECRYPT };

// Counters that go to the block at a time: setting it up takes some 10 us.
#define CTR_PIECE (1024)

typedef struct {
    mp_obj_base_t base;
    uint8_t mode, use, key_len;
    uint8_t offset; // CTR: bytes used of `stream`
    uint8_t key[AES_256];
    uint8_t iv[AES_BLOCK_LEN]; // CBC: the last block of cipher text; CTR: the next counter
    uint8_t stream[AES_BLOCK_LEN]; // CTR: the last counter's cipher text
} aes_obj_t;

static void copy_exactly(uint8_t *to, mp_obj_t from, size_t len, mp_rom_error_text_t text) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(from, &info, MP_BUFFER_READ);
    if (info.len != len) {
        mp_raise_ValueError(text);
    }
    memcpy(to, info.buf, len);
}

static mp_obj_t aes_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 2, 3, false);
    mp_int_t mode = mp_obj_get_int(args[1]);
    if (mode != MODE_ECB && mode != MODE_CBC && mode != MODE_CTR) {
        mp_raise_ValueError(MP_ERROR_TEXT("mode must be 1 (ECB), 2 (CBC) or 6 (CTR)"));
    }
    mp_buffer_info_t key;
    mp_get_buffer_raise(args[0], &key, MP_BUFFER_READ);
    if (key.len != AES_128 && key.len != AES_192 && key.len != AES_256) {
        mp_raise_ValueError(MP_ERROR_TEXT("key must have 16, 24 or 32 bytes"));
    }
    aes_obj_t *self = mp_obj_malloc(aes_obj_t, type);
    self->mode = (uint8_t)mode;
    self->use = USED_FOR_NOTHING;
    self->key_len = (uint8_t)key.len;
    self->offset = AES_BLOCK_LEN;
    memcpy(self->key, key.buf, key.len);
    if (mode != MODE_ECB || (n_args > 2 && args[2] != mp_const_none)) {
        mp_obj_t iv = n_args > 2 && args[2] != mp_const_none ? args[2] : mp_const_empty_bytes;
        copy_exactly(self->iv, iv, AES_BLOCK_LEN, MP_ERROR_TEXT("IV must have 16 bytes"));
    }
    return MP_OBJ_FROM_PTR(self);
}

static void crypt_blocks(aes_obj_t *self, bool encrypt, const uint8_t *in, size_t len, uint8_t *out) {
    aes_job_t job = {
        .mode = self->mode == MODE_CBC ? AES_CBC : AES_ECB,
        .sel = encrypt ? AES_HARD_ENCRYPTION : AES_HARD_DECRYPTION,
        .key = self->key,
        .key_len = self->key_len,
        .iv = self->iv,
    };
    if (!aes_crypt(&job, in, len, out, AES_NO_DMA)) {
        mp_raise_OSError(MP_EIO);
    }
}

static void crypt_cbc(aes_obj_t *self, bool encrypt, const uint8_t *in, size_t len, uint8_t *out) {
    if (len == 0) {
        return;
    }
    uint8_t next[AES_BLOCK_LEN];
    memcpy(next, in + len - AES_BLOCK_LEN, AES_BLOCK_LEN); // `out` may be `in`
    crypt_blocks(self, encrypt, in, len, out);
    memcpy(self->iv, encrypt ? out + len - AES_BLOCK_LEN : next, AES_BLOCK_LEN);
}

static void count(uint8_t counter[AES_BLOCK_LEN]) {
    for (unsigned i = AES_BLOCK_LEN; i-- > 0 && ++counter[i] == 0;) {
    }
}

static void crypt_ctr(aes_obj_t *self, const uint8_t *in, size_t len, uint8_t *out) {
    uint8_t piece[CTR_PIECE];
    for (; len && self->offset < AES_BLOCK_LEN; len--) {
        *out++ = *in++ ^ self->stream[self->offset++];
    }
    while (len) {
        size_t bytes = MIN(len, CTR_PIECE), blocks = (bytes + AES_BLOCK_LEN - 1) / AES_BLOCK_LEN;
        for (size_t i = 0; i < blocks; i++) {
            memcpy(piece + i * AES_BLOCK_LEN, self->iv, AES_BLOCK_LEN);
            count(self->iv);
        }
        crypt_blocks(self, true, piece, blocks * AES_BLOCK_LEN, piece);
        for (size_t i = 0; i < bytes; i++) {
            *out++ = *in++ ^ piece[i];
        }
        len -= bytes;
        memcpy(self->stream, piece + (blocks - 1) * AES_BLOCK_LEN, AES_BLOCK_LEN);
        self->offset = (uint8_t)(bytes - (blocks - 1) * AES_BLOCK_LEN);
    }
}

static mp_obj_t process(size_t n_args, const mp_obj_t *args, bool encrypt) {
    aes_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_buffer_info_t in, out;
    vstr_t vstr;
    mp_get_buffer_raise(args[1], &in, MP_BUFFER_READ);
    if (self->mode != MODE_CTR && in.len % AES_BLOCK_LEN) {
        mp_raise_ValueError(MP_ERROR_TEXT("length must be a multiple of 16"));
    }
    if (n_args > 2) {
        mp_get_buffer_raise(args[2], &out, MP_BUFFER_WRITE);
        if (out.len < in.len) {
            mp_raise_ValueError(MP_ERROR_TEXT("output too small"));
        }
    } else {
        vstr_init_len(&vstr, in.len);
        out.buf = vstr.buf;
    }
    uint8_t use = encrypt ? USED_TO_ENCRYPT : USED_TO_DECRYPT;
    if (self->use != USED_FOR_NOTHING && self->use != use) {
        mp_raise_ValueError(MP_ERROR_TEXT("can't encrypt & decrypt"));
    }
    self->use = use;
    if (self->mode == MODE_ECB) {
        crypt_blocks(self, encrypt, in.buf, in.len, out.buf);
    } else if (self->mode == MODE_CBC) {
        crypt_cbc(self, encrypt, in.buf, in.len, out.buf);
    } else {
        crypt_ctr(self, in.buf, in.len, out.buf);
    }
    return n_args > 2 ? args[2] : mp_obj_new_bytes_from_vstr(&vstr);
}

static mp_obj_t aes_encrypt(size_t n_args, const mp_obj_t *args) {
    return process(n_args, args, true);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(aes_encrypt_obj, 2, 3, aes_encrypt);

static mp_obj_t aes_decrypt(size_t n_args, const mp_obj_t *args) {
    return process(n_args, args, false);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(aes_decrypt_obj, 2, 3, aes_decrypt);

static const mp_rom_map_elem_t aes_locals_dict_table[] = {
    {MP_ROM_QSTR(MP_QSTR_encrypt), MP_ROM_PTR(&aes_encrypt_obj)},
    {MP_ROM_QSTR(MP_QSTR_decrypt), MP_ROM_PTR(&aes_decrypt_obj)},
};
static MP_DEFINE_CONST_DICT(aes_locals_dict, aes_locals_dict_table);

static MP_DEFINE_CONST_OBJ_TYPE(
    cryptolib_aes_type, MP_QSTR_aes, MP_TYPE_FLAG_NONE, make_new, aes_make_new, locals_dict, &aes_locals_dict);

static const mp_rom_map_elem_t cryptolib_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_cryptolib)},
    {MP_ROM_QSTR(MP_QSTR_aes), MP_ROM_PTR(&cryptolib_aes_type)},
    {MP_ROM_QSTR(MP_QSTR_MODE_ECB), MP_ROM_INT(MODE_ECB)},
    {MP_ROM_QSTR(MP_QSTR_MODE_CBC), MP_ROM_INT(MODE_CBC)},
    {MP_ROM_QSTR(MP_QSTR_MODE_CTR), MP_ROM_INT(MODE_CTR)},
};
static MP_DEFINE_CONST_DICT(cryptolib_globals, cryptolib_globals_table);

const mp_obj_module_t mp_module_cryptolib = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&cryptolib_globals,
};

MP_REGISTER_EXTENSIBLE_MODULE(MP_QSTR_cryptolib, mp_module_cryptolib);
