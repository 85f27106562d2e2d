/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For rules of two partitions that send each other something (14.9): the parent's calls, children that may make them. */
#ifndef CONFORMANCE_PORTS_OF_TWO_H
#define CONFORMANCE_PORTS_OF_TWO_H

#include "child.h"
#include "hv/mmu.h"

/* Numbers that join() gives to what it makes; flags of event_port. */
enum { PORT = 0x101, CONNECTION = 0x202, FLAGS = 8 };
#define SELF HV_PARTITION_ID_SELF

/* To SINT of whatever VP. */
extern const struct hv_port_info event_port;

/* The calls as of today: in @port for @connection, in @connection to @port's. */
struct reply create_port_in(uint64_t port, uint32_t id, uint64_t connection, struct hv_port_info info);
struct reply connect_port_in(uint64_t connection, uint32_t id, uint64_t port, uint32_t port_id, struct hv_connection_info info);
/* HvDeletePort or HvDisconnectPort, in registers. */
struct reply end_number(uint16_t code, uint64_t partition, uint32_t id);
void good(struct reply r);

/* A port of @port to which @connection is connected; not of a monitor page. */
void join(uint64_t port, uint64_t connection, struct hv_port_info info);
/* The caller's own pool pays for its ports. */
void own_pool(void);
/* The pages that @id's pool has in use. */
uint64_t in_use(uint64_t id);

/* What a partition may do that its parent has said nothing about, and @privileges. */
void allow(uint64_t id, uint64_t privileges);
/* A child that makes calls, with these privileges. */
struct child caller_with(uint64_t privileges);
/* The SynIC of VP 0 of @c takes messages and events, in pages that it sees there. */
enum { CHILD_MESSAGES = 0x8000, CHILD_FLAGS = 0x9000 };
void child_listens(const struct child *c);
/* HvReadGpa of 8 bytes, above which overlays lie: HV_ACCESS_*. */
uint32_t child_sees(const struct child *c, uint64_t gpa, uint64_t *value);
/* Is this flag of SINT set there? */
bool child_flag(const struct child *c, unsigned flag);

#endif
