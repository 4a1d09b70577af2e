// Class k210.Flash: a range of the flash chip as a block device.

#include <string.h>

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/vfs.h"

#include "k210_flash.h"
#include "spi.h"

#define BLOCK (w25qxx_FLASH_SECTOR_SIZE)

// What the mask ROM wants around an image: a byte and its length before it, a SHA-256 behind.
#define IMAGE_HEAD (5)
#define IMAGE_TAIL (32)

// What one read moves before Ctrl-C is looked for.
#define READ_PIECE (16 * BLOCK)

extern char _text_start[], _tdata_end[];

typedef struct {
    mp_obj_base_t base;
    uint32_t start, size;
    bool whole; // the firmware may be written over
} k210_flash_obj_t;

NORETURN void k210_raise_os_error(int number, const char *text) {
    mp_obj_t args[] = {MP_OBJ_NEW_SMALL_INT(number), mp_obj_new_str_from_cstr(text)};
    nlr_raise(mp_obj_exception_make_new(&mp_type_OSError, MP_ARRAY_SIZE(args), 0, args));
}

// What a file system makes of an end by Ctrl-C is EINTR; what Python sees of it is KeyboardInterrupt. The linker puts
// this in mp_raise_OSError()'s place.
NORETURN void __real_mp_raise_OSError(int number);
NORETURN void __wrap_mp_raise_OSError(int number);
void __wrap_mp_raise_OSError(int number) {
    if (number == MP_EINTR) {
        mp_handle_pending(true);
    }
    __real_mp_raise_OSError(number);
}

void k210_flash_start(void) {
    if (w25qxx_size() == 0 && w25qxx_init(SPI_DEVICE_3, SPI_CHIP_SELECT_0, W25QXX_RATE) != W25QXX_OK) {
        k210_raise_os_error(MP_ENODEV, "the flash chip does not answer");
    }
}

static uint32_t firmware_end(void) {
    uint32_t bytes = IMAGE_HEAD + (uint32_t)(_tdata_end - _text_start) + IMAGE_TAIL;
    return (bytes + BLOCK - 1) & ~(BLOCK - 1);
}

static mp_obj_t flash_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *all_args) {
    enum { ARG_start, ARG_len, ARG_whole };
    static const mp_arg_t allowed_args[] = {
        {MP_QSTR_start, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_len, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_whole, MP_ARG_KW_ONLY | MP_ARG_BOOL, {.u_bool = false}},
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all_kw_array(n_args, n_kw, all_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    k210_flash_start();
    mp_int_t start = args[ARG_start].u_int, len = args[ARG_len].u_int, size = w25qxx_size();
    bool whole = args[ARG_whole].u_bool;
    if (len == -1) {
        len = whole || start != -1 ? size - (start == -1 ? 0 : start) : MICROPY_HW_FLASH_FS_SIZE;
    }
    if (start == -1) {
        start = whole ? 0 : MICROPY_HW_FLASH_FS_START;
    }
    if (start < 0 || start >= size || len <= 0 || len > size - start) {
        mp_raise_msg_varg(&mp_type_ValueError,
            MP_ERROR_TEXT("start=0x%x, len=0x%x is not within the chip's 0x%x bytes"), (int)start, (int)len, (int)size);
    }
    if (start % BLOCK || len % BLOCK) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("start=0x%x, len=0x%x are not multiples of %d"),
            (int)start, (int)len, BLOCK);
    }
    k210_flash_obj_t *self = mp_obj_malloc(k210_flash_obj_t, type);
    self->start = start;
    self->size = len;
    self->whole = whole;
    return MP_OBJ_FROM_PTR(self);
}

static void flash_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    k210_flash_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "Flash(start=0x%x, len=0x%x%s)", (unsigned)self->start, (unsigned)self->size,
        self->whole ? ", whole=True" : "");
}

// The chip's address of a part of the range.
static uint32_t address_of(const k210_flash_obj_t *self, mp_int_t offset, size_t length) {
    if (offset < 0 || offset > self->size || length > self->size - offset) {
        mp_raise_msg_varg(&mp_type_ValueError,
            MP_ERROR_TEXT("%u bytes at offset %d are not within the 0x%x of this Flash"), (unsigned)length, (int)offset,
            (unsigned)self->size);
    }
    return self->start + (uint32_t)offset;
}

static uint32_t address_to_write(const k210_flash_obj_t *self, mp_int_t offset, size_t length) {
    uint32_t address = address_of(self, offset, length);
    if (!self->whole && length && address < firmware_end()) {
        mp_raise_msg_varg(&mp_type_ValueError,
            MP_ERROR_TEXT("0x%x is below 0x%x, where the firmware ends: Flash(whole=True) may write there"),
            (unsigned)address, (unsigned)firmware_end());
    }
    return address;
}

// File systems take a negative error number as a result and come to a clean end; an exception would pass through
// them half-way.
static mp_obj_t result_of(w25qxx_status_t status) {
    return MP_OBJ_NEW_SMALL_INT(status == W25QXX_OK ? 0 : status == W25QXX_BUSY ? -MP_ETIMEDOUT : -MP_EIO);
}

