// Included by extmod/machine_uart.c: UART1 to UART3 with a ring buffer in each direction, filled and emptied by
// their interrupts.

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/ringbuf.h"

#include "fpioa.h"
#include "machine_buses.h"
#include "plic.h"
#include "uart.h"

#define UART_COUNT (UART_DEVICE_MAX)
#define DEFAULT_BAUDRATE (115200)
#define DEFAULT_BUFFER (256)
#define MIN_BUFFER (32)
#define MAX_BUFFER (65534)
#define NO_PAD (-1)

// Triggers of UART.irq().
#define IRQ_RX (1)
#define IRQ_RXIDLE (2)
#define IRQ_TXIDLE (4)
#define IRQ_BREAK (8)
#define IRQ_ALL (15)

struct _machine_uart_obj_t {
    mp_obj_base_t base;
    uint8_t device; // uart_device_number_t
    bool running;
    uint8_t bits, parity, stop;
    int8_t tx, rx;
    uint32_t baudrate;
    uint32_t timeout, timeout_char; // milliseconds
    size_t rxbuf, txbuf;
    ringbuf_t received, to_send;
    uint8_t trigger; // what the user's handler is called for
    uint8_t flags; // what it was called for last
    uint8_t level; // of the FIFO at which it interrupts
    mp_irq_obj_t *irq;
};

// A board's mpconfigboard.h may name pads.
#ifndef MICROPY_HW_UART1_TX
#define MICROPY_HW_UART1_TX (NO_PAD)
#define MICROPY_HW_UART1_RX (NO_PAD)
#endif
#ifndef MICROPY_HW_UART2_TX
#define MICROPY_HW_UART2_TX (NO_PAD)
#define MICROPY_HW_UART2_RX (NO_PAD)
#endif
#ifndef MICROPY_HW_UART3_TX
#define MICROPY_HW_UART3_TX (NO_PAD)
#define MICROPY_HW_UART3_RX (NO_PAD)
#endif

static const int8_t default_pads[UART_COUNT][2] = {
    {MICROPY_HW_UART1_TX, MICROPY_HW_UART1_RX},
    {MICROPY_HW_UART2_TX, MICROPY_HW_UART2_RX},
    {MICROPY_HW_UART3_TX, MICROPY_HW_UART3_RX},
};

static machine_uart_obj_t objects[UART_COUNT];

MP_REGISTER_ROOT_POINTER(void *k210_uart_buffers[6]);
MP_REGISTER_ROOT_POINTER(void *k210_uart_irqs[3]);

#define MICROPY_PY_MACHINE_UART_CLASS_CONSTANTS                                                                        \
    {MP_ROM_QSTR(MP_QSTR_IRQ_RX), MP_ROM_INT(IRQ_RX)}, {MP_ROM_QSTR(MP_QSTR_IRQ_RXIDLE), MP_ROM_INT(IRQ_RXIDLE)},      \
        {MP_ROM_QSTR(MP_QSTR_IRQ_TXIDLE), MP_ROM_INT(IRQ_TXIDLE)},                                                     \
        {MP_ROM_QSTR(MP_QSTR_IRQ_BREAK), MP_ROM_INT(IRQ_BREAK)},

static volatile uart_t *block_of(const machine_uart_obj_t *self) {
    return uart[self->device];
}

// ---- Between the FIFOs and the ring buffers. All of this runs with interrupts off.

// Receives into the ring buffer until so many are left in the FIFO. Returns IRQ_BREAK for a break, whose zero byte is
// not data.
static unsigned drain(machine_uart_obj_t *self, unsigned left) {
    volatile uart_t *block = block_of(self);
    unsigned events = 0;
    while (block->rfl > left && ringbuf_free(&self->received) > 0) {
        uint32_t status = block->lsr;
        uint8_t byte = (uint8_t)block->rbr;
        if (status & UART_LSR_BI) {
            events |= IRQ_BREAK;
        } else {
            ringbuf_put(&self->received, byte);
        }
    }
    return events;
}

