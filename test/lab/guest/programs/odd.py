"""Hold ghosts in odd places and look at them when asked: every byte, the offset, the times in nanoseconds.

odd.py PLACE…    places are the functions below that end in a descriptor

/data/ready              when all are there; a line per ghost: what it was
/data/look, /data/seen   the first asks for the second: a line per ghost, `same PLACE` or `other PLACE: what`

A child that some places need answers for its own: /data/look.child, /data/seen.child.
"""

import mmap
import os
import subprocess
import sys
import threading
import time

SIZE = 3_000_017
MTIME = 2_000_000_000_987_654_321
# Nobody sets it again after restore. It is in the future, because reading the file would move an atime in the
# past.
ATIME = 4_000_000_000_123_456_789


def content(place):
    unit = b"".join(b"%s %06d " % (place.encode(), n) for n in range(1000))
    return (unit * (SIZE // len(unit) + 1))[:SIZE]


def ghost(place, path, flags=os.O_RDWR):
    """Make a file with content, open it and remove it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
    view = memoryview(content(place))
    while view:
        view = view[os.write(fd, view) :]
    if flags != os.O_RDWR:
        os.close(fd)
        fd = os.open(path, flags)
    os.lseek(fd, 4711, os.SEEK_SET)
    os.utime(fd, ns=(ATIME, MTIME))
    os.unlink(path)
    return fd


def run(*words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        raise OSError(f"{words}: {done.stderr}")


def folder(path):
    os.makedirs(path)
    return path


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def tmpfs(path):
    run("mount", "-t", "tmpfs", "odd", folder(path) if not os.path.exists(path) else path)
    return path


# Names


def name_255():
    return ghost("name_255", b"/data/" + b"n" * 255)


def name_238():
    return ghost("name_238", b"/data/" + b"m" * 238)


def name_237():
    return ghost("name_237", b"/data/" + b"l" * 237)


def not_utf8():
    return ghost("not_utf8", b"/data/\xff\xfe\xc3")


def deleted():
    return ghost("deleted", "/data/x (deleted)")


def newline():
    return ghost("newline", "/data/a\nb\t\\040c")


def long_path():
    path = folder("/data/" + "/".join("d" * 200 for _ in range(19)))
    fd = ghost("long_path", path + "/x")
    return fd


def taken():
    fd = ghost("taken", "/data/taken")
    write("/data/taken", "another")
    return fd


def taken_later():
    """The scenario makes a file of that name before it restores."""
    return ghost("taken_later", "/data/later")


def taken_twice():
    fd = ghost("taken_twice", "/data/twice")
    write("/data/twice", "another")
    write("/data/twice.cr_link", "another")
    return fd


def taken_by_folder():
    fd = ghost("taken_by_folder", "/data/folder")
    folder("/data/folder")
    return fd


def taken_by_link():
    fd = ghost("taken_by_link", "/data/link")
    os.symlink("/etc", "/data/link")
    return fd


# Folders


def folder_gone():
    fd = ghost("folder_gone", folder("/data/gone/too") + "/x")
    os.rmdir("/data/gone/too")
    os.rmdir("/data/gone")
    return fd


def folder_is_file():
    fd = ghost("folder_is_file", folder("/data/file") + "/x")
    os.rmdir("/data/file")
    write("/data/file", "")
    return fd


def folder_is_link():
    fd = ghost("folder_is_link", folder("/data/way") + "/x")
    os.rmdir("/data/way")
    os.symlink("/tmp", "/data/way")
    return fd


# Mounts


# A file that is open for writing would keep its mount from becoming read-only (EBUSY).


def read_only():
    fd = ghost("read_only", tmpfs("/data/ro") + "/x", os.O_RDONLY)
    run("mount", "-o", "remount,bind,ro", "/data/ro")
    return fd


def read_only_bind():
    run("mount", "--bind", folder("/data/rob"), "/data/rob")
    fd = ghost("read_only_bind", "/data/rob/x", os.O_RDONLY)
    run("mount", "-o", "remount,bind,ro", "/data/rob")
    return fd


def folder_hidden():
    fd = ghost("folder_hidden", folder("/data/hidden/deep") + "/x")
    tmpfs("/data/hidden")
    return fd


def folder_hidden_tmpfs():
    fd = ghost("folder_hidden_tmpfs", folder(tmpfs("/data/t") + "/hidden/deep") + "/x")
    tmpfs("/data/t/hidden")
    return fd


def covered():
    fd = ghost("covered", tmpfs("/data/covered") + "/x")
    tmpfs("/data/covered")
    return fd


def covered_above():
    fd = ghost("covered_above", tmpfs("/data/above/in") + "/x")
    tmpfs("/data/above")
    return fd


def on_top():
    tmpfs("/data/top")
    return ghost("on_top", tmpfs("/data/top") + "/x")


# In a child


def jail():
    """chroot leaves the working directory outside; the mount is not below the jail."""
    os.chroot(folder("/data/jail"))
    os.chdir("/")
    return ghost("jail", "/x")


def jail_tmpfs():
    tmpfs("/data/jail-t/in")
    os.chroot("/data/jail-t")
    os.chdir("/")
    return ghost("jail_tmpfs", "/in/x")


def namespace_same():
    os.unshare(os.CLONE_NEWNS)
    return ghost("namespace_same", "/data/ns-same")


def namespace_tmpfs():
    os.unshare(os.CLONE_NEWNS)
    return ghost("namespace_tmpfs", tmpfs("/data/ns") + "/x")


def namespace_before():
    fd = ghost("namespace_before", tmpfs("/data/ns-before") + "/x")
    os.unshare(os.CLONE_NEWNS)
    return fd


def namespace_taken():
    fd = ghost("namespace_taken", tmpfs("/data/ns-taken") + "/x")
    write("/data/ns-taken/x", "another")
    os.unshare(os.CLONE_NEWNS)
    return fd


def namespace_mapped():
    fd = ghost("namespace_mapped", "/data/ns-mapped")
    mapping = mmap.mmap(fd, SIZE)
    os.close(fd)
    os.unshare(os.CLONE_NEWNS)
    return mapping


def namespace_inherited():
    """The parent is in the mount's namespace and has closed the file. The child holds it, and is in another namespace."""
    os.unshare(os.CLONE_NEWNS)
    fd = ghost("namespace_inherited", tmpfs("/data/ns-parent") + "/x")
    if os.fork() > 0:
        os.close(fd)
        while True:
            time.sleep(600)
    os.unshare(os.CLONE_NEWNS)
    return fd


def namespace_of_nobody():
    """The process that was in the mount's namespace has left it."""
    os.unshare(os.CLONE_NEWNS)
    fd = ghost("namespace_of_nobody", tmpfs("/data/ns-nobody") + "/x")
    os.unshare(os.CLONE_NEWNS)
    return fd


def namespace_of_thread():
    """Only a thread is in the mount's namespace; the descriptor is the process's."""
    fds = []

    def live_apart():
        os.unshare(os.CLONE_NEWNS)
        fds.append(ghost("namespace_of_thread", tmpfs("/data/ns-thread") + "/x"))
        time.sleep(3600)

    threading.Thread(target=live_apart, daemon=True).start()
    while not fds:
        time.sleep(0.02)
    return fds[0]


CHILDREN = {
    jail,
    jail_tmpfs,
    namespace_same,
    namespace_tmpfs,
    namespace_before,
    namespace_taken,
    namespace_mapped,
    namespace_inherited,
    namespace_of_nobody,
}


def look_at_mapping(place, mapping):
    return f"same {place}\n" if mapping[:] == content(place) else f"other {place}: bytes\n"


def look(place, fd):
    if isinstance(fd, mmap.mmap):
        return look_at_mapping(place, fd)
    stat = os.fstat(fd)
    wrong = []
    if stat.st_size != SIZE or os.pread(fd, SIZE + 1, 0) != content(place):
        wrong.append("bytes")
    if os.lseek(fd, 0, os.SEEK_CUR) != 4711:
        wrong.append("offset")
    if stat.st_nlink != 0:
        wrong.append("links")
    # On a read-only mount only CRIU can set them, and it keeps microseconds.
    unit = 1000 if place.startswith("read_only") else 1
    if (stat.st_mtime_ns // unit, stat.st_atime_ns // unit) != (MTIME // unit, ATIME // unit):
        wrong.append(f"times {stat.st_mtime_ns} {stat.st_atime_ns}")
    name = os.readlink(f"/proc/self/fd/{fd}") if os.path.exists("/proc/self") else "?"
    return f"other {place}: {', '.join(wrong)} {name!a}\n" if wrong else f"same {place} {name!a}\n"


def answer(data, suffix, fds, look=look):
    """Goes by descriptor, because a child may be where no path leads to /data."""
    seen = "".join(look(place, fd) for place, fd in fds.items())
    fd = os.open("seen" + suffix + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, dir_fd=data)
    os.write(fd, seen.encode())
    os.close(fd)
    os.rename("seen" + suffix + ".new", "seen" + suffix, src_dir_fd=data, dst_dir_fd=data)


def live(data, suffix, fds, look=look):
    while True:
        try:
            os.unlink("look" + suffix, dir_fd=data)
            answer(data, suffix, fds, look)
        except FileNotFoundError:
            pass
        time.sleep(0.05)


def child(data, place):
    fds = {place.__name__: place()}
    answer(data, "." + place.__name__, fds)
    live(data, "." + place.__name__, fds)


def main():
    places = [globals()[word] for word in sys.argv[1:]]
    data = os.open("/data", os.O_RDONLY | os.O_DIRECTORY)
    own = [place for place in places if place not in CHILDREN]
    for place in places:
        if place in CHILDREN and os.fork() == 0:
            child(data, place)
    fds = {place.__name__: place() for place in own}
    for place in places:
        while place in CHILDREN and not os.path.exists("/data/seen." + place.__name__):
            time.sleep(0.02)
    answer(data, "", fds)
    write("/data/ready", "")
    live(data, "", fds)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        write("/data/error", str(error))
        raise
