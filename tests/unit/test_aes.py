"""AES engine, driven as the SDK's aes.c drives it, with published vectors."""

import random
from dataclasses import dataclass, field

import numpy as np
import pytest

from k210kit.board.core.clock import Clock
from k210kit.board.core.dma import DmaRequest
from k210kit.board.devices.aes import CBC, ECB, GCM, Aes

KEY, ENCRYPT_SEL, MODE, IV, ENDIAN, FINISH, DMA_SEL = 0, 0x10, 0x14, 0x18, 0x28, 0x2C, 0x30
AAD_NUM, PC_NUM, TEXT, AAD, TAG_CHK, IN_FLAG, IN_TAG = 0x34, 0x3C, 0x40, 0x44, 0x48, 0x4C, 0x50
OUT, EN, OUT_FLAG, TAG_IN_FLAG, TAG_CLEAR, OUT_TAG, KEY_EXT = 0x60, 0x64, 0x68, 0x6C, 0x70, 0x74, 0x84

KEYS = {
    16: "2b7e151628aed2a6abf7158809cf4f3c",
    24: "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
    32: "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
}
PLAIN = (
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
# NIST SP 800-38A, F.1 and F.2
ECB_CIPHER = {
    16: "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
    "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
    24: "bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef"
    "ef7afd2270e2e60adce0ba2face6444e9a4b41ba738d6c72fb16691603c18e0e",
    32: "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870"
    "b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7",
}
CBC_CIPHER = {
    16: "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
    "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
    24: "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
    "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
    32: "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
    "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
}
CBC_IV = bytes(range(16))
# McGrew and Viega's GCM specification, test cases 4, 10 and 16
GCM_IV = bytes.fromhex("cafebabefacedbaddecaf888")
GCM_AAD = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
GCM_PLAIN = bytes.fromhex(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
)
GCM_KEY = "feffe9928665731c6d6a8f9467308308"
GCM_RESULTS = {
    16: (
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        "5bc94fbc3221a5db94fae95ae7121a47",
    ),
    24: (
        "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c"
        "7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710",
        "2519498e80f1478f37ba55bd6d27618c",
    ),
    32: (
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ),
}


def words(data: bytes) -> list[int]:
    data += bytes(-len(data) % 4)
    return [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]


@dataclass
class Driver:
    """The steps of the SDK's aes.c."""

    aes: Aes
    dma: DmaRequest
    received: list[int] = field(default_factory=list)

    def init(self, key: bytes, iv: bytes, aad: bytes, mode: int, decrypt: bool, size: int) -> None:
        aes = self.aes
        aes.reset()
        aes.write(ENDIAN, 4, aes.read(ENDIAN, 4) | 1)
        for i, word in enumerate(reversed(words(key))):
            aes.write(KEY + 4 * i if i < 4 else KEY_EXT + 4 * (i - 4), 4, word)
        for i, word in enumerate(reversed(words(iv))):
            aes.write(IV + 4 * i, 4, word)
        aes.write(MODE, 4, (len(key) // 8 - 2) << 3 | mode)
        aes.write(ENCRYPT_SEL, 4, int(decrypt))
        aes.write(AAD_NUM, 4, (len(aad) - 1) & 0xFFFFFFFF)
        aes.write(PC_NUM, 4, ((size + 15 & ~15 if mode != GCM else size) - 1) & 0xFFFFFFFF)
        aes.write(EN, 4, aes.read(EN, 4) | 1)
        if mode == GCM:
            for word in words(aad):
                self.put(AAD, word)

    def put(self, register: int, word: int) -> None:
        assert self.aes.read(IN_FLAG, 4) == 1
        self.aes.write(register, 4, word)

    def get(self) -> int:
        assert self.aes.read(OUT_FLAG, 4) == 1
        return self.aes.read(OUT, 4)

    def by_cpu(self, data: bytes, mode: int) -> bytes:
        result = b""
        for start in range(0, len(data), 80):
            part = words(data[start : start + 80])
            if mode != GCM:
                part += [0] * (-len(part) % 4)
            for word in part:
                self.put(TEXT, word)
            result += b"".join(self.get().to_bytes(4, "little") for _ in part)
        return result

    def by_dma(self, data: bytes, mode: int) -> bytes:
        def sink(items: np.ndarray) -> int:
            self.received += items.tolist()
            return len(items)

        self.aes.write(DMA_SEL, 4, 1)
        self.dma.sink = sink
        self.dma.on_armed()
        for word in words(data + bytes(-len(data) % 16 if mode != GCM else 0)):
            self.put(TEXT, word)
        return b"".join(word.to_bytes(4, "little") for word in self.received)

    def tag(self) -> bytes:
        return b"".join(self.aes.read(OUT_TAG + 4 * i, 4).to_bytes(4, "big") for i in (3, 2, 1, 0))

    def check_tag(self, tag: bytes) -> int:
        assert self.aes.read(TAG_IN_FLAG, 4) == 1
        for i, word in enumerate(reversed(words(tag))):
            self.aes.write(IN_TAG + 4 * i, 4, word)
        result = self.aes.read(TAG_CHK, 4)
        self.aes.write(TAG_CLEAR, 4, 0)
        assert self.aes.read(TAG_CHK, 4) == 0
        return result


@pytest.fixture
def driver() -> Driver:
    dma = DmaRequest(20, "AES")
    return Driver(Aes("aes", Clock(), dma=dma), dma)


@pytest.mark.parametrize("way", ["by_cpu", "by_dma"])
@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("decrypt", [False, True])
@pytest.mark.parametrize("mode", [ECB, CBC])
def test_ecb_and_cbc_vectors(driver: Driver, way: str, size: int, decrypt: bool, mode: int) -> None:
    cipher = (ECB_CIPHER if mode == ECB else CBC_CIPHER)[size]
    given, wanted = (cipher, PLAIN) if decrypt else (PLAIN, cipher)
    data = bytes.fromhex(given)
    driver.init(bytes.fromhex(KEYS[size]), CBC_IV if mode == CBC else b"", b"", mode, decrypt, len(data))
    assert getattr(driver, way)(data, mode).hex() == wanted
    assert driver.aes.read(FINISH, 4) == 1
    assert driver.aes.read(IN_FLAG, 4) == 0


@pytest.mark.parametrize("way", ["by_cpu", "by_dma"])
@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("decrypt", [False, True])
def test_gcm_vectors_with_additional_data_and_a_short_last_block(
    driver: Driver, way: str, size: int, decrypt: bool
) -> None:
    cipher, tag = (bytes.fromhex(text) for text in GCM_RESULTS[size])
    given, wanted = (cipher, GCM_PLAIN) if decrypt else (GCM_PLAIN, cipher)
    key = bytes.fromhex((GCM_KEY * 2)[: 2 * size])
    driver.init(key, GCM_IV, GCM_AAD, GCM, decrypt, len(given))
    assert getattr(driver, way)(given, GCM)[: len(wanted)] == wanted
    assert driver.tag() == tag
    assert driver.check_tag(tag) == 2


def test_gcm_without_additional_data_and_with_a_wrong_tag(driver: Driver) -> None:
    driver.init(bytes(16), bytes(12), b"", GCM, False, 16)
    assert driver.by_cpu(bytes(16), GCM).hex() == "0388dace60b6a392f328c2b971b2fe78"
    assert driver.tag().hex() == "ab6e47d42cec13bdf53a67b21257bddf"
    assert driver.check_tag(bytes(16)) == 1


def test_gcm_with_ragged_lengths_round_trips(driver: Driver) -> None:
    for size in (1, 2, 3, 5, 15, 17, 79, 80, 81, 255):
        text, aad = bytes(i * 3 & 0xFF for i in range(size)), b"a" * (size % 7)
        driver.init(bytes(range(16)), bytes(12), aad, GCM, False, size)
        cipher = driver.by_cpu(text, GCM)[:size]
        tag = driver.tag()
        driver.init(bytes(range(16)), bytes(12), aad, GCM, True, size)
        assert driver.by_cpu(cipher, GCM)[:size] == text
        assert driver.tag() == tag


def test_short_ecb_text_is_padded_by_the_driver(driver: Driver) -> None:
    driver.init(bytes.fromhex(KEYS[16]), b"", b"", ECB, False, 5)
    out = driver.by_cpu(b"hello", ECB)
    driver.init(bytes.fromhex(KEYS[16]), b"", b"", ECB, True, 5)
    assert driver.by_cpu(out, ECB) == b"hello".ljust(16, b"\0")


def test_input_stops_when_results_are_not_read(driver: Driver) -> None:
    driver.init(bytes(16), b"", b"", ECB, False, 160)
    accepted = 0
    while driver.aes.read(IN_FLAG, 4):
        driver.put(TEXT, 0)
        accepted += 1
    assert accepted == 20
    driver.get()
    assert driver.aes.read(IN_FLAG, 4) == 1


def test_results_wait_for_a_dma_channel(driver: Driver) -> None:
    driver.init(bytes.fromhex(KEYS[16]), b"", b"", ECB, False, 16)
    driver.aes.write(DMA_SEL, 4, 1)
    for word in words(bytes.fromhex(PLAIN)[:16]):
        driver.put(TEXT, word)
    assert driver.aes.read(OUT_FLAG, 4) == 1
    taken: list[int] = []

    def sink(items: np.ndarray) -> int:
        taken.append(int(items[0]))
        return 1

    driver.dma.sink = sink
    for _ in range(4):
        driver.dma.on_armed()
    assert b"".join(w.to_bytes(4, "little") for w in taken).hex() == ECB_CIPHER[16][:32]
    assert driver.aes.read(OUT_FLAG, 4) == 0


def test_enabling_again_starts_anew_without_a_reset(driver: Driver) -> None:
    driver.init(bytes.fromhex(KEYS[16]), CBC_IV, b"", CBC, False, 16)
    first = driver.by_cpu(bytes.fromhex(PLAIN)[:16], CBC)
    driver.aes.write(EN, 4, 1)
    assert driver.aes.read(FINISH, 4) == 0
    assert driver.by_cpu(bytes.fromhex(PLAIN)[:16], CBC) == first


def test_survives_random_accesses(driver: Driver) -> None:
    aes, random_ = driver.aes, random.Random(2)
    for _ in range(10_000):
        offset, size = random_.choice([*range(0, 0xA0), TEXT, AAD, OUT]), random_.choice([1, 2, 4, 8])
        offset -= offset % size
        if random_.random() < 0.6:
            small = offset in (AAD_NUM, PC_NUM, MODE, EN) and random_.random() < 0.8
            aes.write(offset, size, random_.randrange(40) if small else random_.getrandbits(8 * size))
        else:
            assert 0 <= aes.read(offset, size) < 1 << 8 * size
    driver.init(bytes.fromhex(KEYS[16]), b"", b"", ECB, False, 16)
    assert driver.by_cpu(bytes.fromhex(PLAIN)[:16], ECB).hex() == ECB_CIPHER[16][:32]