// What is beyond any chip stays so.
static mp_int_t offset_of(mp_obj_t block) {
    mp_int_t number = mp_obj_get_int(block), most = INT32_MAX / BLOCK;
    return (number < 0 || number > most ? most : number) * BLOCK;
}

static w25qxx_status_t read_pieces(uint32_t address, uint8_t *to, size_t length) {
    w25qxx_status_t status = W25QXX_OK;
    for (size_t piece; length && status == W25QXX_OK; address += piece, to += piece, length -= piece) {
        piece = length < READ_PIECE ? length : READ_PIECE;
        status = w25qxx_read_data(address, to, piece);
        if (piece < length) {
            mp_handle_pending(true);
        }
    }
    return status;
}

static mp_obj_t flash_readblocks(size_t n_args, const mp_obj_t *args) {
    k210_flash_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(args[2], &buf, MP_BUFFER_WRITE);
    mp_int_t offset = offset_of(args[1]) + (n_args == 4 ? mp_obj_get_int(args[3]) : 0);
    return result_of(read_pieces(address_of(self, offset, buf.len), buf.buf, buf.len));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(flash_readblocks_obj, 3, 4, flash_readblocks);

// With an offset the bytes have been erased, by ioctl; without one that is done here.
static mp_obj_t flash_writeblocks(size_t n_args, const mp_obj_t *args) {
    k210_flash_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(args[2], &buf, MP_BUFFER_READ);
    mp_int_t offset = offset_of(args[1]);
    if (n_args == 4) {
        // littlefs: nothing raises while it is at work.
        uint32_t address = address_to_write(self, offset + mp_obj_get_int(args[3]), buf.len);
        return result_of(w25qxx_write_data_direct(address, buf.buf, buf.len));
    }
    uint32_t address = address_to_write(self, offset, buf.len);
    w25qxx_status_t status = W25QXX_OK;
    for (size_t at = 0, piece; at < buf.len && status == W25QXX_OK; at += piece) {
        piece = buf.len - at < BLOCK ? buf.len - at : BLOCK;
        status = w25qxx_write_data(address + at, (const uint8_t *)buf.buf + at, piece);
        if (at + piece < buf.len) {
            mp_handle_pending(true);
        }
    }
    return result_of(status);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(flash_writeblocks_obj, 3, 4, flash_writeblocks);

static mp_obj_t flash_ioctl(mp_obj_t self_in, mp_obj_t cmd_in, mp_obj_t arg_in) {
    k210_flash_obj_t *self = MP_OBJ_TO_PTR(self_in);
    switch (mp_obj_get_int(cmd_in)) {
        case MP_BLOCKDEV_IOCTL_INIT:
        case MP_BLOCKDEV_IOCTL_DEINIT:
        case MP_BLOCKDEV_IOCTL_SYNC:
            return MP_OBJ_NEW_SMALL_INT(0);
        case MP_BLOCKDEV_IOCTL_BLOCK_COUNT:
            return MP_OBJ_NEW_SMALL_INT(self->size / BLOCK);
        case MP_BLOCKDEV_IOCTL_BLOCK_SIZE:
            return MP_OBJ_NEW_SMALL_INT(BLOCK);
        case MP_BLOCKDEV_IOCTL_BLOCK_ERASE:
            // The place where littlefs can be stopped: nothing is written yet to a block that is being erased, so a
            // long write comes to an end as it does when the chip fails, and Ctrl-C gets its turn.
            if (MP_STATE_MAIN_THREAD(mp_pending_exception) != MP_OBJ_NULL) {
                return MP_OBJ_NEW_SMALL_INT(-MP_EINTR);
            }
            return result_of(w25qxx_sector_erase(address_to_write(self, offset_of(arg_in), BLOCK)));
        default:
            return mp_const_none;
    }
}
static MP_DEFINE_CONST_FUN_OBJ_3(flash_ioctl_obj, flash_ioctl);

// read(offset, buf): any bytes of the range.
static mp_obj_t flash_read(mp_obj_t self_in, mp_obj_t offset_in, mp_obj_t buf_in) {
    k210_flash_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(buf_in, &buf, MP_BUFFER_WRITE);
    uint32_t address = address_of(self, mp_obj_get_int(offset_in), buf.len);
    if (read_pieces(address, buf.buf, buf.len) != W25QXX_OK) {
        mp_raise_OSError(MP_EIO);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(flash_read_obj, flash_read);

static const mp_rom_map_elem_t flash_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR_readblocks), MP_ROM_PTR(&flash_readblocks_obj)},
    {MP_ROM_QSTR(MP_QSTR_writeblocks), MP_ROM_PTR(&flash_writeblocks_obj)},
    {MP_ROM_QSTR(MP_QSTR_ioctl), MP_ROM_PTR(&flash_ioctl_obj)},
    {MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&flash_read_obj)},
};
static MP_DEFINE_CONST_DICT(flash_locals, flash_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(k210_flash_type, MP_QSTR_Flash, MP_TYPE_FLAG_NONE, make_new, flash_make_new, print,
    flash_print, locals_dict, &flash_locals);
