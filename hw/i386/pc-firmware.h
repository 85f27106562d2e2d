/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What firmware is told about the PC through fw_cfg. */
#ifndef HW_I386_PC_FIRMWARE_H
#define HW_I386_PC_FIRMWARE_H

#include "hw/core/machine.h"
#include "acpi/build.h"

struct firmware_config {
	struct device *fw_cfg;
	uint32_t processors, max_processors;
	uint64_t low_end, high_size;            /* RAM below the hole, and from 4 GiB on */
	const struct acpi_tables *acpi;         /* not placed */
	const char *kernel, *initrd, *cmdline;  /* for firmware that loads kernels itself; NULL none */
};

/* The error names the file that cannot be read. */
bool firmware_describe(const struct firmware_config *c, GError **error);

#endif
