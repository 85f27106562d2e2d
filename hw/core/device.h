/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Life of devices and their object classes.  Private to hw/core. */
#ifndef HW_CORE_DEVICE_PRIVATE_H
#define HW_CORE_DEVICE_PRIVATE_H

#include "hw/core/machine.h"

/* Ends what device_new() began; the device is in no list any more.  No lock held. */
void device_free(struct device *d);

/* The object of @d, of its type's class; a reference for the caller. */
HvtObject *device_object_new(struct device *d);
/* @d goes away, its object may stay a while. */
void device_object_orphan(HvtObject *o);

#endif
