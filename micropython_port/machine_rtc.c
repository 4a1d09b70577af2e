// Class machine.RTC, and the time of day for all others.

#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/modmachine.h"

#include "machine_rtc.h"
#include "rtc.h"
#include "sysctl.h"

#define YEAR_MIN (1970)
#define YEAR_MAX (3199)
#define CLOCKS_PER_US (SYSCTL_CLOCK_FREQ_IN0 / 1000000)

static const mp_obj_base_t machine_rtc_obj = {&machine_rtc_type};

void machine_rtc_start(void) {
    struct tm tm;
    uint32_t count;
    if (rtc_timer_get_clock_frequency() != SYSCTL_CLOCK_FREQ_IN0 || rtc_read(&tm, &count) != 0
        || tm.tm_year + 1900 < YEAR_MIN) {
        rtc_init();
        rtc_timer_set(2000, 1, 1, 0, 0, 0);
    }
}

void machine_rtc_get(timeutils_struct_time_t *tm, uint32_t *ns) {
    struct tm now = {0};
    uint32_t count = 1;
    rtc_read(&now, &count);
    *tm = (timeutils_struct_time_t){
        .tm_year = now.tm_year + 1900,
        .tm_mon = now.tm_mon + 1,
        .tm_mday = now.tm_mday,
        .tm_hour = now.tm_hour,
        .tm_min = now.tm_min,
        .tm_sec = now.tm_sec,
        .tm_wday = (now.tm_wday + 6) % 7, // Monday is 0
        .tm_yday = now.tm_yday + 1,
    };
    if (ns) {
        *ns = (uint64_t)(count - 1) * 1000 / CLOCKS_PER_US;
    }
}

uint64_t mp_hal_time_ns(void) {
    timeutils_struct_time_t tm;
    uint32_t ns;
    machine_rtc_get(&tm, &ns);
    uint64_t seconds =
        timeutils_seconds_since_epoch(tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return seconds * 1000000000 + ns;
}

static mp_obj_t rtc_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    (void)type;
    mp_arg_check_num(n_args, n_kw, 0, 1, false);
    if (n_args && mp_obj_get_int(args[0]) != 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("the only RTC is RTC(0)"));
    }
    return MP_OBJ_FROM_PTR(&machine_rtc_obj);
}

static void check(const char *name, mp_int_t value, int low, int high) {
    if (value < low || value > high) {
        mp_raise_msg_varg(
            &mp_type_ValueError, MP_ERROR_TEXT("%s %d is not between %d and %d"), name, (int)value, low, high);
    }
}

// (year, month, day, weekday, hours, minutes, seconds, microseconds); the weekday is not looked at.
static mp_obj_t rtc_set(mp_obj_t datetime) {
    mp_obj_t *items;
    mp_obj_get_array_fixed_n(datetime, 8, &items);
    mp_int_t fields[8];
    for (unsigned i = 0; i < 8; i++) {
        fields[i] = mp_obj_get_int(items[i]);
    }
    check("year", fields[0], YEAR_MIN, YEAR_MAX);
    check("month", fields[1], 1, 12);
    check("day", fields[2], 1, timeutils_days_in_month(fields[0], fields[1]));
    check("hour", fields[4], 0, 23);
    check("minute", fields[5], 0, 59);
    check("second", fields[6], 0, 59);
    check("microsecond", fields[7], 0, 999999);
    rtc_timer_set(fields[0], fields[1], fields[2], fields[4], fields[5], fields[6]);
    rtc_timer_set_clock_count_value(fields[7] * CLOCKS_PER_US + 1);
    return mp_const_none;
}

static mp_obj_t rtc_datetime(size_t n_args, const mp_obj_t *args) {
    if (n_args == 2) {
        return rtc_set(args[1]);
    }
    timeutils_struct_time_t tm;
    uint32_t ns;
    machine_rtc_get(&tm, &ns);
    mp_obj_t items[] = {
        mp_obj_new_int(tm.tm_year),
        mp_obj_new_int(tm.tm_mon),
        mp_obj_new_int(tm.tm_mday),
        mp_obj_new_int(tm.tm_wday),
        mp_obj_new_int(tm.tm_hour),
        mp_obj_new_int(tm.tm_min),
        mp_obj_new_int(tm.tm_sec),
        mp_obj_new_int(ns / 1000),
    };
    return mp_obj_new_tuple(MP_ARRAY_SIZE(items), items);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(rtc_datetime_obj, 1, 2, rtc_datetime);

// (year, month, day, hour, minute, second, microsecond, tzinfo)
static mp_obj_t rtc_init_method(mp_obj_t self_in, mp_obj_t datetime) {
    (void)self_in;
    mp_obj_t *items;
    mp_obj_get_array_fixed_n(datetime, 8, &items);
    mp_obj_t ordered[] = {
        items[0], items[1], items[2], MP_OBJ_NEW_SMALL_INT(0), items[3], items[4], items[5], items[6]};
    return rtc_set(mp_obj_new_tuple(MP_ARRAY_SIZE(ordered), ordered));
}
static MP_DEFINE_CONST_FUN_OBJ_2(rtc_init_obj, rtc_init_method);

static const mp_rom_map_elem_t rtc_locals_dict_table[] = {
    {MP_ROM_QSTR(MP_QSTR_init), MP_ROM_PTR(&rtc_init_obj)},
    {MP_ROM_QSTR(MP_QSTR_datetime), MP_ROM_PTR(&rtc_datetime_obj)},
};
static MP_DEFINE_CONST_DICT(rtc_locals_dict, rtc_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(
    machine_rtc_type, MP_QSTR_RTC, MP_TYPE_FLAG_NONE, make_new, rtc_make_new, locals_dict, &rtc_locals_dict);
