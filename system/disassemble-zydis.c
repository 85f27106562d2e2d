/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disassemble.h"

#include <Zydis/Zydis.h>
#include <stdio.h>

unsigned disassemble(const uint8_t *bytes, size_t n, unsigned bits, uint64_t at, char *text, size_t size)
{
	static const ZydisMachineMode modes[] = {
		ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_MACHINE_MODE_LONG_64,
	};
	ZydisDisassembledInstruction i;

	if (ZYAN_FAILED(ZydisDisassembleATT(modes[bits / 32], at, bytes, n, &i))) {
		snprintf(text, size, "(bad)");
		return 0;
	}
	snprintf(text, size, "%s", i.text);
	return i.info.length;
}
