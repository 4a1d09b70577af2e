# hashlib: RFC 1321 and FIPS 180-4 vectors, messages in any pieces, several at once.
import hashlib
from binascii import hexlify

MILLION = b"a" * 10000
VECTORS = {
    "md5": (
        (b"", "d41d8cd98f00b204e9800998ecf8427e"),
        (b"abc", "900150983cd24fb0d6963f7d28e17f72"),
        (b"message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        (b"1234567890" * 8, "57edf4a22be3c955ac49da2e2107b67a"),
    ),
    "sha1": (
        (b"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        (b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
    ),
    "sha256": (
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
    ),
}
MILLIONS = {
    "md5": "7707d6ae4e027c70eea2a935c2296f21",
    "sha1": "34aa973cd4c4daa4f61eeb2bdbad27316534016f",
    "sha256": "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
}


def check(name, got, want):
    if got != want:
        raise AssertionError("%s: got %r, want %r" % (name, got, want))


def hexdigest(hash):
    return hexlify(hash.digest()).decode()


for name, vectors in VECTORS.items():
    new = getattr(hashlib, name)
    for message, want in vectors:
        check(name, hexdigest(new(message)), want)
        hash = new()
        for byte in message:
            hash.update(bytes([byte]))
        check(name + " byte by byte", hexdigest(hash), want)
    hash = new()
    for _ in range(100):
        hash.update(MILLION)
    check(name + " of a million letters", hexdigest(hash), MILLIONS[name])
    print("OK", name)

# Every length around the blocks' ends, in one piece and in two, at addresses of any alignment.
data = bytes((i * 7 + (i >> 8)) & 255 for i in range(2100))
view = memoryview(data)
for name in VECTORS:
    new = getattr(hashlib, name)
    for length in list(range(0, 140)) + [255, 256, 257, 319, 320, 1000, 2047, 2048]:
        whole = new(view[:length]).digest()
        for cut in (1, 63, 64, 65, length // 2):
            if cut <= length:
                hash = new(view[:cut])
                hash.update(view[cut:length])
                check("%s of %d bytes cut at %d" % (name, length, cut), hash.digest(), whole)
        shifted = bytearray(b"x" * 3 + data[:length])
        check("%s of %d bytes not aligned" % (name, length), new(memoryview(shifted)[3:]).digest(), whole)
print("OK pieces")

# Several at the same time, large enough for the chip's engine.
hashes = [hashlib.sha256(data) for _ in range(3)] + [hashlib.sha1(data), hashlib.md5(data)]
for _ in range(5):
    for index, hash in enumerate(hashes):
        hash.update(view[: 1000 + 64 * index])
wants = []
for index, name in enumerate(["sha256"] * 3 + ["sha1", "md5"]):
    wants.append(getattr(hashlib, name)(data + data[: 1000 + 64 * index] * 5).digest())
check("interleaved", [hash.digest() for hash in hashes], wants)
print("OK interleaved")

hash = hashlib.sha256(b"123")
hash.digest()
for action in (hash.digest, lambda: hash.update(b"4")):
    try:
        action()
        raise AssertionError("a hash that has ended goes on")
    except ValueError:
        pass
for wrong in (1, None, 1.5):
    try:
        hashlib.sha1(wrong)
        raise AssertionError("hashes %r" % wrong)
    except TypeError:
        pass
print("OK errors")
print("done")
