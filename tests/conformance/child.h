/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A child that runs a few bytes of code, and the messages that come of it (chapters 9, 11, 16). */
#ifndef CONFORMANCE_CHILD_H
#define CONFORMANCE_CHILD_H

#include "host.h"
#include "hv/intercept.h"
#include "hv/synic.h"
#include "ipc.h"

/*
 * What the child sees: CHILD_PAGES pages from 0 on, of which one cannot be written to and one not be touched; nothing
 * behind them.  Its code runs in real mode from CHILD_CODE on, with segments from 0 without limits.
 */
enum {
	CHILD_PAGES = 16, CHILD_CODE = 0x1000, CHILD_STACK = 0x3000, CHILD_DATA = 0x4000,
	CHILD_READ_ONLY = 0xe000, CHILD_UNTOUCHABLE = 0xd000, CHILD_NOTHING = 0x10000,
};
/* Exo, as today's software makes them: all that nobody answers is told; and what the text of 2009 knows. */
enum { EXO = HV_CREATE_EXO, OF_2009 = 0 };

struct child {
	uint64_t id;
	uint64_t first;        /* the caller's page that is the child's page 0 */
};

/* Active, with memory and VP 0; the caller's VP 0 listens at SINT0 with VECTOR. */
struct child make_child(uint64_t flags);
/* The same of a partition that is not initialized yet. */
struct child raise_child(uint64_t id);
/*
 * VP 0 makes hypercalls: in 32-bit protected mode, told by an intercept of port 0x80 when one is over.  child_calls():
 * with its input in memory; the status.  What it gave is at CHILD_CALL_OUT.
 */
enum { CHILD_CALL_IN = 0x5000, CHILD_CALL_OUT = 0x6000 };
void child_may_call(const struct child *c);
/* Who has children cannot be finalized: a rule deletes those that it had one make. */
void child_deletes(const struct child *c, uint64_t id);
uint16_t child_calls(const struct child *c, uint16_t code, uint16_t reps, const void *data, size_t size);
/* What CPUID says in VP 0, in real mode; in VP @vp, of a leaf that has others below it. */
struct leaf child_leaf(const struct child *c, uint32_t number);
struct leaf child_leaf_of(const struct child *c, uint32_t vp, uint32_t number, uint32_t sub);
/* One more VP, as VP 0 is, at CHILD_CODE. */
void child_vp(const struct child *c, uint32_t vp);
void child_put(const struct child *c, uint64_t at, const void *from, size_t n);
uint64_t child_get64(const struct child *c, uint64_t at);
/* Real mode at CHILD_CODE, with the first registers as the reset left them; VP @vp stands. */
void child_start_at(const struct child *c, uint32_t vp, uint64_t rip);
uint64_t child_register(const struct child *c, uint32_t name);
void child_set(const struct child *c, uint32_t name, uint64_t value);

/* Of any segment; the base is 0 and the limit 4 GiB. */
void child_segment(const struct child *c, uint32_t name, uint16_t selector, uint16_t attributes);
/* VP 0 in 32-bit protected mode, flat, at CHILD_CODE; VP @vp at @rip. */
void child_protected(const struct child *c);
void child_protected_at(const struct child *c, uint32_t vp, uint64_t rip);
/*
 * The same with paging: addresses below 4 MiB are themselves, and PAGED + n pages is the page @gpa[n], with the further bits
 * of a page table's entry that are in it.
 */
#define CHILD_PAGED 0x400000u
void child_paged(const struct child *c, const uint32_t *gpa, unsigned n);
/* 64-bit mode, the first 2 MiB themselves. */
void child_long(const struct child *c);

/* HvInstallIntercept. */
struct reply install(uint64_t id, uint32_t type, uint32_t access, uint64_t parameter);
void must_install(const struct child *c, uint32_t type, uint64_t parameter);
/* make_child() with it installed. */
struct child child_telling(uint64_t flags, uint32_t type, uint64_t parameter);

