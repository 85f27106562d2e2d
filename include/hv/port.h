/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports, connections, and the calls that use them (14.8.6 to 14.8.10, 14.9). */
#ifndef HV_PORT_H
#define HV_PORT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Ids of ports and connections; the upper bits must be zero (14.8.6, 14.8.8). */
#define HV_PORT_ID_MASK 0x00ffffffu
#define HV_ANY_VP UINT32_MAX

enum hv_port_type {
	HV_PORT_MESSAGE = 1,
	HV_PORT_EVENT = 2,
	HV_PORT_MONITOR = 3,
};

enum { HV_PORT_BUFFERS = 16 };     /* T14.2.1.a */

/* 0x005c (14.9.7): input */
struct hv_in_post_message {
	uint32_t connection_id;
	uint32_t padding;
	uint32_t message_type;
	uint32_t payload_size;
	uint64_t payload[30];
};
static_assert(sizeof(struct hv_in_post_message) == 256, "14.9.7");
static_assert(offsetof(struct hv_in_post_message, payload) == 16, "14.9.7");

/* 0x005d (14.9.8): input */
struct hv_in_signal_event {
	uint32_t connection_id;
	uint16_t flag;             /* relative to the port's first */
	uint16_t reserved;
};
static_assert(sizeof(struct hv_in_signal_event) == 8, "14.9.8");

#endif