static void feed(machine_uart_obj_t *self) {
    volatile uart_t *block = block_of(self);
    while (ringbuf_avail(&self->to_send) > 0 && !(block->lsr & UART_LSR_TX_FULL)) {
        block->rbr = (uint8_t)ringbuf_get(&self->to_send);
    }
    // With nothing to follow, the next interrupt tells that the FIFO is empty.
    uart_set_send_trigger(self->device, ringbuf_avail(&self->to_send) > 0 ? UART_SEND_FIFO_4 : UART_SEND_FIFO_0);
}

// A full ring buffer leaves data in the FIFO: its interrupt has to wait for room.
static void enable_interrupts(machine_uart_obj_t *self) {
    uint32_t ier = UART_IER_PTIME | UART_IER_ETBEI;
    if (ringbuf_free(&self->received) > 0) {
        ier |= UART_IER_ERBFI;
    }
    if (self->trigger & IRQ_BREAK) {
        ier |= UART_IER_ELSI;
    }
    block_of(self)->ier = ier;
}

static unsigned serve_one(machine_uart_obj_t *self, uint32_t id) {
    switch (id) {
        case UART_IIR_LINE_STATUS:
            if (block_of(self)->lsr & UART_LSR_BI) {
                (void)block_of(self)->rbr; // LSR tells of the oldest character, and only once
                return IRQ_BREAK;
            }
            return 0;
        case UART_IIR_RECEIVED:
            // One is left, so that the pause after it raises the time-out; not when every one interrupts.
            return IRQ_RX | drain(self, self->level > 1 ? 1 : 0);
        case UART_IIR_TIMEOUT:
            return IRQ_RX | IRQ_RXIDLE | drain(self, 0);
        case UART_IIR_THR_EMPTY:
            if (ringbuf_avail(&self->to_send) == 0) {
                return IRQ_TXIDLE;
            }
            feed(self);
            return 0;
        case UART_IIR_BUSY:
            (void)block_of(self)->usr;
            return 0;
        default:
            return 0;
    }
}

static int serve(void *ctx) {
    machine_uart_obj_t *self = ctx;
    unsigned events = 0;
    uint32_t id;
    // As many kinds as there are; what is left interrupts again.
    for (unsigned i = 0; i < 4 && (id = block_of(self)->iir & UART_IIR_ID) != UART_IIR_NONE; i++) {
        events |= serve_one(self, id);
    }
    enable_interrupts(self);
    if (events & self->trigger) {
        self->flags = (uint8_t)(events & self->trigger);
        mp_irq_handler(self->irq);
    }
    return 0;
}

// From the interpreter: fetches what is in the FIFO without waiting for its interrupt.
static void fetch(machine_uart_obj_t *self) {
    uint64_t before = bsp_irq_save();
    unsigned events = drain(self, 0);
    enable_interrupts(self);
    bsp_irq_restore(before);
    if (events & self->trigger) {
        self->flags = (uint8_t)(events & self->trigger);
        mp_irq_handler(self->irq);
    }
}

// A received character interrupts at once when the user waits for each; else a pause does, or half a FIFO.
static void set_level(machine_uart_obj_t *self) {
    bool each = self->trigger & IRQ_RX;
    bool pauses = self->trigger & IRQ_RXIDLE;
    self->level = !each ? 8 : pauses ? 4 : 1;
    uart_set_receive_trigger(self->device,
        !each        ? UART_RECEIVE_FIFO_8
            : pauses ? UART_RECEIVE_FIFO_4
                     : UART_RECEIVE_FIFO_1);
}

// ---- Life

static void mp_machine_uart_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    static const char *const parities[] = {"None", "1", "0"};
    mp_printf(print,
        "UART(%u, baudrate=%u, bits=%u, parity=%s, stop=%u, tx=%d, rx=%d, rxbuf=%u, txbuf=%u, timeout=%u, "
        "timeout_char=%u)",
        self->device + 1, self->baudrate, self->bits, parities[self->parity], self->stop, self->tx, self->rx,
        (unsigned)self->rxbuf, (unsigned)self->txbuf, self->timeout, self->timeout_char);
}

