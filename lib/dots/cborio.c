// SPDX-License-Identifier: BSD-3-Clause

#include "dots/cborio.h"

#include <cbor.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// ------------------------------------------------------------------ reading

struct level {
	uint32_t node;
	uint64_t left;   // children still to come; UINT64_MAX until a break
	bool text_parts; // a text in pieces: its children are joined
};

struct reader {
	struct cborio_doc *doc;
	struct err *err;
	size_t joined; // bytes of doc->joined in use
	struct level level[CBORIO_DEPTH_MAX + 1];
	unsigned depth;
	// the item that the decoder reported last
	struct cborio_node item;
	bool indefinite;
	bool is_break;
};

static struct reader *item_is(void *ctx, enum cborio_kind kind, uint64_t value)
{
	struct reader *r = ctx;

	r->item = (struct cborio_node){.kind = kind, .value = value};
	r->indefinite = false;
	r->is_break = false;
	return r;
}

static void on_uint8(void *ctx, uint8_t v)
{
	item_is(ctx, NODE_UINT, v);
}

static void on_uint16(void *ctx, uint16_t v)
{
	item_is(ctx, NODE_UINT, v);
}

static void on_uint32(void *ctx, uint32_t v)
{
	item_is(ctx, NODE_UINT, v);
}

static void on_uint64(void *ctx, uint64_t v)
{
	item_is(ctx, NODE_UINT, v);
}

static void on_negint8(void *ctx, uint8_t v)
{
	item_is(ctx, NODE_NEGINT, v);
}

static void on_negint16(void *ctx, uint16_t v)
{
	item_is(ctx, NODE_NEGINT, v);
}

static void on_negint32(void *ctx, uint32_t v)
{
	item_is(ctx, NODE_NEGINT, v);
}

static void on_negint64(void *ctx, uint64_t v)
{
	item_is(ctx, NODE_NEGINT, v);
}

static void on_string(void *ctx, cbor_data data, size_t length)
{
	struct reader *r = item_is(ctx, NODE_TEXT, 0);

	r->item.data = data;
	r->item.count = (uint32_t)length;
}

static void on_bytes(void *ctx, cbor_data data, size_t length)
{
	on_string(ctx, data, length);
	((struct reader *)ctx)->item.kind = NODE_BYTES;
}

static void on_string_start(void *ctx)
{
	item_is(ctx, NODE_TEXT, 0)->indefinite = true;
}

static void on_bytes_start(void *ctx)
{
	item_is(ctx, NODE_BYTES, 0)->indefinite = true;
}

static void on_array(void *ctx, size_t count)
{
	item_is(ctx, NODE_ARRAY, count);
}

static void on_indef_array(void *ctx)
{
	item_is(ctx, NODE_ARRAY, 0)->indefinite = true;
}

static void on_map(void *ctx, size_t pairs)
{
	item_is(ctx, NODE_MAP, pairs);
}

static void on_indef_map(void *ctx)
{
	item_is(ctx, NODE_MAP, 0)->indefinite = true;
}

static void on_tag(void *ctx, uint64_t tag)
{
	item_is(ctx, NODE_TAG, tag);
}

static void on_float(void *ctx, float)
{
	item_is(ctx, NODE_OTHER, 0);
}

static void on_double(void *ctx, double)
{
	item_is(ctx, NODE_OTHER, 0);
}

static void on_undefined(void *ctx)
{
	item_is(ctx, NODE_OTHER, 0);
}

static void on_null(void *ctx)
{
	item_is(ctx, NODE_NULL, 0);
}

static void on_bool(void *ctx, bool v)
{
	item_is(ctx, NODE_BOOL, v);
}

static void on_break(void *ctx)
{
	item_is(ctx, NODE_OTHER, 0)->is_break = true;
}

static const struct cbor_callbacks callbacks = {
	.uint8 = on_uint8,
	.uint16 = on_uint16,
	.uint32 = on_uint32,
	.uint64 = on_uint64,
	.negint8 = on_negint8,
	.negint16 = on_negint16,
	.negint32 = on_negint32,
	.negint64 = on_negint64,
	.byte_string_start = on_bytes_start,
	.byte_string = on_bytes,
	.string = on_string,
	.string_start = on_string_start,
	.indef_array_start = on_indef_array,
	.array_start = on_array,
	.indef_map_start = on_indef_map,
	.map_start = on_map,
	.tag = on_tag,
	.float2 = on_float,
	.float4 = on_float,
	.float8 = on_double,
	.undefined = on_undefined,
	.null = on_null,
	.boolean = on_bool,
	.indef_break = on_break,
};

