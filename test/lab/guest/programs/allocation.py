"""Hold a ghost that has far more allocated than written, as descriptor 100. /data/ready appears when it exists.

48 MiB of its size and 32 MiB behind its end are allocated, 8 KiB are written.
"""

import ctypes
import os
import time

MIB = 1 << 20
KEEP_SIZE = 1
fallocate = ctypes.CDLL(None, use_errno=True).fallocate
fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_longlong, ctypes.c_longlong]


def allocate(fd, mode, offset, length):
    if fallocate(fd, mode, offset, length) < 0:
        raise OSError(ctypes.get_errno(), "fallocate")


def main():
    fd = os.open("/data/ghost", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o4755)
    os.fchmod(fd, 0o4755)
    allocate(fd, 0, 0, 48 * MIB)
    allocate(fd, KEEP_SIZE, 48 * MIB, 32 * MIB)
    os.pwrite(fd, os.urandom(8192), 16 * MIB)
    os.fsync(fd)
    os.unlink("/data/ghost")
    os.dup2(fd, 100)
    open("/data/ready", "w").close()
    while True:
        time.sleep(1)


main()
