/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An address space of regions.  Private to hw/core.  Locks: the machine's. */
#ifndef HW_CORE_BUS_PRIVATE_H
#define HW_CORE_BUS_PRIVATE_H

#include "hw/core/machine.h"
#include "trace/log.h"

struct bus;

/* @name stands in log lines ("io"); @trace is the item that shows each access. */
struct bus *bus_new(const char *name, enum log_item trace);
void bus_free(struct bus *b);
/* @size bytes from @base, 1 at least, not beyond the end of 64 bits. */
void bus_add(struct bus *b, uint64_t base, uint64_t size, const struct region_ops *ops, void *dev, const char *name);
uint64_t bus_read(struct bus *b, uint64_t address, unsigned size);
void bus_write(struct bus *b, uint64_t address, unsigned size, uint64_t value);
void bus_describe(struct bus *b, GString *to);

#endif
