#!/usr/bin/env python3
"""compare-images.py ALONE OURS: do two dumps of one container say the same?

Ids are chosen by whoever dumps, so each is replaced by what it stands for: a
file by its whole entry, a ghost by its header and its data.
"""
import hashlib
import json
import struct
import sys

import pycriu


def load(directory, name):
    with open("%s/%s.img" % (directory, name), "rb") as image:
        return pycriu.images.load(image)["entries"]


def without(entry, *names):
    return {key: value for key, value in entry.items() if key not in names}


def text(value):
    def other(thing):
        return thing.hex() if isinstance(thing, bytes) else str(thing)

    return json.dumps(value, sort_keys=True, default=other)


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def chunk_fields(data):
    """Return len and off of a ghost_chunk_entry. All its other fields are padding."""
    fields, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
            fields[key >> 3] = value
        elif key & 7 == 2:
            length, at = varint(data, at)
            at += length
        else:
            raise ValueError("wire type %d in a chunk header" % (key & 7))
    return fields[1], fields[2]


def ghost_data(path):
    """Return (ranges, digest). Ranges that touch are merged, however they were cut."""
    with open(path, "rb") as image:
        image.seek(8)
        length = struct.unpack("<I", image.read(4))[0]
        image.seek(length, 1)
        ranges, digest = [], hashlib.sha256()
        with open(path, "rb") as again:
            header = pycriu.images.load(again, no_payload=True)["entries"][0]
        if not header.get("chunks"):
            data = image.read()
            return [[0, len(data)]], hashlib.sha256(data).hexdigest()
        while True:
            prefix = image.read(4)
            if not prefix:
                return ranges, digest.hexdigest()
            size, offset = chunk_fields(image.read(struct.unpack("<I", prefix)[0]))
            data = image.read(size)
            if len(data) != size:
                raise ValueError("%s is truncated" % path)
            digest.update(data)
            if ranges and ranges[-1][1] == offset:
                ranges[-1][1] = offset + size
            else:
                ranges.append([offset, offset + size])


def ghost(directory, remap_id):
    path = "%s/ghost-file-%x.img" % (directory, remap_id)
    with open(path, "rb") as image:
        header = pycriu.images.load(image, no_payload=True)["entries"][0]
    return {"header": without(header, "extra"), "data": ghost_data(path)}


def file_text(entry):
    inner = {key: without(value, "id") if isinstance(value, dict) else value
             for key, value in without(entry, "id").items()}
    return text(inner)


def described(directory):
    files = {entry["id"]: file_text(entry) for entry in load(directory, "files")}
    remaps = [
        text([files[entry["orig_id"]], without(entry, "orig_id", "remap_id"),
              ghost(directory, entry["remap_id"])])
        for entry in load(directory, "remap-fpath")
    ]
    return {"files.img": sorted(files.values()), "remap-fpath.img": sorted(remaps)}


def main():
    alone, ours = described(sys.argv[1]), described(sys.argv[2])
    different = 0
    for name in alone:
        print("%s: %d entries alone, %d ours" % (name, len(alone[name]), len(ours[name])))
        for entry in alone[name]:
            if entry not in ours[name]:
                different += 1
                print("only alone, %s: %s" % (name, entry))
        for entry in ours[name]:
            if entry not in alone[name]:
                different += 1
                print("only ours, %s: %s" % (name, entry))
    if not alone["remap-fpath.img"]:
        different += 1
        print("there is no ghost to compare")
    if different:
        print("FAIL: %d entries differ" % different)
    sys.exit(1 if different else 0)


main()
