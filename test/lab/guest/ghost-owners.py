#!/usr/bin/env python3
"""ghost-owners.py IMAGES UID GID: checks that every ghost image has this owner."""
import glob
import sys

import pycriu

images, uid, gid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
paths = glob.glob(images + "/ghost-file-*.img")
wrong = 0 if paths else 1
for path in paths:
    with open(path, "rb") as image:
        header = pycriu.images.load(image, no_payload=True)["entries"][0]
    print(path, header["uid"], header["gid"])
    if (header["uid"], header["gid"]) != (uid, gid):
        wrong += 1
sys.exit(1 if wrong else 0)
