/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What processors partitions have that others made: processor.c. */
#ifndef HVTLFS_PROCESSOR_H
#define HVTLFS_PROCESSOR_H

#include "partition.h"

/* Bits of @bank (HIDDEN_*) that the model has. */
uint64_t processor_features(const struct x86_model *m, unsigned bank);
/*
 * The model of @p, which its parent made, becomes the parent's without these bits; those that the
 * parent lacks do not matter.  @p has no VP; call_lock, or nobody knows it yet.
 */
void processor_hide(struct partition *p, const uint64_t hidden[HIDDEN_COUNT]);

#endif
