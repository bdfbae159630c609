"""Hold a removed file of 3 MiB with a write lease on it, as file servers do.

/data/state    a line of JSON about it, written anew each time
"""

import fcntl
import hashlib
import json
import os
import signal
import time

SIZE = 3 << 20

told = 0


def tell(*_):
    global told
    told += 1


def main():
    signal.signal(signal.SIGIO, tell)
    fd = os.open("/data/leased", os.O_RDWR | os.O_CREAT | os.O_EXCL)
    os.write(fd, bytes(range(256)) * (SIZE // 256))
    os.lseek(fd, 4711, os.SEEK_SET)
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    os.unlink("/data/leased")
    count = 0
    while True:
        count += 1
        state = {
            "count": count,
            "lease": fcntl.fcntl(fd, fcntl.F_GETLEASE),
            "told": told,
            "offset": os.lseek(fd, 0, os.SEEK_CUR),
            "sum": hashlib.sha256(os.pread(fd, SIZE + 1, 0)).hexdigest(),
        }
        with open("/data/state.new", "w") as file:
            json.dump(state, file)
        os.rename("/data/state.new", "/data/state")
        time.sleep(0.05)


main()
