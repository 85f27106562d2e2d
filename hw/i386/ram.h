/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The PC's guest physical memory: RAM below 640 KiB, from 768 KiB to the hole at 3 GiB,
 * and the rest from 4 GiB on; firmware below 4 GiB.  It belongs to the partition, or is
 * plain memory of this process for a machine without processor.
 */
#ifndef HW_I386_RAM_H
#define HW_I386_RAM_H

#include "accel/hvtlfs/hv.h"
#include "hw/core/machine.h"

enum {
	PC_VGA_BASE = 0xa0000, PC_UPPER_BASE = 0xc0000, PC_ACPI_BASE = 0xe0000, PC_ONE_MIB = 0x100000,
	PC_EBDA = 0x9fc00,
};
#define PC_HOLE_BASE UINT64_C(0xc0000000)
#define PC_FOUR_GIB UINT64_C(0x100000000)

struct ram;

/* @p NULL: plain memory. */
struct ram *ram_new(struct partition *p, uint64_t bytes, GError **error);
void ram_free(struct ram *r);
/* Firmware image that ends at 4 GiB; its last 256 KiB are copied below 1 MiB by ram_reset(). */
bool ram_set_firmware(struct ram *r, const char *path, GError **error);
bool ram_reset(struct ram *r, GError **error);
struct guest_memory ram_memory(struct ram *r);
uint64_t ram_low_end(const struct ram *r);     /* below the hole */
uint64_t ram_high_size(const struct ram *r);   /* from 4 GiB on */

#endif
