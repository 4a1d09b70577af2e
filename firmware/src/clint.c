#include <stddef.h>

#include "clint.h"

_Static_assert(offsetof(clint_t, mtimecmp) == 0x4000, "mtimecmp");
_Static_assert(offsetof(clint_t, mtime) == 0xbff8, "mtime");

void clint_ipi_send(unsigned core_id) {
    clint->msip[core_id] = 1;
}

void clint_ipi_clear(unsigned core_id) {
    clint->msip[core_id] = 0;
}

void clint_timer_set(unsigned core_id, uint64_t time) {
    clint->mtimecmp[core_id] = time;
}
