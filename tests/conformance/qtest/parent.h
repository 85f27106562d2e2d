/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a partition's parent does with ports (14.9.1 to 14.9.6), by qtest: the port_* lines.  Each gives the status;
 * what is left over goes before the next rule.
 */
#ifndef CONFORMANCE_QTEST_PARENT_H
#define CONFORMANCE_QTEST_PARENT_H

#include "../rule.h"
#include "hv/port.h"

uint16_t make_port(uint32_t id, const struct hv_port_info *info);
uint16_t delete_port(uint32_t id);
uint16_t connect_port(uint32_t connection, uint32_t id, const struct hv_connection_info *info);
uint16_t disconnect_port(uint32_t connection);
uint16_t get_port_property(uint32_t id, uint32_t code, uint64_t *value);
uint16_t set_port_property(uint32_t id, uint32_t code, uint64_t value);

/* MAKE_PORT(7, .type = HV_PORT_MESSAGE, .sint = 5) */
#define MAKE_PORT(id, ...) make_port(id, &(const struct hv_port_info){ __VA_ARGS__ })
#define CONNECT_PORT(connection, id, ...) connect_port(connection, id, &(const struct hv_connection_info){ __VA_ARGS__ })

/*
 * Does a machine of this role begin to run with these -cpu properties and so many processors?  @said: what was
 * complained of.  There is no machine behind it.
 */
bool launches(const char *properties, const char *smp, char *said, size_t size);

#endif
