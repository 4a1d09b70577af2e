// Class machine.I2C: I2C0 to I2C2 as controllers.
//
// The block sends a STOP whenever it has nothing left to do. So what is written with stop=False is kept, and goes out
// together with the next transfer, which begins with a repeated START as it should; an error of it is that one's. A
// read with stop=False is followed by a STOP.

#include <string.h>

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/modmachine.h"

#include "fpioa.h"
#include "i2c.h"
#include "machine_buses.h"

#define I2C_COUNT (I2C_DEVICE_MAX)
#define DEFAULT_FREQ (400000)
#define DEFAULT_TIMEOUT (50000)
#define MIN_FREQ (10000)
#define MAX_FREQ (1000000)
#define KEPT_MAX (32)
#define NO_PAD (-1)

// A board's mpconfigboard.h may name pads.
#ifndef MICROPY_HW_I2C0_SCL
#define MICROPY_HW_I2C0_SCL (NO_PAD)
#define MICROPY_HW_I2C0_SDA (NO_PAD)
#endif
#ifndef MICROPY_HW_I2C1_SCL
#define MICROPY_HW_I2C1_SCL (NO_PAD)
#define MICROPY_HW_I2C1_SDA (NO_PAD)
#endif
#ifndef MICROPY_HW_I2C2_SCL
#define MICROPY_HW_I2C2_SCL (NO_PAD)
#define MICROPY_HW_I2C2_SDA (NO_PAD)
#endif

typedef struct _machine_i2c_obj_t {
    mp_obj_base_t base;
    uint8_t device; // i2c_device_number_t
    bool running;
    int8_t scl, sda;
    uint32_t freq;
    uint32_t timeout; // microseconds a transfer may take beyond its bytes' time
    uint16_t kept_address;
    uint8_t kept_length;
    uint8_t kept[KEPT_MAX];
} machine_i2c_obj_t;

static const int8_t default_pads[I2C_COUNT][2] = {
    {MICROPY_HW_I2C0_SCL, MICROPY_HW_I2C0_SDA},
    {MICROPY_HW_I2C1_SCL, MICROPY_HW_I2C1_SDA},
    {MICROPY_HW_I2C2_SCL, MICROPY_HW_I2C2_SDA},
};

static machine_i2c_obj_t objects[I2C_COUNT];

static void machine_i2c_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    machine_i2c_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "I2C(%u, freq=%u, scl=%d, sda=%d, timeout=%u)", self->device, self->freq, self->scl, self->sda,
        self->timeout);
}

static void stop(machine_i2c_obj_t *self) {
    if (self->running) {
        self->running = false;
        i2c_deinit(self->device);
    }
}

void machine_i2c_deinit_all(void) {
    for (unsigned i = 0; i < I2C_COUNT; i++) {
        stop(&objects[i]);
    }
}

static void start(machine_i2c_obj_t *self) {
    i2c_init(self->device, 0, 7, self->freq);
    fpioa_set_function(self->scl, FUNC_I2C0_SCLK + 2 * self->device);
    fpioa_set_function(self->sda, FUNC_I2C0_SDA + 2 * self->device);
    fpioa_set_io_pull(self->scl, FPIOA_PULL_UP);
    fpioa_set_io_pull(self->sda, FPIOA_PULL_UP);
    self->kept_length = 0;
    self->running = true;
}

static void init_helper(machine_i2c_obj_t *self, size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_freq, ARG_scl, ARG_sda, ARG_timeout };
    static const mp_arg_t allowed_args[] = {
        {MP_QSTR_freq, MP_ARG_INT, {.u_int = DEFAULT_FREQ}},
        {MP_QSTR_scl, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_sda, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_timeout, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = DEFAULT_TIMEOUT}},
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    mp_int_t freq = args[ARG_freq].u_int, timeout = args[ARG_timeout].u_int;
    if (freq < MIN_FREQ || freq > MAX_FREQ) {
        mp_raise_msg_varg(
            &mp_type_ValueError, MP_ERROR_TEXT("freq %d is not between %d and %d"), (int)freq, MIN_FREQ, MAX_FREQ);
    }
    if (timeout < 0) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("timeout %d is negative"), (int)timeout);
    }
    int8_t scl = self->scl, sda = self->sda;
    if (args[ARG_scl].u_obj != mp_const_none) {
        scl = (int8_t)mp_hal_get_pin_obj(args[ARG_scl].u_obj);
    }
    if (args[ARG_sda].u_obj != mp_const_none) {
        sda = (int8_t)mp_hal_get_pin_obj(args[ARG_sda].u_obj);
    }
    if (scl == NO_PAD || sda == NO_PAD) {
        mp_raise_msg_varg(
            &mp_type_ValueError, MP_ERROR_TEXT("this board has no pads for I2C(%d): give scl= and sda="), self->device);
    }
    if (scl == sda) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("scl and sda are both pad %d"), scl);
    }
    stop(self);
    self->freq = (uint32_t)freq;
    self->timeout = (uint32_t)timeout;
    self->scl = scl;
    self->sda = sda;
    start(self);
}

