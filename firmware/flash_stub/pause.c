#include "bsp.h"
#include "clint.h"
#include "pause.h"
#include "sysctl.h"

void pause_once(uint64_t until) {
    uint64_t now = sysctl_get_time_us();
    if (now < until) {
        clint->mtimecmp[0] = clint_get_time() + sysctl_us_to_ticks(until - now) + 1;
        set_csr(mie, MIP_MTIP);
        __asm__ volatile("wfi");
        clear_csr(mie, MIP_MTIP); // there is no handler for it
    }
    set_csr(mstatus, MSTATUS_MIE);
}

void pause_us(uint64_t us) {
    uint64_t until = sysctl_get_time_us() + us;
    while (sysctl_get_time_us() < until) {
        clear_csr(mstatus, MSTATUS_MIE);
        pause_once(until);
    }
}
