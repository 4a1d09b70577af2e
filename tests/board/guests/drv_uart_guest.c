// The UART driver: wires lead from UART1's TX (pad 10) to UART2's RX (13) and back (12 to 11), and from UART3's
// TX (14) to its own RX (15). Expectations: the Kendryte standalone SDK's uart.h and its examples.

#include <string.h>

#include "check.h"
#include "dmac.h"
#include "fpioa.h"
#include "iomem.h"
#include "plic.h"
#include "sleep.h"
#include "sysctl.h"
#include "uart.h"

#define COUNT (700)

static uint8_t out[COUNT], in[COUNT];
static volatile size_t heard;

static int collect(void *ctx) {
    uart_device_number_t channel = (uart_device_number_t)(uintptr_t)ctx;
    heard += uart_receive_data(channel, (char *)in + heard, COUNT - heard);
    return 0;
}

static int echo(void *ctx) {
    (void)ctx;
    char buffer[16];
    int count = uart_receive_data(UART_DEVICE_2, buffer, sizeof(buffer));
    uart_send_data(UART_DEVICE_2, buffer, count);
    return 0;
}

static volatile bool done[2];

static int set_done(void *ctx) {
    *(volatile bool *)ctx = true;
    return 0;
}

static void forget(void) {
    heard = 0;
    done[0] = done[1] = false;
    memset(in, 0, sizeof(in));
}

static uint64_t now(void) {
    return sysctl_get_time_us();
}

static bool is_back(size_t count) {
    return heard == count && memcmp(in, out, count) == 0;
}

static void collect_from(uart_device_number_t channel) {
    forget();
    uart_irq_register(channel, UART_RECEIVE, collect, (void *)(uintptr_t)channel, 1);
}

static void rates_and_frames(void) {
    static const struct {
        uint32_t baud;
        uart_bitwidth_t bits;
        uart_stopbit_t stop;
        uart_parity_t parity;
        unsigned half_bits;
    } settings[] = {
        {115200, UART_BITWIDTH_8BIT, UART_STOP_1, UART_PARITY_NONE, 20},
        {460800, UART_BITWIDTH_8BIT, UART_STOP_2, UART_PARITY_EVEN, 24},
        {74880, UART_BITWIDTH_7BIT, UART_STOP_1, UART_PARITY_ODD, 20},
        {3000000, UART_BITWIDTH_8BIT, UART_STOP_1, UART_PARITY_NONE, 20},
        {1000000, UART_BITWIDTH_5BIT, UART_STOP_1_5, UART_PARITY_NONE, 15},
    };
    for (unsigned i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        uint8_t mask = (uint8_t)((1u << settings[i].bits) - 1);
        char sent[100];
        for (unsigned n = 0; n < sizeof(sent); n++) {
            sent[n] = (char)(n * 73 + i);
        }
        uart_init(UART_DEVICE_3);
        uart_configure(UART_DEVICE_3, settings[i].baud, settings[i].bits, settings[i].stop, settings[i].parity);
        collect_from(UART_DEVICE_3);
        uint64_t start = now();
        check("all is taken", uart_send_data(UART_DEVICE_3, sent, sizeof(sent)), sizeof(sent));
        uart_wait_sent(UART_DEVICE_3, 100000);
        uint64_t took = now() - start;
        uint64_t right = 100ull * settings[i].half_bits * 1000000 / (2 * settings[i].baud);
        check_range("in its time", took, right * 997 / 1000, right * 1003 / 1000 + 15);
        unsigned same = 0;
        for (unsigned n = 0; n < sizeof(sent); n++) {
            same += in[n] == ((uint8_t)sent[n] & mask);
        }
        check("comes back", same, sizeof(sent));
    }
}

static void sleeping(void) {
    uart_init(UART_DEVICE_3);
    uart_configure(UART_DEVICE_3, 115200, UART_BITWIDTH_8BIT, UART_STOP_1, UART_PARITY_NONE);
    uart_set_receive_trigger(UART_DEVICE_3, UART_RECEIVE_FIFO_14);
    collect_from(UART_DEVICE_3);
    uint64_t instructions = read_csr(minstret);
    uart_send_data(UART_DEVICE_3, (char *)out, 300);
    check_range("300 characters cost some instructions each", read_csr(minstret) - instructions, 300, 300 * 200);
    usleep(2000); // what is left below the trigger comes after four characters' time
    check("and all come back", is_back(300), 1);
    uart_irq_unregister(UART_DEVICE_3, UART_RECEIVE);
    uart_send_data(UART_DEVICE_3, "x", 1);
    usleep(1000);
    check("no callback after it was unregistered", heard, 300);
    char c = 0;
    check("but the character is there", uart_receive_data(UART_DEVICE_3, &c, 1) == 1 && c == 'x', 1);
    check("no more", uart_receive_data(UART_DEVICE_3, &c, 1), 0);
}

static void send_callback(void) {
    forget();
    uart_irq_register(UART_DEVICE_3, UART_SEND, set_done, (void *)&done[0], 1);
    usleep(1000);
    check("nothing was sent yet: no callback", done[0], 0);
    uart_send_data(UART_DEVICE_3, "abc", 3);
    check("callback when the FIFO is low", bsp_wait(&done[0], 10000), 1);
    uart_irq_unregister(UART_DEVICE_3, UART_SEND);
}

