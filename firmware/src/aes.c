#include <string.h>

#include "aes.h"
#include "atomic.h"
#include "sysctl.h"

// A block takes a dozen clocks or so; a flag that has not come after so many looks will not.
#define MAX_POLLS (100000)
// What is fed before results are read. The SDK feeds 80 bytes, so that much fits in.
#define PIECE (64)
#define LIMIT_US (10000000)
// Looks at the lock while another caller uses the block: some tenths of a second.
#define MAX_TRIES (10000000)

static spinlock_t engine = SPINLOCK_INIT;

static bool becomes_set(volatile uint32_t *flag) {
    for (unsigned i = 0; i < MAX_POLLS; i++) {
        if (*flag & 1) {
            return true;
        }
    }
    return false;
}

static uint32_t load(const uint8_t *from) {
    uint32_t word;
    memcpy(&word, from, sizeof(word));
    return word;
}

// Writes bytes to one of the block's inputs, the last word filled up with zeros.
static bool feed(volatile uint32_t *to, const uint8_t *data, size_t len) {
    for (; len; data += 4) {
        uint32_t word = 0;
        size_t count = len < 4 ? len : 4;
        memcpy(&word, data, count);
        if (!becomes_set(&aes->data_in_flag)) {
            return false;
        }
        *to = word;
        len -= count;
    }
    return true;
}

static bool take(uint8_t *data, size_t len) {
    for (; len; data += 4) {
        if (!becomes_set(&aes->data_out_flag)) {
            return false;
        }
        uint32_t word = aes->out_data;
        size_t count = len < 4 ? len : 4;
        memcpy(data, &word, count);
        len -= count;
    }
    return true;
}

static size_t padded(aes_cipher_mode_t mode, size_t len) {
    return mode == AES_GCM ? len : (len + AES_BLOCK_LEN - 1) / AES_BLOCK_LEN * AES_BLOCK_LEN;
}

static bool start(const aes_job_t *job, size_t iv_len, size_t len) {
    sysctl_clock_enable(SYSCTL_CLOCK_AES);
    sysctl_reset(SYSCTL_RESET_AES);
    aes->endian = 1;
    for (size_t i = 0; i < (size_t)job->key_len / 4; i++) {
        volatile uint32_t *to = i < 4 ? &aes->key[i] : &aes->key_ext[i - 4];
        *to = load(job->key + job->key_len - 4 * (i + 1));
    }
    for (size_t i = 0; i < iv_len / 4; i++) {
        aes->iv[i] = load(job->iv + iv_len - 4 * (i + 1));
    }
    aes->mode_ctl = AES_MODE_CTL(job->mode, job->key_len);
    aes->encrypt_sel = job->sel;
    aes->dma_sel = 0;
    // None is all ones: silicon takes vectors without additional data so (k210-sdk-stuff, cryptest).
    aes->aad_num = (uint32_t)job->aad_len - 1;
    aes->pc_num = (uint32_t)padded(job->mode, len) - 1;
    aes->en = 1;
    return job->mode != AES_GCM || feed(&aes->aad_data, job->aad, job->aad_len);
}

// Feeds text and, for ECB and CBC, the zeros that fill up its last block.
static bool feed_padded(const uint8_t *input, size_t len, aes_cipher_mode_t mode) {
    size_t words = len & ~(size_t)3, rest = padded(mode, len) - words;
    uint8_t last[AES_BLOCK_LEN] = {0};
    if (len != words) {
        memcpy(last, input + words, len - words);
    }
    return feed(&aes->text_data, input, words) && feed(&aes->text_data, last, rest);
}

static bool process(const uint8_t *input, size_t len, uint8_t *output, aes_cipher_mode_t mode) {
    while (len) {
        size_t piece = len < PIECE ? len : PIECE;
        if (!feed_padded(input, piece, mode) || !take(output, padded(mode, piece))) {
            return false;
        }
        input += piece;
        output += piece;
        len -= piece;
    }
    return true;
}

static bool process_dma(const uint8_t *input, size_t len, uint8_t *output, const aes_job_t *job, int channel) {
    dmac_channel_number_t receive = (dmac_channel_number_t)channel;
    sysctl_dma_select((sysctl_dma_channel_t)channel, SYSCTL_DMA_SELECT_AES_REQ);
    aes->dma_sel = 1;
    dmac_set_single_mode(receive, (void *)&aes->out_data, output, DMAC_ADDR_NOCHANGE, DMAC_ADDR_INCREMENT, DMAC_MSIZE_4,
        DMAC_TRANS_WIDTH_32, (padded(job->mode, len) + 3) / 4);
    if (!feed_padded(input, len, job->mode)) {
        dmac_channel_disable(receive);
        return false;
    }
    return dmac_wait_done_timeout(receive, LIMIT_US);
}

