/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MC146818 clock and CMOS memory, device "mc146818rtc": ports 0x70, 0x71, ISA IRQ 8. */
#ifndef HW_TIMER_MC146818_H
#define HW_TIMER_MC146818_H

#include "hw/core/machine.h"

enum { CMOS_CENTURY = 0x32, CMOS_SIZE = 128 };

/* Memory sizes where firmware looks for them; bytes.  Takes the machine lock. */
void mc146818_set_memory(struct device *d, uint64_t below_4g, uint64_t above_4g);
/* One byte of CMOS memory (not of the clock, below 0x0e).  Takes the machine lock. */
void mc146818_set_cmos(struct device *d, unsigned index, uint8_t value);

#endif
