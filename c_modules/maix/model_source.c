#include "py/builtin.h"
#include "py/mperrno.h"
#include "py/runtime.h"
#include "py/stream.h"

#include "k210_flash.h"
#include "model_source.h"

// What is read before Ctrl-C is looked for.
#define PIECE (64 * 1024)

static mp_off_t seek(mp_obj_t file, mp_off_t offset, int whence) {
    int error;
    struct mp_stream_seek_t place = {.offset = offset, .whence = whence};
    if (mp_get_stream(file)->ioctl(file, MP_STREAM_SEEK, (uintptr_t)&place, &error) == MP_STREAM_ERROR) {
        mp_raise_OSError(error);
    }
    return place.offset;
}

static model_source_t open_flash(mp_int_t offset, mp_int_t size) {
    k210_flash_start();
    mp_int_t most = w25qxx_size();
    if (offset < 0 || size <= 0 || offset >= most || size > most - offset) {
        mp_raise_msg_varg(&mp_type_ValueError,
            MP_ERROR_TEXT("offset 0x%x, size %d is not within the flash of %d bytes"), (unsigned)offset, (int)size,
            (int)most);
    }
    return (model_source_t){.file = MP_OBJ_NULL, .offset = (uint32_t)offset, .size = (size_t)size};
}

static model_source_t open_file(mp_obj_t path) {
    mp_obj_t args[2] = {path, MP_OBJ_NEW_QSTR(MP_QSTR_rb)};
    nlr_buf_t nlr;
    if (nlr_push(&nlr) != 0) {
        mp_obj_t error = MP_OBJ_FROM_PTR(nlr.ret_val);
        if (mp_obj_exception_match(error, MP_OBJ_FROM_PTR(&mp_type_OSError))
            && mp_obj_equal(mp_obj_exception_get_value(error), MP_OBJ_NEW_SMALL_INT(MP_ENOENT))) {
            mp_obj_t text = mp_obj_new_str_from_cstr("file not found: ");
            text = mp_binary_op(MP_BINARY_OP_ADD, text, path);
            mp_obj_t both[] = {MP_OBJ_NEW_SMALL_INT(MP_ENOENT), text};
            nlr_raise(mp_obj_exception_make_new(&mp_type_OSError, 2, 0, both));
        }
        nlr_jump(nlr.ret_val);
    }
    mp_obj_t file = mp_call_function_n_kw(MP_OBJ_FROM_PTR(&mp_builtin_open_obj), 2, 0, args);
    nlr_pop();
    return (model_source_t){.file = file, .path = path, .size = (size_t)seek(file, 0, MP_SEEK_END)};
}

model_source_t model_source_open(mp_obj_t place, mp_obj_t size) {
    if (mp_obj_is_str(place)) {
        return open_file(place);
    }
    if (mp_obj_is_int(place) && mp_obj_is_int(size)) {
        return open_flash(mp_obj_get_int(place), mp_obj_get_int(size));
    }
    mp_raise_TypeError(MP_ERROR_TEXT("wanted: a path, or an offset in the flash and a size"));
}

static void read_flash(uint32_t address, uint8_t *to, size_t size) {
    if (w25qxx_read_data(address, to, size) != W25QXX_OK) {
        mp_raise_OSError(MP_EIO);
    }
}

static void read_file(const model_source_t *source, uint8_t *to, size_t size) {
    int error = 0;
    mp_uint_t got = mp_stream_rw(source->file, to, size, &error, MP_STREAM_RW_READ);
    if (error) {
        mp_raise_OSError(error);
    }
    if (got != size) {
        k210_raise_os_error(MP_EIO, "the file ended while it was read");
    }
}

void model_source_read(const model_source_t *source, size_t at, uint8_t *to, size_t size) {
    if (source->file != MP_OBJ_NULL) {
        seek(source->file, (mp_off_t)at, MP_SEEK_SET);
    }
    for (size_t done = 0, piece; done < size; done += piece) {
        piece = size - done < PIECE ? size - done : PIECE;
        if (source->file == MP_OBJ_NULL) {
            read_flash(source->offset + (uint32_t)(at + done), to + done, piece);
        } else {
            read_file(source, to + done, piece);
        }
        mp_handle_pending(true);
    }
}

void model_source_close(model_source_t *source) {
    if (source->file != MP_OBJ_NULL) {
        mp_stream_close(source->file);
    }
}
