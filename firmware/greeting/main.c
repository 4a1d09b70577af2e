// Greets from both harts over the console, then waits.

#include <stdbool.h>
#include <stdio.h>

#include "bsp.h"
#include "fpioa.h"
#include "sysctl.h"
#include "uarths.h"

#define CONSOLE_RX_PAD (4)
#define CONSOLE_TX_PAD (5)

static volatile bool greeted;

static int greet(void *ctx) {
    (void)ctx;
    printf("Hello from hart %lu\n", current_coreid());
    greeted = true;
    return 0;
}

int main(void) {
    sysctl_cpu_set_freq(390000000);
    fpioa_set_function(CONSOLE_RX_PAD, FUNC_UARTHS_RX);
    fpioa_set_function(CONSOLE_TX_PAD, FUNC_UARTHS_TX);
    uarths_init();

    printf("Hello from hart %lu\n", current_coreid());
    register_core1(greet, NULL);
    while (!greeted) {
    }
    printf("CPU frequency %lu Hz\n", (unsigned long)sysctl_cpu_get_freq());
    return 0; // to WFI, as hart 1 did
}
