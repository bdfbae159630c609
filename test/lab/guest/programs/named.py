"""Holds files that have their names: COUNT descriptors, a mapping, a memfd and anonymous shared memory. None of
them is a ghost. When /data/remove appears, one more file is opened and its name removed."""

import mmap
import os
import sys
import time

FILES = [open(f"/data/named-{i}", "w+") for i in range(int(sys.argv[1]))]
with open("/data/mapped", "wb+") as mapped:
    mapped.write(b"x" * 8192)
    mapped.flush()
    MAPPING = mmap.mmap(mapped.fileno(), 0)
MEMORY = os.memfd_create("memory")
os.write(MEMORY, b"memory")
SHARED = mmap.mmap(-1, 8192)
GHOSTS = []


def beat(counter):
    with open("/data/alive.new", "w") as alive:
        alive.write(f"{counter:020}\n")
    os.rename("/data/alive.new", "/data/alive")


counter = 0
beat(counter)
open("/data/ready", "w").close()
while True:
    time.sleep(0.1)
    counter += 1
    beat(counter)
    if os.path.exists("/data/remove"):
        GHOSTS.append(open("/data/ghost", "w+"))
        GHOSTS[0].write("ghost" * 1000)
        GHOSTS[0].flush()
        os.remove("/data/ghost")
        os.remove("/data/remove")
