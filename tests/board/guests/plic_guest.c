// PLIC: priorities, threshold, claim and completion, two harts.
// Expectations: RISC-V PLIC specification 1.0. The sources are GPIOHS pins, whose "low" interrupt asks
// for as long as it is enabled and the pin is low.

#include "check.h"
#include "chip.h"
#include "plic.h"

#define LOW_IE R32(GPIOHS, 0x30)
#define LOW_IP R32(GPIOHS, 0x34)

static void ask(unsigned pin, bool on) {
    LOW_IE = on ? LOW_IE | 1u << pin : LOW_IE & ~(1u << pin);
}

static unsigned irq(unsigned pin) {
    return IRQN_GPIOHS0_INTERRUPT + pin;
}

static uint64_t meip(void) {
    return read_csr(mip) >> IRQ_M_EXT & 1;
}

static volatile uint64_t hart1_claim, hart1_meip, hart1_done;

static int hart1_main(void *ctx) {
    (void)ctx;
    plic_init();
    plic_irq_enable(irq(9));
    hart1_meip = read_csr(mip) >> IRQ_M_EXT & 1;
    hart1_claim = plic_irq_claim();
    plic_irq_complete((uint32_t)hart1_claim);
    plic_irq_disable(irq(9));
    hart1_done = 1;
    return 0;
}

static unsigned handled[4], count;

static void handler(unsigned number) {
    if (number == IRQ_M_EXT) {
        uint32_t source = plic_irq_claim();
        handled[count++ & 3] = source;
        ask(source - IRQN_GPIOHS0_INTERRUPT, false);
        plic_irq_complete(source);
    }
}

int main(void) {
    checks_begin();
    plic_init();
    for (unsigned pin = 0; pin < 32; pin++) {
        plic_set_priority(irq(pin), 1);
    }
    check("nothing to claim", plic_irq_claim(), 0);

    ask(3, true);
    check("pending without being enabled", plic_is_pending(irq(3)), 1);
    check("but not at the hart", meip(), 0);
    plic_irq_enable(irq(3));
    check("at the hart when enabled", meip(), 1);
    plic_set_thresh(0, 1);
    check("threshold masks its own priority", meip(), 0);
    plic_set_priority(irq(3), 2);
    check("and lets a higher one through", meip(), 1);
    plic_set_thresh(0, 7);
    check("threshold 7 masks all", meip(), 0);
    plic_set_thresh(0, 0);
    plic_set_priority(irq(3), 0);
    check("priority 0 never interrupts", meip(), 0);
    plic_set_priority(irq(3), 3);

    check("claim", plic_irq_claim(), irq(3));
    check("the claim ends the request", meip(), 0);
    check("pending is clear in service", plic_is_pending(irq(3)), 0);
    check("no second claim in service", plic_irq_claim(), 0);
    plic_irq_complete(irq(3));
    check("still asking after completion", meip(), 1);
    check("claim again", plic_irq_claim(), irq(3));
    ask(3, false);
    plic_irq_complete(irq(3));
    check("silent after completion", meip(), 0);

    static const struct {
        unsigned pin, priority;
    } sources[] = {{20, 2}, {5, 1}, {31, 7}, {6, 2}};
    for (unsigned i = 0; i < 4; i++) {
        plic_set_priority(irq(sources[i].pin), sources[i].priority);
        plic_irq_enable(irq(sources[i].pin));
        ask(sources[i].pin, true);
    }
    on_interrupt = handler;
    set_csr(mie, MIP_MEIP);
    set_csr(mstatus, MSTATUS_MIE);
    clear_csr(mstatus, MSTATUS_MIE);
    check("four handled", count, 4);
    check("highest priority first", handled[0], irq(31));
    check("a tie goes to the lower number", handled[1], irq(6));
    check("then the other", handled[2], irq(20));
    check("lowest priority last", handled[3], irq(5));
    write_csr(mie, 0);

    ask(9, true);
    register_core1(hart1_main, NULL);
    while (!hart1_done) {
    }
    check("hart 1 sees what it enables", hart1_meip, 1);
    check("and claims it", hart1_claim, irq(9));
    check("hart 0 does not", meip(), 0);
    check("completing what is not one's own", (plic_irq_complete(irq(9)), meip()), 0);
    ask(9, false);
    checks_done();
}
