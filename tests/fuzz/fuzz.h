/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random input for parsers, without a fuzzing engine: rounds that a seed and the
 * round's number determine, so that any of them can be run again alone.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <glib.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Random numbers of one round. */
struct fuzz {
	uint64_t state;
};

uint64_t fuzz_next(struct fuzz *f);
/* 0 to @n - 1; @n is not 0. */
uint64_t fuzz_below(struct fuzz *f, uint64_t n);
/* True once in @n times. */
bool fuzz_chance(struct fuzz *f, unsigned n);
/* Mostly numbers near powers of two, where bounds go wrong. */
uint64_t fuzz_number(struct fuzz *f);
void fuzz_bytes(struct fuzz *f, void *to, size_t n);
/* Changes some of @n bytes: bits, bytes, little-endian fields, copies from elsewhere in it. */
void fuzz_mutate(struct fuzz *f, uint8_t *data, size_t n);

struct fuzz_target {
	const char *name;
	void *(*open)(void);                     /* once; what rounds share.  NULL: nothing */
	void (*round)(struct fuzz *f, void *o);  /* aborts by FUZZ_CHECK() when something is wrong */
	void (*close)(void *o);
};

/*
 * The program: --seconds N, --seed N, --round N (this one only).  The rounds run in a
 * child; when it dies or a round does not end, the parent says which round it was.
 * TAP, one test.
 */
int fuzz_main(int argc, char **argv, const struct fuzz_target *target);

#define FUZZ_CHECK(condition, ...)                                                     \
	do {                                                                           \
		if (!(condition)) {                                                    \
			fprintf(stderr, "# %s:%d: %s: ", __FILE__, __LINE__, #condition); \
			fprintf(stderr, __VA_ARGS__);                                  \
			fputc('\n', stderr);                                           \
			abort();                                                       \
		}                                                                      \
	} while (0)

#endif
