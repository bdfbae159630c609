"""lower.py: hold files of the image that have no name any more, and look at them when asked.

The image's folder /lower has `file`, which is opened, `library`, which is mapped, and `program`, which runs. All
three are removed then. They lie in a lower layer of the container's overlay, because nobody has written to them.

/data/ready              when all are held
/data/look, /data/seen   the first asks for the second: a line each, `same NAME` or `other NAME: what`
"""

import hashlib
import mmap
import os
import subprocess
import time


def digest(content):
    return hashlib.sha256(content).hexdigest()


def read(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    fd = os.open("/lower/file", os.O_RDONLY)
    library = os.open("/lower/library", os.O_RDONLY)
    mapped = mmap.mmap(library, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)
    os.close(library)
    os.mkdir("/data/program")
    program = subprocess.Popen(["/lower/program", "run", "/data/program", "small"])
    while not os.path.exists("/data/program/ready"):
        time.sleep(0.02)
    held = {
        "file": lambda: os.pread(fd, os.fstat(fd).st_size + 1, 0),
        "library": lambda: mapped[:],
        "program": lambda: read(f"/proc/{program.pid}/exe"),
    }
    before = {}
    for name in held:
        before[name] = digest(read(f"/lower/{name}"))
        os.unlink(f"/lower/{name}")
    open("/data/ready", "w").close()
    while True:
        time.sleep(0.02)
        if os.path.exists("/data/look"):
            with open("/data/new", "w") as seen:
                for name, content in held.items():
                    same = digest(content()) == before[name]
                    print("same" if same else "other", name, file=seen)
                print("same" if not os.listdir("/lower") else "other", "folder", file=seen)
                print("same" if program.poll() is None else "other", "process", file=seen)
            os.rename("/data/new", "/data/seen")
            os.unlink("/data/look")


if __name__ == "__main__":
    main()
