// The drivers of FPIOA, GPIO and GPIOHS. The test ties pad 10 to pad 11 and pad 12 to pad 13.

#include "bsp.h"
#include "check.h"
#include "fpioa.h"
#include "gpio.h"
#include "gpiohs.h"
#include "sysctl.h"
#include "trap.h"

#define OUT (3) // GPIOHS of pad 10
#define IN (4) // GPIOHS of pad 11

static void routing(void) {
    fpioa_io_config_t cfg;
    check("pad 48 does not exist", (uint64_t)fpioa_set_function(48, FUNC_GPIOHS0), (uint64_t)-1);
    check("nor does pad -1", (uint64_t)fpioa_get_io_driving(-1), (uint64_t)-1);
    check("nor function 256", (uint64_t)fpioa_set_function(10, FUNC_MAX), (uint64_t)-1);
    check("nor a 17th drive strength", (uint64_t)fpioa_set_io_driving(10, FPIOA_DRIVING_MAX), (uint64_t)-1);
    check("a function moves", (uint64_t)fpioa_set_function(20, FUNC_UART1_TX), 0);
    fpioa_set_function(21, FUNC_UART1_TX);
    check("to its new pad", (uint64_t)fpioa_get_io_by_function(FUNC_UART1_TX), 21);
    fpioa_get_io(20, &cfg);
    check("the old one has none", cfg.ch_sel, FUNC_RESV0);
    check("and does not drive", cfg.oe_en, 0);
    fpioa_set_function_raw(22, FUNC_UART1_TX);
    check("raw leaves the other pad", (uint64_t)fpioa_get_io_by_function(FUNC_UART1_TX), 21);
    fpioa_set_function(22, FUNC_RESV0);
    fpioa_set_function(21, FUNC_RESV0);
    check("nowhere now", (uint64_t)fpioa_get_io_by_function(FUNC_UART1_TX), (uint64_t)-1);

    fpioa_set_function(20, FUNC_UART2_RX);
    fpioa_get_io(20, &cfg);
    check("an input does not drive", cfg.oe_en << 1 | cfg.ie_en, 1);
    fpioa_set_function(20, FUNC_I2C1_SDA);
    check("a two-wire bus is pulled up", (uint64_t)fpioa_get_io_pull(20), FPIOA_PULL_UP);
    check("and drives weakly", (uint64_t)fpioa_get_io_driving(20), 0);
    fpioa_set_io_driving(20, FPIOA_DRIVING_7);
    check("drive strength", (uint64_t)fpioa_get_io_driving(20), 7);
    fpioa_set_st(20, 0);
    fpioa_set_sl(20, 0);
    fpioa_get_io(20, &cfg);
    check("Schmitt trigger and slew rate off", cfg.st | cfg.sl, 0);
    check("all else as it was", cfg.ch_sel == FUNC_I2C1_SDA && cfg.ds == 7 && cfg.pu, 1);
    cfg.ch_sel = FUNC_UART3_TX;
    cfg.pu = 0;
    fpioa_set_io(20, &cfg);
    check("a whole word", (uint64_t)fpioa_get_io_by_function(FUNC_UART3_TX), 20);
    check("its pull", (uint64_t)fpioa_get_io_pull(20), FPIOA_PULL_NONE);
    fpioa_set_function(20, FUNC_RESV0);
}

