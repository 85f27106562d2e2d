/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A child partition from its creation to its end, by hypercalls. */
#ifndef PARENT_CHILD_H
#define PARENT_CHILD_H

#include "devices.h"
#include "hv/intercept.h"
#include "hv/synic.h"
#include "hv/vp.h"
#include "load.h"

struct child {
	uint64_t id;                     /* 0: there is none */
	uint8_t *memory;                 /* its RAM, ours as well; both 2 MiB aligned */
	size_t size;
	struct ports ports;
	bool ext_int;                    /* an interrupt has been asserted and is not known to have been taken */
	bool ended;                      /* by a triple fault, which is a reset */
	uint64_t exits;
};

/* ---- hypercalls (call.c) ---- */

/* Hypercall page, SynIC with its intercept SINT, the pages that calls use.  Once. */
void parent_init(void);
/* Status of a call whose input is in call_in (and output in call_out). */
extern uint64_t *const call_in, *const call_out;
uint16_t call(uint16_t code, unsigned reps);
/* The same of a call whose input is a partition's id. */
uint16_t with_id(uint16_t code, uint64_t id);
/* The end of the program if it is no success. */
void must(uint16_t status, const char *what);
/* The same, with memory deposited into @id's pool as long as the call asks for it. */
uint16_t call_feeding(uint16_t code, unsigned reps, uint64_t id, const void *in, size_t size);
void deposit(uint64_t id, unsigned pages);
/* All pages that nobody uses come back; how many. */
unsigned withdraw(uint64_t id);
/* Where the hypervisor tells what children do, and where a port may send what partitions tell each other. */
enum { INTERCEPT_SINT = 0, PORT_SINT = 2 };
/* The next message of @sint, taken out of its slot; false: there is none. */
bool parent_take(unsigned sint, struct hv_message *m);
/* Finalized, its pages withdrawn, deleted. */
void partition_end(uint64_t id);
/* From 0 to 4 GiB. */
struct hv_register_value flat_segment(uint16_t selector, uint16_t attributes);
/* Pages of a pool that are in use; UINT64_MAX: it is not ours to ask for, as one's own but for the machine's partition. */
uint64_t pages_in_use(uint64_t id);

/* ---- life (child.c) ---- */

/* Made of c->memory as it is; stands at @e. */
void child_raise(struct child *c, const struct entry *e, bool may_create);
/* NULL if it stands ready to run, else why not. */
const char *child_create(struct child *c, const struct bundle *b, bool may_create);
void child_run(struct child *c);
/* A register of its processor. */
uint64_t child_get(struct child *c, uint32_t name);
void child_set(struct child *c, uint32_t name, uint64_t value);
/* Answers an exit: RAX if it is not NULL, RIP, and on it goes. */
void child_reply(struct child *c, uint64_t rip, const uint64_t *rax);
/* Everything is taken back. */
void child_destroy(struct child *c);
/* The state of its ports' interrupt lines has changed, or it may have taken one. */
void child_interrupts(struct child *c);

/* ---- statistics (stats.c) ---- */

/* What the hypervisor counts of it, and of its processor, is seen from now on, until it is destroyed. */
void stats_map(struct child *c);
void stats_tell(struct child *c);

/* ---- scheduling (dispatch.c) ---- */

/* Runs the child by dispatching its processor until it has come to its end, and says why; @idle: now and then. */
const char *dispatch_run(struct child *c, void (*idle)(void));
/* Its processor stands for good; before it is destroyed. */
void dispatch_end(struct child *c);

/* ---- exits (exit.c) ---- */

/* Where the instruction ends. */
static inline uint64_t behind(const struct hv_intercept_header *h) { return h->rip + (h->length_cr8 & 0xf); }

/* Acts on a message of the child; NULL and it runs on, or why it does not any more. */
const char *child_exit(struct child *c, const struct hv_message *m);

#endif