static mp_obj_t machine_i2c_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, MP_OBJ_FUN_ARGS_MAX, true);
    mp_int_t id = mp_obj_get_int(args[0]);
    if (id < 0 || id >= I2C_COUNT) {
        mp_raise_msg_varg(
            &mp_type_ValueError, MP_ERROR_TEXT("there is no I2C(%d), only 0 to %d"), (int)id, I2C_COUNT - 1);
    }
    machine_i2c_obj_t *self = &objects[id];
    if (!self->running || n_args > 1 || n_kw > 0) {
        stop(self);
        self->base.type = type;
        self->device = (uint8_t)id;
        self->scl = default_pads[id][0];
        self->sda = default_pads[id][1];
        mp_map_t kw_args;
        mp_map_init_fixed_table(&kw_args, n_kw, args + n_args);
        init_helper(self, n_args - 1, args + 1, &kw_args);
    }
    return MP_OBJ_FROM_PTR(self);
}

static void machine_i2c_init_method(mp_obj_base_t *self, size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    init_helper((machine_i2c_obj_t *)self, n_args, pos_args, kw_args);
}

// ---- Transfers

static int error_of(i2c_result_t result) {
    switch (result) {
        case I2C_OK:
            return 0;
        case I2C_NO_ADDRESS_ACK:
            return -MP_ENODEV;
        case I2C_TIMED_OUT:
        case I2C_BUS_STUCK:
            return -MP_ETIMEDOUT;
        default:
            return -MP_EIO;
    }
}

// `segments` has room for one more in front.
static int transfer(machine_i2c_obj_t *self, uint16_t address, i2c_segment_t *segments, size_t count) {
    if (self->kept_length > 0 && self->kept_address == address) {
        *--segments = (i2c_segment_t){.data = self->kept, .length = self->kept_length, .read = false};
        count++;
    }
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += segments[i].length;
    }
    self->kept_length = 0;
    if (bytes == 0) {
        return error_of(i2c_probe(self->device, address));
    }
    i2c_set_address(self->device, address);
    // Ten bits a byte, and half as much again for the block's own pauses.
    uint64_t limit = self->timeout + bytes * 15000000ull / self->freq + 1000;
    return error_of(i2c_transfer(self->device, segments, count, (uint32_t)MIN(limit, UINT32_MAX)));
}

// Sends what was kept for somebody else.
static int send_kept(machine_i2c_obj_t *self) {
    i2c_segment_t segments[2];
    return transfer(self, self->kept_address, segments + 1, 0);
}

static int keep(machine_i2c_obj_t *self, uint16_t address, const i2c_segment_t *segments, size_t count) {
    int length = 0;
    self->kept_address = address;
    for (size_t i = 0; i < count; i++) {
        if (self->kept_length + segments[i].length > KEPT_MAX) {
            self->kept_length = 0;
            mp_raise_msg_varg(
                &mp_type_ValueError, MP_ERROR_TEXT("stop=False is possible for at most %d bytes"), KEPT_MAX);
        }
        memcpy(self->kept + self->kept_length, segments[i].data, segments[i].length);
        self->kept_length += segments[i].length;
        length += segments[i].length;
    }
    return length;
}

static int machine_i2c_transfer(
    mp_obj_base_t *self_in, uint16_t address, size_t count, mp_machine_i2c_buf_t *buffers, unsigned flags) {
    machine_i2c_obj_t *self = (machine_i2c_obj_t *)self_in;
    if (!self->running) {
        mp_raise_msg_varg(&mp_type_OSError, MP_ERROR_TEXT("I2C(%d) is off"), self->device);
    }
    if (self->kept_length > 0 && self->kept_address != address) {
        int error = send_kept(self);
        if (error) {
            return error;
        }
    }
    i2c_segment_t *segments = mp_local_alloc((count + 1) * sizeof(*segments));
    int written = 0;
    for (size_t i = 0; i < count; i++) {
        bool read = flags & MP_MACHINE_I2C_FLAG_READ && !(flags & MP_MACHINE_I2C_FLAG_WRITE1 && i == 0);
        segments[i + 1] = (i2c_segment_t){.data = buffers[i].buf, .length = buffers[i].len, .read = read};
        written += read ? 0 : (int)buffers[i].len;
    }
    int result;
    if (flags & (MP_MACHINE_I2C_FLAG_STOP | MP_MACHINE_I2C_FLAG_READ)) {
        result = transfer(self, address, segments + 1, count);
        result = result ? result : written; // every byte was acknowledged
    } else {
        result = keep(self, address, segments + 1, count);
    }
    mp_local_free(segments);
    return result;
}

static const mp_machine_i2c_p_t machine_i2c_p = {
    .transfer_supports_write1 = true,
    .init = machine_i2c_init_method,
    .transfer = machine_i2c_transfer,
};

MP_DEFINE_CONST_OBJ_TYPE(machine_i2c_type, MP_QSTR_I2C, MP_TYPE_FLAG_NONE, make_new, machine_i2c_make_new, print,
    machine_i2c_print, protocol, &machine_i2c_p, locals_dict, &mp_machine_i2c_locals_dict);
