// sys.stdin, sys.stdout and sys.stderr on the console, each with its bytes below it (.buffer) and the number that
// POSIX gives it.

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/obj.h"
#include "py/runtime.h"
#include "py/stream.h"

enum { STDIN, STDOUT, STDERR };

// The core takes the text objects by these names, and knows no more of them.
typedef struct _sys_stdio_obj_t {
    mp_obj_base_t base;
    int number;
    const struct _sys_stdio_obj_t *buffer;
} sys_stdio_obj_t;

static void stdio_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    const sys_stdio_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "<io.%s %d>", mp_obj_get_type_str(self_in), self->number);
}

static mp_uint_t not_this_way(int *errcode) {
    *errcode = MP_EPERM;
    return MP_STREAM_ERROR;
}

static mp_uint_t stdio_read(mp_obj_t self_in, void *buf, mp_uint_t size, int *errcode) {
    const sys_stdio_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->number != STDIN) {
        return not_this_way(errcode);
    }
    for (mp_uint_t i = 0; i < size; i++) {
        int c = mp_hal_stdin_rx_chr();
        // A terminal's Enter key sends a carriage return.
        ((uint8_t *)buf)[i] = c == '\r' && self->buffer != NULL ? '\n' : c;
    }
    return size;
}

static mp_uint_t stdio_write(mp_obj_t self_in, const void *buf, mp_uint_t size, int *errcode) {
    const sys_stdio_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->number == STDIN) {
        return not_this_way(errcode);
    }
    if (self->buffer == NULL) {
        return mp_hal_stdout_tx_strn(buf, size);
    }
    mp_hal_stdout_tx_strn_cooked(buf, size);
    return size;
}

static mp_uint_t stdio_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode) {
    const sys_stdio_obj_t *self = MP_OBJ_TO_PTR(self_in);
    switch (request) {
        case MP_STREAM_POLL:
            return mp_hal_stdio_poll(arg);
        case MP_STREAM_GET_FILENO:
            return self->number;
        case MP_STREAM_CLOSE:
        case MP_STREAM_FLUSH:
            return 0;
        default:
            *errcode = MP_EINVAL;
            return MP_STREAM_ERROR;
    }
}

static mp_obj_t stdio_fileno(mp_obj_t self_in) {
    const sys_stdio_obj_t *self = MP_OBJ_TO_PTR(self_in);
    return MP_OBJ_NEW_SMALL_INT(self->number);
}
static MP_DEFINE_CONST_FUN_OBJ_1(stdio_fileno_obj, stdio_fileno);

static const mp_rom_map_elem_t stdio_locals_dict_table[] = {
    {MP_ROM_QSTR(MP_QSTR___enter__), MP_ROM_PTR(&mp_identity_obj)},
    {MP_ROM_QSTR(MP_QSTR___exit__), MP_ROM_PTR(&mp_stream___exit___obj)},
    {MP_ROM_QSTR(MP_QSTR_close), MP_ROM_PTR(&mp_identity_obj)},
    {MP_ROM_QSTR(MP_QSTR_fileno), MP_ROM_PTR(&stdio_fileno_obj)},
    {MP_ROM_QSTR(MP_QSTR_flush), MP_ROM_PTR(&mp_stream_flush_obj)},
    {MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&mp_stream_read_obj)},
    {MP_ROM_QSTR(MP_QSTR_readinto), MP_ROM_PTR(&mp_stream_readinto_obj)},
    {MP_ROM_QSTR(MP_QSTR_readline), MP_ROM_PTR(&mp_stream_unbuffered_readline_obj)},
    {MP_ROM_QSTR(MP_QSTR_readlines), MP_ROM_PTR(&mp_stream_unbuffered_readlines_obj)},
    {MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&mp_stream_write_obj)},
};
static MP_DEFINE_CONST_DICT(stdio_locals_dict, stdio_locals_dict_table);

static void stdio_text_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    const sys_stdio_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (dest[0] != MP_OBJ_NULL) {
        return;
    }
    if (attr == MP_QSTR_buffer) {
        dest[0] = MP_OBJ_FROM_PTR(self->buffer);
    } else {
        dest[1] = MP_OBJ_SENTINEL; // the methods above
    }
}

static const mp_stream_p_t stdio_text_stream = {
    .read = stdio_read,
    .write = stdio_write,
    .ioctl = stdio_ioctl,
    .is_text = true,
};

static const mp_stream_p_t stdio_bytes_stream = {
    .read = stdio_read,
    .write = stdio_write,
    .ioctl = stdio_ioctl,
};

static MP_DEFINE_CONST_OBJ_TYPE(stdio_text_type, MP_QSTR_TextIOWrapper, MP_TYPE_FLAG_ITER_IS_STREAM, print, stdio_print,
    attr, stdio_text_attr, protocol, &stdio_text_stream, locals_dict, &stdio_locals_dict);

static MP_DEFINE_CONST_OBJ_TYPE(stdio_bytes_type, MP_QSTR_FileIO, MP_TYPE_FLAG_ITER_IS_STREAM, print, stdio_print,
    protocol, &stdio_bytes_stream, locals_dict, &stdio_locals_dict);

static const sys_stdio_obj_t stdin_bytes = {{&stdio_bytes_type}, STDIN, NULL};
static const sys_stdio_obj_t stdout_bytes = {{&stdio_bytes_type}, STDOUT, NULL};
static const sys_stdio_obj_t stderr_bytes = {{&stdio_bytes_type}, STDERR, NULL};
const sys_stdio_obj_t mp_sys_stdin_obj = {{&stdio_text_type}, STDIN, &stdin_bytes};
const sys_stdio_obj_t mp_sys_stdout_obj = {{&stdio_text_type}, STDOUT, &stdout_bytes};
const sys_stdio_obj_t mp_sys_stderr_obj = {{&stdio_text_type}, STDERR, &stderr_bytes};
