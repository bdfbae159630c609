"""shared.py SIZE: two processes share files on /dev/shm that have their names. The parent maps `big`, and has closed it; the
child maps it by its name. Both count in it. `twice` is open twice, `one` and `two` are one file. /data/state has the
counters, and /data/seen the content of all files each time that there is /data/look."""

import hashlib
import json
import mmap
import os
import sys
import time

size = int(sys.argv[1])
step = 0.02


def put(path, text):
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)


def mapped(path, flags=os.O_RDWR):
    fd = os.open(path, flags, 0o600)
    if flags & os.O_CREAT:
        content = hashlib.sha256(path.encode()).digest() * (size // 32 + 1)
        for at in range(0, size, 1 << 24):
            os.pwrite(fd, content[at : min(size, at + (1 << 24))], at)
    memory = mmap.mmap(fd, size)
    os.close(fd)
    return memory


def count(memory, at):
    number = int.from_bytes(memory[at : at + 8], "little") + 1
    memory[at : at + 8] = number.to_bytes(8, "little")


os.makedirs("/dev/shm", exist_ok=True)
big = mapped("/dev/shm/big", os.O_RDWR | os.O_CREAT)
big[0:16] = bytes(16)
twice = [os.open("/dev/shm/twice", flags, 0o640) for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY)]
os.write(twice[0], b"written by the first descriptor")
os.read(twice[1], 8)
os.utime("/dev/shm/twice", ns=(1_000_000_000_123_456_789, 1_100_000_000_987_654_321))
one = os.open("/dev/shm/one", os.O_RDWR | os.O_CREAT, 0o600)
os.write(one, b"one file")
os.link("/dev/shm/one", "/dev/shm/two")
two = os.open("/dev/shm/two", os.O_RDONLY)
os.mkdir("/dev/shm/folder", 0o750)
inner = os.open("/dev/shm/folder/inner", os.O_RDWR | os.O_CREAT, 0o604)
os.write(inner, b"inner")

if os.fork() == 0:
    other = mapped("/dev/shm/big")
    while True:
        count(other, 8)
        time.sleep(step)

while True:
    count(big, 0)
    parent, child = (int.from_bytes(big[at : at + 8], "little") for at in (0, 8))
    put("/data/state", json.dumps({"parent": parent, "child": child}))
    if os.path.exists("/data/look"):
        same = os.fstat(one).st_ino == os.fstat(two).st_ino == os.stat("/dev/shm/two").st_ino
        seen = {
            "big": hashlib.sha256(big[16:]).hexdigest(),
            "twice": os.pread(twice[0], 100, 0).decode(),
            "second": os.lseek(twice[1], 0, os.SEEK_CUR),
            "one": os.pread(two, 100, 0).decode(),
            "same": same,
            "inner": os.pread(inner, 100, 0).decode(),
        }
        os.unlink("/data/look")
        put("/data/seen", json.dumps(seen, sort_keys=True))
    time.sleep(step)
