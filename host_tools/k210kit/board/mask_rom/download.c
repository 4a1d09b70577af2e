/* The mask ROM's download mode, written anew from what is known of it.
 *
 * Behaviour: laanwj's annotations of a ROM dump (k210-sdk-stuff, rom/), of which these are the facts: the receiver
 * polls UARTHS; a frame begins and ends with 0xC0, and what stands between two frames is not looked at; 0xDB waits for
 * 0xDC or 0xDD whatever comes first; two buffers take turns, so a frame that is too short is read with what is left of
 * the one before the last, and so is an empty one; only a write is checked by CRC; the rate changes before the reply;
 * hart 1 waits for an interrupt from hart 0, which boots alone. Cause of a fault: an own short form of the ROM's words.
 * Names and numbers of the commands: the PyPI client kflash 1.1.6.
 *
 * Three commands have a name in every client and no handler in that dump: echo, memory read, debug. `lenient` says
 * whether they are answered; no client in use sends them.
 */

#include <stddef.h>
#include <stdint.h>

#define UARTHS ((volatile uint32_t *)0x38000000)
#define SYSCTL ((volatile uint32_t *)0x50440000)

enum { UARTHS_TXDATA = 0x00 / 4, UARTHS_RXDATA = 0x04 / 4, UARTHS_DIV = 0x18 / 4 };
enum { SYSCTL_PLL0 = 0x08 / 4, SYSCTL_CLK_SEL0 = 0x20 / 4, CRYSTAL_HZ = 26000000 };
enum { FRAME = 0xC0, ESCAPE = 0xDB, ESCAPED_FRAME = 0xDC, ESCAPED_ESCAPE = 0xDD };
enum { ECHO = 0xC1, NOP, MEMORY_WRITE, MEMORY_READ, BOOT, BAUD, DEBUG = 0xD1 };
enum { OK = 0xE0, BAD_LENGTH, BAD_CHECKSUM, BAD_COMMAND };
enum { LONGEST_FRAME = 0x410, BUFFER_SIZE = 0x800, LONGEST_READ = 0x400 };

int rom_printk(const char *fmt, ...);
int rom_getc(void);

/* The board clears it in strict mode. */
__attribute__((section(".options"))) const volatile uint32_t lenient = 1;

typedef struct {
    uint16_t op;
    uint16_t reserved;
    uint32_t checksum; /* over all behind it */
    uint32_t address;
    uint32_t length;
    uint8_t data[];
} request_t;

typedef struct {
    enum { OUTSIDE, INSIDE, ESCAPING } state;
    int turn; /* of the two buffers */
    uint32_t size;
    uint32_t buffer[2][BUFFER_SIZE / 4];
} receiver_t;

static uint32_t crc32(const uint8_t *data, uint32_t size) {
    uint32_t crc = 0xFFFFFFFF;
    while (size--) {
        crc ^= *data++;
        for (int i = 0; i < 8; i++) {
            crc = crc >> 1 ^ (-(crc & 1) & 0xEDB88320);
        }
    }
    return ~crc;
}

static void put(uint8_t byte) {
    while ((int32_t)UARTHS[UARTHS_TXDATA] < 0) {
    }
    UARTHS[UARTHS_TXDATA] = byte;
}

static void put_escaped(uint8_t byte) {
    if (byte == FRAME || byte == ESCAPE) {
        put(ESCAPE);
        byte = byte == FRAME ? ESCAPED_FRAME : ESCAPED_ESCAPE;
    }
    put(byte);
}

static void reply(uint8_t op, uint8_t reason, const uint8_t *data, uint32_t size) {
    put(FRAME);
    put_escaped(op);
    put_escaped(reason);
    while (size--) {
        put_escaped(*data++);
    }
    put(FRAME);
}

static uint32_t cpu_hz(void) {
    uint32_t select = SYSCTL[SYSCTL_CLK_SEL0];
    uint32_t pll = SYSCTL[SYSCTL_PLL0];
    if (!(select & 1)) {
        return CRYSTAL_HZ;
    }
    uint64_t hz = (uint64_t)CRYSTAL_HZ * ((pll >> 4 & 63) + 1);
    return (uint32_t)(hz / (((pll & 15) + 1) * ((pll >> 10 & 15) + 1))) >> ((select >> 1 & 3) + 1);
}

static void set_baud(uint32_t baud) {
    uint32_t cycles = baud ? cpu_hz() / baud : UINT32_MAX; /* as the hart divides by zero */
    UARTHS[UARTHS_DIV] = (cycles - 1) & 0xFFFF;
}

static uint8_t write_memory(request_t *request) {
    /* The length is believed: one beyond all memory ends in a fault. */
    if (crc32((const uint8_t *)&request->address, request->length + 8) != request->checksum) {
        return BAD_CHECKSUM;
    }
    uint8_t *to = (uint8_t *)(uintptr_t)request->address;
    const uint8_t *from = request->data;
    /* The length is counted down where it stands, so an empty frame does not write again. */
    while (request->length--) {
        *to++ = *from++;
    }
    /* What was written may be code. */
    __asm__ volatile("fence.i" ::: "memory");
    return OK;
}

