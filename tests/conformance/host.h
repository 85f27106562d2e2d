/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For rules of chapters 5 to 10: a partition that makes others (RULE_HOST). */
#ifndef CONFORMANCE_HOST_H
#define CONFORMANCE_HOST_H

#include "hv/gpa.h"
#include "hv/partition.h"
#include "hv/stats.h"
#include "hv/vp.h"
#include "rule.h"

/* Where calls of this header leave their output; call_run() uses 14. */
enum { OUT_PAGE = 15 };
#define MAP_RWX (HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE | HV_MAP_GPA_EXECUTABLE)
/* What a child without VPs is given by make_active_partition(). */
enum { ACTIVE_PAGES = 64 };

/* ---- calls as they are: the reply; out64() is the first word of the output, 0 if it failed ---- */

uint64_t out64(struct reply r);
/* Fast, with @id as all its input. */
struct reply call_id(uint16_t code, uint64_t id);
struct reply create_partition(uint64_t flags);
struct reply next_child(uint64_t parent, uint64_t previous);
struct reply deposit_list(uint64_t id, const uint64_t *pages, unsigned n);
/* Of a partition. */
struct reply get_property(uint64_t id, uint32_t code);
uint64_t property(uint64_t id, uint32_t code);
struct reply set_property(uint64_t id, uint32_t code, uint64_t value);
/* The pages are in the list at OUT_PAGE. */
struct reply withdraw(uint64_t id, unsigned n);
struct got {
	struct reply reply;
	struct hv_register_value value;
};
struct got get_register(uint64_t id, uint32_t vp, uint32_t name);
struct reply set_register(uint64_t id, uint32_t vp, uint32_t name, uint64_t value);
struct reply set_register128(uint64_t id, uint32_t vp, uint32_t name, struct hv_register_value value);
struct reply balance(uint64_t id, struct hv_out_get_memory_balance *out);
/* Pages of the caller from @from on, @n of them, to @id's from @at on.  With large pages @n counts those. */
struct reply map_pages(uint64_t id, uint64_t at, uint32_t flags, uint64_t from, unsigned n);
struct reply unmap_pages(uint64_t id, uint64_t at, unsigned n);
struct reply map_sparse(uint64_t id, uint32_t flags, const struct hv_gpa_mapping *list, unsigned n);
/* Rights of pages that are mapped. */
struct reply modify_pages(uint64_t id, uint32_t flags, uint64_t at, unsigned n);

/* Statistics of an object of @type; the page number is out64()'s.  The next: at the page of the caller's that is @at. */
struct reply map_stats(uint32_t type, struct hv_stats_identity of);
struct reply map_stats_at(uint32_t type, struct hv_stats_identity of, uint64_t at);
struct reply unmap_stats(uint32_t type, struct hv_stats_identity of);

/* ---- what fails the rule if it does not work ---- */

uint64_t own_id(void);
/* Page numbers of the caller's own for pools and children, that nothing else uses: the first of @n. */
uint64_t fresh_pages(unsigned n);
/* @n fresh pages into @id's pool. */
void deposit(uint64_t id, unsigned n);
/* A child in state uninitialized; the caller's pool gets what it takes. */
uint64_t make_partition(void);
/* The same, active, with ACTIVE_PAGES in its pool. */
uint64_t make_active_partition(void);
/* @n fresh pages to @id's from @at on, with all rights; the first of them. */
uint64_t give_pages(uint64_t id, uint64_t at, unsigned n);
/* A VP of an active child; its pool gets what it takes. */
void make_vp(uint64_t id, uint32_t index);
/* Its low half is @want. */
void check_register(uint64_t id, uint32_t vp, uint32_t name, uint64_t want);
void check_property(uint64_t id, uint32_t code, uint64_t want);
void must_set_property(uint64_t id, uint32_t code, uint64_t value);
void check_balance(uint64_t id, uint64_t available, uint64_t in_use);

#endif
