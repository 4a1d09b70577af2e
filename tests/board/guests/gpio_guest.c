// FPIOA, GPIOHS and GPIO: routing, pulls, levels and edges. The test ties pad 10 to pad 11 and presses
// the boot key (pad 16) when asked.
// Expectations: Kendryte standalone SDK, fpioa.h, gpiohs.h, gpio.h; SiFive FE310-G000 manual, GPIO.

#include "check.h"
#include "chip.h"
#include "fpioa.h"
#include "plic.h"

#define IN R32(GPIOHS, 0x00)
#define IN_EN R32(GPIOHS, 0x04)
#define OUT_EN R32(GPIOHS, 0x08)
#define OUT R32(GPIOHS, 0x0c)
#define RISE_IE R32(GPIOHS, 0x18)
#define RISE_IP R32(GPIOHS, 0x1c)
#define FALL_IE R32(GPIOHS, 0x20)
#define FALL_IP R32(GPIOHS, 0x24)
#define OUT_XOR R32(GPIOHS, 0x40)

static volatile unsigned interrupts, last;

static void edge(unsigned number) {
    if (number == IRQ_M_EXT) {
        last = plic_irq_claim();
        interrupts++;
        if (last == IRQN_APB_GPIO_INTERRUPT) {
            R32(GPIO, 0x4c) = 0xff;
        } else {
            uint32_t pin = 1u << (last - IRQN_GPIOHS0_INTERRUPT);
            FALL_IP = pin;
            RISE_IP = pin;
        }
        plic_irq_complete(last);
    }
}