static void two_ends(void) {
    for (uart_device_number_t channel = UART_DEVICE_1; channel <= UART_DEVICE_2; channel++) {
        uart_init(channel);
        uart_config(channel, 921600, UART_BITWIDTH_8BIT, UART_STOP_1, UART_PARITY_NONE);
    }
    uart_irq_register(UART_DEVICE_2, UART_RECEIVE, echo, NULL, 1);
    collect_from(UART_DEVICE_1);
    uart_send_data(UART_DEVICE_1, (char *)out, 200);
    usleep(3000);
    check("an echo from a callback", is_back(200), 1);
    uart_irq_unregister(UART_DEVICE_2, UART_RECEIVE);
    uart_irq_unregister(UART_DEVICE_1, UART_RECEIVE);
}

static void new_rate_under_way(void) {
    uart_configure(UART_DEVICE_1, 115200, UART_BITWIDTH_8BIT, UART_STOP_1, UART_PARITY_NONE);
    uart_configure(UART_DEVICE_2, 115200, UART_BITWIDTH_8BIT, UART_STOP_1, UART_PARITY_NONE);
    forget();
    uart_send_data(UART_DEVICE_1, (char *)out, 16);
    uart_configure(UART_DEVICE_1, 57600, UART_BITWIDTH_8BIT, UART_STOP_1, UART_PARITY_NONE);
    heard = uart_receive_data(UART_DEVICE_2, (char *)in, COUNT);
    check("a new rate waits for the end of the old", is_back(16), 1);
    uart_configure(UART_DEVICE_2, 57600, UART_BITWIDTH_8BIT, UART_STOP_1, UART_PARITY_NONE);
    forget();
    uart_send_data(UART_DEVICE_1, (char *)out, 4);
    uart_wait_sent(UART_DEVICE_1, 10000);
    usleep(20);
    heard = uart_receive_data(UART_DEVICE_2, (char *)in, COUNT);
    check("and holds then", is_back(4), 1);
    // A UART that holds unread data is busy, and its LCR locked.
    uart_send_data(UART_DEVICE_1, (char *)out, 4);
    uart_wait_sent(UART_DEVICE_1, 10000);
    uart_configure(UART_DEVICE_2, 57600, UART_BITWIDTH_7BIT, UART_STOP_1, UART_PARITY_NONE);
    check("unread data gives way to a new frame", uart[UART_DEVICE_2]->lcr, UART_LCR_BITS(7));
}

static void breaks(void) {
    check("idle is high", fpioa->io[10] >> 31, 1);
    uart_set_break(UART_DEVICE_1, true);
    check("break is low", fpioa->io[10] >> 31, 0);
    uart_set_break(UART_DEVICE_1, false);
    check("and over", fpioa->io[10] >> 31, 1);
}

static void dma(void) {
    static uint32_t words[2][64] IOMEM;
    for (uart_device_number_t channel = UART_DEVICE_1; channel <= UART_DEVICE_2; channel++) {
        uart_init(channel);
        uart_configure(channel, 2000000, UART_BITWIDTH_8BIT, UART_STOP_1, UART_PARITY_NONE);
    }
    forget();
    uart_receive_data_dma_irq(UART_DEVICE_2, DMAC_CHANNEL1, in, COUNT, set_done, (void *)&done[1], 1);
    uart_send_data_dma_irq(UART_DEVICE_1, DMAC_CHANNEL0, out, COUNT, set_done, (void *)&done[0], 1);
    check("DMA receives in the background", bsp_wait(&done[1], 100000), 1);
    check("DMA sent", done[0], 1);
    check("what was sent", memcmp(in, out, COUNT), 0);

    forget();
    uart_receive_data_dma_irq(UART_DEVICE_2, DMAC_CHANNEL1, in, 300, set_done, (void *)&done[1], 1);
    uart_send_data_dma(UART_DEVICE_1, DMAC_CHANNEL0, out, 300);
    check("DMA sends and waits", bsp_wait(&done[1], 1000) && memcmp(in, out, 300) == 0, 1);

    forget();
    uart_send_data_dma_irq(UART_DEVICE_1, DMAC_CHANNEL0, out, 100, NULL, NULL, 1);
    uart_receive_data_dma(UART_DEVICE_2, DMAC_CHANNEL1, in, 100);
    check("DMA receives and waits", memcmp(in, out, 100), 0);

    forget();
    for (unsigned i = 0; i < 64; i++) {
        words[0][i] = i ^ 0x55;
    }
    uart_data_t data = {.rx_channel = DMAC_CHANNEL1, .rx_buf = words[1], .rx_len = 64, .transfer_mode = UART_RECEIVE};
    plic_interrupt_t when_received = {.callback = set_done, .ctx = (void *)&done[1], .priority = 1};
    uart_handle_data_dma(UART_DEVICE_2, data, &when_received);
    data = (uart_data_t){.tx_channel = DMAC_CHANNEL0, .tx_buf = words[0], .tx_len = 64, .transfer_mode = UART_SEND};
    uart_handle_data_dma(UART_DEVICE_1, data, NULL);
    check("words by DMA: sent to the last bit", uart_is_sent(UART_DEVICE_1), 1);
    check("words by DMA: received", bsp_wait(&done[1], 1000) && memcmp(words[0], words[1], sizeof(words[0])) == 0, 1);
}

int main(void) {
    checks_begin();
    on_interrupt = trap_serve_interrupt;
    plic_init();
    sysctl_enable_irq();
    dmac_init();
    for (unsigned i = 0; i < COUNT; i++) {
        out[i] = (uint8_t)(i * 37 + i / 256);
    }
    for (unsigned n = 0; n < 3; n++) {
        fpioa_set_function(10 + 2 * n, FUNC_UART1_TX + 2 * n);
        fpioa_set_function(11 + 2 * n, FUNC_UART1_RX + 2 * n);
    }
    rates_and_frames();
    sleeping();
    send_callback();
    two_ends();
    new_rate_under_way();
    breaks();
    dma();
    checks_done();
}