/* Code, in real mode: OUT imm8, AL; RDMSR and CPUID behind what loads their numbers, in 8 and 14 bytes; HLT has no macro. */
#define BYTES_32(n) (n) & 0xff, (n) >> 8 & 0xff, (n) >> 16 & 0xff, (uint32_t)(n) >> 24
#define OUT(port) 0xe6, port
#define RDMSR(n) 0x66, 0xb9, BYTES_32(n), 0x0f, 0x32
#define CPUID(leaf, sub) 0x66, 0xb8, BYTES_32(leaf), 0x66, 0xb9, BYTES_32(sub), 0x0f, 0xa2
enum { RDMSR_BYTES = 8, CPUID_BYTES = 14, MSR_NOWHERE = 0x12345 /* no processor has it */ };
/* The handler of vector @vector in real mode: OUT(0x77) at CHILD_DATA, which is told. */
void child_handler(const struct child *c, unsigned vector);

/* Whatever it stands for: it goes on. */
void child_go(const struct child *c, uint32_t vp);
/* Until VP @vp stands in an intercept, whether or not its message has arrived. */
void await_intercept(const struct child *c, uint32_t vp);
/* The slot of SINT0 has something that nobody takes out; it is taken out. */
void occupy_slot(void);
void free_slot(void);
/* A slice of time in which VPs run; ends early if a message comes. */
void child_wait(void);
/* The next message of SINT0, taken out of its slot.  None in a long while: fails the rule, type 0. */
struct hv_message next_message(void);
/* None comes for a short while. */
void check_silence(void);
/* Puts @n bytes of code at CHILD_CODE, goes there and takes the message. */
struct hv_message run_code(const struct child *c, const void *code, size_t n);
/* The same, but in the mode that VP 0 has. */
struct hv_message run_code_as_is(const struct child *c, const void *code, size_t n);
#define RUN_AS_IS(c, ...) run_code_as_is(c, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))
#define RUN_CODE(c, ...) run_code(c, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))
/* Behind the instruction of @m, and the next message. */
struct hv_message step_over(const struct child *c, const struct hv_message *m);
/* Goes on where it stands, and the next message. */
struct hv_message go_on(const struct child *c);

/* HvMapVpStatePage and the like; where the caller sees VP 0's page of this type. */
struct reply state_page_call(uint16_t code, uint64_t id, uint32_t vp, uint16_t type);
uint64_t map_state_page(const struct child *c, uint16_t type);

/* HvAssertVirtualInterrupt. */
struct reply child_assert(const struct child *c, uint32_t type, uint64_t destination, uint32_t vector);
/* Code of VP @vp, in real mode with interrupts off; the message. */
struct hv_message child_run_on(const struct child *c, uint32_t vp, const void *code, size_t n);
/* A register of its APIC, by offset; is @vector requested there? */
enum { CHILD_APIC_ID = 0x20, CHILD_APIC_TPR = 0x80, CHILD_APIC_EOI = 0xb0, CHILD_APIC_LDR = 0xd0, CHILD_APIC_SVR = 0xf0, CHILD_APIC_IRR = 0x200 };
uint32_t child_apic(const struct child *c, uint32_t vp, uint32_t offset);
void child_apic_set(const struct child *c, uint32_t vp, uint32_t offset, uint32_t value);
bool child_waits(const struct child *c, uint32_t vp, uint8_t vector);

/* inc dword [CHILD_DATA + 4], for ever, in real mode. */
#define COUNT_ON 0x66, 0x67, 0xff, 0x05, BYTES_32(CHILD_DATA + 4), 0xeb, 0xf6

/* Of the common header of @m. */
const struct hv_intercept_header *header(const struct hv_message *m);
#define MESSAGE_AS(type, m) ((const struct type *)(const void *)(m)->payload)
/* VP 0, and VP 1 that comes now, are told with this type at @code. */
void check_both_tell(const struct child *c, const void *code, size_t n, int32_t type);
/* It is of this type; false, and the rule failed, if not. */
bool check_type(const struct hv_message *m, int32_t type);

#endif
