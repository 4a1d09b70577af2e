// Class machine.SDCard: a card in SPI mode as a block device.

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/vfs.h"

#include "machine_pin_board.h"
#include "k210_flash.h"
#include "machine_sdcard.h"
#include "sdcard.h"

// What one command moves before Ctrl-C is looked for: a tenth of a second at most on a slow card.
#define PIECE (64)

typedef struct {
    mp_obj_base_t base;
    bool open;
    sdcard_t card;
} machine_sdcard_obj_t;

static const int8_t errors[] = {
    [SD_OK] = 0,
    [SD_NO_CARD] = MP_ENODEV,
    [SD_UNUSABLE] = MP_ENODEV,
    [SD_TIMEOUT] = MP_ETIMEDOUT,
    [SD_CRC] = MP_EIO,
    [SD_REFUSED] = MP_EIO,
    [SD_RANGE] = MP_EINVAL,
    [SD_CHANGED] = MP_ENODEV,
};

static uint8_t pad_of(mp_obj_t pin, uint8_t standard) {
    return pin == mp_const_none ? standard : mp_hal_get_pin_obj(pin);
}

static mp_obj_t sdcard_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *all_args) {
    enum { ARG_slot, ARG_sck, ARG_mosi, ARG_miso, ARG_cs, ARG_freq };
    static const mp_arg_t allowed_args[] = {
        {MP_QSTR_slot, MP_ARG_INT, {.u_int = 1}},
        {MP_QSTR_sck, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_mosi, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_miso, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_cs, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_freq, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = SD_RATE}},
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all_kw_array(n_args, n_kw, all_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    mp_int_t slot = args[ARG_slot].u_int, freq = args[ARG_freq].u_int;
    if (slot != SPI_DEVICE_0 && slot != SPI_DEVICE_1) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("slot %d is neither SPI 0 nor 1"), (int)slot);
    }
    if (freq < SD_FIRST_RATE || freq > SD_RATE) {
        mp_raise_msg_varg(
            &mp_type_ValueError, MP_ERROR_TEXT("freq=%d is not between %d and %d"), (int)freq, SD_FIRST_RATE, SD_RATE);
    }
    sdcard_config_t config = {
        .spi = slot,
        .sck = pad_of(args[ARG_sck].u_obj, MICROPY_HW_PIN_SD_SCLK),
        .mosi = pad_of(args[ARG_mosi].u_obj, MICROPY_HW_PIN_SD_MOSI),
        .miso = pad_of(args[ARG_miso].u_obj, MICROPY_HW_PIN_SD_MISO),
        .cs = pad_of(args[ARG_cs].u_obj, MICROPY_HW_PIN_SD_CS),
        .rate = freq,
    };
    config.cs_gpiohs = machine_pin_need_gpiohs(config.cs);
    machine_sdcard_obj_t *self = mp_obj_malloc(machine_sdcard_obj_t, type);
    sd_result_t result = sdcard_init(&self->card, &config);
    if (result != SD_OK) {
        k210_raise_os_error(errors[result], sdcard_result_text(result));
    }
    self->open = true;
    return MP_OBJ_FROM_PTR(self);
}

static void sdcard_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    machine_sdcard_obj_t *self = MP_OBJ_TO_PTR(self_in);
    const sdcard_config_t *c = &self->card.config;
    mp_printf(print, "SDCard(%u, sck=%u, mosi=%u, miso=%u, cs=%u, freq=%u)", c->spi, c->sck, c->mosi, c->miso, c->cs,
        (unsigned)self->card.rate);
}

static machine_sdcard_obj_t *get_open(mp_obj_t self_in) {
    machine_sdcard_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (!self->open) {
        mp_raise_msg(&mp_type_OSError, MP_ERROR_TEXT("the SDCard was deinitialised"));
    }
    return self;
}

typedef sd_result_t (*move_t)(sdcard_t *card, uint32_t block, uint8_t *buf, uint32_t count);

static sd_result_t write_blocks(sdcard_t *card, uint32_t block, uint8_t *buf, uint32_t count) {
    return sdcard_write(card, block, buf, count);
}

