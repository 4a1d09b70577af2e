// SHA-256, AES, FFT and the one-time programmable memory.
// Vectors: FIPS 180-4 examples; FIPS 197 appendix C; NIST SP 800-38A F.2; McGrew and Viega, GCM test
// case 4. Use of the blocks: Kendryte standalone SDK, sha256.c, aes.c, fft.c.

#include <string.h>

#include "check.h"
#include "chip.h"

static uint32_t digest[8];

static void sha256(const char *text, bool dma) {
    static uint8_t padded[192] __attribute__((aligned(8)));
    unsigned length = (unsigned)strlen(text), blocks = (length + 9 + 63) / 64;
    memset(padded, 0, sizeof(padded));
    memcpy(padded, text, length);
    padded[length] = 0x80;
    padded[blocks * 64 - 1] = (uint8_t)(length * 8);
    padded[blocks * 64 - 2] = (uint8_t)(length * 8 >> 8);
    R32(SHA256, 0x28) = blocks;
    R32(SHA256, 0x34) = dma;
    R32(SHA256, 0x2c) = 1 | 1 << 16;
    if (dma) {
        dma_start(0, DMA_TO_DEVICE, DMA_SHA_RX, (uintptr_t)padded, SHA256 + 0x20, 2, blocks * 16);
        check("SHA-256 takes its DMA", dma_wait(0), 1);
    } else {
        for (unsigned i = 0; i < blocks * 16; i++) {
            while (R32(SHA256, 0x34) & 1 << 8) {
            }
            R32(SHA256, 0x20) = ((uint32_t *)padded)[i];
        }
    }
    while (!(R32(SHA256, 0x2c) & 1)) {
    }
    for (unsigned i = 0; i < 8; i++) {
        digest[i] = R32(SHA256, 4 * (7 - i));
    }
}

static void from_hex(uint8_t *to, const char *hex) {
    for (; *hex; hex += 2) {
        unsigned high = hex[0] > '9' ? hex[0] - 'a' + 10 : hex[0] - '0';
        unsigned low = hex[1] > '9' ? hex[1] - 'a' + 10 : hex[1] - '0';
        *to++ = (uint8_t)(high << 4 | low);
    }
}

static void sha_check(const char *name, const char *want) {
    uint8_t bytes[32];
    from_hex(bytes, want);
    check(name, memcmp(bytes, digest, 32), 0);
}

static void aes(const char *name, unsigned mode, bool decrypt, const char *key_hex, const char *iv_hex,
    const char *aad_hex, const char *text_hex, const char *want_hex, const char *tag_hex) {
    uint8_t key[32] __attribute__((aligned(4))), iv[16] __attribute__((aligned(4))) = {0};
    uint8_t aad[32] __attribute__((aligned(4))) = {0}, text[64] __attribute__((aligned(4))) = {0};
    uint8_t want[64], got[64] __attribute__((aligned(4))) = {0};
    unsigned key_words = (unsigned)strlen(key_hex) / 8, iv_words = (unsigned)strlen(iv_hex) / 8;
    unsigned aad_length = (unsigned)strlen(aad_hex) / 2, length = (unsigned)strlen(text_hex) / 2;
    from_hex(key, key_hex);
    from_hex(iv, iv_hex);
    from_hex(aad, aad_hex);
    from_hex(text, text_hex);
    from_hex(want, want_hex);
    R32(AES, 0x64) = 0;
    R32(AES, 0x28) = 1;
    for (unsigned i = 0; i < key_words; i++) {
        uint32_t word = ((uint32_t *)key)[key_words - 1 - i];
        R32(AES, i < 4 ? 4 * i : 0x84 + 4 * (i - 4)) = word;
    }
    for (unsigned i = 0; i < iv_words; i++) {
        R32(AES, 0x18 + 4 * i) = ((uint32_t *)iv)[iv_words - 1 - i];
    }
    R32(AES, 0x14) = mode | (key_words - 4) / 2 << 3;
    R32(AES, 0x10) = decrypt;
    R32(AES, 0x30) = 0;
    R32(AES, 0x34) = aad_length - 1;
    R32(AES, 0x3c) = length - 1;
    R32(AES, 0x64) = 1;
    for (unsigned i = 0; i < (aad_length + 3) / 4; i++) {
        while (!(R32(AES, 0x4c) & 1)) {
        }
        R32(AES, 0x44) = ((uint32_t *)aad)[i];
    }
    unsigned padded = mode == 2 ? (length + 3) / 4 : (length + 15) / 16 * 4, out = 0;
    for (unsigned i = 0; i < padded; i++) {
        while (!(R32(AES, 0x4c) & 1)) {
        }
        R32(AES, 0x40) = ((uint32_t *)text)[i];
        if (i % 4 == 3 || i == padded - 1) {
            for (; out <= i; out++) {
                while (!(R32(AES, 0x68) & 1)) {
                }
                ((uint32_t *)got)[out] = R32(AES, 0x60);
            }
        }
    }
    check(name, memcmp(got, want, length), 0);
    if (mode == 2) {
        uint8_t tag[16];
        uint32_t words[4];
        from_hex(tag, tag_hex);
        for (unsigned i = 0; i < 4; i++) {
            words[3 - i] = R32(AES, 0x74 + 4 * i);
        }
        uint8_t *bytes = (uint8_t *)words;
        bool same = memcmp(bytes, tag, 16) == 0, swapped = true;
        for (unsigned i = 0; i < 4; i++) {
            swapped = swapped && __builtin_bswap32(words[i]) == ((uint32_t *)(void *)tag)[i];
        }
        check("  and its tag", same || swapped, 1);
    }
}

