/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A machine with one partition that does anything to the hypervisor, and one that must
 * not notice.  Each program weighs the kinds of what is done.
 */
#ifndef TESTS_FUZZ_HV_H
#define TESTS_FUZZ_HV_H

#include <stdint.h>

struct hv;
struct hv_features;
struct partition;
struct x86_model;

enum hv_act { ACT_HYPERCALL, ACT_MSR, ACT_CPUID, ACT_MEMORY, ACT_INTERRUPT, ACT_RUN, ACT_COUNT };

/* The program.  @weights: how often each kind is done, in parts of their sum. */
int hv_fuzz_main(int argc, char **argv, const char *name, const unsigned weights[ACT_COUNT]);

/* Aborts if @result is none that a hypercall of input value @control can have (4.8); UINT64_MAX: it faulted. */
void hv_fuzz_check_result(uint64_t control, uint64_t result);

/* A partition of a machine's making, and RAM for it; they abort where that fails. */
struct partition *hv_fuzz_partition(struct hv *hv, const struct x86_model *model, const char *name, unsigned vps,
				    const struct hv_features *features);
void hv_fuzz_add_ram(struct partition *p, uint64_t page, uint64_t pages);
/* The machine goes, with the references to two partitions of its own and the model of its processors. */
void hv_fuzz_close(struct hv *hv, struct partition *first, struct partition *second, struct x86_model *model);

#endif
