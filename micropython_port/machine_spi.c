// Class machine.SPI on SPI0 and SPI1. The chip select is the program's: a Pin.

#include <string.h>

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/modmachine.h"

#include "fpioa.h"
#include "machine_pin_board.h"
#include "machine_spi.h"
#include "spi.h"

#define BUSES (2)
#define NO_PAD (0xff)
#define BAUDRATE (1000000)

// No pad carries this select.
#define NO_SELECT SPI_CHIP_SELECT_3

// Bytes go in frames of four when there are more than this.
#define FEW (64)
#define REVERSED_PIECE (256)

typedef struct {
    mp_obj_base_t base;
    bool open;
    uint8_t polarity, phase, bits, firstbit;
    uint8_t sck, mosi, miso; // pads, or NO_PAD
    uint32_t asked, baudrate; // bits a second: as given, as it is
} machine_spi_obj_t;

static machine_spi_obj_t buses[BUSES] = {{{&machine_spi_type}}, {{&machine_spi_type}}};

static unsigned number_of(const machine_spi_obj_t *self) {
    return (unsigned)(self - buses);
}

static void spi_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    machine_spi_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "SPI(%u, baudrate=%u, polarity=%u, phase=%u, bits=%u, firstbit=%u, sck=%u", number_of(self),
        (unsigned)self->baudrate, self->polarity, self->phase, self->bits, self->firstbit, self->sck);
    const uint8_t pads[] = {self->mosi, self->miso};
    const qstr names[] = {MP_QSTR_mosi, MP_QSTR_miso};
    for (unsigned i = 0; i < 2; i++) {
        if (pads[i] != NO_PAD) {
            mp_printf(print, ", %q=%u", names[i], pads[i]);
        }
    }
    mp_print_str(print, ")");
}

static void set_frames(const machine_spi_obj_t *self, unsigned bits) {
    spi_init(number_of(self), (spi_work_mode_t)(self->polarity << 1 | self->phase), SPI_FF_STANDARD, bits, 0);
}

// What else is on the bus, a card, sets it up for itself: it is done anew for every transfer.
static void set_up(machine_spi_obj_t *self) {
    set_frames(self, self->bits);
    self->baudrate = spi_set_clk_rate(number_of(self), self->asked);
}

static void route(unsigned pad, unsigned function) {
    if (pad != NO_PAD) {
        fpioa_set_function(pad, function);
    }
}

static void check(const char *name, mp_int_t value, mp_int_t low, mp_int_t high) {
    if (value < low || value > high) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%s=%d is not between %d and %d"), name, (int)value,
            (int)low, (int)high);
    }
}

// None: no pad; not given: as it is.
static uint8_t pad_of(mp_obj_t pin, uint8_t before) {
    return pin == MP_OBJ_NULL ? before : pin == mp_const_none ? NO_PAD : mp_hal_get_pin_obj(pin);
}

enum { ARG_baudrate, ARG_polarity, ARG_phase, ARG_bits, ARG_firstbit, ARG_sck, ARG_mosi, ARG_miso, ARG_COUNT };

static const mp_arg_t init_args[] = {
    {MP_QSTR_baudrate, MP_ARG_INT, {.u_int = -1}},
    {MP_QSTR_polarity, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
    {MP_QSTR_phase, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
    {MP_QSTR_bits, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
    {MP_QSTR_firstbit, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
    {MP_QSTR_sck, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL}},
    {MP_QSTR_mosi, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL}},
    {MP_QSTR_miso, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL}},
};
_Static_assert(MP_ARRAY_SIZE(init_args) == ARG_COUNT, "arguments");

// What is not given stays as in `to`.
static void spi_init_helper(
    machine_spi_obj_t *self, machine_spi_obj_t to, size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    mp_arg_val_t args[ARG_COUNT];
    mp_arg_parse_all(n_args, pos_args, kw_args, ARG_COUNT, init_args, args);
    mp_int_t baudrate = args[ARG_baudrate].u_int;
    if (baudrate != -1) {
        check("baudrate", baudrate, 1, INT32_MAX);
        to.asked = (uint32_t)baudrate;
    }
    const struct {
        const char *name;
        uint8_t *field;
        uint8_t low, high;
    } small[] = {
        {"polarity", &to.polarity, 0, 1},
        {"phase", &to.phase, 0, 1},
        {"bits", &to.bits, 4, 32},
        {"firstbit", &to.firstbit, MICROPY_PY_MACHINE_SPI_MSB, MICROPY_PY_MACHINE_SPI_LSB},
    };
    for (unsigned i = 0; i < MP_ARRAY_SIZE(small); i++) {
        mp_int_t value = args[ARG_polarity + i].u_int;
        if (value != -1) {
            check(small[i].name, value, small[i].low, small[i].high);
            *small[i].field = value;
        }
    }
    if (to.firstbit == MICROPY_PY_MACHINE_SPI_LSB && to.bits != 8) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("firstbit=LSB goes with bits=8, not %d"), to.bits);
    }
    to.sck = pad_of(args[ARG_sck].u_obj, to.sck);
    to.mosi = pad_of(args[ARG_mosi].u_obj, to.mosi);
    to.miso = pad_of(args[ARG_miso].u_obj, to.miso);
    if (to.sck == NO_PAD) {
        mp_raise_ValueError(MP_ERROR_TEXT("sck is missing"));
    }
    *self = to;
    self->open = true;
    set_up(self);
    unsigned bus = number_of(self);
    route(self->sck, bus ? FUNC_SPI1_SCLK : FUNC_SPI0_SCLK);
    route(self->mosi, bus ? FUNC_SPI1_D0 : FUNC_SPI0_D0);
    route(self->miso, bus ? FUNC_SPI1_D1 : FUNC_SPI0_D1);
}

