#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the include rules of docs/architecture.md: which folder may include which."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BASE = {"sync", "trace"}
# Longest prefix wins.  "*": everything.
RULES = {
    "include/hv": {"hv"},
    "sync": {"sync"},
    "trace": {"trace"},
    "object": {"object"},
    "target/i386": BASE | {"target/i386"},
    "accel/engine": BASE | {"accel/engine", "target/i386"},
    "accel/hvtlfs": BASE | {"accel/hvtlfs", "accel/engine", "target/i386", "hv", "object"},
    "hw/core": BASE | {"hw/core", "object", "backends"},
    "hw": BASE | {"hw", "object", "backends"},
    "hw/i386": BASE | {"hw", "object", "backends", "accel/hvtlfs", "target/i386", "hv"},
    "hw/intc": BASE | {"hw", "object", "backends", "accel/hvtlfs", "target/i386", "hv"},
    "hw/hyperv": BASE | {"hw", "object", "backends", "accel/hvtlfs", "target/i386", "hv"},
    "backends": BASE | {"backends"},
    "system": {"*"},
    "tests": {"*"},
}
# The list of device types and that of components name what they list.
EXCEPTIONS = {("hw/core/types.c", "hw"), ("accel/hvtlfs/components.c", "hw")}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def home(path):
    """The folder of the house that a file belongs to; include/X counts as X."""
    if path.startswith("include/") and not path.startswith("include/hv/"):
        path = path[len("include/"):]
    best = max((r for r in RULES if path.startswith(r + "/")), key=len, default=None)
    return path, best


def violations():
    for folder, _, files in os.walk(ROOT):
        rel = os.path.relpath(folder, ROOT)
        if rel.split(os.sep)[0].startswith(("build", ".")) and rel != ".":
            continue
        for f in files:
            if not f.endswith((".c", ".h")):
                continue
            path = os.path.normpath(os.path.join(rel, f))
            inside, rule = home(path)
            if rule is None:
                yield f"{path}: in no folder that the rules name"
                continue
            for number, line in enumerate(open(os.path.join(folder, f), encoding="utf-8"), 1):
                m = INCLUDE.match(line)
                if not m or "/" not in m[1] or "*" in RULES[rule]:
                    continue
                target = m[1]
                if os.path.exists(os.path.join(folder, target)):
                    continue
                allowed = RULES[rule]
                if any(target.startswith(a + "/") for a in allowed):
                    continue
                if any(path == e and target.startswith(t + "/") for e, t in EXCEPTIONS):
                    continue
                yield f"{path}:{number}: {rule} may not include {target}"


def main():
    bad = list(violations())
    print("1..1")
    for b in bad:
        print(f"# {b}")
    print(f"{'not ok' if bad else 'ok'} 1 - include rules")
    sys.exit(bool(bad))


main()
