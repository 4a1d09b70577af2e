// AES: ECB, CBC and GCM with keys of 128, 192 and 256 bits.
// Registers: Kendryte standalone SDK, aes.h; use: its aes.c and laanwj's k210-sdk-stuff,
// rust/k210-shared/src/soc/aes.rs.
#ifndef K210_AES_H
#define K210_AES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dmac.h"
#include "platform.h"

typedef struct {
    uint32_t key[4]; // 0x00: the key's last four words, last first
    uint32_t encrypt_sel; // 0x10
    uint32_t mode_ctl; // 0x14
    uint32_t iv[4]; // 0x18: last word first
    uint32_t endian; // 0x28: 1: bytes of a word in the order in which memory has them
    uint32_t finish; // 0x2c
    uint32_t dma_sel; // 0x30: 1: results go to the DMA controller
    uint32_t aad_num; // 0x34: bytes less one
    uint32_t reserved; // 0x38
    uint32_t pc_num; // 0x3c: bytes of text less one
    uint32_t text_data; // 0x40
    uint32_t aad_data; // 0x44
    uint32_t tag_chk; // 0x48
    uint32_t data_in_flag; // 0x4c: 1: takes a word
    uint32_t in_tag[4]; // 0x50
    uint32_t out_data; // 0x60
    uint32_t en; // 0x64
    uint32_t data_out_flag; // 0x68: 1: has a word
    uint32_t tag_in_flag; // 0x6c
    uint32_t tag_clear; // 0x70
    uint32_t out_tag[4]; // 0x74: last word first
    uint32_t key_ext[4]; // 0x84: the key's leading words, of long keys
} aes_t;

#define aes ((volatile aes_t *)AES_BASE_ADDR)

#define AES_MODE_CTL(cipher, key_len) ((uint32_t)(cipher) | ((uint32_t)(key_len) / 8 - 2) << 3)

#define AES_BLOCK_LEN (16)
#define AES_TAG_LEN (16)

typedef enum _aes_cipher_mode { AES_ECB = 0, AES_CBC = 1, AES_GCM = 2, AES_CIPHER_MAX } aes_cipher_mode_t;

// Bytes of a key.
typedef enum _aes_kmode { AES_128 = 16, AES_192 = 24, AES_256 = 32 } aes_kmode_t;

typedef enum _aes_iv_len { IV_LEN_96 = 12, IV_LEN_128 = 16 } aes_iv_len_t;

typedef enum _aes_encrypt_sel { AES_HARD_ENCRYPTION = 0, AES_HARD_DECRYPTION = 1 } aes_encrypt_sel_t;

typedef struct _gcm_context {
    uint8_t *input_key;
    uint8_t *iv; // 12 bytes
    uint8_t *gcm_aad; // additional data, or NULL
    size_t gcm_aad_len;
} gcm_context_t;

typedef struct _cbc_context {
    uint8_t *input_key;
    uint8_t *iv; // 16 bytes
} cbc_context_t;

// What to do with a text: all that aes_crypt() needs besides it.
typedef struct {
    aes_cipher_mode_t mode;
    aes_encrypt_sel_t sel;
    const uint8_t *key;
    aes_kmode_t key_len;
    const uint8_t *iv; // 16 bytes for CBC, 12 for GCM
    const uint8_t *aad; // additional data of GCM
    size_t aad_len;
    uint8_t *tag; // where the tag of GCM goes: 16 bytes, to be compared by the caller when it decrypts
} aes_job_t;

#define AES_NO_DMA (-1)

// Encrypts or decrypts `len` bytes. `output` may be `input`. ECB and CBC fill up the last block with
// zeros, and write whole blocks of 16 bytes; GCM writes `len` bytes. With a `dma_channel` other than
// AES_NO_DMA that channel stores the output, if that is aligned to 4 bytes, in whole words.
// Returns false when another caller does not leave the block, or when it does not answer; `output` and `tag` are
// of no use then.
bool aes_crypt(const aes_job_t *job, const uint8_t *input, size_t len, uint8_t *output, int dma_channel);

// The SDK's functions, for each length of key. The results are as those of aes_crypt(); the ones with a
// DMA channel store their output through it, in whole words. On failure all that they would store is zeros.
#define AES_FUNCTIONS(bits)                                                                                            \
    void aes_ecb##bits##_hard_decrypt(                                                                                 \
        const uint8_t *input_key, const uint8_t *input_data, size_t input_len, uint8_t *output_data);                  \
    void aes_ecb##bits##_hard_encrypt(                                                                                 \
        const uint8_t *input_key, const uint8_t *input_data, size_t input_len, uint8_t *output_data);                  \
    void aes_cbc##bits##_hard_decrypt(                                                                                 \
        cbc_context_t *context, const uint8_t *input_data, size_t input_len, uint8_t *output_data);                    \
    void aes_cbc##bits##_hard_encrypt(                                                                                 \
        cbc_context_t *context, const uint8_t *input_data, size_t input_len, uint8_t *output_data);                    \
    void aes_gcm##bits##_hard_decrypt(                                                                                 \
        gcm_context_t *context, const uint8_t *input_data, size_t input_len, uint8_t *output_data, uint8_t *gcm_tag);  \
    void aes_gcm##bits##_hard_encrypt(                                                                                 \
        gcm_context_t *context, const uint8_t *input_data, size_t input_len, uint8_t *output_data, uint8_t *gcm_tag);  \
    void aes_ecb##bits##_hard_decrypt_dma(dmac_channel_number_t dma_receive_channel_num, const uint8_t *input_key,     \
        const uint8_t *input_data, size_t input_len, uint8_t *output_data);                                            \
    void aes_ecb##bits##_hard_encrypt_dma(dmac_channel_number_t dma_receive_channel_num, const uint8_t *input_key,     \
        const uint8_t *input_data, size_t input_len, uint8_t *output_data);                                            \
    void aes_cbc##bits##_hard_decrypt_dma(dmac_channel_number_t dma_receive_channel_num, cbc_context_t *context,       \
        const uint8_t *input_data, size_t input_len, uint8_t *output_data);                                            \
    void aes_cbc##bits##_hard_encrypt_dma(dmac_channel_number_t dma_receive_channel_num, cbc_context_t *context,       \
        const uint8_t *input_data, size_t input_len, uint8_t *output_data);                                            \
    void aes_gcm##bits##_hard_decrypt_dma(dmac_channel_number_t dma_receive_channel_num, gcm_context_t *context,       \
        const uint8_t *input_data, size_t input_len, uint8_t *output_data, uint8_t *gcm_tag);                          \
    void aes_gcm##bits##_hard_encrypt_dma(dmac_channel_number_t dma_receive_channel_num, gcm_context_t *context,       \
        const uint8_t *input_data, size_t input_len, uint8_t *output_data, uint8_t *gcm_tag)

AES_FUNCTIONS(128);
AES_FUNCTIONS(192);
AES_FUNCTIONS(256);

// The SDK's steps: set the block up for `input_data_len` bytes, feed them in any number of pieces that are
// multiples of 16 bytes but for the last, take the tag. Nothing keeps others from the block meanwhile.
void aes_init(const uint8_t *input_key, size_t input_key_len, const uint8_t *iv, size_t iv_len, const uint8_t *gcm_aad,
    aes_cipher_mode_t cipher_mode, aes_encrypt_sel_t encrypt_sel, size_t gcm_aad_len, size_t input_data_len);
void aes_process(const uint8_t *input_data, uint8_t *output_data, size_t input_data_len, aes_cipher_mode_t cipher_mode);
void gcm_get_tag(uint8_t *gcm_tag);

#endif // K210_AES_H
