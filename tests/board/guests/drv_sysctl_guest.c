// The system controller's driver: PLLs and the CPU's clock against a timer on the crystal, dividers, the
// time over changes of the frequency, why the chip was reset. It starts twice.

#include "check.h"
#include "chip.h"
#include "sysctl.h"
#include "timer.h"
#include "uarths.h"

#define CRYSTAL_HZ (26000000u)

static void crystal_timer_start(void) {
    sysctl_clock_enable(SYSCTL_CLOCK_TIMER0);
    sysctl_clock_set_clock_select(SYSCTL_CLOCK_SELECT_TIMER0, 0);
    sysctl_clock_set_threshold(SYSCTL_THRESHOLD_TIMER0, 0);
    REG32(TIMER0_BASE_ADDR + 0x08) = 0;
    REG32(TIMER0_BASE_ADDR + 0x00) = 0xffffffff;
    REG32(TIMER0_BASE_ADDR + 0x08) = 7; // runs, from the load count, interrupt masked
}

// Counts down at half the crystal's rate.
static uint32_t crystal_ticks(void) {
    return ~REG32(TIMER0_BASE_ADDR + 0x04);
}

// The CPU's frequency as the crystal sees it.
static uint32_t measured_hz(void) {
    uint32_t start = crystal_ticks(), passed;
    uint64_t cycles = read_cycle();
    while ((passed = crystal_ticks() - start) < 13000) {
    }
    return (uint32_t)((read_cycle() - cycles) * (CRYSTAL_HZ / 2) / passed);
}

static void check_near(const char *name, uint64_t got, uint64_t want, unsigned parts) {
    check_range(name, got, want - want / parts, want + want / parts);
}

static void cpu_clock(void) {
    static const uint32_t frequencies[] = {26000000, 100000000, 390000000, 403000000, 52000000, 390000000};
    uint64_t us = sysctl_get_time_us();
    uint32_t ticks = crystal_ticks();
    uint64_t last = us;
    bool never_back = true;
    for (unsigned i = 0; i < sizeof(frequencies) / sizeof(frequencies[0]); i++) {
        uarths_drain();
        wait_us(20);
        uint32_t got = sysctl_cpu_set_freq(frequencies[i]);
        uarths_config(3000000, UARTHS_STOP_1);
        check_near("near what was asked for", got, frequencies[i], 50);
        check("what is said", sysctl_cpu_get_freq(), got);
        check_near("and what is", measured_hz(), got, 500);
        never_back &= sysctl_get_time_us() >= last;
        last = sysctl_get_time_us();
    }
    check("time never goes back", never_back, true);
    uint64_t true_us = (uint64_t)(crystal_ticks() - ticks) * 2 / (CRYSTAL_HZ / 1000000);
    check_range("and is right over all changes", sysctl_get_time_us() - us, true_us - 20, true_us + 20);
    check("a frequency of nothing", sysctl_cpu_set_freq(0), 0);
    check("one out of reach", sysctl_cpu_set_freq(2000000000), 0);
    check("leaves the old one", sysctl_cpu_get_freq(), sysctl_pll_get_freq(SYSCTL_PLL0) / 2);
    check_near("ticks of a second", sysctl_us_to_ticks(1000000), sysctl_cpu_get_freq() / 50, 100000);
}

static void plls(void) {
    uint32_t got = sysctl_pll_set_freq(SYSCTL_PLL1, 400000000);
    check_near("PLL1 at 400 MHz", got, 400000000, 50);
    check("as it says", sysctl_pll_get_freq(SYSCTL_PLL1), got);
    uint32_t setting = REG32(SYSCTL_BASE_ADDR + 0x0c);
    uint64_t nr = (setting & 15) + 1, nf = (setting >> 4 & 63) + 1, od = (setting >> 10 & 15) + 1;
    check("as its register says", CRYSTAL_HZ * nf / nr / od, got);
    check_range("its oscillator within limits", CRYSTAL_HZ * nf / nr, 350000000, 1750000000);
    check("locked", REG32(SYSCTL_BASE_ADDR + 0x18) >> 8 & 1, 1);
    check_near("PLL2 for 44.1 kHz", sysctl_pll_set_freq(SYSCTL_PLL2, 45158400), 45158400, 100);
    check("no such PLL", sysctl_pll_set_freq(SYSCTL_PLL_MAX, 400000000), 0);
    check("out of reach", sysctl_pll_set_freq(SYSCTL_PLL1, 1), 0);
    check("KPU's clock hangs on PLL1", sysctl_clock_get_freq(SYSCTL_CLOCK_AI) > 0, true);
    check("disabled", (uint64_t)sysctl_pll_disable(SYSCTL_PLL1), 0);
}

static void dividers(void) {
    uint32_t cpu = sysctl_cpu_get_freq();
    sysctl_clock_set_threshold(SYSCTL_THRESHOLD_APB0, 3);
    check("APB0 a quarter", sysctl_clock_get_freq(SYSCTL_CLOCK_APB0), cpu / 4);
    check("read back", (uint64_t)sysctl_clock_get_threshold(SYSCTL_THRESHOLD_APB0), 3);
    sysctl_clock_set_threshold(SYSCTL_THRESHOLD_APB0, 1);
    sysctl_clock_set_threshold(SYSCTL_THRESHOLD_SPI0, 9);
    check("SPI0", sysctl_clock_get_freq(SYSCTL_CLOCK_SPI0), sysctl_pll_get_freq(SYSCTL_PLL0) / 20);
    unsigned kept = 0;
    for (unsigned i = 0; i < SYSCTL_THRESHOLD_MAX - 1; i++) {
        if (i == SYSCTL_THRESHOLD_ACLK) {
            continue;
        }
        int before = sysctl_clock_get_threshold(i);
        sysctl_clock_set_threshold(i, 5);
        kept += sysctl_clock_get_threshold(i) == 5;
        sysctl_clock_set_threshold(i, before);
        kept += sysctl_clock_get_threshold(i) == before;
    }
    check("every divider keeps its value", kept, 2 * (SYSCTL_THRESHOLD_MAX - 2));
    check("no such divider", (uint64_t)(int64_t)sysctl_clock_set_threshold(SYSCTL_THRESHOLD_MAX, 1), (uint64_t)-1);
    sysctl_clock_set_threshold(SYSCTL_THRESHOLD_TIMER0, 4);
    uint32_t start = crystal_ticks();
    uint64_t cycles = read_cycle();
    while (crystal_ticks() - start < 2600) {
    }
    check_near("a timer's divider divides", (read_cycle() - cycles) * 1000000 / cpu, 1000, 100);
    check("and is told", sysctl_clock_get_freq(SYSCTL_CLOCK_TIMER0), CRYSTAL_HZ / 10);
}

int main(void) {
    checks_begin();
    sysctl_reset_enum_status_t why = sysctl_get_reset_status();
    check("the same answer again", sysctl_get_reset_status(), why);
    if (why == SYSCTL_RESET_STATUS_SOFT) {
        printf("softly reset\n");
        checks_done();
    }
    check("powered up", why, SYSCTL_RESET_STATUS_HARD);
    crystal_timer_start();
    cpu_clock();
    plls();
    dividers();
    printf("first life over\n");
    uarths_drain();
    wait_us(20);
    sysctl_reset(SYSCTL_RESET_SOC);
    wait_us(1000);
    check("a reset", false, true);
    checks_done();
}