void gcm_get_tag(uint8_t *gcm_tag) {
    for (unsigned i = 0; i < AES_TAG_LEN; i++) {
        gcm_tag[i] = (uint8_t)(aes->out_tag[3 - i / 4] >> (24 - i % 4 * 8));
    }
}

static bool run(const aes_job_t *job, const uint8_t *input, size_t len, uint8_t *output, int channel) {
    size_t iv_len = job->mode == AES_CBC ? IV_LEN_128 : job->mode == AES_GCM ? IV_LEN_96 : 0;
    bool done = start(job, iv_len, len);
    if (channel != AES_NO_DMA && ((uintptr_t)output & 3) == 0) {
        done = done && process_dma(input, len, output, job, channel);
    } else {
        done = done && process(input, len, output, job->mode);
    }
    if (done && job->mode == AES_GCM) {
        gcm_get_tag(job->tag);
    }
    // The key does not stay in the block.
    sysctl_reset(SYSCTL_RESET_AES);
    sysctl_clock_disable(SYSCTL_CLOCK_AES);
    return done;
}

// y times h in the field of GCM: NIST SP 800-38D, 6.3.
static void multiply(uint8_t y[AES_BLOCK_LEN], const uint8_t h[AES_BLOCK_LEN]) {
    uint8_t z[AES_BLOCK_LEN] = {0}, v[AES_BLOCK_LEN];
    memcpy(v, h, sizeof(v));
    for (unsigned bit = 0; bit < 128; bit++) {
        uint8_t odd = v[AES_BLOCK_LEN - 1] & 1;
        for (unsigned i = AES_BLOCK_LEN; i-- > 0;) {
            z[i] ^= y[bit / 8] >> (7 - bit % 8) & 1 ? v[i] : 0;
            v[i] = (uint8_t)(v[i] >> 1 | (i ? v[i - 1] << 7 : 0));
        }
        v[0] ^= odd ? 0xe1 : 0;
    }
    memcpy(y, z, sizeof(z));
}

