#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a conformance guest: hands it the hypervisor's call table and passes its TAP lines on.

usage: run-guest.py EMULATOR IMAGE [-m MUTANT] [ROW]
"""
import argparse
import os
import re
import struct
import subprocess
import sys
import tempfile

RUN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "guest", "run.py")
CPU = ["-cpu", "max", "-smp", "2"]
# GUEST_MONITOR of ipc.h
DEVICES = ["-device", "hyperv-testdev,monitor-page=0x3030000"]


def call_table(emulator, image, options):
    """struct call_row of rule.h, one for each row that the emulator has."""
    command = [emulator, "-accel", "hvtlfs", "-m", "128M", "-display", "none", "-serial", "none", "-monitor", "none", "-S",
               "-qtest", "stdio", "-kernel", image] + CPU + options
    rows = b""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as e:
        for n in range(1 << 16):
            e.stdin.write(f"hvcall_row {n}\n")
            e.stdin.flush()
            answer = e.stdout.readline().split()
            if answer[:1] != ["OK"]:
                break
            code, name, *sizes, privilege = answer[1:]
            rows += struct.pack("<40sQ6HI", name.encode()[:39], int(privilege, 0), int(code, 0), *map(int, sizes), 0)
        e.kill()
    if not rows:
        sys.exit("Bail out! the emulator tells no call table")
    return rows


def passes(command, before):
    """Runs a guest and passes its TAP lines on, numbered behind @before; the number of the last, and the exit code."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as p:
        for line in p.stdout:
            result = re.match(r"((?:not )?ok) \d+(.*)", line, re.S)
            if result:
                before += 1
                line = f"{result[1]} {before}{result[2]}"
            if not re.match(r"1\.\.\d+", line):
                sys.stdout.write(line)
                sys.stdout.flush()
    return before, p.returncode


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("emulator")
    p.add_argument("image")
    p.add_argument("-m", "--mutant")
    p.add_argument("-t", "--timeout", default="120")
    p.add_argument("row", nargs="?")
    a = p.parse_args()
    mutate = ["-mutate", a.mutant] if a.mutant else []
    with tempfile.NamedTemporaryFile() as f:
        f.write(call_table(a.emulator, a.image, mutate))
        f.flush()
        results, codes = 0, []
        for role in "guest", "host", "root", "root,scheduler=root":
            options = CPU + DEVICES + mutate + ["-initrd", f.name, "-append", f"role={role}" + (f" rows={a.row}" if a.row else "")]
            before = results
            results, code = passes([sys.executable, RUN, a.emulator, a.image, "-a", f"hvtlfs,call-slice=0,role={role}", "-t", a.timeout, "--"] + options, results)
            # A program without a rule of the row that is asked for ends as one that failed.
            codes.append(code if results > before or not a.row else 0)
    print(f"1..{results}")
    sys.exit(max(codes))


main()