static void stop(machine_uart_obj_t *self) {
    if (!self->running) {
        return;
    }
    self->running = false;
    plic_irq_disable(IRQN_UART1_INTERRUPT + self->device);
    plic_irq_unregister(IRQN_UART1_INTERRUPT + self->device);
    uart_init(self->device); // reset: nothing is sent, nothing interrupts
    sysctl_clock_disable(SYSCTL_CLOCK_UART1 + self->device);
    self->irq = NULL;
    self->trigger = 0;
    self->received.buf = self->to_send.buf = NULL;
    for (unsigned i = 0; i < 2; i++) {
        MP_STATE_PORT(k210_uart_buffers)[2 * self->device + i] = NULL;
    }
    MP_STATE_PORT(k210_uart_irqs)[self->device] = NULL;
}

static void mp_machine_uart_deinit(machine_uart_obj_t *self) {
    stop(self);
}

void machine_uart_deinit_all(void) {
    for (unsigned i = 0; i < UART_COUNT; i++) {
        stop(&objects[i]);
    }
}

static void check_running(const machine_uart_obj_t *self) {
    if (!self->running) {
        mp_raise_msg_varg(&mp_type_OSError, MP_ERROR_TEXT("UART(%d) is off"), self->device + 1);
    }
}

static int8_t pad_or(mp_obj_t arg, int8_t before) {
    return arg == MP_ROM_NONE ? before : (int8_t)mp_hal_get_pin_obj(arg);
}

static mp_int_t in_range(const char *name, mp_int_t value, mp_int_t least, mp_int_t most) {
    if (value < least || value > most) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%s %d is not between %d and %d"), name, (int)value,
            (int)least, (int)most);
    }
    return value;
}

static uint8_t *new_ring(machine_uart_obj_t *self, ringbuf_t *ring, unsigned which, size_t length) {
    uint8_t *buffer = m_new(uint8_t, length + 1);
    MP_STATE_PORT(k210_uart_buffers)[2 * self->device + which] = buffer;
    *ring = (ringbuf_t){.buf = buffer, .size = (uint16_t)(length + 1), .iget = 0, .iput = 0};
    return buffer;
}

static void start(machine_uart_obj_t *self) {
    static const uart_parity_t parities[] = {UART_PARITY_NONE, UART_PARITY_ODD, UART_PARITY_EVEN};
    plic_irq_disable(IRQN_UART1_INTERRUPT + self->device);
    uart_init(self->device);
    uart_configure(self->device, self->baudrate, (uart_bitwidth_t)self->bits,
        self->stop == 1 ? UART_STOP_1 : UART_STOP_2, parities[self->parity]);
    if (self->tx != NO_PAD) {
        fpioa_set_function(self->tx, FUNC_UART1_TX + 2 * self->device);
    }
    if (self->rx != NO_PAD) {
        fpioa_set_function(self->rx, FUNC_UART1_RX + 2 * self->device);
        // A line that nobody drives idles.
        fpioa_set_io_pull(self->rx, FPIOA_PULL_UP);
    }
    self->running = true;
    set_level(self);
    enable_interrupts(self);
    plic_set_priority(IRQN_UART1_INTERRUPT + self->device, 1);
    plic_irq_register(IRQN_UART1_INTERRUPT + self->device, serve, self);
    plic_irq_enable(IRQN_UART1_INTERRUPT + self->device);
}

