"""Hold ghosts in removed folders, which are held, too, and look at both when asked.

removed.py PLACE…        places are the functions below; each gives names and descriptors

/data/ready              when all are there
/data/look, /data/seen   the first asks for the second: a line per descriptor, `same NAME` or `other NAME: what`

The process's working directory is the folder `work`, or `/`.
"""

import os
import stat
import sys

from odd import ATIME, MTIME, content, folder, ghost, live, write

SMALL = b"small " * 100


def handle(path):
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


def small(path):
    """The file is so small that CRIU's image of it has no chunks."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, SMALL)
    os.unlink(path)
    return fd


def fifo(path):
    """Make a ghost that is left to CRIU."""
    os.mkfifo(path, 0o640)
    fd = os.open(path, os.O_RDWR)
    os.unlink(path)
    return fd


def working():
    work = folder("/data/working")
    os.chdir(work)
    fd = ghost("working", "x")
    os.rmdir(work)
    return {"working": fd}


def folder_after():
    path = folder("/data/after")
    fds = {"folder_after": ghost("folder_after", path + "/x"), "folder_after/": handle(path)}
    os.rmdir(path)
    return fds


def folder_before():
    path = folder("/data/before")
    fds = {"folder_before/": handle(path), "folder_before": ghost("folder_before", path + "/x")}
    os.rmdir(path)
    return fds


def several():
    path = folder("/data/several")
    fds = {"several_1": ghost("several_1", path + "/x"), "several/": handle(path)}
    for name in ("several_2", "several_3"):
        fds[name] = ghost(name, path + "/" + name)
    fds["several.small"] = small(path + "/x")
    os.rmdir(path)
    return fds


def nested():
    """CRIU would remove the outer folders first, and could not."""
    outer, middle, inner = "/data/outer", "/data/outer/middle", folder("/data/outer/middle/inner")
    fds = {"nested/1": handle(outer), "nested_outer": ghost("nested_outer", outer + "/x")}
    fds |= {"nested/2": handle(inner), "nested_inner": ghost("nested_inner", inner + "/x")}
    fds |= {"nested/3": handle(middle), "nested_middle": ghost("nested_middle", middle + "/x")}
    for path in (inner, middle, outer):
        os.rmdir(path)
    return fds


def mixed():
    path = folder("/data/mixed")
    fds = {"mixed/": handle(path), "mixed.fifo": fifo(path + "/f"), "mixed": ghost("mixed", path + "/x")}
    os.rmdir(path)
    return fds


def taken():
    """Another folder has the name by now, and a file in it has the ghost's. CRIU would remove that folder, and could not."""
    path = folder("/data/taken")
    fds = {"taken/": handle(path), "taken": ghost("taken", path + "/x")}
    os.rmdir(path)
    write(folder(path) + "/x", "another")
    return fds


def taken_empty():
    """CRIU would remove the empty folder that has the name by now."""
    path = folder("/data/empty")
    fds = {"taken_empty/": handle(path)}
    os.rmdir(path)
    folder(path)
    return fds


def taken_file():
    path = folder("/data/file")
    fds = {"taken_file/": handle(path)}
    os.rmdir(path)
    write(path, "another")
    return fds


def taken_outer():
    """The name of the outer folder is taken; CRIU makes the inner one in the folder that has it."""
    outer, inner = "/data/around", folder("/data/around/inner")
    fds = {"taken_outer/1": handle(outer), "taken_outer/2": handle(inner), "taken_outer": ghost("taken_outer", inner + "/x")}
    os.rmdir(inner)
    os.rmdir(outer)
    folder(outer)
    return fds


def in_memory():
    """CRIU keeps what is on the container's own tmpfs."""
    path = folder("/dev/memory")
    fds = {"in_memory/": handle(path), "in_memory.small": small(path + "/x")}
    os.rmdir(path)
    write(folder(path) + "/x", "another")
    return fds


def twice():
    """CRIU would make one folder for both, and remove it twice."""
    fds = {}
    for place in ("twice_1", "twice_2"):
        path = folder("/data/twice")
        fds |= {place + "/": handle(path), place: ghost(place, path + "/x")}
        os.rmdir(path)
    return fds


def look(name, fd):
    now = os.fstat(fd)
    wrong = []
    if "/" in name:
        if not stat.S_ISDIR(now.st_mode) or os.listdir(fd):
            wrong.append("no empty folder")
    elif name.endswith(".fifo"):
        os.write(fd, b"word")
        if not stat.S_ISFIFO(now.st_mode) or os.read(fd, 9) != b"word":
            wrong.append("no pipe")
    elif name.endswith(".small"):
        if os.pread(fd, now.st_size + 1, 0) != SMALL:
            wrong.append("bytes")
    else:
        if os.pread(fd, now.st_size + 1, 0) != content(name):
            wrong.append("bytes")
        # A CRIU without us keeps microseconds.
        if (now.st_mtime_ns // 1000, now.st_atime_ns // 1000) != (MTIME // 1000, ATIME // 1000):
            wrong.append("times")
        if os.lseek(fd, 0, os.SEEK_CUR) != 4711:
            wrong.append("offset")
    if stat.S_ISREG(now.st_mode) and now.st_nlink:
        wrong.append("links")
    return f"other {name}: {', '.join(wrong)}\n" if wrong else f"same {name}\n"


def main():
    data = handle("/data")
    fds = {}
    for word in sys.argv[1:]:
        fds |= globals()[word]()
    write("/data/ready", "")
    live(data, "", fds, look)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        write("/data/error", str(error))
        raise
