/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ACPI tables of the PC.
 *
 * They are built as if they began at address 0, with a list of the places that
 * hold addresses and of those that hold checksums.  Direct boot gives them a base;
 * firmware gets the lists as fw_cfg's table loader script.
 */
#ifndef HW_I386_ACPI_BUILD_H
#define HW_I386_ACPI_BUILD_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum { ACPI_RSDP_SIZE = 36, ACPI_TABLES_ALIGN = 64 };

struct acpi_config {
	const uint32_t *apic_id;    /* one each processor */
	uint32_t processors;
	uint64_t ioapic_base, lapic_base;
};

struct acpi_pointer {
	bool in_rsdp;               /* the place is in the RSDP, else in the tables */
	uint32_t offset, size;      /* of the place */
};
struct acpi_checksum {
	bool in_rsdp;
	uint32_t offset;            /* of the checksum byte */
	uint32_t start, length;     /* what it sums */
};

struct acpi_tables {
	GByteArray *tables;         /* all but the RSDP */
	GByteArray *rsdp;
	GArray *pointers;           /* struct acpi_pointer: each holds an offset into tables */
	GArray *checksums;          /* struct acpi_checksum, inner ones first */
};

struct acpi_tables *acpi_build(const struct acpi_config *config);
void acpi_free(struct acpi_tables *t);
/* Makes addresses of all offsets for tables at @base (multiple of ACPI_TABLES_ALIGN, below 4 GiB), and the checksums. */
void acpi_place(struct acpi_tables *t, uint64_t base);

#endif