static bool same_key(const struct cborio_node *a, const struct cborio_node *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == NODE_TEXT)
		return a->count == b->count && !memcmp(a->data, b->data, a->count);
	return a->value == b->value;
}

// A finished map: its keys are of a kind we compare, and none stands there twice.
static int check_keys(struct reader *r, const struct cborio_node *map)
{
	const struct cborio_doc *doc = r->doc;
	const struct cborio_node *key[CBORIO_PAIRS_MAX];
	const struct cborio_node *at = cborio_doc_child(map);

	for (uint32_t i = 0; i < map->count; i++) {
		key[i] = at;
		if (at->kind != NODE_UINT && at->kind != NODE_NEGINT && at->kind != NODE_TEXT)
			return err_set(r->err, "a map key is neither a number nor a text");
		for (uint32_t j = 0; j < i; j++) {
			if (!same_key(key[i], key[j]))
				continue;
			if (at->kind == NODE_UINT)
				return err_set(r->err, "key %llu stands twice in one map",
					(unsigned long long)at->value);
			return err_set(r->err, "a key stands twice in one map");
		}
		at = cborio_doc_next(doc, cborio_doc_next(doc, at));
	}
	return 0;
}

// Closes what has all its children now, from the innermost outwards.
static int close_levels(struct reader *r)
{
	while (r->depth && !r->level[r->depth - 1].left) {
		struct cborio_node *node = &r->doc->node[r->level[--r->depth].node];

		node->next = r->doc->count;
		if (node->kind != NODE_MAP)
			continue;
		node->count /= 2;
		if (check_keys(r, node) < 0)
			return -EINVAL;
	}
	return 0;
}

static int open_level(struct reader *r, uint32_t node, uint64_t children)
{
	if (r->depth >= CBORIO_DEPTH_MAX)
		return err_set(r->err, "nested deeper than %d levels", CBORIO_DEPTH_MAX);
	r->level[r->depth++] = (struct level){.node = node, .left = children};
	return 0;
}

// A piece of an indefinite text is appended to it and becomes no item of its own.
static int join_piece(struct reader *r)
{
	struct cborio_node *whole = &r->doc->node[r->level[r->depth - 1].node];

	if (r->item.kind != whole->kind || r->indefinite)
		return err_set(r->err, "a piece of a text is of another kind");
	memcpy(r->doc->joined + r->joined, r->item.data, r->item.count);
	r->joined += r->item.count;
	whole->count += r->item.count;
	return 0;
}

static int take_break(struct reader *r)
{
	struct level *level = r->depth ? &r->level[r->depth - 1] : NULL;

	if (!level || level->left != UINT64_MAX)
		return err_set(r->err, "a break where nothing is open");
	if (r->doc->node[level->node].kind == NODE_MAP && r->doc->node[level->node].count % 2)
		return err_set(r->err, "a map ends after a key");
	level->left = 0;
	return close_levels(r);
}

static int take_item(struct reader *r)
{
	struct level *parent = r->depth ? &r->level[r->depth - 1] : NULL;
	uint32_t index = r->doc->count;
	uint64_t children = r->item.kind == NODE_TAG ? 1 : 0;
	struct cborio_node *node;

	if (r->is_break)
		return take_break(r);
	if (parent && parent->text_parts)
		return join_piece(r);
	if (index >= CBORIO_ITEMS_MAX)
		return err_set(r->err, "more than %d items", CBORIO_ITEMS_MAX);
	if (parent) {
		node = &r->doc->node[parent->node];
		node->count += node->kind != NODE_TAG; // of a map, keys and values until it closes
		if (node->kind == NODE_MAP && node->count > 2 * CBORIO_PAIRS_MAX)
			return err_set(r->err, "a map with more than %d pairs", CBORIO_PAIRS_MAX);
		if (parent->left != UINT64_MAX)
			parent->left--;
	}
	node = &r->doc->node[r->doc->count++];
	*node = r->item;
	node->next = index + 1;
	if (r->indefinite) {
		children = UINT64_MAX;
	} else if (r->item.kind == NODE_ARRAY || r->item.kind == NODE_MAP) {
		// each child takes a byte at least, so a larger number could not be met anyway
		if (r->item.value > CBORIO_ITEMS_MAX)
			return err_set(r->err, "more than %d items", CBORIO_ITEMS_MAX);
		children = r->item.kind == NODE_MAP ? 2 * r->item.value : r->item.value;
	}
	if (children && open_level(r, index, children) < 0)
		return -EINVAL;
	if (r->indefinite && (r->item.kind == NODE_TEXT || r->item.kind == NODE_BYTES)) {
		r->level[r->depth - 1].text_parts = true;
		node->data = r->doc->joined + r->joined;
	}
	return close_levels(r);
}

