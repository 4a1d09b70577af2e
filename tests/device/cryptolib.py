# cryptolib: NIST SP 800-38A vectors (F.1 ECB, F.2 CBC, F.5 CTR), any pieces, in place, errors.
from binascii import unhexlify

import cryptolib
from cryptolib import aes

ECB, CBC, CTR = cryptolib.MODE_ECB, cryptolib.MODE_CBC, cryptolib.MODE_CTR
TEXT = unhexlify(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
KEYS = {
    16: unhexlify("2b7e151628aed2a6abf7158809cf4f3c"),
    24: unhexlify("8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"),
    32: unhexlify("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"),
}
IVS = {ECB: None, CBC: bytes(range(16)), CTR: bytes(range(0xF0, 0x100))}
VECTORS = {
    (ECB, 16): "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
    "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
    (ECB, 24): "bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef"
    "ef7afd2270e2e60adce0ba2face6444e9a4b41ba738d6c72fb16691603c18e0e",
    (ECB, 32): "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870"
    "b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7",
    (CBC, 16): "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
    "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
    (CBC, 24): "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
    "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
    (CBC, 32): "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
    "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
    (CTR, 16): "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
    "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
    (CTR, 24): "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94"
    "1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050",
    (CTR, 32): "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
    "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
}


def check(name, got, want):
    if bytes(got) != bytes(want):
        raise AssertionError("%s: got %r, want %r" % (name, got, want))


def fails(name, *args):
    try:
        name(*args)
    except ValueError:
        return
    raise AssertionError("no ValueError from %r%r" % (name, args))


def new(mode, size):
    return aes(KEYS[size], mode, IVS[mode]) if IVS[mode] else aes(KEYS[size], mode)


for (mode, size), want in VECTORS.items():
    want, name = unhexlify(want), "mode %d, key of %d bytes" % (mode, size)
    check(name, new(mode, size).encrypt(TEXT), want)
    check(name + " back", new(mode, size).decrypt(want), TEXT)
    # In pieces, in place and into another buffer.
    cipher, got = new(mode, size), b""
    for cut in (0, 16, 48):
        got += cipher.encrypt(TEXT[cut : {0: 16, 16: 48, 48: 64}[cut]])
    check(name + " in pieces", got, want)
    buffer = bytearray(TEXT)
    cipher = new(mode, size)
    if cipher.encrypt(buffer, buffer) is not buffer:
        raise AssertionError("another buffer comes back")
    check(name + " in place", buffer, want)
    cipher = new(mode, size)
    cipher.decrypt(memoryview(buffer)[:32], memoryview(buffer)[:32])
    cipher.decrypt(memoryview(buffer)[32:], memoryview(buffer)[32:])
    check(name + " back in place", buffer, TEXT)
    odd = bytearray(1 + 64 + 10)
    new(mode, size).encrypt(TEXT, memoryview(odd)[1:])
    check(name + " into a larger buffer", odd, b"\0" + want + bytes(10))
print("OK vectors")

# Long texts, and counter mode in pieces that no block fits.
text = bytes((i * 5 + (i >> 8)) & 255 for i in range(20000))
for mode in (ECB, CBC, CTR):
    check("20,000 bytes", new(mode, 32).decrypt(new(mode, 32).encrypt(text)), text)
whole = new(CTR, 16).encrypt(text)
for step in (1, 7, 15, 16, 17, 1000, 1023, 1024, 1025, 4096):
    cipher, parts = new(CTR, 16), []
    end = min(len(text), step * 80)
    for at in range(0, end, step):
        parts.append(cipher.encrypt(text[at : min(at + step, end)]))
    check("CTR in pieces of %d" % step, b"".join(parts), whole[:end])
print("OK long")

# The counter is 128 bits, big-endian, and goes around.
key, start = KEYS[16], b"\xff" * 15 + b"\xfe"
blocks = start + b"\xff" * 16 + bytes(16) + bytes(15) + b"\1"
check("the counter goes around", aes(key, CTR, start).encrypt(bytes(64)), aes(key, ECB).encrypt(blocks))
# Objects do not disturb each other.
a, b = new(CBC, 16), new(CBC, 32)
got_a, got_b = b"", b""
for at in range(0, 64, 16):
    got_a += a.encrypt(TEXT[at : at + 16])
    got_b += b.encrypt(TEXT[at : at + 16])
check("interleaved", got_a + got_b, unhexlify(VECTORS[CBC, 16] + VECTORS[CBC, 32]))
check("nothing", new(CBC, 16).encrypt(b"") + new(ECB, 16).encrypt(b"") + new(CTR, 16).encrypt(b""), b"")
print("OK counter")

fails(aes, b"short", ECB)
fails(aes, KEYS[16], 3)
fails(aes, KEYS[16], CBC)
fails(aes, KEYS[16], CTR, b"short")
fails(aes(KEYS[16], ECB).encrypt, b"x" * 15)
fails(aes(KEYS[16], ECB).encrypt, TEXT, bytearray(63))
used = aes(KEYS[16], ECB)
used.encrypt(TEXT)
fails(used.decrypt, TEXT)
print("OK errors")
print("done")
