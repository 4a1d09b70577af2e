"""What the board runs in test_power_loss.py, as /flash/main.py.

It tells which versions of its files it finds, then replaces them one after the other, for ever. A file's content
follows from its name and version.
"""

import os
import time

NAMES = ("a", "b", "c")


def content(name, version):
    size = 20 + (version * 2371 + ord(name) * 991) % 9000
    unit = bytes((i * 7 + version * 31) & 255 for i in range(256))
    return (b"%s %d %d " % (name.encode(), version, size) + unit * (size // 256 + 1))[:size]


def find(name):
    try:
        with open(name, "rb") as file:
            data = file.read()
    except OSError as error:
        if error.errno != 2:
            raise
        return 0
    if not data:
        return 0  # littlefs makes a new file when it is opened
    version = int(data.split(b" ", 2)[1])
    if data != content(name, version):
        raise ValueError(f"{name} of version {version} is damaged")
    return version


def say(*words):
    text = " ".join(str(word) for word in words)
    print(text)
    time.sleep_us(len(text) * 90 + 1000)  # until it is out


def replace(name, version):
    data = content(name, version)
    other = version % 3 == 0
    with open("new" if other else name, "wb") as file:
        for at in range(0, len(data), 700):
            file.write(data[at : at + 700])
    if other:
        os.rename("new", name)


with open("kept") as file:
    assert file.read() == "kept" * 500
versions = {name: find(name) for name in NAMES}
say("found", *(versions[name] for name in NAMES))
while True:
    for name in NAMES:
        versions[name] += 1
        say("start", name, versions[name])
        replace(name, versions[name])
        say("end", name, versions[name])
