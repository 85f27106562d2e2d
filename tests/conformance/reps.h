/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A list for HvGetVpRegisters, which works element by element and has output for each. */
#ifndef CONFORMANCE_REPS_H
#define CONFORMANCE_REPS_H

#include "rule.h"

enum { ELEMENTS = 6, LIST_HEADER = 16, IN_PAGE = 8, OUT_LIST_PAGE = 9 };
#define UNTOUCHED 0x5a5a5a5a5a5a5a5aull
#define NO_REGISTER 0x00000002u     /* T10.2.2.b */

/* Registers of the caller that no call changes at IN_PAGE, UNTOUCHED all over OUT_LIST_PAGE. */
void reps_fill(void);
/* The name of element @n. */
void reps_name(unsigned n, uint32_t name);
/* The value of element @n's register, as a call with one element has it; fills all anew. */
uint64_t reps_value(unsigned n);
struct reply reps_call(unsigned start, unsigned count);
uint64_t reps_control(unsigned start, unsigned count);
uint64_t reps_output(unsigned n);
/* Output of the elements from @from to @to - 1 is @value[], all else in the page is untouched. */
void reps_check_output(const uint64_t *value, unsigned from, unsigned to);

#endif