static void fft(void) {
    static int16_t in[512][2] __attribute__((aligned(64))), out[512][2] __attribute__((aligned(64)));
    // A square wave of 16 periods: peaks at bin 16 and its odd multiples.
    for (unsigned i = 0; i < 512; i++) {
        in[i][0] = 0;
        in[i][1] = i / 16 % 2 ? -1000 : 1000;
    }
    R64(FFT, 0x10) = 7;
    R64(FFT, 0x08) = 0 | 1 << 3 | 0x1ff << 4 | 1 << 14 | 0 << 15 | 0 << 17;
    R64(FFT, 0x08) |= 1 << 13;
    dma_start(1, DMA_FROM_DEVICE, DMA_FFT_RX, FFT + 0x38, (uintptr_t)out, 3, 256);
    dma_start(0, DMA_TO_DEVICE, DMA_FFT_TX, (uintptr_t)in, FFT, 3, 256);
    check("FFT ends", dma_wait(0) && dma_wait(1), 1);
    unsigned peak = 0, high = 0;
    for (unsigned i = 0; i < 256; i++) {
        unsigned power = (unsigned)(out[i][0] * out[i][0] + out[i][1] * out[i][1]);
        if (power > high) {
            high = power;
            peak = i;
        }
    }
    check("FFT's peak", peak, 16);
    // 2000 / pi / 2 halves: amplitude of the fundamental is 4/pi, in each of two bins half of that.
    check_range("FFT's amplitude squared", high, 620 * 620, 650 * 650);
    check_range("no even harmonic", (unsigned)(out[32][0] * out[32][0] + out[32][1] * out[32][1]), 0, 50);
}

// Addresses are in bits; programming takes a bit at a time (the vendor's early otp.c).
static void otp_program(uint32_t bit) {
    R32(OTP, 0x08) = 1;
    R32(OTP, 0x00) = 0;
    R32(OTP, 0x30) = bit;
    R32(OTP, 0x2c) = 1;
    R32(OTP, 0x20) = 1;
    R32(OTP, 0x10) = 1;
}

static uint32_t otp_read(uint32_t byte) {
    R32(OTP, 0x08) = 0;
    R32(OTP, 0x00) = 0;
    R32(OTP, 0x20) = 1;
    R32(OTP, 0x30) = byte * 8;
    return R32(OTP, 0x24);
}

static void otp(void) {
    check("OTP is ready", R32(OTP, 0x1c) & 1, 1);
    check("a blank byte", otp_read(0x100), 0);
    otp_program(0x100 * 8 + 3);
    check("programming is acknowledged", R32(OTP, 0x38), 2);
    otp_program(0x100 * 8 + 7);
    check("bits add up", otp_read(0x100), 0x88);
    check("the next byte is blank", otp_read(0x101), 0);
}

int main(void) {
    checks_begin();
    sha256("abc", false);
    sha_check("SHA-256 of abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", false);
    sha_check("SHA-256 of two blocks", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", true);
    sha_check("SHA-256 by DMA", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");

    aes("AES-128 ECB", 0, false, "000102030405060708090a0b0c0d0e0f", "", "", "00112233445566778899aabbccddeeff",
        "69c4e0d86a7b0430d8cdb78070b4c55a", "");
    aes("AES-128 ECB back", 0, true, "000102030405060708090a0b0c0d0e0f", "", "", "69c4e0d86a7b0430d8cdb78070b4c55a",
        "00112233445566778899aabbccddeeff", "");
    aes("AES-192 ECB", 0, false, "000102030405060708090a0b0c0d0e0f1011121314151617", "", "",
        "00112233445566778899aabbccddeeff", "dda97ca4864cdfe06eaf70a0ec0d7191", "");
    aes("AES-256 ECB", 0, false, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "", "",
        "00112233445566778899aabbccddeeff", "8ea2b7ca516745bfeafc49904b496089", "");
    aes("AES-128 CBC", 1, false, "2b7e151628aed2a6abf7158809cf4f3c", "000102030405060708090a0b0c0d0e0f", "",
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
        "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2", "");
    aes("AES-128 GCM", 2, false, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de6"
        "57"
        "ba637b39",
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac"
        "97"
        "3d58e091",
        "5bc94fbc3221a5db94fae95ae7121a47");
    fft();
    otp();
    checks_done();
}