// SPI1 is on the card's pads when nothing else is said; SPI0 has none of its own.
static machine_spi_obj_t defaults_of(unsigned bus) {
    bool card = bus == SPI_DEVICE_1;
    return (machine_spi_obj_t){
        .base = {&machine_spi_type},
        .bits = 8,
        .firstbit = MICROPY_PY_MACHINE_SPI_MSB,
        .sck = card ? MICROPY_HW_PIN_SD_SCLK : NO_PAD,
        .mosi = card ? MICROPY_HW_PIN_SD_MOSI : NO_PAD,
        .miso = card ? MICROPY_HW_PIN_SD_MISO : NO_PAD,
        .asked = BAUDRATE,
    };
}

static mp_obj_t spi_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    (void)type;
    mp_arg_check_num(n_args, n_kw, 1, 2, true);
    mp_int_t id = mp_obj_get_int(args[0]);
    if (id < 0 || id >= BUSES) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("there is no SPI(%d): 0 and 1"), (int)id);
    }
    machine_spi_obj_t *self = &buses[id];
    if (n_args > 1 || n_kw > 0 || !self->open) {
        mp_map_t kw_args;
        mp_map_init_fixed_table(&kw_args, n_kw, args + n_args);
        spi_init_helper(self, defaults_of(id), n_args - 1, args + 1, &kw_args);
    }
    return MP_OBJ_FROM_PTR(self);
}

static void spi_init_method(mp_obj_base_t *self_in, size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    machine_spi_obj_t *self = (machine_spi_obj_t *)self_in;
    spi_init_helper(self, *self, n_args, pos_args, kw_args);
}

static void spi_deinit(mp_obj_base_t *self_in) {
    machine_spi_obj_t *self = (machine_spi_obj_t *)self_in;
    if (self->open) {
        spi_stop(number_of(self));
        self->open = false;
    }
}

void machine_spi_deinit_all(void) {
    for (unsigned i = 0; i < BUSES; i++) {
        spi_deinit(&buses[i].base);
    }
}

static bool move(unsigned bus, const uint8_t *src, uint8_t *dest, size_t len) {
    return len == 0 ? true
        : dest ? spi_dup_send_receive_data_dma(DMAC_CHANNEL_MAX, DMAC_CHANNEL_MAX, bus, NO_SELECT, src, len, dest, len)
               : spi_send_data_standard(bus, NO_SELECT, NULL, 0, src, len);
}

static bool move_many(machine_spi_obj_t *self, const uint8_t *src, uint8_t *dest, size_t len) {
    unsigned bus = number_of(self);
    size_t most = len & ~(size_t)3;
    set_frames(self, 32);
    bool good =
        dest ? spi_exchange_bytes(bus, NO_SELECT, src, dest, most) : spi_send_bytes(bus, NO_SELECT, NULL, 0, src, most);
    set_frames(self, 8);
    return good && move(bus, src + most, dest ? dest + most : NULL, len - most);
}

static uint8_t reversed(uint8_t byte) {
    byte = (uint8_t)(byte << 4 | byte >> 4);
    byte = (uint8_t)((byte & 0x33) << 2 | (byte >> 2 & 0x33));
    return (uint8_t)((byte & 0x55) << 1 | (byte >> 1 & 0x55));
}

// The block sends the highest bit first only.
static bool move_reversed(machine_spi_obj_t *self, const uint8_t *src, uint8_t *dest, size_t len) {
    uint8_t turned[REVERSED_PIECE];
    bool good = true;
    for (size_t at = 0, part; at < len && good; at += part) {
        part = len - at < sizeof(turned) ? len - at : sizeof(turned);
        for (size_t i = 0; i < part; i++) {
            turned[i] = reversed(src[at + i]);
        }
        good = move(number_of(self), turned, dest ? turned : NULL, part);
        for (size_t i = 0; dest && i < part; i++) {
            dest[at + i] = reversed(turned[i]);
        }
    }
    return good;
}

static void spi_transfer(mp_obj_base_t *self_in, size_t len, const uint8_t *src, uint8_t *dest) {
    machine_spi_obj_t *self = (machine_spi_obj_t *)self_in;
    unsigned width = self->bits <= 8 ? 1 : self->bits <= 16 ? 2 : 4;
    if (!self->open) {
        mp_raise_msg(&mp_type_OSError, MP_ERROR_TEXT("the SPI was deinitialised"));
    }
    if (len % width) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%u bytes are no whole frames: bits=%u takes %u each"),
            (unsigned)len, self->bits, width);
    }
    set_up(self);
    bool good = self->firstbit == MICROPY_PY_MACHINE_SPI_LSB ? move_reversed(self, src, dest, len)
        : self->bits == 8 && len > FEW                       ? move_many(self, src, dest, len)
                                                             : move(number_of(self), src, dest, len);
    if (!good) {
        mp_raise_OSError(MP_ETIMEDOUT);
    }
}

static const mp_machine_spi_p_t spi_protocol = {
    .init = spi_init_method,
    .deinit = spi_deinit,
    .transfer = spi_transfer,
};

MP_DEFINE_CONST_OBJ_TYPE(machine_spi_type, MP_QSTR_SPI, MP_TYPE_FLAG_NONE, make_new, spi_make_new, print, spi_print,
    protocol, &spi_protocol, locals_dict, &mp_machine_spi_locals_dict);
