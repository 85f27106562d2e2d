/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a way (qtest/, guest/) does for rule.c. */
#ifndef CONFORMANCE_MACHINE_H
#define CONFORMANCE_MACHINE_H

#include <stdarg.h>

#include "rule.h"

/* One line of explanation; %s %d %u %x %lx %llx. */
void machine_say(const char *fmt, va_list *ap);
/* The TAP line of a rule. */
void machine_result(bool good, const char *row, const char *sentence, const char *skipped);
/* As -accel role= has it. */
const char *role_name(enum role role);
/* Can this machine be that?  Others run those rules. */
bool machine_plays(enum role role);
/* The state that rule.h promises. */
void machine_fresh(enum role role);
/* Is @row among those that the user named? */
bool machine_wants(const char *row);
/* Bytes 16 and up of a fast call's input, for XMM0 to XMM5. */
enum { XMM_BYTES = HV_CALL_XMM_BYTES - HV_CALL_FAST_BYTES };
struct reply machine_call(uint64_t control, uint64_t in, uint64_t out, const uint8_t xmm[XMM_BYTES], enum call_via via);

/* host.c: partitions of former rules go, and what is in the pool comes back. */
void host_clean(void);

/* rule.c: all rules of this way, in the order in which they were linked. */
void rules_run(void);

#endif
