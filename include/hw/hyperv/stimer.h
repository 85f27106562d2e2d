/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all periodic timers in units of reference time have in common (15.1.4). */
#ifndef HW_HYPERV_STIMER_H
#define HW_HYPERV_STIMER_H

#include <stdbool.h>
#include <stdint.h>

struct partition;

#define TIMER_NEVER UINT64_MAX

/*
 * The tick behind one that was due at *@schedule, as the guest counts, and is signalled @now: when it is due, and in *@at when it
 * is to be signalled; that is less than @period away while ticks are made up for.  @lazy: none is.  @period is not 0.
 */
void timer_next_tick(uint64_t period, bool lazy, uint64_t now, uint64_t *schedule, uint64_t *at);
/* When a tick tries again that would have been lost behind the one before. */
uint64_t timer_retry(uint64_t period, uint64_t now);
/* Host time (CLOCK_MONOTONIC ns) of the reference time @at of @p; INT64_MAX for TIMER_NEVER. */
int64_t timer_host_deadline(struct partition *p, uint64_t at);

#endif