// The tag of GCM without any text, which silicon gets wrong (k210-sdk-stuff, cryptest): the hash of the
// additional data in software, the two encryptions by the block.
static bool tag_alone(const aes_job_t *job) {
    uint8_t blocks[2][AES_BLOCK_LEN] = {{0}}, y[AES_BLOCK_LEN] = {0};
    memcpy(blocks[1], job->iv, IV_LEN_96);
    blocks[1][AES_BLOCK_LEN - 1] = 1;
    aes_job_t ecb = {.mode = AES_ECB, .sel = AES_HARD_ENCRYPTION, .key = job->key, .key_len = job->key_len};
    if (!run(&ecb, blocks[0], sizeof(blocks), blocks[0], AES_NO_DMA)) {
        return false;
    }
    for (size_t at = 0; at < job->aad_len; at++) {
        y[at % AES_BLOCK_LEN] ^= job->aad[at];
        if (at % AES_BLOCK_LEN == AES_BLOCK_LEN - 1 || at == job->aad_len - 1) {
            multiply(y, blocks[0]);
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        y[7 - i] ^= (uint8_t)((uint64_t)job->aad_len * 8 >> 8 * i);
    }
    multiply(y, blocks[0]);
    for (unsigned i = 0; i < AES_TAG_LEN; i++) {
        job->tag[i] = y[i] ^ blocks[1][i];
    }
    return true;
}

bool aes_crypt(const aes_job_t *job, const uint8_t *input, size_t len, uint8_t *output, int dma_channel) {
    if (len == 0 && job->mode != AES_GCM) {
        return true;
    }
    for (unsigned i = 0; spinlock_trylock(&engine); i++) {
        if (i == MAX_TRIES) {
            return false;
        }
    }
    bool done = len ? run(job, input, len, output, dma_channel) : tag_alone(job);
    spinlock_unlock(&engine);
    return done;
}

static void crypt_or_clear(const aes_job_t *job, const uint8_t *input, size_t len, uint8_t *output, int dma_channel) {
    if (!aes_crypt(job, input, len, output, dma_channel)) {
        memset(output, 0, padded(job->mode, len));
        if (job->tag) {
            memset(job->tag, 0, AES_TAG_LEN);
        }
    }
}

static void ecb(aes_kmode_t key_len, aes_encrypt_sel_t sel, const uint8_t *key, const uint8_t *input, size_t len,
    uint8_t *output, int dma_channel) {
    aes_job_t job = {.mode = AES_ECB, .sel = sel, .key = key, .key_len = key_len};
    crypt_or_clear(&job, input, len, output, dma_channel);
}

static void cbc(aes_kmode_t key_len, aes_encrypt_sel_t sel, const cbc_context_t *context, const uint8_t *input,
    size_t len, uint8_t *output, int dma_channel) {
    aes_job_t job = {.mode = AES_CBC, .sel = sel, .key = context->input_key, .key_len = key_len, .iv = context->iv};
    crypt_or_clear(&job, input, len, output, dma_channel);
}

static void gcm(aes_kmode_t key_len, aes_encrypt_sel_t sel, const gcm_context_t *context, const uint8_t *input,
    size_t len, uint8_t *output, uint8_t *tag, int dma_channel) {
    aes_job_t job = {.mode = AES_GCM,
        .sel = sel,
        .key = context->input_key,
        .key_len = key_len,
        .iv = context->iv,
        .aad = context->gcm_aad,
        .aad_len = context->gcm_aad_len,
        .tag = tag};
    crypt_or_clear(&job, input, len, output, dma_channel);
}

#define DEFINE(bits, verb, sel)                                                                                        \
    void aes_ecb##bits##_hard_##verb(const uint8_t *key, const uint8_t *in, size_t len, uint8_t *out) {                \
        ecb(AES_##bits, sel, key, in, len, out, AES_NO_DMA);                                                           \
    }                                                                                                                  \
    void aes_cbc##bits##_hard_##verb(cbc_context_t *context, const uint8_t *in, size_t len, uint8_t *out) {            \
        cbc(AES_##bits, sel, context, in, len, out, AES_NO_DMA);                                                       \
    }                                                                                                                  \
    void aes_gcm##bits##_hard_##verb(                                                                                  \
        gcm_context_t *context, const uint8_t *in, size_t len, uint8_t *out, uint8_t *tag) {                           \
        gcm(AES_##bits, sel, context, in, len, out, tag, AES_NO_DMA);                                                  \
    }                                                                                                                  \
    void aes_ecb##bits##_hard_##verb##_dma(                                                                            \
        dmac_channel_number_t channel, const uint8_t *key, const uint8_t *in, size_t len, uint8_t *out) {              \
        ecb(AES_##bits, sel, key, in, len, out, (int)channel);                                                         \
    }                                                                                                                  \
    void aes_cbc##bits##_hard_##verb##_dma(                                                                            \
        dmac_channel_number_t channel, cbc_context_t *context, const uint8_t *in, size_t len, uint8_t *out) {          \
        cbc(AES_##bits, sel, context, in, len, out, (int)channel);                                                     \
    }                                                                                                                  \
    void aes_gcm##bits##_hard_##verb##_dma(dmac_channel_number_t channel, gcm_context_t *context, const uint8_t *in,   \
        size_t len, uint8_t *out, uint8_t *tag) {                                                                      \
        gcm(AES_##bits, sel, context, in, len, out, tag, (int)channel);                                                \
    }

DEFINE(128, encrypt, AES_HARD_ENCRYPTION)
DEFINE(128, decrypt, AES_HARD_DECRYPTION)
DEFINE(192, encrypt, AES_HARD_ENCRYPTION)
DEFINE(192, decrypt, AES_HARD_DECRYPTION)
DEFINE(256, encrypt, AES_HARD_ENCRYPTION)
DEFINE(256, decrypt, AES_HARD_DECRYPTION)

void aes_init(const uint8_t *input_key, size_t input_key_len, const uint8_t *iv, size_t iv_len, const uint8_t *gcm_aad,
    aes_cipher_mode_t cipher_mode, aes_encrypt_sel_t encrypt_sel, size_t gcm_aad_len, size_t input_data_len) {
    aes_job_t job = {.mode = cipher_mode,
        .sel = encrypt_sel,
        .key = input_key,
        .key_len = (aes_kmode_t)input_key_len,
        .iv = iv,
        .aad = gcm_aad,
        .aad_len = gcm_aad_len};
    (void)start(&job, iv_len, input_data_len);
}

void aes_process(
    const uint8_t *input_data, uint8_t *output_data, size_t input_data_len, aes_cipher_mode_t cipher_mode) {
    (void)process(input_data, input_data_len, output_data, cipher_mode);
}
