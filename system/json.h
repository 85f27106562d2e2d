/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON in QMP's flavour: values cut out of a byte stream, and text written as QMP clients know it. */
#ifndef SYSTEM_JSON_H
#define SYSTEM_JSON_H

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

enum { JSON_SIZE_MAX = 16 << 20, JSON_DEPTH_MAX = 1024 };

/*
 * Cuts a stream into top-level values.  Strings may stand in single quotes; they
 * leave in double ones.  After an error it skips to the end of the line.
 */
struct json_scanner {
	GString *text;           /* of the value so far, normalised */
	char stack[JSON_DEPTH_MAX];
	unsigned depth;
	char quote;              /* inside a string: its quote */
	bool escape, scalar, skipping;
	void (*value)(void *o, JsonNode *node);       /* node is the receiver's */
	void (*error)(void *o, const char *message);
	void *opaque;
};

void json_scanner_init(struct json_scanner *s, void (*value)(void *o, JsonNode *node),
		       void (*error)(void *o, const char *message), void *opaque);
void json_scanner_feed(struct json_scanner *s, const uint8_t *data, size_t n);
void json_scanner_reset(struct json_scanner *s);
void json_scanner_clear(struct json_scanner *s);

/* One line, ", " and ": " between things, ASCII only; appended to @to. */
void json_write(GString *to, JsonNode *node);

#endif