static int read_items(struct reader *r, const uint8_t *data, size_t length)
{
	size_t at = 0;

	do {
		struct cbor_decoder_result result =
			cbor_stream_decode(data + at, length - at, &callbacks, r);

		if (result.status == CBOR_DECODER_NEDATA)
			return err_set(r->err, "the body ends in the middle of an item");
		if (result.status != CBOR_DECODER_FINISHED || !result.read)
			return err_set(r->err, "byte %zu is no CBOR", at);
		at += result.read;
		if (take_item(r) < 0)
			return -EINVAL;
	} while (r->depth);
	if (at != length)
		return err_set(r->err, "%zu bytes after the end of the body", length - at);
	return 0;
}

int cborio_doc_read(struct cborio_doc *doc, const uint8_t *data, size_t length, struct err *err)
{
	struct reader r = {.doc = doc, .err = err};
	uint32_t items;
	int rc;

	*doc = (struct cborio_doc){0};
	if (!length)
		return err_set(err, "the body is empty");
	if (length > CBORIO_BYTES_MAX)
		return err_set(err, "a body of more than %d bytes", CBORIO_BYTES_MAX);
	items = length < CBORIO_ITEMS_MAX ? (uint32_t)length : CBORIO_ITEMS_MAX;
	doc->node = calloc(items, sizeof(*doc->node));
	doc->joined = malloc(length);
	rc = doc->node && doc->joined ? read_items(&r, data, length) : -ENOMEM;
	if (rc < 0)
		cborio_doc_free(doc);
	return rc;
}

void cborio_doc_free(struct cborio_doc *doc)
{
	free(doc->node);
	free(doc->joined);
	*doc = (struct cborio_doc){0};
}

const struct cborio_node *cborio_doc_get(
	const struct cborio_doc *doc, const struct cborio_node *map, uint64_t key)
{
	const struct cborio_node *at = cborio_doc_child(map);

	for (uint32_t i = 0; i < map->count; i++) {
		const struct cborio_node *value = cborio_doc_next(doc, at);

		if (at->kind == NODE_UINT && at->value == key)
			return value->kind == NODE_NULL ? NULL : value;
		at = cborio_doc_next(doc, value);
	}
	return NULL;
}

// ------------------------------------------------------------------ writing

// libcbor writes a head only if it fits, and says 0 if not.
static void wrote(struct cborio_writer *w, size_t used)
{
	if (!used)
		w->failed = true;
	w->used += used;
}

static uint8_t *place(const struct cborio_writer *w)
{
	return w->out + w->used;
}

static size_t left(const struct cborio_writer *w)
{
	return w->failed ? 0 : w->room - w->used;
}

void cborio_put_map(struct cborio_writer *w)
{
	if (w->depth >= CBORIO_DEPTH_MAX) {
		w->failed = true;
		return;
	}
	w->map[w->depth].at = w->used;
	w->map[w->depth++].pairs = 0;
	wrote(w, cbor_encode_map_start(0, place(w), left(w)));
}

void cborio_put_map_end(struct cborio_writer *w)
{
	unsigned pairs;

	if (w->failed)
		return;
	pairs = w->map[--w->depth].pairs;
	if (pairs > 23)
		w->failed = true;
	else
		cbor_encode_map_start(pairs, w->out + w->map[w->depth].at, 1);
}

void cborio_put_key(struct cborio_writer *w, uint64_t key)
{
	if (w->failed)
		return;
	w->map[w->depth - 1].pairs++;
	cborio_put_uint(w, key);
}

void cborio_put_array(struct cborio_writer *w, size_t count)
{
	wrote(w, cbor_encode_array_start(count, place(w), left(w)));
}

void cborio_put_uint(struct cborio_writer *w, uint64_t value)
{
	wrote(w, cbor_encode_uint(value, place(w), left(w)));
}

void cborio_put_int(struct cborio_writer *w, int64_t value)
{
	if (value >= 0)
		cborio_put_uint(w, (uint64_t)value);
	else
		wrote(w, cbor_encode_negint((uint64_t)(-1 - value), place(w), left(w)));
}

void cborio_put_bool(struct cborio_writer *w, bool value)
{
	wrote(w, cbor_encode_bool(value, place(w), left(w)));
}

void cborio_put_tag(struct cborio_writer *w, uint64_t tag)
{
	wrote(w, cbor_encode_tag(tag, place(w), left(w)));
}

void cborio_put_text(struct cborio_writer *w, const char *text)
{
	size_t length = strlen(text);

	wrote(w, cbor_encode_string_start(length, place(w), left(w)));
	if (left(w) < length) {
		w->failed = true;
		return;
	}
	memcpy(place(w), text, length);
	w->used += length;
}
