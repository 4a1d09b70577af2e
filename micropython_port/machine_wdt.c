// Included by extmod/machine_wdt.c: WDT(0) and WDT(1).

#include "wdt.h"

struct _machine_wdt_obj_t {
    mp_obj_base_t base;
    uint8_t id;
    uint32_t timeout_ms; // 0: not running
};

// A watchdog outlives a soft reset.
static machine_wdt_obj_t machine_wdt_obj[WDT_DEVICE_MAX] = {
    {{&machine_wdt_type}, 0, 0},
    {{&machine_wdt_type}, 1, 0},
};

static machine_wdt_obj_t *mp_machine_wdt_make_new_instance(mp_int_t id, mp_int_t timeout_ms) {
    if (id < 0 || id >= WDT_DEVICE_MAX) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("WDT(%d) is neither WDT(0) nor WDT(1)"), (int)id);
    }
    if (timeout_ms < 1 || timeout_ms > WDT_MAX_MS) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("timeout=%d is not between 1 and %d milliseconds"),
            (int)timeout_ms, WDT_MAX_MS);
    }
    machine_wdt_obj_t *self = &machine_wdt_obj[id];
    if (self->timeout_ms == 0) {
        wdt_init(id, timeout_ms, NULL, NULL);
        self->timeout_ms = timeout_ms;
    } else if (self->timeout_ms != (mp_uint_t)timeout_ms) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("WDT(%d) is running, with a timeout of %u milliseconds"),
            (int)id, self->timeout_ms);
    }
    return self;
}

static void mp_machine_wdt_feed(machine_wdt_obj_t *self) {
    wdt_feed(self->id);
}
