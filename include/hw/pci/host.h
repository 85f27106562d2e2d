/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Configuration mechanism 1 (ports 0xcf8, 0xcfc) of a PCI bus with nothing on it but
 * the host bridge, and the chipset's reset control register in its middle (0xcf9),
 * device "pci-host".
 */
#ifndef HW_PCI_HOST_H
#define HW_PCI_HOST_H

enum {
	PCI_CONFIG_ADDRESS = 0xcf8,
	PCI_CONFIG_DATA = 0xcfc,
	RESET_CONTROL = 0xcf9,        /* FADT RESET_REG, one byte of I/O space */
	RESET_CONTROL_VALUE = 0x0f,   /* FADT RESET_VALUE */
};

#endif