int main(void) {
    checks_begin();
    // Pad 10: GPIOHS 0, out. Pad 11: GPIOHS 1, in.
    fpioa_set_function(10, FUNC_GPIOHS0);
    fpioa_set_function(11, FUNC_GPIOHS0 + 1);
    OUT_EN = 1;
    IN_EN = 2;
    OUT = 0;
    check("a wire carries low", IN & 2, 0);
    OUT = 1;
    check("a wire carries high", IN & 2, 2);
    OUT_XOR = 1;
    check("output XOR", IN & 2, 0);
    OUT_XOR = 0;
    fpioa->io[11] |= FPIOA_DI_INV;
    check("FPIOA inverts the input", IN & 2, 0);
    fpioa->io[11] &= ~FPIOA_DI_INV;
    fpioa->io[10] |= FPIOA_DO_INV;
    check("FPIOA inverts the output", IN & 2, 0);
    fpioa->io[10] &= ~FPIOA_DO_INV;
    check("pad_di shows the level", fpioa->io[11] >> 31, 1);
    fpioa->io[11] &= ~FPIOA_IE_EN;
    check("no input while its buffer is off", IN & 2, 0);
    fpioa->io[11] |= FPIOA_IE_EN;
    IN_EN = 0;
    check("no input while GPIOHS does not want it", IN & 2, 0);
    IN_EN = 3;
    check("an output pad can be read", IN & 1, 1);
    fpioa->io[10] &= ~FPIOA_OE_EN;
    check("no output while its buffer is off", fpioa->io[11] >> 31, 0);
    fpioa->io[10] |= FPIOA_OE_EN;

    fpioa_set_function(15, FUNC_GPIOHS0 + 2);
    IN_EN = 7;
    fpioa->io[15] |= FPIOA_PU;
    check("pull-up", IN & 4, 4);
    fpioa->io[15] = (fpioa->io[15] & ~FPIOA_PU) | FPIOA_PD;
    check("pull-down", IN & 4, 0);
    fpioa->tie_val[0] |= 1u << (FUNC_GPIOHS0 + 2);
    fpioa->tie_en[0] |= 1u << (FUNC_GPIOHS0 + 2);
    check("a function tied high", IN & 4, 4);
    fpioa->tie_en[0] = 0;

    // The function moves to another pad.
    fpioa_set_function(12, FUNC_GPIOHS0);
    fpioa_set_function(10, FUNC_GPIOHS0 + 5);
    OUT = 1;
    check("the old pad is left", fpioa->io[10] >> 31, 0);
    check("the new pad is driven", fpioa->io[12] >> 31, 1);
    fpioa_set_function(10, FUNC_GPIOHS0);

    // Edges.
    plic_init();
    plic_set_priority(IRQN_GPIOHS0_INTERRUPT + 1, 1);
    plic_irq_enable(IRQN_GPIOHS0_INTERRUPT + 1);
    on_interrupt = edge;
    set_csr(mie, MIP_MEIP);
    set_csr(mstatus, MSTATUS_MIE);
    RISE_IP = FALL_IP = 0xffffffff;
    FALL_IE = 2;
    OUT = 0;
    wait_us(1);
    check("falling edge", interrupts, 1);
    OUT = 1;
    wait_us(1);
    check("not the rising one", interrupts, 1);
    RISE_IP = 2;
    FALL_IE = 0;
    RISE_IE = 2;
    OUT = 0;
    FALL_IP = 2;
    wait_us(1);
    check("not the falling one", interrupts, 1);
    OUT = 1;
    wait_us(1);
    check("rising edge", interrupts, 2);
    check("its source", last, IRQN_GPIOHS0_INTERRUPT + 1);
    RISE_IE = 0;

    // The same wire into GPIO 3.
    fpioa_set_function(11, FUNC_GPIO0 + 3);
    R32(GPIO, 0x04) = 0; // all in
    check("GPIO reads the wire", R32(GPIO, 0x50) & 8, 8);
    plic_set_priority(IRQN_APB_GPIO_INTERRUPT, 1);
    plic_irq_enable(IRQN_APB_GPIO_INTERRUPT);
    R32(GPIO, 0x38) = 8; // edge
    R32(GPIO, 0x3c) = 0; // falling
    R32(GPIO, 0x30) = 8;
    interrupts = 0;
    OUT = 0;
    wait_us(1);
    check("GPIO falling edge", interrupts, 1);
    OUT = 1;
    wait_us(1);
    check("GPIO not the rising one", interrupts, 1);
    R32(GPIO, 0x68) = 8;
    OUT = 0;
    wait_us(1);
    OUT = 1;
    wait_us(1);
    check("GPIO both edges", interrupts, 3);
    R32(GPIO, 0x68) = 0;
    R32(GPIO, 0x34) = 8;
    OUT = 0;
    wait_us(1);
    check("GPIO masked", interrupts, 3);
    R32(GPIO, 0x30) = 0;
    // And the other way round: GPIO 4 drives pad 10.
    fpioa_set_function(10, FUNC_GPIO0 + 4);
    R32(GPIO, 0x04) = 1 << 4;
    R32(GPIO, 0x00) = 1 << 4;
    check("GPIO drives the wire high", R32(GPIO, 0x50) & 8, 8);
    R32(GPIO, 0x00) = 0;
    check("GPIO drives the wire low", R32(GPIO, 0x50) & 8, 0);

    // The boot key pulls pad 16 low.
    fpioa_set_function(16, FUNC_GPIOHS0 + 16);
    fpioa->io[16] |= FPIOA_PU;
    IN_EN = 1u << 16;
    check("key up", IN >> 16 & 1, 1);
    plic_set_priority(IRQN_GPIOHS0_INTERRUPT + 16, 1);
    plic_irq_enable(IRQN_GPIOHS0_INTERRUPT + 16);
    RISE_IP = FALL_IP = 0xffffffff;
    FALL_IE = 1u << 16;
    interrupts = 0;
    printf("press boot\n");
    sleep_until(&interrupts, 1);
    check("key down", IN >> 16 & 1, 0);
    check("key interrupt", last, IRQN_GPIOHS0_INTERRUPT + 16);
    checks_done();
}
