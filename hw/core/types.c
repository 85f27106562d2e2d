/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every device type, one line each. */
#include "hw/core/machine.h"

/* X(constant): a struct device_type defined in the device's file. */
#define TYPES(X) \
	X(i8259_type) \
	X(ioapic_type) \
	X(fw_cfg_type) \
	X(i8254_type) \
	X(mc146818_type) \
	X(serial_type) \
	X(debugcon_type) \
	X(acpi_pm_type) \
	X(i8042_type) \
	X(port92_type) \
	X(i8257_type) \
	X(pci_host_type) \
	X(post_type) \
	X(debug_exit_type) \
	X(pc_testdev_type) \
	X(hyperv_testdev_type)

#define X(t) extern const struct device_type t;
TYPES(X)
#undef X

const struct device_type *const device_types[] = {
#define X(t) &t,
	TYPES(X)
#undef X
	NULL
};
