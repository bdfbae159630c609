"""on_shm.py KIND: holds one thing on /dev/shm by its name, and says in /data/seen what it is each time that there is
/data/look. late-KIND does so only when there is /data/make."""

import ctypes
import os
import select
import socket
import stat
import sys
import time

kind = sys.argv[1]
held = None
if kind.startswith("late-"):
    kind = kind[5:]
    open("/data/ready", "w").close()
    while not os.path.exists("/data/make"):
        time.sleep(0.02)
    os.unlink("/data/make")
if kind == "root":
    held = os.open("/dev/shm", os.O_RDONLY | os.O_DIRECTORY)
elif kind == "cwd-root":
    os.chdir("/dev/shm")
elif kind in ("folder", "folder-of-a-file"):
    os.mkdir("/dev/shm/folder", 0o750)
    held = os.open("/dev/shm/folder", os.O_RDONLY | os.O_DIRECTORY)
    if kind == "folder-of-a-file":
        file = os.open("/dev/shm/folder/file", os.O_RDWR | os.O_CREAT, 0o600)
        os.write(file, b"content")
elif kind == "closed":
    for name in ("first", "second"):
        with open("/dev/shm/" + name, "wb") as file:
            file.write(b"content")
elif kind == "cwd":
    os.mkdir("/dev/shm/folder", 0o750)
    os.chdir("/dev/shm/folder")
elif kind == "removed-folder":
    os.mkdir("/dev/shm/folder", 0o750)
    held = os.open("/dev/shm/folder", os.O_RDONLY | os.O_DIRECTORY)
    os.rmdir("/dev/shm/folder")
elif kind == "fifo":
    os.mkfifo("/dev/shm/fifo", 0o640)
    held = os.open("/dev/shm/fifo", os.O_RDWR)
    os.write(held, b"in the fifo")
elif kind == "path-of-a-file":
    os.close(os.open("/dev/shm/file", os.O_RDWR | os.O_CREAT, 0o600))
    held = os.open("/dev/shm/file", os.O_PATH)
elif kind == "removed-fifo":
    os.mkfifo("/dev/shm/fifo", 0o640)
    held = os.open("/dev/shm/fifo", os.O_RDWR)
    os.write(held, b"in the fifo")
    os.unlink("/dev/shm/fifo")
elif kind == "unlinked-below":
    os.mkdir("/dev/shm/folder", 0o750)
    held = os.open("/dev/shm/folder/file", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(held, b"content")
    os.unlink("/dev/shm/folder/file")
elif kind == "linked-below":
    os.mkdir("/dev/shm/folder", 0o750)
    held = os.open("/dev/shm/folder/first", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(held, b"content")
    os.link("/dev/shm/folder/first", "/dev/shm/folder/second")
    os.unlink("/dev/shm/folder/first")
elif kind == "removed-below":
    os.mkdir("/dev/shm/folder", 0o750)
    os.mkdir("/dev/shm/folder/inner", 0o750)
    held = os.open("/dev/shm/folder/inner", os.O_RDONLY | os.O_DIRECTORY)
    os.rmdir("/dev/shm/folder/inner")
elif kind.startswith("watch"):
    os.mkdir("/dev/shm/folder", 0o750)
    file = os.open("/dev/shm/folder/file", os.O_RDWR | os.O_CREAT, 0o600)
    if kind == "watch-below":
        os.close(file)
    libc = ctypes.CDLL(None)
    held = libc.inotify_init()
    of_folder = kind in ("watch-below", "watch-beside-a-file")
    watched = b"/dev/shm" if kind == "watch-root" else b"/dev/shm/folder" if of_folder else b"/dev/shm/folder/file"
    if libc.inotify_add_watch(held, watched, 2) < 0:
        sys.exit("no watch")
elif kind.startswith("relative"):
    os.mkdir("/dev/shm/folder", 0o750)
    os.chdir("/dev/shm")
    bound = socket.socket(socket.AF_UNIX)
    bound.bind("folder/socket" if kind == "relative-below" else "socket")
    bound.listen()
    held = bound.fileno()
    os.chdir("/")
elif kind in ("socket", "socket-below", "socket-beside-a-file", "datagram"):
    path = "/dev/shm/socket"
    if kind in ("socket-below", "socket-beside-a-file"):
        os.mkdir("/dev/shm/folder", 0o750)
        path = "/dev/shm/folder/socket"
    if kind == "socket-beside-a-file":
        file = os.open("/dev/shm/folder/file", os.O_RDWR | os.O_CREAT, 0o600)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM)
    bound.bind(path)
    if kind != "datagram":
        bound.listen()
    held = bound.fileno()


def still_holds():
    if not kind.startswith("watch"):
        return True
    with open("/dev/shm/other" if kind == "watch-root" else "/dev/shm/folder/file", "ab") as file:
        file.write(b"event")
    return bool(select.select([held], [], [], 20)[0]) and len(os.read(held, 4096)) > 0


open("/data/ready", "w").close()
while True:
    time.sleep(0.02)
    if os.path.exists("/data/look"):
        with open("/data/new", "w") as file:
            print(kind if still_holds() else "nothing", os.getcwd(), held is not None and stat.S_IFMT(os.fstat(held).st_mode), file=file)
        os.rename("/data/new", "/data/seen")
        os.unlink("/data/look")
