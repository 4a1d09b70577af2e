// The drivers of SHA-256, AES and FFT.
// Vectors: FIPS 180-4 examples and NIST's long message of a million letters; FIPS 197 appendix C; NIST
// SP 800-38A F.1 and F.2; McGrew and Viega, The Galois/Counter Mode of Operation, appendix B.

#include <math.h>
#include <string.h>

#include "aes.h"
#include "check.h"
#include "dmac.h"
#include "fft.h"
#include "plic.h"
#include "sha256.h"
#include "trap.h"

static size_t from_hex(uint8_t *to, const char *hex) {
    size_t length = strlen(hex) / 2;
    for (; *hex; hex += 2) {
        unsigned high = hex[0] > '9' ? hex[0] - 'a' + 10 : hex[0] - '0';
        unsigned low = hex[1] > '9' ? hex[1] - 'a' + 10 : hex[1] - '0';
        *to++ = (uint8_t)(high << 4 | low);
    }
    return length;
}

static bool same(const uint8_t *got, const char *want_hex) {
    uint8_t want[128];
    return memcmp(got, want, from_hex(want, want_hex)) == 0;
}

// ---- SHA-256

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define TWO_BLOCKS "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
#define TWO_BLOCKS_HASH "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
#define MILLION "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static uint8_t letters[1 + 100000]; // one to spare, for addresses that are not aligned

static void sha_message(const char *name, const char *text, const char *want) {
    uint8_t digest[SHA256_HASH_LEN];
    sha256_hard_calculate((const uint8_t *)text, strlen(text), digest);
    check(name, same(digest, want), true);
    sha256_context_t context;
    sha256_init(&context, strlen(text));
    for (const char *p = text; *p; p++) {
        sha256_update(&context, p, 1);
    }
    sha256_final(&context, digest);
    check("  letter by letter", same(digest, want), true);
}

// A million letters in pieces of the sizes given, one after the other and over again.
static bool sha_million(const uint8_t *from, size_t first, size_t second) {
    sha256_context_t context;
    uint8_t digest[SHA256_HASH_LEN];
    sha256_init(&context, 1000000);
    size_t left = 1000000;
    for (bool odd = false; left; odd = !odd) {
        size_t piece = odd ? second : first;
        piece = piece < left ? piece : left;
        sha256_update(&context, from, piece);
        left -= piece;
    }
    sha256_final(&context, digest);
    return same(digest, MILLION);
}

// Two messages at the same time on the one block, both of which begin there.
static void sha_interleaved(void) {
    sha256_context_t million, other;
    uint8_t digest[SHA256_HASH_LEN], again[SHA256_HASH_LEN];
    sha256_init(&million, 0);
    sha256_init(&other, 0);
    for (unsigned i = 0; i < 10; i++) {
        sha256_update(&million, letters, 100000);
        sha256_update(&other, letters, 4096 + i);
    }
    sha256_final(&million, digest);
    check("SHA-256 of two messages at once", same(digest, MILLION), true);
    sha256_final(&other, digest);
    sha256_hard_calculate(letters, 10 * 4096 + 45, again);
    check("  and the other one", memcmp(digest, again, sizeof(digest)), 0);
}

static void sha(void) {
    memset(letters, 'a', sizeof(letters));
    sha_message("SHA-256 of nothing", "", NOTHING);
    sha_message("SHA-256 of abc", "abc", ABC);
    sha_message("SHA-256 of two blocks", TWO_BLOCKS, TWO_BLOCKS_HASH);
    check("SHA-256 of a million letters", sha_million(letters, 100000, 100000), true);
    check("  not aligned", sha_million(letters + 1, 99999, 1), true);
    check("  in pieces", sha_million(letters, 63, 65), true);
    check("  in pieces across blocks", sha_million(letters, 1, 1023), true);
    sha_interleaved();
}

// ---- AES

typedef struct {
    const char *name;
    aes_cipher_mode_t mode;
    const char *key, *iv, *aad, *text, *cipher, *tag;
} vector_t;

#define FIPS_TEXT "00112233445566778899aabbccddeeff"
#define SP_TEXT                                                                                                        \
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17" \
    "ad2b417be66c3710"
#define SP_IV "000102030405060708090a0b0c0d0e0f"
#define GCM_KEY "feffe9928665731c6d6a8f9467308308"
#define GCM_IV "cafebabefacedbaddecaf888"
#define GCM_AAD "feedfacedeadbeeffeedfacedeadbeefabaddad2"
#define GCM_TEXT                                                                                                       \
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657" \
    "ba637b39"

