// Timers, PWM and the real-time clock. The test ties pad 10 (PWM) to pad 11.
// Expectations: Kendryte standalone SDK, timer.h, pwm.c, rtc.h, rtc.c.

#include "check.h"
#include "chip.h"
#include "fpioa.h"
#include "plic.h"

static volatile unsigned ticks, alarms;
static uint64_t first, last;

static void handler(unsigned number) {
    if (number == IRQ_M_EXT) {
        uint32_t irq = plic_irq_claim();
        if (irq == IRQN_TIMER0A_INTERRUPT) {
            last = read_csr(mcycle);
            if (ticks++ == 0) {
                first = last;
            }
            (void)R32(TIMER(0), 0x0c);
        } else if (irq == IRQN_RTC_INTERRUPT) {
            alarms++;
        }
        plic_irq_complete(irq);
    }
}

static void periodic(void) {
    plic_set_priority(IRQN_TIMER0A_INTERRUPT, 1);
    plic_irq_enable(IRQN_TIMER0A_INTERRUPT);
    R32(TIMER(0), 0x08) = 0;
    R32(TIMER(0), 0x00) = 13000 - 1; // a millisecond
    uint64_t start = read_csr(mcycle);
    R32(TIMER(0), 0x08) = 3;
    sleep_until(&ticks, 11);
    R32(TIMER(0), 0x08) = 0;
    check_range("the first interrupt after a period", (first - start) / 390, 995, 1010);
    check_range("ten more in ten milliseconds", (last - first) / 390, 9995, 10010);
    unsigned so_far = ticks;
    wait_us(3000);
    check("none when it is off", ticks, so_far);
    R32(TIMER(0), 0x08) = 7; // masked
    wait_us(3000);
    check("none when it is masked", ticks, so_far);
    check("the raw status knows", R32(TIMER(0), 0xa8) & 1, 1);
    R32(TIMER(0), 0x08) = 0;
    (void)R32(TIMER(0), 0x0c);
    // Channel 1 of timer 0, off by itself; counting down is visible.
    R32(TIMER(0), 0x14) = 1000000;
    R32(TIMER(0), 0x1c) = 7;
    uint32_t from = R32(TIMER(0), 0x18);
    wait_us(100);
    check_range("a channel counts down", from - R32(TIMER(0), 0x18), 1300, 1320);
    R32(TIMER(0), 0x1c) = 0;
}

static void pwm(void) {
    fpioa_set_function(10, FUNC_TIMER0_TOGGLE1);
    fpioa_set_function(11, FUNC_GPIOHS0);
    R32(GPIOHS, 0x04) = 1;
    R32(TIMER(0), 0x08) = 0;
    R32(TIMER(0), 0x00) = 9750 - 1; // low
    R32(TIMER(0), 0xb0) = 3250 - 1; // high
    R32(TIMER(0), 0x08) = 1 | 2 | 4 | 8;
    unsigned high = 0, rises = 0, before = R32(GPIOHS, 0);
    for (unsigned i = 0; i < 1000; i++) {
        wait_us(10);
        unsigned now = R32(GPIOHS, 0);
        high += now & 1;
        rises += now & ~before & 1;
        before = now;
    }
    R32(TIMER(0), 0x08) = 0;
    check_range("PWM is high a quarter of the time", high, 240, 260);
    check_range("PWM at 1 kHz for 10 ms", rises, 9, 11);
}

static void clock(void) {
    // 26 MHz; 2024-02-28 23:59:58.
    uint32_t date = 24u << 20 | 2u << 16 | 28u << 8 | 3, time = 23u << 24 | 59u << 16 | 58u << 10;
    R32(RTC, 0x1c) = 2 | 0xffu << 13 | 0xffu << 21 | 3u << 29;
    R32(RTC, 0x10) = 26000000;
    R32(RTC, 0x14) = 1;
    R32(RTC, 0x00) = date;
    R32(RTC, 0x28) = 20 | 1 << 5; // century, leap year
    R32(RTC, 0x04) = time;
    // Alarm at 00:00:01, whatever the date.
    R32(RTC, 0x08) = 24u << 20 | 2u << 16 | 29u << 8;
    R32(RTC, 0x0c) = 0u << 24 | 0u << 16 | 1u << 10;
    R32(RTC, 0x18) = 2 | 0x0eu << 24; // second, minute, hour
    R32(RTC, 0x1c) = 1 | 0xffu << 13 | 0xffu << 21 | 3u << 29;
    plic_set_priority(IRQN_RTC_INTERRUPT, 1);
    plic_irq_enable(IRQN_RTC_INTERRUPT);
    check("the time that was set", R32(RTC, 0x04), time);
    check("the date that was set", R32(RTC, 0x00) >> 8, date >> 8);
    wait_us(2500000);
    check("midnight", R32(RTC, 0x04) & 0x1f3ffc00, 0);
    check("the leap day", R32(RTC, 0x00) >> 8 & 0xffff1f, (24u << 12 | 2u << 8 | 29u) & 0xffff1f);
    check("no alarm yet", alarms, 0);
    wait_us(1000000);
    check("the alarm", alarms, 1);
}

int main(void) {
    checks_begin();
    plic_init();
    on_interrupt = handler;
    set_csr(mie, MIP_MEIP);
    set_csr(mstatus, MSTATUS_MIE);
    periodic();
    pwm();
    clock();
    checks_done();
}
