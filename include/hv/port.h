/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports, connections, monitor pages, and the calls that use them (14.8.6 to 14.8.10, 14.9). */
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
	HV_PORT_DOORBELL = 4,      /* later revisions: a write to a GPA of the sender */
};

enum { HV_PORT_BUFFERS = 16 };     /* T14.2.1.a */

/* What a port is (14.8.6). */
struct hv_port_info {
	uint32_t type;             /* enum hv_port_type */
	uint32_t reserved;
	union {
		struct {
			uint32_t sint, vp;
		};
		uint64_t monitor;  /* monitor port: where the page is seen by the receiver */
	};
	union {
		struct {
			uint16_t base_flag, flag_count;
			uint32_t event_reserved;
		};
		uint64_t other_reserved;   /* of message and monitor ports */
	};
};
static_assert(sizeof(struct hv_port_info) == 24 && offsetof(struct hv_port_info, monitor) == 8 &&
	      offsetof(struct hv_port_info, flag_count) == 18, "14.8.6");

/* What a connection is (14.8.9). */
struct hv_connection_info {
	uint32_t type;             /* that of its port */
	uint32_t reserved;
	uint64_t monitor;          /* to a monitor port: where the page is seen by the sender; else reserved */
};
static_assert(sizeof(struct hv_connection_info) == 16, "14.8.9");

/* Which writes ring: of which size, of which value. */
#define HV_DOORBELL_SIZE 7ull              /* 0: of any; n: of 1 << (n - 1) bytes */
#define HV_DOORBELL_ANY_VALUE (1ull << 31)

/* 14.8.7 */
enum hv_port_property {
	HV_PORT_POST_COUNT = 0,
	HV_PORT_PREFERRED_VP = 1,
};

/* ---- monitor page (14.8.10) ---- */

enum { HV_MONITOR_GROUPS = 4, HV_MONITOR_TRIGGERS = 32 };   /* T14.8.10.f, T14.8.9.1.a */
/* The page's state: a bit per group that is examined, and whether the hypervisor does not look at all. */
#define HV_MONITOR_DISABLED (1u << 4)

struct hv_monitor_group {
	uint32_t pending, armed;
};

struct hv_monitor_parameter {
	uint32_t connection_id;
	uint16_t flag;
	uint16_t reserved;
};
static_assert(sizeof(struct hv_monitor_parameter) == 8, "14.8.9.2");

struct hv_monitor_page {
	uint32_t state;
	uint32_t reserved_1;
	struct hv_monitor_group group[HV_MONITOR_GROUPS];
	uint8_t reserved_2[536];
	uint16_t latency[HV_MONITOR_GROUPS][HV_MONITOR_TRIGGERS];   /* 100 ns units */
	uint8_t reserved_3[256];
	struct hv_monitor_parameter parameter[HV_MONITOR_GROUPS][HV_MONITOR_TRIGGERS];
	uint8_t reserved_4[1984];
};
static_assert(sizeof(struct hv_monitor_page) == 4096 && offsetof(struct hv_monitor_page, group) == 8 &&
	      offsetof(struct hv_monitor_page, latency) == 0x240 && offsetof(struct hv_monitor_page, parameter) == 0x440,
	      "14.8.10");

/* ---- calls ---- */

/* 0x0057 (14.9.1), 0x0095: input; that of 2009 ends before the domain. */
struct hv_in_create_port {
	uint64_t port_partition;
	uint32_t port_id;
	uint32_t vtl;              /* 0x0095: bits 7:0 of the port, 15:8 the least; 2009: padding */
	uint64_t connection_partition;
	struct hv_port_info info;
	uint64_t domain;           /* struct hv_proximity_domain_info */
};
static_assert(sizeof(struct hv_in_create_port) == 56 && offsetof(struct hv_in_create_port, info) == 24, "14.9.1");

/* 0x0058 (14.9.2), 0x005b (14.9.6): input */
struct hv_in_port {
	uint64_t partition_id;
	uint32_t id;               /* of the port, of the connection */
	uint32_t padding;
};
static_assert(sizeof(struct hv_in_port) == 16, "14.9.2");

/* 0x0059 (14.9.3), 0x0096: input; that of 2009 ends behind the 16 bytes of its connection information. */
struct hv_in_connect_port {
	uint64_t connection_partition;
	uint32_t connection_id;
	uint32_t vtl;              /* 0x0096: bits 7:0; 2009: padding */
	uint64_t port_partition;
	uint32_t port_id;
	uint32_t padding;
	struct hv_connection_info info;
	uint64_t doorbell[2];      /* 0x0096: value, HV_DOORBELL_*; its GPA is info.monitor */
	uint64_t domain;
};
static_assert(sizeof(struct hv_in_connect_port) == 72 && offsetof(struct hv_in_connect_port, info) == 32, "14.9.3");

/* 0x008b: input */
struct hv_in_notify_port_ring_empty {
	uint32_t sint;
	uint32_t padding;
};
static_assert(sizeof(struct hv_in_notify_port_ring_empty) == 8, "later revisions");

/* 0x00c0: input, output */
struct hv_in_signal_event_direct {
	uint64_t partition_id;
	uint32_t vp_index;
	uint8_t vtl, sint;
	uint16_t flag;
};
static_assert(sizeof(struct hv_in_signal_event_direct) == 16, "later revisions");
struct hv_out_signal_event_direct {
	uint8_t newly_signaled;
	uint8_t reserved[7];
};
static_assert(sizeof(struct hv_out_signal_event_direct) == 8, "later revisions");

/* 0x00c1: input, as its users have it; the page of the call names other places. */
struct hv_in_post_message_direct {
	uint64_t partition_id;
	uint32_t vp_index;
	uint8_t vtl, padding_1[3];
	uint8_t sint, padding_2[3];
	uint8_t message[256];      /* struct hv_message */
	uint32_t padding_3;
};
static_assert(sizeof(struct hv_in_post_message_direct) == 280 && offsetof(struct hv_in_post_message_direct, message) == 20,
	      "later revisions");

/* 0x005a (14.9.4): input */
struct hv_in_port_property {
	uint64_t partition_id;
	uint32_t port_id, padding_1;
	uint32_t code, padding_2;  /* enum hv_port_property */
};
static_assert(sizeof(struct hv_in_port_property) == 24, "14.9.4");

/* 0x0070 (14.9.5): input */
struct hv_in_set_port_property {
	struct hv_in_port_property port;
	uint64_t value;
};
static_assert(sizeof(struct hv_in_set_port_property) == 32, "14.9.5");

/* 0x005a (14.9.4), 0x0070 (14.9.5): output */
struct hv_port_property_value {
	uint64_t value;
};
static_assert(sizeof(struct hv_port_property_value) == 8, "14.9.4");

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
