// SPDX-License-Identifier: BSD-3-Clause

#include "conf/schema.h"

#include <libyang/libyang.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What is loaded, in an order in which each finds its imports, with the features that are in use.
static const struct {
	const char *name;
	const char *revision;
	const char *features[8];
} modules[] = {
	{"iana-if-type", "2014-05-08", {NULL}},
	{"ietf-interfaces", "2018-02-20", {NULL}},
	{"ietf-ip", "2018-02-22", {NULL}},
	{"ietf-routing", "2018-03-13", {NULL}},
	{"ietf-ipv4-unicast-routing", "2018-03-13", {NULL}},
	{"ietf-ipv6-unicast-routing", "2018-03-13", {NULL}},
	{"ietf-nat", "2019-01-10", {"napt44", "nat64", "dst-nat", NULL}},
	{"ietf-dslite", "2019-01-10", {"aftr", NULL}},
	{"ietf-softwire-common", "2019-11-16", {"map-e", "map-t", NULL}},
	{"ietf-softwire-br", "2019-11-16", {"binding-mode", "map-e", "map-t", NULL}},
	{"homeport", "2026-11-22", {NULL}},
	{"homeport-deviations", "2026-11-22", {NULL}},
};

static void keep_quiet(LY_LOG_LEVEL level, const char *msg, const char *path)
{
	(void)level;
	(void)msg;
	(void)path;
}

struct schema *schema_new(const char *folder, struct err *err)
{
	struct schema *schema = calloc(1, sizeof(*schema));

	if (!folder)
		folder = HOMEPORT_YANG_DIR;
	if (!schema)
		return NULL;
	// errors are read from the context, not from the log
	ly_set_log_clb(keep_quiet, 1);
	ly_log_options(LY_LOSTORE);
	if (ly_ctx_new(folder, LY_CTX_NO_YANGLIBRARY | LY_CTX_DISABLE_SEARCHDIR_CWD,
		    &schema->ctx) != LY_SUCCESS) {
		err_set(err, "YANG modules: folder %s cannot be read", folder);
		schema_free(schema);
		return NULL;
	}
	for (unsigned i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		const char *features[8];

		memcpy(features, modules[i].features, sizeof(features));
		if (ly_ctx_load_module(schema->ctx, modules[i].name, modules[i].revision,
			    features[0] ? features : NULL))
			continue;
		const struct ly_err_item *item = ly_err_last(schema->ctx);

		err_set(err, "YANG module %s@%s in %s: %s", modules[i].name, modules[i].revision,
			folder, item ? item->msg : "cannot be loaded");
		schema_free(schema);
		return NULL;
	}
	return schema;
}

void schema_free(struct schema *schema)
{
	if (!schema)
		return;
	ly_ctx_destroy(schema->ctx);
	free(schema);
}

// A message that grows up to its room.
struct text {
	char *at;
	unsigned left;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(t->at, t->left, format, ap);
	va_end(ap);
	if (n > 0) {
		unsigned used = (unsigned)n < t->left ? (unsigned)n : t->left - 1;

		t->at += used;
		t->left -= used;
	}
}

static void add_range(struct text *t, const struct lysc_range *range, bool is_signed)
{
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR(range->parts, i)
	{
		if (is_signed)
			add(t, "%s%" PRId64 " to %" PRId64, i ? ", " : "", range->parts[i].min_64,
				range->parts[i].max_64);
		else if (range->parts[i].min_u64 == range->parts[i].max_u64)
			add(t, "%s%" PRIu64, i ? ", " : "", range->parts[i].min_u64);
		else
			add(t, "%s%" PRIu64 " to %" PRIu64, i ? ", " : "", range->parts[i].min_u64,
				range->parts[i].max_u64);
	}
}

// The bounds of an integer type that has no range of its own.
static void add_bounds(struct text *t, LY_DATA_TYPE type)
{
	switch (type) {
	case LY_TYPE_UINT8:
		add(t, "0 to 255");
		break;
	case LY_TYPE_UINT16:
		add(t, "0 to 65535");
		break;
	case LY_TYPE_UINT32:
		add(t, "0 to 4294967295");
		break;
	case LY_TYPE_UINT64:
		add(t, "0 to 18446744073709551615");
		break;
	default:
		add(t, "a number");
		break;
	}
}

static void add_type(struct text *t, const struct lysc_type *type)
{
	LY_ARRAY_COUNT_TYPE i;

	switch (type->basetype) {
	case LY_TYPE_UINT8:
	case LY_TYPE_UINT16:
	case LY_TYPE_UINT32:
	case LY_TYPE_UINT64: {
		const struct lysc_range *range = ((const struct lysc_type_num *)type)->range;

		if (range)
			add_range(t, range, false);
		else
			add_bounds(t, type->basetype);
		break;
	}
	case LY_TYPE_BOOL:
		add(t, "true or false");
		break;
	case LY_TYPE_ENUM: {
		const struct lysc_type_enum *e = (const struct lysc_type_enum *)type;

		LY_ARRAY_FOR(e->enums, i)
		add(t, "%s%s", i ? ", " : "", e->enums[i].name);
		break;
	}
	case LY_TYPE_STRING: {
		const struct lysc_type_str *s = (const struct lysc_type_str *)type;

		if (s->length) {
			add_range(t, s->length, false);
			add(t, " characters");
		}
		LY_ARRAY_FOR(s->patterns, i)
		{
			// the patterns of addresses help nobody
			if (strlen(s->patterns[i]->expr) < 60)
				add(t, "%spattern %s", i || s->length ? ", " : "",
					s->patterns[i]->expr);
		}
		break;
	}
	case LY_TYPE_UNION: {
		const struct lysc_type_union *u = (const struct lysc_type_union *)type;

		LY_ARRAY_FOR(u->types, i)
		{
			if (i)
				add(t, "; or ");
			add_type(t, u->types[i]);
		}
		break;
	}
	case LY_TYPE_IDENT:
		add(t, "an identity of the model");
		break;
	case LY_TYPE_LEAFREF:
		add(t, "something configured elsewhere");
		break;
	default:
		break;
	}
}

void schema_describe(const struct schema *schema, const char *path, char *out, unsigned size)
{
	const struct lysc_node *node = lys_find_path(schema->ctx, NULL, path, 0);
	struct text t = {out, size};

	out[0] = '\0';
	if (!node || !(node->nodetype & (LYS_LEAF | LYS_LEAFLIST)))
		return;
	add_type(&t,
		node->nodetype == LYS_LEAF ? ((const struct lysc_node_leaf *)node)->type
					   : ((const struct lysc_node_leaflist *)node)->type);
}
