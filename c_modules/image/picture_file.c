#include <string.h>

#include "py/builtin.h"
#include "py/gc.h"
#include "py/mperrno.h"
#include "py/runtime.h"
#include "py/stream.h"

#include "picture_file.h"

// What is read before Ctrl-C is looked for.
#define PIECE (64 * 1024)

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

static mp_off_t seek(mp_obj_t file, mp_off_t offset, int whence) {
    int error;
    struct mp_stream_seek_t place = {.offset = offset, .whence = whence};
    if (mp_get_stream(file)->ioctl(file, MP_STREAM_SEEK, (uintptr_t)&place, &error) == MP_STREAM_ERROR) {
        mp_raise_OSError(error);
    }
    return place.offset;
}

// In pieces, between which Ctrl-C is looked for. The decoder takes bytes one by one, which is quick from memory only.
static uint8_t *read_file(mp_obj_t path, size_t *size) {
    mp_obj_t args[2] = {path, MP_OBJ_NEW_QSTR(MP_QSTR_rb)};
    mp_obj_t file = mp_call_function_n_kw(MP_OBJ_FROM_PTR(&mp_builtin_open_obj), 2, 0, args);
    *size = (size_t)seek(file, 0, MP_SEEK_END);
    seek(file, 0, MP_SEEK_SET);
    uint8_t *bytes = m_new(uint8_t, *size);
    for (size_t at = 0, piece; at < *size; at += piece) {
        int error = 0;
        mp_handle_pending(true);
        piece = mp_stream_rw(file, bytes + at, MIN(*size - at, PIECE), &error, MP_STREAM_RW_READ);
        if (error || piece == 0) {
            mp_raise_OSError(error ? error : MP_EIO);
        }
    }
    mp_stream_close(file);
    return bytes;
}

NORETURN static void raise_unread(mp_obj_t path, const uint8_t *file, size_t size, uint32_t channels) {
    const char *name = mp_obj_str_get_str(path), *reason = stbi_failure_reason();
    int width, height;
    if (strcmp(reason, "outofmem") == 0 && stbi_info_from_memory(file, (int)size, &width, &height, NULL)) {
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
    size_t size;
    int width, height;
    uint8_t *file = read_file(path, &size);
    uint8_t *bytes = stbi_load_from_memory(file, (int)size, &width, &height, NULL, (int)channels);
    if (bytes == NULL) {
        raise_unread(path, file, size, channels);
    }
    m_del(uint8_t, file, size);
    return (picture_t){bytes, (uint32_t)width, (uint32_t)height, channels};
}

void picture_free(picture_t *picture) {
    gc_free(picture->bytes);
    picture->bytes = NULL;
}