static void mp_machine_uart_init_helper(
    machine_uart_obj_t *self, size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum {
        ARG_baudrate,
        ARG_bits,
        ARG_parity,
        ARG_stop,
        ARG_tx,
        ARG_rx,
        ARG_timeout,
        ARG_timeout_char,
        ARG_rxbuf,
        ARG_txbuf
    };
    static const mp_arg_t allowed_args[] = {
        {MP_QSTR_baudrate, MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_bits, MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_parity, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_INT(-1)}},
        {MP_QSTR_stop, MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_tx, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_rx, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_timeout, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_timeout_char, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_rxbuf, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_txbuf, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    if (n_args == 0 && kw_args->used == 0 && self->running) {
        return;
    }

    // All is looked at before anything changes.
    uint32_t fastest = sysctl_clock_get_freq(SYSCTL_CLOCK_APB0) / 16;
    uint32_t baudrate = self->baudrate;
    if (args[ARG_baudrate].u_int != -1) {
        baudrate = (uint32_t)in_range("baudrate", args[ARG_baudrate].u_int, fastest / 0xffff + 1, fastest);
    }
    uint8_t bits = args[ARG_bits].u_int == -1 ? self->bits : (uint8_t)in_range("bits", args[ARG_bits].u_int, 5, 8);
    uint8_t stop_bits = args[ARG_stop].u_int == -1 ? self->stop : (uint8_t)in_range("stop", args[ARG_stop].u_int, 1, 2);
    uint8_t parity = self->parity;
    if (args[ARG_parity].u_obj == mp_const_none) {
        parity = 0;
    } else if (args[ARG_parity].u_obj != MP_OBJ_NEW_SMALL_INT(-1)) {
        parity = mp_obj_get_int(args[ARG_parity].u_obj) & 1 ? 1 : 2;
    }
    int8_t tx = pad_or(args[ARG_tx].u_obj, self->tx), rx = pad_or(args[ARG_rx].u_obj, self->rx);
    if (tx == NO_PAD && rx == NO_PAD) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("this board has no pads for UART(%d): give tx= and rx="),
            self->device + 1);
    }
    size_t rxbuf = self->rxbuf, txbuf = self->txbuf;
    if (args[ARG_rxbuf].u_int != -1) {
        rxbuf = (size_t)MAX(in_range("rxbuf", args[ARG_rxbuf].u_int, 0, MAX_BUFFER), MIN_BUFFER);
    }
    if (args[ARG_txbuf].u_int != -1) {
        txbuf = (size_t)MAX(in_range("txbuf", args[ARG_txbuf].u_int, 0, MAX_BUFFER), MIN_BUFFER);
    }

    if (self->running) {
        plic_irq_disable(IRQN_UART1_INTERRUPT + self->device);
    }
    self->baudrate = baudrate;
    self->bits = bits;
    self->stop = stop_bits;
    self->parity = parity;
    self->tx = tx;
    self->rx = rx;
    if (args[ARG_timeout].u_int >= 0) {
        self->timeout = (uint32_t)args[ARG_timeout].u_int;
    }
    if (args[ARG_timeout_char].u_int >= 0) {
        self->timeout_char = (uint32_t)args[ARG_timeout_char].u_int;
    }
    // At least a whole character, 13 bits to be safe.
    self->timeout_char = MAX(self->timeout_char, 13000 / self->baudrate + 1);
    if (self->received.buf == NULL || rxbuf != self->rxbuf) {
        new_ring(self, &self->received, 0, rxbuf);
        self->rxbuf = rxbuf;
    }
    if (self->to_send.buf == NULL || txbuf != self->txbuf) {
        new_ring(self, &self->to_send, 1, txbuf);
        self->txbuf = txbuf;
    }
    self->received.iget = self->received.iput = self->to_send.iget = self->to_send.iput = 0;
    start(self);
}