static const vector_t vectors[] = {
    {"AES-128 ECB", AES_ECB, "000102030405060708090a0b0c0d0e0f", "", "", FIPS_TEXT, "69c4e0d86a7b0430d8cdb78070b4c55a",
        ""},
    {"AES-192 ECB", AES_ECB, "000102030405060708090a0b0c0d0e0f1011121314151617", "", "", FIPS_TEXT,
        "dda97ca4864cdfe06eaf70a0ec0d7191", ""},
    {"AES-256 ECB", AES_ECB, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "", "", FIPS_TEXT,
        "8ea2b7ca516745bfeafc49904b496089", ""},
    {"AES-128 ECB of four blocks", AES_ECB, "2b7e151628aed2a6abf7158809cf4f3c", "", "", SP_TEXT,
        "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad"
        "3f"
        "8223207104725dd4",
        ""},
    {"AES-128 CBC", AES_CBC, "2b7e151628aed2a6abf7158809cf4f3c", SP_IV, "", SP_TEXT,
        "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac"
        "09"
        "120eca307586e1a7",
        ""},
    {"AES-192 CBC", AES_CBC, "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", SP_IV, "", SP_TEXT,
        "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a571b242012fb7ae07fa9baac3df102e008b0e279885988"
        "81"
        "d920a9e64f5615cd",
        ""},
    {"AES-256 CBC", AES_CBC, "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", SP_IV, "", SP_TEXT,
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9"
        "fc"
        "da6c19078c6a9d1b",
        ""},
    {"AES-128 GCM of nothing", AES_GCM, "00000000000000000000000000000000", "000000000000000000000000", "", "", "",
        "58e2fccefa7e3061367f1d57a4e7455a"},
    {"AES-128 GCM of a block", AES_GCM, "00000000000000000000000000000000", "000000000000000000000000", "",
        "00000000000000000000000000000000", "0388dace60b6a392f328c2b971b2fe78", "ab6e47d42cec13bdf53a67b21257bddf"},
    {"AES-128 GCM", AES_GCM, GCM_KEY, GCM_IV, GCM_AAD, GCM_TEXT,
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac"
        "97"
        "3d58e091",
        "5bc94fbc3221a5db94fae95ae7121a47"},
    {"AES-192 GCM", AES_GCM, GCM_KEY "feffe9928665731c", GCM_IV, GCM_AAD, GCM_TEXT,
        "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f4718e2448b2fe324"
        "d9"
        "ccda2710",
        "2519498e80f1478f37ba55bd6d27618c"},
    {"AES-256 GCM", AES_GCM, GCM_KEY GCM_KEY, GCM_IV, GCM_AAD, GCM_TEXT,
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a"
        "0a"
        "bcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b"},
};

// Through aes_crypt(), at an address that is aligned or not, in place, with and without DMA.
static bool aes_runs(const vector_t *v, bool decrypt, unsigned shift, int channel) {
    static uint8_t key[32], iv[16], aad[32], data[128], want[128];
    uint8_t tag[AES_TAG_LEN];
    size_t key_len = from_hex(key, v->key), length = from_hex(data + shift, decrypt ? v->cipher : v->text);
    from_hex(iv, v->iv);
    from_hex(want, decrypt ? v->text : v->cipher);
    aes_job_t job = {.mode = v->mode,
        .sel = decrypt ? AES_HARD_DECRYPTION : AES_HARD_ENCRYPTION,
        .key = key,
        .key_len = (aes_kmode_t)key_len,
        .iv = iv,
        .aad = aad,
        .aad_len = from_hex(aad, v->aad),
        .tag = tag};
    return aes_crypt(&job, data + shift, length, data + shift, channel) && memcmp(data + shift, want, length) == 0
        && (v->mode != AES_GCM || same(tag, v->tag));
}

static void aes_vectors(void) {
    for (unsigned i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const vector_t *v = &vectors[i];
        check(v->name, aes_runs(v, false, 0, AES_NO_DMA), true);
        check("  back", aes_runs(v, true, 0, AES_NO_DMA), true);
        check("  not aligned", aes_runs(v, false, 1, AES_NO_DMA), true);
        check("  by DMA", aes_runs(v, false, 0, DMAC_CHANNEL2), true);
        check("  back by DMA", aes_runs(v, true, 0, DMAC_CHANNEL2), true);
    }
}

