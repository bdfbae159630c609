"""Hold files, by descriptor and by mapping, whose opened name is gone while their inode has other names.

/data/state    a line of JSON about them, written anew each time
"""

import json
import mmap
import os
import time


def hold(path, other, content):
    os.makedirs(os.path.dirname(other), exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    os.write(fd, content)
    os.link(path, other)
    os.unlink(path)
    return fd


def main():
    near = hold("/data/opened", "/data/near", b"x" * 3_000_000)
    far = hold("/data/mapped", "/data/deep/down/far", b"\0" * 4096)
    mapped = mmap.mmap(far, 4096)
    os.close(far)
    os.lseek(near, 7, os.SEEK_SET)
    count = 0
    while True:
        count += 1
        mapped[0:8] = count.to_bytes(8, "little")
        os.pwrite(near, b"%08d" % count, 100)
        held, named = os.fstat(near), os.stat("/data/near")
        with open("/data/deep/down/far", "rb") as file:
            seen = int.from_bytes(file.read(8), "little")
        with open("/data/state.new", "w") as file:
            json.dump(
                {
                    "count": count,
                    "offset": os.lseek(near, 0, os.SEEK_CUR),
                    "size": held.st_size,
                    "nlink": held.st_nlink,
                    "same": held.st_ino == named.st_ino,
                    "mapping": seen == count,
                },
                file,
            )
        os.rename("/data/state.new", "/data/state")
        time.sleep(0.02)


if __name__ == "__main__":
    main()
