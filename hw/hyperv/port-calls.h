/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of 14.9, for the component of ports. */
#ifndef HW_HYPERV_PORT_CALLS_H
#define HW_HYPERV_PORT_CALLS_H

#include "accel/hvtlfs/call.h"

extern const struct hv_call port_calls[];

#endif