static void read_memory(const request_t *request) {
    uint8_t reason = OK;
    if (request->length > LONGEST_READ) {
        reason = BAD_LENGTH;
    } else if (crc32((const uint8_t *)&request->address, 8) != request->checksum) {
        reason = BAD_CHECKSUM;
    }
    reply(MEMORY_READ, reason, (const uint8_t *)(uintptr_t)request->address, reason == OK ? request->length : 0);
}

static void handle(request_t *request) {
    uint8_t reason = BAD_COMMAND;
    switch (request->op) {
        case NOP:
            reason = OK;
            break;
        case MEMORY_WRITE:
            reason = write_memory(request);
            break;
        case BOOT:
            ((void (*)(void))(uintptr_t)(request->address & ~1u))();
            reason = OK;
            break;
        case BAUD:
            reason = BAD_LENGTH;
            if (request->length == 4) {
                set_baud(*(uint32_t *)request->data);
                reason = OK;
            }
            break;
        case MEMORY_READ:
            if (lenient) {
                read_memory(request);
                return;
            }
            break;
        case ECHO:
        case DEBUG:
            reason = lenient ? OK : BAD_COMMAND;
            break;
    }
    reply((uint8_t)request->op, reason, NULL, 0);
}

static void store(receiver_t *receiver, uint8_t byte) {
    ((uint8_t *)receiver->buffer[receiver->turn])[receiver->size++] = byte;
    if (receiver->size > LONGEST_FRAME) {
        receiver->size = 0;
        reply(ECHO, BAD_LENGTH, NULL, 0);
    }
}

static void take(receiver_t *receiver, uint8_t byte) {
    if (byte == FRAME) {
        if (receiver->state == OUTSIDE) {
            receiver->state = INSIDE;
            return;
        }
        receiver->state = OUTSIDE;
        request_t *request = (request_t *)receiver->buffer[receiver->turn];
        receiver->turn = !receiver->turn;
        receiver->size = 0;
        handle(request);
    } else if (receiver->state == INSIDE && byte == ESCAPE) {
        receiver->state = ESCAPING;
    } else if (receiver->state == INSIDE) {
        store(receiver, byte);
    } else if (receiver->state == ESCAPING && (byte == ESCAPED_FRAME || byte == ESCAPED_ESCAPE)) {
        receiver->state = INSIDE;
        store(receiver, byte == ESCAPED_FRAME ? FRAME : ESCAPE);
    }
}

static void clear(receiver_t *receiver) {
    uint32_t *word = (uint32_t *)receiver;
    for (size_t i = 0; i < sizeof(*receiver) / 4; i++) {
        word[i] = 0;
    }
}

/* At 0x8800a300. Hart 0, with the ROM's stack; never returns. */
void rom_download(void) {
    receiver_t receiver;
    __asm__ volatile("la t0, rom_trap\n\tcsrw mtvec, t0" ::: "t0");
    clear(&receiver);
    for (;;) {
        take(&receiver, (uint8_t)rom_getc());
    }
}

/* At 0x88001a04. What is shown when the flash holds nothing that could be an image: 233, a length beyond the SRAM. */
void rom_exit(int code) {
    rom_printk("interesting, something's wrong, boot failed with exit code %d, go to find your vendor.", code);
    for (;;) {
    }
}

/* The ROM's trap handler: it tells of the fault and stops for good. */
__attribute__((aligned(4), used)) void rom_trap(void) {
    uint64_t cause, pc, hart;
    __asm__ volatile("csrr %0, mcause\n\tcsrr %1, mepc\n\tcsrr %2, mhartid" : "=r"(cause), "=r"(pc), "=r"(hart));
    rom_printk("Cause 0x%016lx, EPC 0x%016lx, Core %d\n", cause, pc, (int)hart);
    for (;;) {
    }
}

/* At 0x88000058: hart 1 sleeps until hart 0 sends it an interrupt, and goes to where an image starts. */
__asm__(".pushsection .entry_0058,\"ax\"\n\t"
        "li t1, 0x2000004\n\t"
        "sw zero, 0(t1)\n\t"
        "csrsi mie, 8\n"
        "1:\twfi\n\t"
        "csrr a5, mip\n\t"
        "andi a5, a5, 8\n\t"
        "beqz a5, 1b\n\t"
        "li t1, 0x80000000\n\t"
        "jalr t1\n"
        "2:\tj 2b\n\t"
        ".popsection");

#define ENTRY(section, function) __asm__(".pushsection " section ",\"ax\"\n\tj " function "\n\t.popsection")

ENTRY(".entry_1a04", "rom_exit");
ENTRY(".entry_a300", "rom_download");
