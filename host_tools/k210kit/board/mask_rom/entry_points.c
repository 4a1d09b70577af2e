/* The mask ROM's entry points that software in use calls, written anew from what is known of them.
 *
 * Addresses and names: laanwj's annotations of a ROM dump (k210-sdk-stuff); behaviour: what Kboot, LoBo's MicroPython
 * and Linux 0.11 rely on. OTP sequence: the OTP driver in kendryte/canmv. Build with build.sh; entry_points.elf is
 * what the board loads.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define UARTHS ((volatile uint32_t *)0x38000000)
#define OTP ((volatile uint32_t *)0x50420000)
#define SYSCTL ((volatile uint32_t *)0x50440000)

enum { UARTHS_TXDATA = 0x00 / 4, UARTHS_RXDATA = 0x04 / 4 };
enum {
    OTP_CEB = 0x00 / 4,
    OTP_MODE = 0x08 / 4,
    OTP_LAST_DAT = 0x20 / 4,
    OTP_DATA = 0x24 / 4,
    OTP_ADDRESS = 0x30 / 4,
    OTP_ADDRESS_TAKEN = 0x3C / 4,
    OTP_CLE = 0x58 / 4,
    OTP_WRONG_ADDRESS = 0x60 / 4,
    OTP_READY = 0xAC / 4,
};
enum { SYSCTL_CLK_EN_PERI = 0x2C / 4, OTP_CLOCK = 1 << 20, POLLS = 0xFFFFFF, OTP_LIMIT = 0x4000 };
enum { OTP_OK, OTP_TIME_OUT, OTP_BAD_ADDRESS };

typedef struct {
    char *text; /* NULL: the console */
    size_t room;
    int length;
} output_t;

static void put(output_t *out, char c) {
    if (out->text == NULL) {
        while ((int32_t)UARTHS[UARTHS_TXDATA] < 0) {
        }
        UARTHS[UARTHS_TXDATA] = (uint8_t)c;
    } else if ((size_t)out->length + 1 < out->room) {
        out->text[out->length] = c;
    }
    out->length++;
}

static void put_field(output_t *out, const char *text, int size, int width, int left, char fill) {
    for (int i = size; !left && i < width; i++) {
        put(out, fill);
    }
    for (int i = 0; i < size; i++) {
        put(out, text[i]);
    }
    for (int i = size; left && i < width; i++) {
        put(out, ' ');
    }
}

static void put_number(
    output_t *out, uint64_t value, unsigned base, char letter, int negative, int width, int left, char fill) {
    char digits[24];
    int at = sizeof digits;
    do {
        unsigned digit = value % base;
        digits[--at] = digit < 10 ? '0' + digit : letter + digit - 10;
        value /= base;
    } while (value);
    if (negative && fill == '0') {
        put(out, '-');
        width--;
    } else if (negative) {
        digits[--at] = '-';
    }
    put_field(out, digits + at, sizeof digits - at, width, left, fill);
}

static void format(output_t *out, const char *text, va_list values) {
    for (; *text; text++) {
        if (*text != '%') {
            put(out, *text);
            continue;
        }
        int left = 0, width = 0, wide = 0;
        char fill = ' ';
        for (text++; *text == '-' || *text == '0'; text++) {
            left |= *text == '-';
            fill = *text == '0' ? '0' : fill;
        }
        for (; *text >= '0' && *text <= '9'; text++) {
            width = width * 10 + *text - '0';
        }
        for (; *text == 'l' || *text == 'z'; text++) {
            wide = 1;
        }
        char c;
        const char *string;
        int64_t value;
        switch (*text) {
            case '\0':
                return;
            case 'c':
                c = (char)va_arg(values, int);
                put_field(out, &c, 1, width, left, ' ');
                break;
            case 's':
                string = va_arg(values, const char *);
                value = 0;
                while (string[value]) {
                    value++;
                }
                put_field(out, string, (int)value, width, left, ' ');
                break;
            case 'd':
            case 'i':
                value = wide ? va_arg(values, int64_t) : va_arg(values, int);
                put_number(out, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, 'a', value < 0, width, left, fill);
                break;
            case 'p':
                put_number(out, va_arg(values, uint64_t), 16, 'a', 0, 16, 0, '0');
                break;
            case 'u':
            case 'x':
            case 'X':
            case 'o':
                value = wide ? va_arg(values, int64_t) : va_arg(values, uint32_t);
                put_number(out, (uint64_t)value,
                    *text == 'u'       ? 10
                        : *text == 'o' ? 8
                                       : 16,
                    *text == 'X' ? 'A' : 'a', 0, width, left, fill);
                break;
            default:
                put(out, *text);
        }
    }
}

/* At 0x88001418. Kboot takes it for printf and calls it with a null string. */
int rom_vsnprintf(char *text, size_t size, const char *fmt, va_list values) {
    if (size < 1 || text == NULL) {
        return 0;
    }
    output_t out = {text, size, 0};
    format(&out, fmt, values);
    text[(size_t)out.length < size ? (size_t)out.length : size - 1] = '\0';
    return out.length;
}

/* At 0x880016b0. */
int rom_printk(const char *fmt, ...) {
    output_t out = {NULL, 0, 0};
    va_list values;
    va_start(values, fmt);
    format(&out, fmt, values);
    va_end(values);
    return out.length;
}

/* At 0x88008bd0. That it waits for a character is inferred: Kboot's menu would else run through. */
int rom_getc(void) {
    int32_t value;
    do {
        value = (int32_t)UARTHS[UARTHS_RXDATA];
    } while (value < 0);
    return value & 0xFF;
}

static int poll(int number) {
    for (int i = 0; i < POLLS; i++) {
        if (OTP[number]) {
            return 1;
        }
    }
    return 0;
}

/* At 0x8800453c: `size` bytes from byte `offset` of the OTP. That it enables the clock itself is an assumption. */
int rom_otp_read(uint32_t offset, uint8_t *to, uint32_t size) {
    if (offset >= OTP_LIMIT || size > OTP_LIMIT - offset) {
        return OTP_BAD_ADDRESS;
    }
    SYSCTL[SYSCTL_CLK_EN_PERI] |= OTP_CLOCK;
    OTP[OTP_CLE] = 0;
    OTP[OTP_MODE] = 0;
    OTP[OTP_WRONG_ADDRESS] = 0;
    OTP[OTP_CEB] = 0;
    for (uint32_t i = 0; i < size; i++) {
        if (!poll(OTP_ADDRESS_TAKEN)) {
            return OTP_TIME_OUT;
        }
        if (i + 1 == size) {
            OTP[OTP_LAST_DAT] = 1;
        }
        OTP[OTP_ADDRESS] = (offset + i) * 8;
        if (!poll(OTP_READY)) {
            return OTP_TIME_OUT;
        }
        if (OTP[OTP_WRONG_ADDRESS] & 1) {
            return OTP_BAD_ADDRESS;
        }
        to[i] = (uint8_t)OTP[OTP_DATA];
    }
    return OTP_OK;
}

#define ENTRY(section, function) __asm__(".pushsection " section ",\"ax\"\n\tj " function "\n\t.popsection")

ENTRY(".entry_1418", "rom_vsnprintf");
ENTRY(".entry_16b0", "rom_printk");
ENTRY(".entry_453c", "rom_otp_read");
ENTRY(".entry_8bd0", "rom_getc");
