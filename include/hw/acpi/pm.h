/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ACPI fixed hardware, device "acpi-pm": property base (default ACPI_PM_BASE), sci
 * (ISA IRQ, default 9).  What the FADT says of it is here.  SCI_EN is always set:
 * the FADT's SMI_CMD is 0.
 */
#ifndef HW_ACPI_PM_H
#define HW_ACPI_PM_H

#include "hw/core/machine.h"

enum {
	ACPI_PM_BASE = 0x600,
	ACPI_PM1_EVT = 0x00, ACPI_PM1_EVT_LEN = 4,   /* status, enable */
	ACPI_PM1_CNT = 0x04, ACPI_PM1_CNT_LEN = 2,
	ACPI_PM_TMR  = 0x08, ACPI_PM_TMR_LEN = 4,    /* 32 bits: FADT flag TMR_VAL_EXT set */
	ACPI_GPE0    = 0x20, ACPI_GPE0_LEN = 16,     /* 8 bytes status, 8 enable */
	ACPI_PM_SIZE = 0x40,
	ACPI_PM_S5_TYPE = 0,     /* SLP_TYP of \_S5 */
	ACPI_PM_SCI = 9,         /* level, active high */
	ACPI_PM_TIMER_HZ = 3579545,
};

/* Sets PWRBTN_STS and pulls the SCI if it is enabled.  Takes the machine lock. */
void acpi_pm_power_button(struct device *d);
/* Sets general purpose event @n.  Takes the machine lock. */
void acpi_pm_gpe(struct device *d, unsigned n);

#endif
