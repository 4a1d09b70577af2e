// The drivers of timers and PWM. The test ties pad 10 to pad 11.

#include "bsp.h"
#include "check.h"
#include "fpioa.h"
#include "gpiohs.h"
#include "plic.h"
#include "pwm.h"
#include "sysctl.h"
#include "timer.h"
#include "trap.h"

#define IN (0) // GPIOHS of pad 11
#define CPU_MHZ (390)

static volatile unsigned ticks[TIMER_CHANNEL_MAX];
static volatile uint64_t first, last;

static int on_tick(void *ctx) {
    volatile unsigned *counter = ctx;
    last = read_cycle();
    if ((*counter)++ == 0) {
        first = last;
    }
    return 0;
}

static volatile bool again;

static int restart_once(void *ctx) {
    on_tick(ctx);
    if (again) {
        again = false;
        timer_set_enable(TIMER_DEVICE_1, TIMER_CHANNEL_2, 1);
    }
    return 0;
}

static void plain() {
    ticks[3] += 10;
}

static void from_both_sources(void) {
    for (unsigned pll = 0; pll < 2; pll++) {
        sysctl_clock_set_clock_select(SYSCTL_CLOCK_SELECT_TIMER0, pll);
        timer_set_clock_div(TIMER_DEVICE_0, 3 * pll);
        check("the block's clock", sysctl_clock_get_freq(SYSCTL_CLOCK_TIMER0), pll ? 780000000 / 8 : 13000000);
        ticks[0] = 0;
        check("a millisecond can be exact", timer_set_interval(TIMER_DEVICE_0, TIMER_CHANNEL_0, 1000000), 1000000);
        timer_irq_register(TIMER_DEVICE_0, TIMER_CHANNEL_0, 0, 1, on_tick, (void *)&ticks[0]);
        uint64_t start = read_cycle();
        timer_set_enable(TIMER_DEVICE_0, TIMER_CHANNEL_0, 1);
        sleep_until(&ticks[0], 11);
        timer_set_enable(TIMER_DEVICE_0, TIMER_CHANNEL_0, 0);
        check_range("the first after a period", (first - start) / CPU_MHZ, 999, 1005);
        check_range("then every period", (last - first) / CPU_MHZ, 9995, 10005);
        bsp_sleep_us(3000);
        check("none when it is off", ticks[0], 11);
        timer_irq_unregister(TIMER_DEVICE_0, TIMER_CHANNEL_0);
    }
    sysctl_clock_set_clock_select(SYSCTL_CLOCK_SELECT_TIMER0, 0);
    timer_set_clock_div(TIMER_DEVICE_0, 0);
}

static void limits(void) {
    check("nothing under two clocks", timer_set_interval(TIMER_DEVICE_0, TIMER_CHANNEL_0, 100), 0);
    check("two clocks", timer_set_interval(TIMER_DEVICE_0, TIMER_CHANNEL_0, 160), 153);
    check("330 s", timer_set_interval(TIMER_DEVICE_0, TIMER_CHANNEL_0, 330000000000), 330000000000);
    check("331 s are too long", timer_set_interval(TIMER_DEVICE_0, TIMER_CHANNEL_0, 331000000000), 0);
    check("no fourth block", (uint64_t)timer_irq_register(3, TIMER_CHANNEL_0, 0, 1, on_tick, NULL), (uint64_t)-1);
}

// The channels of one block, two to an interrupt line.
static void all_channels(void) {
    for (unsigned channel = 0; channel < 4; channel++) {
        ticks[channel] = 0;
        timer_set_interval(TIMER_DEVICE_1, channel, 100000 * (channel + 1));
        timer_irq_register(TIMER_DEVICE_1, channel, 0, 1, on_tick, (void *)&ticks[channel]);
        timer_set_enable(TIMER_DEVICE_1, channel, 1);
    }
    bsp_sleep_us(1250);
    timer_irq_unregister(TIMER_DEVICE_1, TIMER_CHANNEL_0);
    bsp_sleep_us(500);
    timer_set_irq(TIMER_DEVICE_1, TIMER_CHANNEL_3, plain, 1);
    bsp_sleep_us(300);
    timer_init(TIMER_DEVICE_1);
    check("every 100 us, then unregistered", ticks[0], 12);
    check("every 200 us, on the same line", ticks[1], 10);
    check("every 300 us", ticks[2], 6);
    check("every 400 us, at last a function without argument", ticks[3], 14);
    unsigned before = ticks[1];
    bsp_sleep_us(1000);
    check("init stops all", ticks[1], before);
}

