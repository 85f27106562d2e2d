/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * "key=value,key=value" of the command line.  ",," is a comma in a value; a
 * word without "=" is the implied key's value if it comes first, else a switch:
 * "word" is word=on, "noword" is word=off.
 */
#ifndef BACKENDS_KEYVAL_H
#define BACKENDS_KEYVAL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct keyval;

/* @implied may be NULL.  Never fails: what a key means is checked by its reader. */
struct keyval *keyval_parse(const char *text, const char *implied);
struct keyval *keyval_new(void);
void keyval_free(struct keyval *kv);
void keyval_set(struct keyval *kv, const char *key, const char *value);
/* The last value given for @key, or NULL.  Owned by @kv. */
const char *keyval_get(const struct keyval *kv, const char *key);
/* False with an error if there is one that is no truth value, number or size. */
bool keyval_bool(const struct keyval *kv, const char *key, bool unset, bool *v, GError **error);
bool keyval_uint(const struct keyval *kv, const char *key, uint64_t unset, uint64_t *v, GError **error);
/* Size with suffix; without one it counts in @unit bytes. */
bool keyval_size(const struct keyval *kv, const char *key, uint64_t unset, uint64_t unit, uint64_t *v, GError **error);
/* The same from a bare text; @what names it in the error. */
bool keyval_text_to_size(const char *text, const char *what, uint64_t unit, uint64_t *v, GError **error);
/* False with an error that names the first key outside of @known (NULL-terminated). */
bool keyval_check(const struct keyval *kv, const char *const *known, GError **error);
unsigned keyval_count(const struct keyval *kv);
const char *keyval_key(const struct keyval *kv, unsigned i);
const char *keyval_value(const struct keyval *kv, unsigned i);

#endif