static void levels(void) {
    fpioa_set_function(10, FUNC_GPIOHS0 + OUT);
    fpioa_set_function(11, FUNC_GPIOHS0 + IN);
    gpiohs_set_drive_mode(OUT, GPIO_DM_OUTPUT);
    gpiohs_set_drive_mode(IN, GPIO_DM_INPUT);
    gpiohs_set_pin(OUT, GPIO_PV_HIGH);
    check("high over the wire", gpiohs_get_pin(IN), 1);
    check("an output reads its pad", gpiohs_get_pin(OUT), 1);
    gpiohs_set_pin(OUT, GPIO_PV_LOW);
    check("low over the wire", gpiohs_get_pin(IN), 0);
    fpioa_set_tie_value(FUNC_GPIOHS0 + IN, 1);
    fpioa_set_tie_enable(FUNC_GPIOHS0 + IN, 1);
    check("a tied input does not hear the wire", gpiohs_get_pin(IN), 1);
    fpioa_set_tie_enable(FUNC_GPIOHS0 + IN, 0);
    check("until it is untied", gpiohs_get_pin(IN), 0);
    fpioa_set_oe_inv(10, 1);
    gpiohs_set_drive_mode(IN, GPIO_DM_INPUT_PULL_UP);
    check("an inverted enable switches the driver off", gpiohs_get_pin(IN), 1);
    fpioa_set_oe_inv(10, 0);
    gpiohs_set_drive_mode(OUT, GPIO_DM_INPUT_PULL_DOWN);
    gpiohs_set_drive_mode(IN, GPIO_DM_INPUT);
    check("pull-down", gpiohs_get_pin(IN), 0);
    gpiohs_set_drive_mode(OUT, GPIO_DM_INPUT_PULL_UP);
    check("pull-up", gpiohs_get_pin(IN), 1);
    gpiohs_set_drive_mode(OUT, GPIO_DM_OUTPUT);

    gpio_init();
    fpioa_set_function(12, FUNC_GPIO6);
    fpioa_set_function(13, FUNC_GPIO1);
    gpio_set_pin(6, GPIO_PV_HIGH);
    gpio_set_drive_mode(6, GPIO_DM_OUTPUT);
    gpio_set_drive_mode(1, GPIO_DM_INPUT);
    check("GPIO high", gpio_get_pin(1), 1);
    gpio_set_pin(6, GPIO_PV_LOW);
    check("GPIO low", gpio_get_pin(1), 0);
    check("GPIO output reads back", gpio_get_pin(6), 0);
    gpio_set_drive_mode(6, GPIO_DM_INPUT_PULL_UP);
    check("GPIO pull-up", gpio_get_pin(1), 1);
    gpio_set_drive_mode(6, GPIO_DM_INPUT_PULL_DOWN);
    check("GPIO pull-down", gpio_get_pin(1), 0);
}

static volatile unsigned calls;
static volatile uintptr_t argument;

static int on_edge(void *ctx) {
    calls++;
    argument = (uintptr_t)ctx;
    return 0;
}

static int on_level(void *ctx) {
    (void)ctx;
    if (++calls == 3) {
        gpiohs_set_pin_edge(IN, GPIO_PE_NONE);
    }
    return 0;
}

static int end_level(void *ctx) {
    (void)ctx;
    calls++;
    gpiohs_set_pin(OUT, GPIO_PV_LOW);
    return 0;
}

static void plain() {
    calls += 100;
}

static unsigned calls_after(gpio_pin_value_t value) {
    calls = 0;
    gpiohs_set_pin(OUT, value);
    wait_us(2);
    return calls;
}

static void edges(void) {
    on_interrupt = trap_serve_interrupt;
    sysctl_enable_irq();
    gpiohs_set_pin(OUT, GPIO_PV_LOW);
    gpiohs_set_pin_edge(IN, GPIO_PE_RISING);
    gpiohs_irq_register(IN, 1, on_edge, (void *)0x1234);
    check("no interrupt for what was before", calls, 0);
    check("rising edge", calls_after(GPIO_PV_HIGH), 1);
    check("its context", argument, 0x1234);
    check("not the falling one", calls_after(GPIO_PV_LOW), 0);
    gpiohs_set_pin_edge(IN, GPIO_PE_FALLING);
    check("not the rising one", calls_after(GPIO_PV_HIGH), 0);
    check("falling edge", calls_after(GPIO_PV_LOW), 1);
    gpiohs_set_pin_edge(IN, GPIO_PE_BOTH);
    check("both: rising", calls_after(GPIO_PV_HIGH), 1);
    check("both: falling", calls_after(GPIO_PV_LOW), 1);
    gpiohs_set_irq(IN, 1, plain);
    check("both kinds of callback", calls_after(GPIO_PV_HIGH), 101);
    gpiohs_irq_disable(IN);
    check("held back", calls_after(GPIO_PV_LOW), 0);
    gpiohs_irq_unregister(IN);
    check("unregistered", calls_after(GPIO_PV_HIGH), 0);

    gpiohs_irq_register(IN, 1, on_level, NULL);
    calls = 0;
    gpiohs_set_pin_edge(IN, GPIO_PE_HIGH);
    wait_us(2);
    check("a level interrupts until it is taken back", calls, 3);
    gpiohs_set_pin_edge(IN, GPIO_PE_LOW);
    check("low level", calls_after(GPIO_PV_LOW), 3);
    gpiohs_irq_unregister(IN);
    gpiohs_irq_register(IN, 1, end_level, NULL);
    gpiohs_set_pin_edge(IN, GPIO_PE_HIGH);
    check("a level that its callback ends interrupts once", calls_after(GPIO_PV_HIGH), 1);
    gpiohs_irq_unregister(IN);
}

int main(void) {
    checks_begin();
    plic_init();
    fpioa_init();
    set_csr(mstatus, MSTATUS_MIE);
    routing();
    levels();
    edges();
    checks_done();
}
