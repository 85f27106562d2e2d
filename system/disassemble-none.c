/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disassemble.h"

#include <stdio.h>

unsigned disassemble(const uint8_t *bytes, size_t n, unsigned bits, uint64_t at, char *text, size_t size)
{
	snprintf(text, size, "(built without the Zydis library)");
	return 0;
}
