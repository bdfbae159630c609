"""Write into a ghost all the time, by write(2) and through a mapping, and keep its right content in memory.

Its times are set back after each write: who believes them takes it for a file that does not change. /data/ready says
that it is there. The argument is its size in MiB, by default 24. When there is a /data/stop, what the ghost holds is
compared, and /data/verdict says how it ended.
"""

import mmap
import os
import random
import sys
import time

BLOCK = 4096
BLOCKS = int(sys.argv[1] if len(sys.argv) > 1 else 24) * 256


def verdict(fd, wanted, count):
    found = os.pread(fd, len(wanted) + 1, 0)
    if found == wanted:
        return f"equal after {count} writes"
    blocks = [at for at in range(0, len(wanted), BLOCK) if found[at : at + BLOCK] != wanted[at : at + BLOCK]]
    return f"different in {len(blocks)} blocks, first at {blocks[:3]}, {len(found)} bytes, after {count} writes"


def main():
    fd = os.open("/data/ghost", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    wanted = bytearray(os.urandom(BLOCK) * BLOCKS)
    os.pwrite(fd, wanted, 0)
    mapped = mmap.mmap(fd, len(wanted))
    os.unlink("/data/ghost")
    open("/data/ready", "w").close()
    count = 0
    while not os.path.exists("/data/stop"):
        at = random.randrange(BLOCKS) * BLOCK
        bytes_ = random.randbytes(BLOCK)
        if count % 2:
            os.pwrite(fd, bytes_, at)
        else:
            mapped[at : at + BLOCK] = bytes_
        wanted[at : at + BLOCK] = bytes_
        os.utime(fd, ns=(0, 0))
        count += 1
    with open("/data/verdict.new", "w") as file:
        print(verdict(fd, wanted, count), file=file)
    os.rename("/data/verdict.new", "/data/verdict")
    while True:
        time.sleep(1)


main()