static mp_obj_t mp_machine_uart_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, MP_OBJ_FUN_ARGS_MAX, true);
    mp_int_t id = mp_obj_get_int(args[0]);
    if (id < 1 || id > UART_COUNT) {
        mp_raise_msg_varg(
            &mp_type_ValueError, MP_ERROR_TEXT("there is no UART(%d), only 1 to %d"), (int)id, UART_COUNT);
    }
    machine_uart_obj_t *self = &objects[id - 1];
    if (self->running && n_args == 1 && n_kw == 0) {
        return MP_OBJ_FROM_PTR(self);
    }
    stop(self);
    *self = (machine_uart_obj_t){
        .base = {type},
        .device = (uint8_t)(id - 1),
        .bits = 8,
        .stop = 1,
        .tx = default_pads[id - 1][0],
        .rx = default_pads[id - 1][1],
        .baudrate = DEFAULT_BAUDRATE,
        .rxbuf = DEFAULT_BUFFER,
        .txbuf = DEFAULT_BUFFER,
    };
    mp_map_t kw_args;
    mp_map_init_fixed_table(&kw_args, n_kw, args + n_args);
    mp_machine_uart_init_helper(self, n_args - 1, args + 1, &kw_args);
    return MP_OBJ_FROM_PTR(self);
}

// ---- What the class offers

static mp_int_t mp_machine_uart_any(machine_uart_obj_t *self) {
    check_running(self);
    fetch(self);
    return ringbuf_avail(&self->received);
}

static bool is_sent(machine_uart_obj_t *self) {
    return ringbuf_avail(&self->to_send) == 0 && uart_is_sent(self->device);
}

static bool mp_machine_uart_txdone(machine_uart_obj_t *self) {
    check_running(self);
    return is_sent(self);
}

static uint64_t character_us(const machine_uart_obj_t *self) {
    return 13000000 / self->baudrate + 1;
}

// How long what waits to be sent can take, and twice that to be sure.
static uint64_t sending_us(machine_uart_obj_t *self) {
    return 2 * (ringbuf_avail(&self->to_send) + UART_FIFO_DEPTH + 2) * character_us(self);
}

static int wait_sent(machine_uart_obj_t *self) {
    uint64_t deadline = mp_hal_ticks_us() + sending_us(self);
    while (!is_sent(self)) {
        if (mp_hal_ticks_us() >= deadline) {
            return MP_ETIMEDOUT;
        }
        // The interrupt at an empty FIFO leaves the last character; it is short, or waited for in steps of its length.
        if (ringbuf_avail(&self->to_send) == 0 && block_of(self)->usr & (1u << 2)) {
            mp_hal_delay_us(MIN(character_us(self) / 8, 500));
        } else {
            mp_event_wait_ms(1);
        }
    }
    return 0;
}

static void mp_machine_uart_sendbreak(machine_uart_obj_t *self) {
    check_running(self);
    int error = wait_sent(self);
    if (error) {
        mp_raise_OSError(error);
    }
    uart_set_break(self->device, true);
    mp_hal_delay_us(character_us(self));
    uart_set_break(self->device, false);
}

static mp_uint_t irq_trigger(mp_obj_t self_in, mp_uint_t trigger) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    uint64_t before = bsp_irq_save();
    self->trigger = (uint8_t)trigger;
    if (self->running) {
        set_level(self);
        enable_interrupts(self);
    }
    bsp_irq_restore(before);
    return 0;
}

static mp_uint_t irq_info(mp_obj_t self_in, mp_uint_t type) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    return type == MP_IRQ_INFO_FLAGS ? self->flags : type == MP_IRQ_INFO_TRIGGERS ? self->trigger : 0;
}

static const mp_irq_methods_t irq_methods = {.trigger = irq_trigger, .info = irq_info};

