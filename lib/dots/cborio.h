// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// CBOR in and out, bounded (RFC 8949). libcbor's streaming decoder tells one item from the next and
// its encoder writes the heads; what bounds the work stands here.
//
// A document is read in one pass into a flat array of items in the order of the bytes: an array or
// map is followed by its children, and `next` leads past them. Any well-formed encoding is taken.
// Refused are documents of more than 64 KiB, 4,096 items or 8 levels, maps with more than 64 pairs,
// with one key twice, or with a key that is neither a number nor a text.
//
// Writing gives definite lengths and shortest heads.

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CBORIO_BYTES_MAX (64 * 1024)
#define CBORIO_ITEMS_MAX 4096
#define CBORIO_DEPTH_MAX 8
#define CBORIO_PAIRS_MAX 64

enum cborio_kind {
	NODE_UINT,
	NODE_NEGINT, // the number is -1 - value
	NODE_TEXT,
	NODE_BYTES,
	NODE_ARRAY,
	NODE_MAP, // children are key, value, key, value ...
	NODE_TAG, // value is the tag, the one child what it tags
	NODE_BOOL,
	NODE_NULL,
	NODE_OTHER, // undefined and floats, which DOTS never uses
};

struct cborio_node {
	uint8_t kind;
	uint32_t next;       // the index behind this item and all it holds
	uint64_t value;      // of a number, boolean or tag
	uint32_t count;      // bytes of a text, elements of an array, pairs of a map
	const uint8_t *data; // of a text
};

struct cborio_doc {
	struct cborio_node *node; // node[0] is the top
	uint32_t count;
	uint8_t *joined; // texts that came in pieces
};

// Reads one item that fills `length` bytes exactly. Returns 0 and a document to be freed, -ENOMEM,
// or -EINVAL with the reason in err.
int cborio_doc_read(struct cborio_doc *doc, const uint8_t *data, size_t length, struct err *err);
void cborio_doc_free(struct cborio_doc *doc);

// The value in a map under a numeric key; NULL if there is none, or if it is null.
const struct cborio_node *cborio_doc_get(
	const struct cborio_doc *doc, const struct cborio_node *map, uint64_t key);

// The first child of an array, map or tag, and the item after one: to walk `count` elements.
static inline const struct cborio_node *cborio_doc_child(const struct cborio_node *parent)
{
	return parent + 1;
}

static inline const struct cborio_node *cborio_doc_next(
	const struct cborio_doc *doc, const struct cborio_node *node)
{
	return doc->node + node->next;
}

// What is being written into `out`; once `failed` (no room), nothing more is written.
struct cborio_writer {
	uint8_t *out;
	size_t room;
	size_t used;
	bool failed;
	unsigned depth;
	struct {
		size_t at; // where the map's head stands
		unsigned pairs;
	} map[CBORIO_DEPTH_MAX];
};

// A map's head is one byte, filled in by cborio_put_map_end(): it may have 23 pairs.
void cborio_put_map(struct cborio_writer *w);
void cborio_put_map_end(struct cborio_writer *w);

// The key of the pair whose value is written next.
void cborio_put_key(struct cborio_writer *w, uint64_t key);

void cborio_put_array(struct cborio_writer *w, size_t count);
void cborio_put_uint(struct cborio_writer *w, uint64_t value);
void cborio_put_int(struct cborio_writer *w, int64_t value);
void cborio_put_bool(struct cborio_writer *w, bool value);
void cborio_put_tag(struct cborio_writer *w, uint64_t tag);
void cborio_put_text(struct cborio_writer *w, const char *text);
