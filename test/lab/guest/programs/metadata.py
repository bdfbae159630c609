"""Hold a ghost with metadata that CRIU's image cannot hold, and note what it looks like at the first sight after restore.

A restored ghost is another file with another change time: the first look that shows another one is the first after restore.
Between two looks it sleeps in poll(2), which a restore interrupts: so it looks at once, and takes no processor before.

A child holds the last one, the parent the others: before.child, after.child.

/data/before, /data/after    JSON
"""

import ctypes
import fcntl
import json
import os
import struct
import sys
import time

# Version 2, then entries of tag, permissions, id. Source: acl(5), linux/posix_acl_xattr.h.
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, bits, who)
    for tag, bits, who in [
        (0x01, 6, 0xFFFFFFFF),
        (0x02, 4, 1234),
        (0x04, 4, 0xFFFFFFFF),
        (0x10, 6, 0xFFFFFFFF),
        (0x20, 0, 0xFFFFFFFF),
    ]
)


# linux/fs.h: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS; no dump, no access times (chattr +dA).
GET_FLAGS, SET_FLAGS = 0x80086601, 0x40086602
NO_DUMP_NO_ATIME = 0x40 | 0x80

# Python's own call would go back to sleep. Source: CRIU's compel, a restart block becomes EINTR.
poll = ctypes.CDLL(None).poll


def flags_of(fd):
    return struct.unpack("i", fcntl.ioctl(fd, GET_FLAGS, b"\0" * 4))[0]


def look(fd):
    stat = os.fstat(fd)
    return {
        "atime": stat.st_atime_ns,
        "mtime": stat.st_mtime_ns,
        "mode": stat.st_mode,
        "uid": stat.st_uid,
        "gid": stat.st_gid,
        "size": stat.st_size,
        "nlink": stat.st_nlink,
        "flags": flags_of(fd) & NO_DUMP_NO_ATIME,
        "xattrs": {name: os.getxattr(fd, name).hex() for name in sorted(os.listxattr(fd))},
    }


def write(path, value):
    with open(path + ".new", "w") as file:
        json.dump(value, file, sort_keys=True)
    os.rename(path + ".new", path)


def make(path):
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
    os.write(fd, b"ghost" * 1_000_000)
    os.setxattr(fd, "user.note", b"\0 bytes \xff")
    os.setxattr(fd, "user.empty", b"")
    os.setxattr(fd, "system.posix_acl_access", ACL)
    fcntl.ioctl(fd, SET_FLAGS, struct.pack("i", flags_of(fd) | NO_DUMP_NO_ATIME))
    os.utime(fd, ns=(1_111_111_111_123_456_789, 2_000_000_000_987_654_321))
    os.unlink(path)
    return fd


def watch(paths, suffix):
    fds = [make(path) for path in paths]
    changed = [os.fstat(fd).st_ctime_ns for fd in fds]
    write("/data/before" + suffix, [look(fd) for fd in fds])
    while [os.fstat(fd).st_ctime_ns for fd in fds] == changed:
        poll(None, 0, 100)
    write("/data/after" + suffix, [look(fd) for fd in fds])
    while True:
        time.sleep(1)


def main():
    *paths, last = sys.argv[1:]
    if os.fork() == 0:
        watch([last], ".child")
    while not os.path.exists("/data/before.child"):
        time.sleep(0.01)
    watch(paths, "")


if __name__ == "__main__":
    main()
