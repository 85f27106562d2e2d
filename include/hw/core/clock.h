/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One source of 'now' per machine.  Virtual time counts nanoseconds while the
 * machine runs; under qtest it stands still until stepped.
 *
 * Timers fire on the clock's own thread (or in clock_step) with no lock held;
 * the callback takes what it needs.  Arming is allowed from any thread, with any
 * lock below LOCK_CLOCK held.
 */
#ifndef HW_CORE_CLOCK_H
#define HW_CORE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct clock;
struct clock_timer;

enum clock_kind { CLOCK_REAL, CLOCK_STEPPED };

/* Time 0, standing still: CLOCK_REAL until clock_start(), CLOCK_STEPPED until clock_step_to(). */
struct clock *clock_new(enum clock_kind kind);
/* All timers must be freed before. */
void clock_free(struct clock *c);
int64_t clock_now(struct clock *c);           /* virtual ns; any thread, no lock */
enum clock_kind clock_kind(const struct clock *c);
/* Deadlines are kept over a stop.  A callback may still run while clock_stop() returns. */
void clock_stop(struct clock *c);
void clock_start(struct clock *c);
/* A stepped clock goes no further, so that devices may add to the time: 73 years. */
#define CLOCK_END (INT64_MAX / 4)
/* CLOCK_STEPPED: to @to_ns at most, firing timers on the way; the time reached. */
int64_t clock_step_to(struct clock *c, int64_t to_ns);
/* Deadline of the next timer, INT64_MAX if none. */
int64_t clock_next_deadline(struct clock *c);

struct clock_timer *clock_timer_new(struct clock *c, void (*fire)(void *opaque), void *opaque);
/* Cancels (pending fires vanish) and waits until the callback does not run (not from the callback itself). */
void clock_timer_free(struct clock_timer *t);
/* A deadline that has passed fires at once; INT64_MAX cancels. */
void clock_timer_arm(struct clock_timer *t, int64_t deadline_ns);
/* Does not wait: a callback that has begun to run still ends. */
void clock_timer_cancel(struct clock_timer *t);
int64_t clock_timer_deadline(const struct clock_timer *t);  /* INT64_MAX: not armed */

#endif
