"""Hold a live file, 30 folders of 150 bytes below /data, and a ghost.

/data/state    a line of JSON about them, written anew each time
"""

import hashlib
import json
import os
import time

# CRIU alone would take the ghost.
SIZE = 640 << 10
CONTENT = bytes(range(256)) * (SIZE // 256)


def deep():
    """No call can name it whole."""
    at = os.open("/data", os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(30):
        os.mkdir("d" * 150, dir_fd=at)
        inner = os.open("d" * 150, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = inner
    fd = os.open("live", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=at)
    os.close(at)
    return fd


def ghost():
    fd = os.open("/data/ghost", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.unlink("/data/ghost")
    return fd


def main():
    fds = [deep(), ghost()]
    for fd in fds:
        os.write(fd, CONTENT)
    count = 0
    while True:
        count += 1
        state = {
            "count": count,
            "links": [os.fstat(fd).st_nlink for fd in fds],
            "whole": [os.pread(fd, SIZE + 1, 0) == CONTENT for fd in fds],
            "sum": hashlib.sha256(CONTENT).hexdigest(),
        }
        with open("/data/state.new", "w") as file:
            json.dump(state, file)
        os.rename("/data/state.new", "/data/state")
        time.sleep(0.05)


main()
