// How many cycles lie between an interrupt's cause and the first line of its handler in C. The virtual
// board counts one cycle an instruction; silicon adds what caches and pipeline take.

#include "check.h"
#include "clint.h"
#include "fpioa.h"
#include "gpiohs.h"
#include "sysctl.h"
#include "trap.h"

#define ROUNDS (20)

static volatile uint64_t entered;

static int handler(void *ctx) {
    (void)ctx;
    entered = read_cycle();
    return 0;
}

// Runs straight to the default way of traps, not through the notes that check.c takes.
static uint64_t cycles_from(uint64_t cause) {
    while (!entered) {
    }
    return entered - cause;
}

static uint64_t pin_edge(void) {
    fpioa_set_function(10, FUNC_GPIOHS0);
    fpioa_set_function(11, FUNC_GPIOHS1);
    gpiohs_set_drive_mode(0, GPIO_DM_OUTPUT);
    gpiohs_set_drive_mode(1, GPIO_DM_INPUT);
    gpiohs_set_pin(0, GPIO_PV_LOW);
    gpiohs_set_pin_edge(1, GPIO_PE_RISING);
    gpiohs_irq_register(1, 1, handler, NULL);
    uint64_t most = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        entered = 0;
        uint64_t start = read_cycle();
        gpiohs_set_pin(0, GPIO_PV_HIGH);
        uint64_t cycles = cycles_from(start);
        gpiohs_set_pin(0, GPIO_PV_LOW);
        most = cycles > most ? cycles : most;
    }
    gpiohs_irq_unregister(1);
    return most;
}

static uint64_t timer_match(void) {
    clint_alarm_register(CLINT_ALARM_SYSTEM, handler, NULL);
    uint64_t most = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        // The cycle at which mtime turns over, and from that the one of the match.
        uint64_t time = clint_get_time();
        while (clint_get_time() == time) {
        }
        uint64_t turned = read_cycle();
        entered = 0;
        clint_alarm_set(CLINT_ALARM_SYSTEM, time + 1 + 20);
        uint64_t cycles = cycles_from(turned + 20 * CLINT_CLOCK_DIV);
        most = cycles > most ? cycles : most;
    }
    return most;
}

int main(void) {
    checks_begin();
    plic_init();
    on_interrupt = trap_serve_interrupt;
    sysctl_enable_irq();
    uint64_t edge = pin_edge(), match = timer_match();
    printf("pin edge to handler: %lu\n", (unsigned long)edge);
    printf("timer match to handler: %lu\n", (unsigned long)match);
    check_range("pin edge", edge, 1, 400);
    check_range("timer match", match, 1, 300);
    checks_done();
}
