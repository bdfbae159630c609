#!/usr/bin/env python3
"""print-table.py TABLE.tsv: lines of case, file system, cell as one table.

Reasons are numbered and follow below.
"""
import sys

cells, cases, columns, reasons = {}, [], [], []
with open(sys.argv[1], encoding="utf-8") as lines:
    for line in lines:
        case, column, cell = line.rstrip("\n").split("\t")
        cells[case, column] = cell
        if case not in cases:
            cases.append(case)
        if column not in columns:
            columns.append(column)


def short(cell):
    word = cell.split()[0].rstrip(":") if cell else "MISSING"
    if cell in ("equal", ""):
        return word
    if cell not in reasons:
        reasons.append(cell)
    return "%s (%d)" % (word, reasons.index(cell) + 1)


def print_row(case, row):
    print(case.ljust(37) + " ".join(text.ljust(17) for text in row).rstrip())


for first in range(0, len(columns), 5):
    some = columns[first:first + 5]
    print_row("case", some)
    for case in cases:
        print_row(case, [short(cells.get((case, column), "")) for column in some])
    print()
for number, reason in enumerate(reasons):
    print("(%d) %s" % (number + 1, reason))
