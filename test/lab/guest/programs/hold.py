"""hold.py PATH SIZE [unlink]: open PATH for writing, fill it, and say in /data/seen what is in it each time that there is /data/look."""

import hashlib
import os
import sys
import time

path, size = sys.argv[1], int(sys.argv[2])
fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
content = (b"%s " % path.encode()) * size
os.write(fd, content[:size])
if sys.argv[3:] == ["unlink"]:
    os.unlink(path)
open("/data/ready", "w").close()
while True:
    time.sleep(0.02)
    if os.path.exists("/data/look"):
        found = os.pread(fd, size + 1, 0)
        with open("/data/new", "w") as file:
            print("same" if found == content[:size] else "other", hashlib.sha256(found).hexdigest(), file=file)
        os.rename("/data/new", "/data/seen")
        os.unlink("/data/look")
