#include <string.h>

#include "py/builtin.h"
#include "py/gc.h"
#include "py/runtime.h"
#include "py/stream.h"

#include "picture_file.h"

// Everything that is taken is on MicroPython's heap, found by the collector from the stack, so that an exception may
// leave the decoder at any point.
static void *take(size_t size) {
    return gc_alloc(size, 0);
}

static void *take_more(void *block, size_t size) {
    return gc_realloc(block, size, true);
}

#define STBI_MALLOC(size) take(size)
#define STBI_REALLOC(block, size) take_more(block, size)
#define STBI_FREE(block) gc_free(block)
#define STBI_ASSERT(condition) ((void)0)
#define STBI_ONLY_BMP
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_NO_THREAD_LOCALS
#define STBI_MAX_DIMENSIONS (65535)
#define STB_IMAGE_IMPLEMENTATION
#include "stb_image.h"

static int read_bytes(void *user, char *data, int size) {
    mp_obj_t file = user;
    int error = 0;
    mp_handle_pending(true); // Ctrl-C ends the reading of a picture too
    mp_uint_t got = mp_stream_rw(file, data, (mp_uint_t)size, &error, MP_STREAM_RW_READ);
    if (error) {
        mp_raise_OSError(error);
    }
    return (int)got;
}

static mp_off_t seek(mp_obj_t file, mp_off_t offset, int whence) {
    int error;
    struct mp_stream_seek_t place = {.offset = offset, .whence = whence};
    if (mp_get_stream(file)->ioctl(file, MP_STREAM_SEEK, (uintptr_t)&place, &error) == MP_STREAM_ERROR) {
        mp_raise_OSError(error);
    }
    return place.offset;
}

static void skip_bytes(void *user, int count) {
    seek(user, count, MP_SEEK_CUR);
}

static int at_end(void *user) {
    mp_off_t here = seek(user, 0, MP_SEEK_CUR), end = seek(user, 0, MP_SEEK_END);
    seek(user, here, MP_SEEK_SET);
    return here >= end;
}

static const stbi_io_callbacks callbacks = {read_bytes, skip_bytes, at_end};

NORETURN static void raise_unread(mp_obj_t path, mp_obj_t file, uint32_t channels) {
    const char *name = mp_obj_str_get_str(path), *reason = stbi_failure_reason();
    int width, height;
    seek(file, 0, MP_SEEK_SET);
    if (strcmp(reason, "outofmem") == 0 && stbi_info_from_callbacks(&callbacks, file, &width, &height, NULL)) {
        gc_info_t info;
        gc_info(&info);
        mp_raise_msg_varg(&mp_type_MemoryError,
            MP_ERROR_TEXT("%s: a picture of %dx%d needs at least %u bytes, the largest free block is %u"), name, width,
            height, (unsigned)(width * height) * (unsigned)channels,
            (unsigned)(info.max_free * MICROPY_BYTES_PER_GC_BLOCK));
    }
    mp_raise_msg_varg(
        &mp_type_ValueError, MP_ERROR_TEXT("%s is no picture that can be read (BMP, JPEG or PNG): %s"), name, reason);
}

picture_t picture_read(mp_obj_t path, uint32_t channels) {
    mp_obj_t args[2] = {path, MP_OBJ_NEW_QSTR(MP_QSTR_rb)};
    mp_obj_t file = mp_call_function_n_kw(MP_OBJ_FROM_PTR(&mp_builtin_open_obj), 2, 0, args);
    int width, height;
    uint8_t *bytes = stbi_load_from_callbacks(&callbacks, file, &width, &height, NULL, (int)channels);
    if (bytes == NULL) {
        raise_unread(path, file, channels);
    }
    mp_stream_close(file);
    return (picture_t){bytes, (uint32_t)width, (uint32_t)height, channels};
}

void picture_free(picture_t *picture) {
    gc_free(picture->bytes);
    picture->bytes = NULL;
}
