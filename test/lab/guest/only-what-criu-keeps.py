"""Exit 1 unless a ghost that CRIU alone restored (AFTER) has of its metadata (BEFORE) what the README says of a stock CRIU."""

import json
import sys


def expected(before):
    kept = {key: before[key] for key in ("mode", "uid", "gid", "size", "nlink")}
    times = {key: before[key] // 1000 * 1000 for key in ("atime", "mtime")}
    return {**kept, **times, "xattrs": {}, "flags": 0}


def main():
    before, after = (json.load(open(path)) for path in sys.argv[1:])
    if after != [expected(ghost) for ghost in before] or after == before:
        sys.exit(f"not what a stock CRIU keeps: {after}")


main()
