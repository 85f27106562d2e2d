#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads the instruction tables and writes rows.c, handlers.h and handlers.c.

The grammar of the tables is in README.md beside this file.  A row that breaks
it stops the build with file, line and what was expected.
"""
import argparse
import os
import re
import sys

MAPS = {"": 0, "0f": 1, "0f38": 2, "0f3a": 3, "vex.0f": 4, "vex.0f38": 5, "vex.0f3a": 6}
PREFIXES = {"-": 0, "np": 1, "66": 2, "f2": 3, "f3": 4}
FLAGS = ["OF", "SF", "ZF", "AF", "PF", "CF"]
FLAG_LETTERS = {"d": "DF", "i": "IF", "t": "TF", "n": "NT", "r": "RF", "v": "VM", "a": "AC"}
SIZES = ["none", "b", "w", "d", "q", "v", "z", "y", "n", "x", "dq", "qq", "t", "s", "p", "is"]
KINDS = "EMRGIJOASCDVWUHLBPQNXYZT"
GPRS = ["AX", "CX", "DX", "BX", "SP", "BP", "SI", "DI"]
FIXED = {"AL": (0, "b"), "CL": (1, "b"), "AH": (0, "b")}
for number, reg in enumerate(GPRS):
    FIXED[reg] = (number, "w")
    FIXED["E" + reg] = (number, "d")
    FIXED["r" + reg] = (number, "v")
    FIXED["z" + reg] = (number, "z")
    FIXED["y" + reg] = (number, "y")
SEGS = ["ES", "CS", "SS", "DS", "FS", "GS"]
ATTRS = ["lock", "rep", "repz", "d64", "f64", "branch", "end", "vex", "align", "x87", "mmx", "sse",
         "avx", "cpl0", "noreal", "unaligned_ac", "nowait", "rm_write", "read_only", "undef_ok", "ud_user"]
MODRM_KINDS = set("EMRGSCDVWUPQNT")


class Fail(Exception):
    pass


def parse_operand(text):
    """(kind name, register, size, memory size) of one operand."""
    if text in FIXED:
        return ("FIXED", FIXED[text][0] + (0x80 if text == "AH" else 0), FIXED[text][1], FIXED[text][1])
    if text in SEGS:
        return ("FIXSEG", SEGS.index(text), "w", "w")
    if text == "1":
        return ("ONE", 0, "b", "b")
    if text == "ST0":
        return ("ST0", 0, "t", "t")
    if text == "STi":
        return ("STI", 0, "t", "t")
    if text == "Iw2":
        return ("I2", 0, "w", "w")
    if text == "Ib2":
        return ("I2", 0, "b", "b")
    if text == "XMM0":
        return ("FIXXMM", 0, "dq", "dq")
    if text[0] not in KINDS:
        raise Fail(f"unknown operand '{text}'")
    kind, rest = text[0], text[1:]
    size, _, memory = rest.partition("/")
    if kind == "I" and size == "s":
        size = "is"
    size, memory = size or "none", memory or size or "none"
    if size == "-":
        size = memory = "none"
    for s in (size, memory):
        if s not in SIZES:
            raise Fail(f"unknown size '{s}' in operand '{text}'")
    return (kind, 0, size, memory)


class Row:
    def __init__(self, where, columns):
        if len(columns) != 9:
            raise Fail(f"{len(columns)} columns, expected 9")
        opcode, prefix, form, operands, flags, self.name, self.handler, attrs, needs = columns
        self.where = where
        m = re.fullmatch(r"(?:(.*)\.)?([0-9a-f]{2})(\+r)?", opcode)
        if not m or (m[1] or "") not in MAPS:
            raise Fail(f"bad opcode '{opcode}'")
        self.map = MAPS[m[1] or ""]
        first = int(m[2], 16)
        self.opcodes = range(first, first + 8) if m[3] else [first]
        if prefix not in PREFIXES:
            raise Fail(f"bad prefix '{prefix}'")
        self.prefix = PREFIXES[prefix]
        self.operands = [] if operands == "-" else [parse_operand(o) for o in operands.split(",")]
        if len(self.operands) > 4:
            raise Fail("more than 4 operands")
        self.attrs = [] if attrs == "-" else attrs.split(",")
        for a in self.attrs:
            if a not in ATTRS:
                raise Fail(f"unknown attribute '{a}'")
        if self.map >= 4 and "vex" not in self.attrs:
            self.attrs.append("vex")
        self.feature = "F_NONE" if needs == "-" else "F_" + needs.upper()
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", self.handler):
            raise Fail(f"bad handler '{self.handler}'")
        self.parse_form(form)
        self.parse_flags(flags)
        self.modrm = bool(self.need_modrm or any(o[0] in MODRM_KINDS or o[0] == "STI" for o in self.operands))

    def parse_form(self, form):
        self.reg = self.rm = self.w = self.l = self.rexb = -1
        self.mod = self.mode = self.osize = self.asize = 0
        self.need_modrm = False
        words = [] if form == "-" else form.split(",")
        for o in self.operands:
            implied = {"M": "mem", "T": "mem", "U": "reg", "N": "reg"}.get(o[0])
            if o[0] == "R" and self.map == 1 and self.opcodes[0] in range(0x20, 0x24):
                implied = None
            elif o[0] == "R":
                implied = "reg"
            if implied and implied not in words:
                words.append(implied)
        for w in words:
            if re.fullmatch(r"/[0-7]", w):
                self.reg = int(w[1])
                self.need_modrm = True
            elif re.fullmatch(r"rm[0-7]", w):
                self.rm = int(w[2])
                self.need_modrm = True
            elif w in ("mem", "reg"):
                self.mod = 1 if w == "mem" else 2
                self.need_modrm = True
            elif w in ("x64", "no64"):
                self.mode = 1 if w == "x64" else 2
            elif w in ("w0", "w1"):
                self.w = int(w[1])
            elif w in ("l0", "l1"):
                self.l = int(w[1])
            elif w in ("o16", "o32", "o64"):
                self.osize |= int(w[1:]) // 8
            elif w in ("a16", "a32", "a64"):
                self.asize |= int(w[1:]) // 8
            elif w in ("rex", "norex"):
                self.rexb = 1 if w == "rex" else 0
            else:
                raise Fail(f"unknown form '{w}'")

    def parse_flags(self, text):
        base, _, extra = text.partition("+")
        if len(base) != 6:
            raise Fail(f"flags '{text}' are not six letters")
        self.read, self.written, self.undefined = [], [], []
        for name, letter in zip(FLAGS, base):
            if letter in "tb":
                self.read.append(name)
            if letter in "mu01b":
                self.written.append(name)
            if letter == "u":
                self.undefined.append(name)
            if letter not in "mu01tb.":
                raise Fail(f"unknown flag letter '{letter}'")
        for letter in extra.replace("+", ""):
            if letter not in FLAG_LETTERS:
                raise Fail(f"unknown flag '+{letter}'")
            self.read.append(FLAG_LETTERS[letter])

    def constraints(self):
        return sum((self.prefix != 0, self.reg >= 0, self.mod != 0, self.rm >= 0, self.mode != 0,
                    self.w >= 0, self.l >= 0, self.osize != 0, self.asize != 0, self.rexb >= 0))


def read_tables(paths):
    rows = []
    for path in paths:
        for number, line in enumerate(open(path, encoding="utf-8"), 1):
            columns = line.split("#", 1)[0].split()
            if columns:
                try:
                    rows.append(Row(f"{os.path.basename(path)}:{number}", columns))
                except Fail as e:
                    sys.exit(f"{path}:{number}: {e}")
    return rows


def mask(names):
    return " | ".join("X86_" + n for n in names) or "0"


def write_rows(rows, path):
    specs = [("NONE", 0, "none", "none")]
    out = ["/* Generated from insns-*.tbl by gen-insns.py. */", '#include "decode-tables.h"', '#include "target/i386/model.h"',
           '#include "handlers.h"', "", "const struct x86_row x86_rows[] = {"]
    for i, r in enumerate(rows):
        ops = []
        for o in r.operands:
            if o not in specs:
                specs.append(o)
            ops.append(str(specs.index(o)))
        attrs = " | ".join("ROW_" + a.upper() for a in r.attrs) or "0"
        out.append(f'\t{{ "{r.name}", {i}, H_{r.handler}, {r.feature}, {attrs}, {mask(r.read)}, '
                   f'{mask(r.written)}, {mask(r.undefined)}, {{ {", ".join(ops) or "0"} }} }},  /* {r.where} */')
    out += ["};", "const unsigned x86_row_count = sizeof x86_rows / sizeof x86_rows[0];", "",
            "const struct opspec x86_opspecs[] = {"]
    for k, reg, size, memory in specs:
        out.append(f"\t{{ K_{k}, {reg}, SZ_{size.upper()}, SZ_{memory.upper()} }},")
    out += ["};", ""]
    slots = {}
    for i, r in enumerate(rows):
        for op in r.opcodes:
            slots.setdefault((r.map, op), []).append((i, r))
    forms, table = [], {}
    for key, entries in sorted(slots.items()):
        # Stable: of equally constrained rows the first one in the table wins.
        entries.sort(key=lambda e: -e[1].constraints())
        modrm = any(r.modrm for _, r in entries)
        if modrm and not all(r.modrm or r.map < 4 for _, r in entries):
            sys.exit(f"{entries[0][1].where}: opcode has rows with and without ModRM")
        table[key] = (len(forms), len(entries), int(modrm))
        for i, r in entries:
            forms.append(f"\t{{ {i}, {r.prefix}, {r.reg}, {r.mod}, {r.rm}, {r.mode}, {r.w}, {r.l}, {r.osize}, {r.asize}, {r.rexb} }},")
    out += ["const struct rowform x86_rowforms[] = {"] + forms + ["};", "", "const struct opslot x86_opslots[7][256] = {"]
    for (mp, op), (start, count, modrm) in sorted(table.items()):
        out.append(f"\t[{mp}][0x{op:02x}] = {{ {start}, {count}, {modrm} }},")
    out += ["};", ""]
    open(path, "w", encoding="utf-8").write("\n".join(out))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", required=True)
    p.add_argument("tables", nargs="+")
    a = p.parse_args()
    rows = read_tables(a.tables)
    handlers = sorted({r.handler for r in rows})
    write_rows(rows, os.path.join(a.out, "rows.c"))
    with open(os.path.join(a.out, "handlers.h"), "w", encoding="utf-8") as f:
        f.write("/* Generated from insns-*.tbl by gen-insns.py. */\n#ifndef HANDLERS_H\n#define HANDLERS_H\n\n"
                "struct x86_cpu;\nstruct uop;\n\nenum x86_handler {\n")
        f.writelines(f"\tH_{h},\n" for h in handlers)
        f.write("\tH_COUNT\n};\n\n")
        f.writelines(f"const struct uop *op_{h}(struct x86_cpu *c, const struct uop *u);\n" for h in handlers)
        f.write("\n#endif\n")
    with open(os.path.join(a.out, "handlers.c"), "w", encoding="utf-8") as f:
        f.write('/* Generated from insns-*.tbl by gen-insns.py. */\n#include "interp.h"\n\n'
                "extern const uop_fn interp_handlers[];\nconst uop_fn interp_handlers[H_COUNT] = {\n")
        f.writelines(f"\t[H_{h}] = op_{h},\n" for h in handlers)
        f.write("};\n")


main()
