/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest says of its own crash through the crash MSRs; its stack hears of it as EXIT_CRASH. */
#ifndef ACCEL_HVTLFS_CRASH_H
#define ACCEL_HVTLFS_CRASH_H

#include "accel/hvtlfs/hv.h"

enum { HV_CRASH_PARAMETERS = 5, HV_CRASH_MESSAGE_MAX = 4096 };

struct hv_crash {
	uint64_t parameter[HV_CRASH_PARAMETERS];
	char message[HV_CRASH_MESSAGE_MAX + 1];   /* ASCII; "" if there is none or it cannot be read */
};

/* The last report.  Any thread. */
void partition_crash(struct partition *p, struct hv_crash *crash);

#endif