// A file system takes a negative error number as a result, as in k210_flash.c.
static mp_obj_t move(mp_obj_t self_in, mp_obj_t block_in, const mp_buffer_info_t *buf, move_t move_blocks) {
    machine_sdcard_obj_t *self = get_open(self_in);
    mp_int_t block = mp_obj_get_int(block_in);
    if (buf->len % SD_BLOCK_SIZE) {
        mp_raise_msg_varg(
            &mp_type_ValueError, MP_ERROR_TEXT("%u bytes are no multiple of %d"), (unsigned)buf->len, SD_BLOCK_SIZE);
    }
    mp_int_t count = buf->len / SD_BLOCK_SIZE;
    if (block < 0 || block + count > self->card.blocks) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%d blocks from %d on are not within the card's %u"),
            (int)count, (int)block, (unsigned)self->card.blocks);
    }
    uint8_t *at = buf->buf;
    while (count) {
        mp_int_t part = count < PIECE ? count : PIECE;
        sd_result_t result = move_blocks(&self->card, block, at, part);
        if (result != SD_OK) {
            return MP_OBJ_NEW_SMALL_INT(-errors[result]);
        }
        block += part;
        at += part * SD_BLOCK_SIZE;
        count -= part;
        if (count) {
            mp_handle_pending(true);
        }
    }
    return MP_OBJ_NEW_SMALL_INT(0);
}

static mp_obj_t sdcard_readblocks(mp_obj_t self_in, mp_obj_t block, mp_obj_t buf_in) {
    mp_buffer_info_t buf;
    mp_get_buffer_raise(buf_in, &buf, MP_BUFFER_WRITE);
    return move(self_in, block, &buf, sdcard_read);
}
static MP_DEFINE_CONST_FUN_OBJ_3(sdcard_readblocks_obj, sdcard_readblocks);

static mp_obj_t sdcard_writeblocks(mp_obj_t self_in, mp_obj_t block, mp_obj_t buf_in) {
    mp_buffer_info_t buf;
    mp_get_buffer_raise(buf_in, &buf, MP_BUFFER_READ);
    return move(self_in, block, &buf, write_blocks);
}
static MP_DEFINE_CONST_FUN_OBJ_3(sdcard_writeblocks_obj, sdcard_writeblocks);

static mp_obj_t sdcard_ioctl(mp_obj_t self_in, mp_obj_t cmd_in, mp_obj_t arg_in) {
    (void)arg_in;
    machine_sdcard_obj_t *self = MP_OBJ_TO_PTR(self_in);
    switch (mp_obj_get_int(cmd_in)) {
        case MP_BLOCKDEV_IOCTL_INIT:
            return MP_OBJ_NEW_SMALL_INT(-errors[sdcard_check(&get_open(self_in)->card)]);
        case MP_BLOCKDEV_IOCTL_DEINIT:
        case MP_BLOCKDEV_IOCTL_SYNC:
            return MP_OBJ_NEW_SMALL_INT(0);
        case MP_BLOCKDEV_IOCTL_BLOCK_COUNT:
            return mp_obj_new_int_from_uint(self->card.blocks);
        case MP_BLOCKDEV_IOCTL_BLOCK_SIZE:
            return MP_OBJ_NEW_SMALL_INT(SD_BLOCK_SIZE);
        default:
            return mp_const_none;
    }
}
static MP_DEFINE_CONST_FUN_OBJ_3(sdcard_ioctl_obj, sdcard_ioctl);

// The card's bytes, and those of a block.
static mp_obj_t sdcard_info(mp_obj_t self_in) {
    machine_sdcard_obj_t *self = get_open(self_in);
    mp_obj_t tuple[] = {
        mp_obj_new_int_from_ull((uint64_t)self->card.blocks * SD_BLOCK_SIZE),
        MP_OBJ_NEW_SMALL_INT(SD_BLOCK_SIZE),
    };
    return mp_obj_new_tuple(MP_ARRAY_SIZE(tuple), tuple);
}
static MP_DEFINE_CONST_FUN_OBJ_1(sdcard_info_obj, sdcard_info);

static mp_obj_t sdcard_deinit(mp_obj_t self_in) {
    machine_sdcard_obj_t *self = MP_OBJ_TO_PTR(self_in);
    self->open = false;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(sdcard_deinit_obj, sdcard_deinit);

static const mp_rom_map_elem_t sdcard_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR_info), MP_ROM_PTR(&sdcard_info_obj)},
    {MP_ROM_QSTR(MP_QSTR_deinit), MP_ROM_PTR(&sdcard_deinit_obj)},
    {MP_ROM_QSTR(MP_QSTR_readblocks), MP_ROM_PTR(&sdcard_readblocks_obj)},
    {MP_ROM_QSTR(MP_QSTR_writeblocks), MP_ROM_PTR(&sdcard_writeblocks_obj)},
    {MP_ROM_QSTR(MP_QSTR_ioctl), MP_ROM_PTR(&sdcard_ioctl_obj)},
};
static MP_DEFINE_CONST_DICT(sdcard_locals, sdcard_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(machine_sdcard_type, MP_QSTR_SDCard, MP_TYPE_FLAG_NONE, make_new, sdcard_make_new, print,
    sdcard_print, locals_dict, &sdcard_locals);
