/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listings for the monitor's x/i. */
#ifndef SYSTEM_DISASSEMBLE_H
#define SYSTEM_DISASSEMBLE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Text of the instruction at @bytes that stands at @at, in code of @bits (16, 32,
 * 64).  Its length; 0 if it is none, or if the build has no disassembler (@text says so).
 */
unsigned disassemble(const uint8_t *bytes, size_t n, unsigned bits, uint64_t at, char *text, size_t size);

#endif
