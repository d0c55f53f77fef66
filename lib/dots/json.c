// SPDX-License-Identifier: BSD-3-Clause

#include "dots/json.h"

#include "dots/cborio.h"
#include "dots/schema.h"

#include <inttypes.h>
#include <stdio.h>

static json_t *from_text(const struct cborio_node *node)
{
	json_t *text = json_stringn((const char *)node->data, node->count);

	return text ? text : json_string("(not UTF-8)");
}

// Without the schema: what an attribute nobody knows holds.
static json_t *from_node(const struct cborio_doc *doc, const struct cborio_node *node)
{
	const struct cborio_node *at = cborio_doc_child(node);
	char key[24];
	json_t *out;

	switch ((enum cborio_kind)node->kind) {
	case NODE_UINT:
		return json_integer((json_int_t)node->value);
	case NODE_NEGINT:
		return json_integer(-1 - (json_int_t)node->value);
	case NODE_TEXT:
		return from_text(node);
	case NODE_BOOL:
		return json_boolean(node->value);
	case NODE_TAG:
		return from_node(doc, at);
	case NODE_ARRAY:
		out = json_array();
		for (uint32_t i = 0; i < node->count; i++, at = cborio_doc_next(doc, at))
			json_array_append_new(out, from_node(doc, at));
		return out;
	case NODE_MAP:
		out = json_object();
		for (uint32_t i = 0; i < node->count; i++) {
			const struct cborio_node *value = cborio_doc_next(doc, at);

			snprintf(key, sizeof(key), "%s%" PRIu64, at->kind == NODE_UINT ? "" : "?",
				at->kind == NODE_UINT ? at->value : i);
			json_object_set_new(out, key, from_node(doc, value));
			at = cborio_doc_next(doc, value);
		}
		return out;
	default:
		return json_null();
	}
}

static json_t *from_map(
	const struct cborio_doc *doc, const struct cborio_node *map, unsigned place);

static json_t *from_list(const struct cborio_doc *doc, const struct attribute_row *row,
	const struct cborio_node *node)
{
	const struct cborio_node *at = cborio_doc_child(node);
	json_t *out = json_array();

	for (uint32_t i = 0; i < node->count; i++, at = cborio_doc_next(doc, at))
		json_array_append_new(out,
			row->kind == KIND_MAPS ? from_map(doc, at, row->inside)
					       : from_node(doc, at));
	return out;
}

static json_t *from_decimal(const struct cborio_node *node)
{
	int64_t v = 0;

	schema_decimal(node, &v);
	return json_sprintf("%s%" PRId64 ".%02" PRId64, v < 0 ? "-" : "", (v < 0 ? -v : v) / 100,
		(v < 0 ? -v : v) % 100);
}

static json_t *from_attribute(const struct cborio_doc *doc, const struct attribute_row *row,
	const struct cborio_node *node)
{
	const char *label = schema_label(row->kind, node->value);

	switch ((enum attribute_kind)row->kind) {
	case KIND_MAP:
		return from_map(doc, node, row->inside);
	case KIND_MAPS:
	case KIND_TEXTS:
	case KIND_UINT8S:
		return from_list(doc, row, node);
	case KIND_UINT64:
		return json_sprintf("%" PRIu64, node->value);
	case KIND_DECIMAL:
		return from_decimal(node);
	case KIND_STATUS:
	case KIND_CONFLICT_STATUS:
	case KIND_CONFLICT_CAUSE:
	case KIND_ATTACK_STATUS:
		return label ? json_string(label) : from_node(doc, node);
	default:
		return from_node(doc, node);
	}
}

static json_t *from_map(const struct cborio_doc *doc, const struct cborio_node *map, unsigned place)
{
	const struct cborio_node *key = cborio_doc_child(map), *value;
	json_t *out = json_object();
	char number[24];

	for (uint32_t i = 0; i < map->count; i++, key = cborio_doc_next(doc, value)) {
		const struct attribute_row *row = schema_find(key->value, place);

		value = cborio_doc_next(doc, key);
		if (value->kind == NODE_NULL)
			continue;
		snprintf(number, sizeof(number), "%" PRIu64, key->value);
		json_object_set_new(out, row ? row->name : number,
			row ? from_attribute(doc, row, value) : from_node(doc, value));
	}
	return out;
}

json_t *json_from_body(const uint8_t *data, size_t length, struct err *err)
{
	const struct cborio_node *top;
	struct cborio_doc doc;
	json_t *out = NULL;

	if (cborio_doc_read(&doc, data, length, err) < 0)
		return NULL;
	top = schema_check(&doc, BODY_REPLY, err);
	if (top)
		out = from_map(&doc, top, IN_BODY);
	cborio_doc_free(&doc);
	return out;
}