// The SDK's own names, and lengths that do not fill blocks or pieces.
static void aes_sdk(void) {
    static uint8_t key[32], iv[16], aad[32], text[5000], cipher[5008], by_dma[5008] __attribute__((aligned(8)));
    static uint8_t back[5008];
    uint8_t tag[AES_TAG_LEN], tag_by_dma[AES_TAG_LEN], tag_back[AES_TAG_LEN];
    from_hex(key, GCM_KEY GCM_KEY);
    from_hex(iv, SP_IV);
    for (unsigned i = 0; i < sizeof(text); i++) {
        text[i] = (uint8_t)(i * 7 + i / 256);
    }
    gcm_context_t gcm = {key, iv, aad, from_hex(aad, GCM_AAD)};
    cbc_context_t cbc = {key, iv};
    aes_gcm192_hard_encrypt(&gcm, text, 4997, cipher, tag);
    aes_gcm192_hard_encrypt_dma(DMAC_CHANNEL1, &gcm, text, 4997, by_dma, tag_by_dma);
    aes_gcm192_hard_decrypt(&gcm, cipher, 4997, back, tag_back);
    check("GCM of 4997 bytes", memcmp(back, text, 4997), 0);
    check("  changes them", memcmp(cipher, text, 4997) != 0, true);
    check("  by DMA", memcmp(by_dma, cipher, 4997), 0);
    check("  same tags", memcmp(tag, tag_by_dma, sizeof(tag)) || memcmp(tag, tag_back, sizeof(tag)), 0);
    aes_cbc256_hard_encrypt(&cbc, text, 5000, cipher);
    aes_cbc256_hard_encrypt_dma(DMAC_CHANNEL1, &cbc, text, 5000, by_dma);
    aes_cbc256_hard_decrypt_dma(DMAC_CHANNEL1, &cbc, cipher, 5008, back);
    check("CBC of 5000 bytes", memcmp(back, text, 5000), 0);
    check("  by DMA", memcmp(by_dma, cipher, 5008), 0);
    uint8_t rest[8] = {0};
    check("  filled up with zeros", memcmp(back + 5000, rest, 8), 0);
    aes_ecb128_hard_encrypt(key, text, 5000, cipher);
    aes_ecb128_hard_decrypt(key, cipher, 5008, back);
    check("ECB of 5000 bytes", memcmp(back, text, 5000), 0);
    // In steps, as code written to the SDK may do.
    aes_init(key, AES_256, iv, IV_LEN_128, NULL, AES_CBC, AES_HARD_ENCRYPTION, 0, 5000);
    aes_process(text, back, 160, AES_CBC);
    aes_process(text + 160, back + 160, 4840, AES_CBC);
    aes_cbc256_hard_encrypt(&cbc, text, 5000, cipher);
    check("CBC in steps", memcmp(back, cipher, 5008), 0);
}

// ---- FFT

static uint64_t fft_in[256], fft_out[256];

static void tone(fft_data_t *data, size_t points, unsigned bin) {
    for (size_t i = 0; i < points; i++) {
        float angle = 2.0f * (float)M_PI * (float)(bin * i % points) / (float)points;
        int16_t *at = i % 2 ? &data[i / 2].I2 : &data[i / 2].I1;
        at[0] = (int16_t)(8000.0f * sinf(angle));
        at[1] = (int16_t)(8000.0f * cosf(angle));
    }
}

static int real(const fft_data_t *data, size_t i) {
    return i % 2 ? data[i / 2].R2 : data[i / 2].R1;
}

static int imag(const fft_data_t *data, size_t i) {
    return i % 2 ? data[i / 2].I2 : data[i / 2].I1;
}

// The largest part of all points but one.
static int largest_but(const fft_data_t *data, size_t points, size_t but) {
    int largest = 0;
    for (size_t i = 0; i < points; i++) {
        int re = real(data, i), im = imag(data, i);
        re = re < 0 ? -re : re;
        im = im < 0 ? -im : im;
        largest = i == but ? largest : re > largest ? re : im > largest ? im : largest;
    }
    return largest;
}

// A complex tone has all its power in one bin, and comes back from there.
static void fft_size(size_t points) {
    const unsigned bin = 5;
    const fft_data_t *out = (const fft_data_t *)(const void *)fft_out;
    tone((fft_data_t *)(void *)fft_in, points, bin);
    memset(fft_out, 0, sizeof(fft_out));
    fft_complex_uint16_dma(DMAC_CHANNEL0, DMAC_CHANNEL1, 0x1ff, FFT_DIR_FORWARD, fft_in, points, fft_out);
    check_range("FFT's peak", (uint64_t)real(out, bin), 7950, 8020);
    check_range("  and nothing else", (uint64_t)largest_but(out, points, bin), 0, 20);
    check("backward", fft_complex(DMAC_CHANNEL0, DMAC_CHANNEL1, 0, FFT_DIR_BACKWARD, fft_out, points, fft_out), true);
    int worst = 0;
    for (size_t i = 0; i < points; i++) {
        int off = real(out, i) - real((const fft_data_t *)(const void *)fft_in, i);
        worst = off > worst ? off : -off > worst ? -off : worst;
    }
    check_range("  gives the tone", (uint64_t)worst, 0, 200);
}

static void ffts(void) {
    for (size_t points = 512; points >= 64; points /= 2) {
        fft_size(points);
    }
    check("no FFT of 100 points", fft_complex(DMAC_CHANNEL0, DMAC_CHANNEL1, 0, FFT_DIR_FORWARD, fft_in, 100, fft_out),
        false);
}

int main(void) {
    checks_begin();
    on_interrupt = trap_serve_interrupt;
    plic_init();
    dmac_init();
    set_csr(mie, MIP_MEIP | MIP_MTIP);
    set_csr(mstatus, MSTATUS_MIE);
    sha();
    aes_vectors();
    aes_sdk();
    ffts();
    checks_done();
}
