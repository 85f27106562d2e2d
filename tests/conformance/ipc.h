/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tests of chapter 14 have in common: a SynIC that listens, connections by hyperv-testdev, the two calls. */
#ifndef CONFORMANCE_IPC_H
#define CONFORMANCE_IPC_H

#include "hv/msr.h"
#include "hv/port.h"
#include "hv/synic.h"
#include "rule.h"

/* Connections that hyperv-testdev makes; their port has the same number. */
enum { MESSAGES = 0x21, OTHER_MESSAGES = 0x22, EVENTS = 0x31 };
enum { SINT = 5, OTHER_SINT = 6, VECTOR = 0x75, OTHER_VECTOR = 0x76 };
/* The guest's monitor page: the receiver's view, the sender's in the page behind (run-guest.py). */
#define GUEST_MONITOR 0x3030000ull

/* Pages of VP @vp. */
static inline uint64_t message_page(unsigned vp) { return test_page(2 * vp); }
static inline uint64_t flags_page(unsigned vp) { return test_page(2 * vp + 1); }

/*
 * The acting VP, which is @vp: APIC, SynIC and pages on, pages zeroed; SINT and OTHER_SINT have VECTOR and
 * OTHER_VECTOR.  No connection of the above is there.
 */
void synic_on(unsigned vp);

/* Of hyperv-testdev. */
void make_messages(unsigned connection, unsigned vp, unsigned sint);
void make_events(unsigned connection, unsigned vp, unsigned sint);   /* flag 0 is the flag of the connection's number */
void destroy(unsigned connection);

/* HvPostMessage: @size bytes of payload, of which the first word is @first. */
struct reply post_typed(uint32_t connection, uint32_t type, uint32_t size, uint64_t first);
struct reply post(uint32_t connection, uint64_t first);
/* HvSignalEvent in registers. */
struct reply signal_flag(uint32_t connection, uint16_t flag);

void zero_page(uint64_t gpa);

/* Slots and flags of VP 0. */
struct hv_message slot(unsigned sint);
uint64_t slot_word(unsigned sint);       /* first word of the payload */
void empty_slot(unsigned sint);
void eom(void);
bool flag_set(unsigned sint, unsigned flag);
void check_slot_empty(unsigned sint);
/* The slot of SINT has a message with this first word. */
void check_slot(uint64_t first);

/* A status from elsewhere than CALL. */
void check_status_is(uint16_t got, uint16_t want, const char *what);

#endif
