/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Firmware configuration, device "fw_cfg": numbered items and named files that firmware
 * reads through ports 0x510 and 0x511 or by DMA (0x514).  Interface and item numbers
 * are QEMU's (docs/specs/fw_cfg), so that SeaBIOS, OVMF and Linux's qemu_fw_cfg find them.
 */
#ifndef HW_I386_FW_CFG_H
#define HW_I386_FW_CFG_H

#include "hw/core/machine.h"

enum {
	FW_CFG_SIGNATURE = 0x00, FW_CFG_ID = 0x01, FW_CFG_RAM_SIZE = 0x03, FW_CFG_NOGRAPHIC = 0x04, FW_CFG_NB_CPUS = 0x05,
	FW_CFG_KERNEL_ADDR = 0x07, FW_CFG_KERNEL_SIZE = 0x08, FW_CFG_INITRD_ADDR = 0x0a, FW_CFG_INITRD_SIZE = 0x0b,
	FW_CFG_MAX_CPUS = 0x0f, FW_CFG_KERNEL_ENTRY = 0x10, FW_CFG_KERNEL_DATA = 0x11, FW_CFG_INITRD_DATA = 0x12,
	FW_CFG_CMDLINE_ADDR = 0x13, FW_CFG_CMDLINE_SIZE = 0x14, FW_CFG_CMDLINE_DATA = 0x15,
	FW_CFG_SETUP_ADDR = 0x16, FW_CFG_SETUP_SIZE = 0x17, FW_CFG_SETUP_DATA = 0x18, FW_CFG_FILE_DIR = 0x19,
	FW_CFG_FILE_FIRST = 0x20,
	FW_CFG_IRQ0_OVERRIDE = 0x8002,
	FW_CFG_NAME_MAX = 56,        /* with its zero */
};

/* Item @key becomes a copy of @data.  Before the machine runs, or with the machine lock held. */
void fw_cfg_set(struct device *d, uint16_t key, const void *data, size_t n);
/* A little-endian number of @bytes. */
void fw_cfg_set_number(struct device *d, uint16_t key, uint64_t v, unsigned bytes);
/* File @name, shorter than FW_CFG_NAME_MAX; an older one of that name is replaced. */
void fw_cfg_set_file(struct device *d, const char *name, const void *data, size_t n);

#endif