static void single_shot(void) {
    ticks[2] = 0;
    timer_set_interval(TIMER_DEVICE_1, TIMER_CHANNEL_2, 50000);
    timer_irq_register(TIMER_DEVICE_1, TIMER_CHANNEL_2, 1, 1, restart_once, (void *)&ticks[2]);
    timer_set_enable(TIMER_DEVICE_1, TIMER_CHANNEL_2, 1);
    bsp_sleep_us(500);
    check("a single shot", ticks[2], 1);
    again = true;
    timer_set_enable(TIMER_DEVICE_1, TIMER_CHANNEL_2, 1);
    bsp_sleep_us(500);
    check("one that starts itself again", ticks[2], 3);
    timer_init(TIMER_DEVICE_1);
}

// Looks every 5 us.
static void measure(unsigned us, unsigned *high, unsigned *rises) {
    unsigned before = gpiohs_get_pin(IN);
    uint64_t start = read_cycle();
    *high = *rises = 0;
    for (unsigned i = 1; i <= us / 5; i++) {
        while (read_cycle() - start < i * 5 * CPU_MHZ) {
        }
        unsigned now = gpiohs_get_pin(IN);
        *high += now;
        *rises += now & ~before;
        before = now;
    }
    *high = *high * 500 / us; // percent
}

static void pwm(void) {
    unsigned high, rises;
    fpioa_set_function(10, FUNC_TIMER2_TOGGLE3);
    fpioa_set_function(11, FUNC_GPIOHS0 + IN);
    gpiohs_set_drive_mode(IN, GPIO_DM_INPUT);
    pwm_init(PWM_DEVICE_2);
    check("1 kHz can be exact", pwm_set_frequency(PWM_DEVICE_2, PWM_CHANNEL_2, 1000, 0.25) == 1000.0, 1);
    pwm_set_enable(PWM_DEVICE_2, PWM_CHANNEL_2, 1);
    measure(10000, &high, &rises);
    check_range("high a quarter of the time", high, 24, 26);
    check_range("10 periods in 10 ms", rises, 10, 10);
    check("7 kHz are 1857 clocks", (uint64_t)pwm_set_frequency(PWM_DEVICE_2, PWM_CHANNEL_2, 7000, 0.6), 7000);
    wait_us(2000);
    measure(10000, &high, &rises);
    check_range("changed while it runs", high, 59, 61);
    check_range("70 periods in 10 ms", rises, 69, 71);
    pwm_set_frequency(PWM_DEVICE_2, PWM_CHANNEL_2, 1000, 0);
    wait_us(2000);
    measure(5000, &high, &rises);
    check("duty 0 is a clock at most", high, 0);
    pwm_set_enable(PWM_DEVICE_2, PWM_CHANNEL_2, 0);
    check("low when it is off", gpiohs_get_pin(IN), 0);
    check("7 MHz are too fast", pwm_set_frequency(PWM_DEVICE_2, PWM_CHANNEL_2, 7e6, 0.5) == 0, 1);
    check("6.5 MHz are not", pwm_set_frequency(PWM_DEVICE_2, PWM_CHANNEL_2, 6.5e6, 0.5) == 6.5e6, 1);
}

int main(void) {
    checks_begin();
    plic_init();
    on_interrupt = trap_serve_interrupt;
    sysctl_enable_irq();
    set_csr(mstatus, MSTATUS_MIE);
    timer_init(TIMER_DEVICE_0);
    timer_init(TIMER_DEVICE_1);
    from_both_sources();
    limits();
    all_channels();
    single_shot();
    pwm();
    checks_done();
}