static mp_irq_obj_t *mp_machine_uart_irq(machine_uart_obj_t *self, bool any_args, mp_arg_val_t *args) {
    check_running(self);
    if (self->irq == NULL) {
        self->trigger = 0;
        self->irq = mp_irq_new(&irq_methods, MP_OBJ_FROM_PTR(self));
        MP_STATE_PORT(k210_uart_irqs)[self->device] = self->irq;
    }
    if (any_args) {
        mp_obj_t handler = args[MP_IRQ_ARG_INIT_handler].u_obj;
        if (handler != mp_const_none && !mp_obj_is_callable(handler)) {
            mp_raise_ValueError(MP_ERROR_TEXT("handler must be None or callable"));
        }
        mp_uint_t trigger = args[MP_IRQ_ARG_INIT_trigger].u_int;
        if (trigger & ~IRQ_ALL) {
            mp_raise_msg_varg(
                &mp_type_ValueError, MP_ERROR_TEXT("trigger 0x%04x unsupported"), (unsigned)(trigger & ~IRQ_ALL));
        }
        irq_trigger(MP_OBJ_FROM_PTR(self), 0);
        self->irq->handler = handler;
        self->irq->ishard = args[MP_IRQ_ARG_INIT_hard].u_bool;
        irq_trigger(MP_OBJ_FROM_PTR(self), handler == mp_const_none ? 0 : trigger);
    }
    return self->irq;
}

// ---- Stream

// Sleeps until there may be news, at most until `deadline`; false when that has passed.
static bool wait_until(uint64_t deadline) {
    uint64_t now = mp_hal_ticks_us();
    if (now >= deadline) {
        return false;
    }
    mp_event_wait_ms((mp_uint_t)MIN((deadline - now + 999) / 1000, 1000));
    return true;
}

static uint64_t after_ms(uint32_t ms) {
    return mp_hal_ticks_us() + 1000ull * ms;
}

static mp_uint_t mp_machine_uart_read(mp_obj_t self_in, void *buf_in, mp_uint_t size, int *errcode) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    check_running(self);
    uint8_t *bytes = buf_in;
    mp_uint_t count = 0;
    uint64_t deadline = after_ms(self->timeout);
    while (count < size) {
        fetch(self);
        if (ringbuf_avail(&self->received) > 0) {
            while (count < size && ringbuf_avail(&self->received) > 0) {
                bytes[count++] = (uint8_t)ringbuf_get(&self->received);
            }
            deadline = after_ms(self->timeout_char);
        } else if (!wait_until(deadline)) {
            break;
        }
    }
    fetch(self);
    if (count == 0 && size > 0) {
        *errcode = MP_EAGAIN;
        return MP_STREAM_ERROR;
    }
    return count;
}

static mp_uint_t mp_machine_uart_write(mp_obj_t self_in, const void *buf_in, mp_uint_t size, int *errcode) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    check_running(self);
    const uint8_t *bytes = buf_in;
    mp_uint_t count = 0;
    // The time-out counts from when the buffer is full; the line itself takes a character's time for each.
    uint64_t deadline = after_ms(self->timeout) + 2 * character_us(self);
    for (;;) {
        if (count < size && ringbuf_free(&self->to_send) > 0) {
            while (count < size && ringbuf_put(&self->to_send, bytes[count]) == 0) {
                count++;
            }
            uint64_t before = bsp_irq_save();
            feed(self);
            bsp_irq_restore(before);
            deadline = after_ms(self->timeout_char) + UART_FIFO_DEPTH * character_us(self);
        }
        if (count == size || (ringbuf_free(&self->to_send) == 0 && !wait_until(deadline))) {
            break;
        }
    }
    if (count == 0 && size > 0) {
        *errcode = MP_EAGAIN;
        return MP_STREAM_ERROR;
    }
    return count;
}

static mp_uint_t mp_machine_uart_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode) {
    machine_uart_obj_t *self = MP_OBJ_TO_PTR(self_in);
    check_running(self);
    if (request == MP_STREAM_POLL) {
        mp_uint_t ready = 0;
        if (arg & MP_STREAM_POLL_RD) {
            fetch(self);
            ready |= ringbuf_avail(&self->received) > 0 ? MP_STREAM_POLL_RD : 0;
        }
        if (arg & MP_STREAM_POLL_WR && ringbuf_free(&self->to_send) > 0) {
            ready |= MP_STREAM_POLL_WR;
        }
        return ready;
    }
    *errcode = request == MP_STREAM_FLUSH ? wait_sent(self) : MP_EINVAL;
    return *errcode ? MP_STREAM_ERROR : 0;
}
