// SPDX-License-Identifier: BSD-3-Clause

// A file of instance data, parsed strictly and validated. libyang stops at the first error of the
// schema; what the modules cannot say is left to check.c, which reports everything it finds.

#include "conf/check.h"
#include "conf/read.h"
#include "conf/schema.h"

#include <jansson.h>
#include <libyang/libyang.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (64u << 20)

static char *read_file(const char *name, struct err *err)
{
	FILE *file = fopen(name, "re");
	char *text = NULL;
	size_t size = 0, room = 0, n;

	if (!file) {
		err_set(err, "%s: %s", name, strerror(errno));
		return NULL;
	}
	do {
		if (room - size < 65536) {
			char *more = realloc(text, room = room ? room * 2 : 1 << 17);

			if (!more) {
				err_set(err, "%s: out of memory", name);
				goto fail;
			}
			text = more;
		}
		n = fread(text + size, 1, room - size - 1, file);
		size += n;
		if (size > FILE_MAX) {
			err_set(err, "%s: larger than %u bytes", name, FILE_MAX);
			goto fail;
		}
	} while (n);
	if (ferror(file)) {
		err_set(err, "%s: %s", name, strerror(errno));
		goto fail;
	}
	if (memchr(text, '\0', size)) {
		err_set(err, "%s: holds a zero byte, so it is no JSON text", name);
		goto fail;
	}
	text[size] = '\0';
	fclose(file);
	return text;
fail:
	free(text);
	fclose(file);
	return NULL;
}

// Takes the quoted part behind `word` out of libyang's description of a place.
static bool location(const char *where, const char *word, char *out, size_t size)
{
	const char *start = where ? strstr(where, word) : NULL;
	const char *end;

	if (!start)
		return false;
	start += strlen(word);
	end = strstr(start, "\"");
	if (!end || (size_t)(end - start) >= size)
		return false;
	memcpy(out, start, (size_t)(end - start));
	out[end - start] = '\0';
	return true;
}

// The path of a schema node from that of data: without the keys of lists.
static void without_keys(const char *data, char *out)
{
	while (*data) {
		if (*data != '[') {
			*out++ = *data++;
			continue;
		}
		// [name='value'], whose value may hold any other character
		data += strcspn(data, "'\"]");
		if (*data == '\'' || *data == '"') {
			const char *end = strchr(data + 1, *data);

			data = end ? end + 1 : data + 1;
		}
		data += *data == ']';
	}
	*out = '\0';
}

// Some messages of the modules go over several lines; a fault is one line.
static void print_message(const char *text, char *out, size_t size)
{
	size_t length = 0;

	for (; *text && length + 1 < size; text++)
		out[length++] = *text == '\n' ? ' ' : *text;
	out[length] = '\0';
}

static void report_schema_error(
	const struct schema *schema, void (*report)(void *ctx, const char *text), void *ctx)
{
	const struct ly_err_item *item = ly_err_first(schema->ctx);
	char node[1024] = "", data[1024] = "", allowed[512] = "", message[1024], text[3200];
	const char *line = item && item->path ? strstr(item->path, "ine number ") : NULL;

	if (!item) {
		report(ctx, "the configuration is not valid");
		return;
	}
	location(item->path, "ata location \"", data, sizeof(data));
	if (!location(item->path, "Schema location \"", node, sizeof(node)))
		without_keys(data, node);
	if (node[0])
		schema_describe(schema, node, allowed, sizeof(allowed));
	print_message(item->msg, message, sizeof(message));
	snprintf(text, sizeof(text), "%s%s%.*s%s: %s%s%s",
		data[0]           ? data
			: node[0] ? node
				  : "/",
		line ? " (line " : "", line ? (int)strspn(line + 11, "0123456789") : 0,
		line ? line + 11 : "", line ? ")" : "", message, allowed[0] ? " Allowed: " : "",
		allowed);
	report(ctx, text);
}

static bool is_prefix_with_host_bits(const char *text, struct ipprefix *cut)
{
	bool had_host_bits;

	return strchr(text, '/') && !ipprefix_parse(text, cut, &had_host_bits) && had_host_bits;
}

// libyang zeroes the host bits of a prefix without a word, so that 203.0.113.9/28 would become another
// prefix than the operator wrote: every text of the file that reads as one is looked at.
static unsigned find_host_bits(const json_t *value, char *path, size_t length, size_t size,
	void (*report)(void *ctx, const char *text), void *ctx)
{
	struct ipprefix cut;
	char text[2200], right[IPPREFIX_TEXT];
	unsigned found = 0;
	const char *key;
	json_t *member;
	size_t i;

	if (json_is_string(value) && is_prefix_with_host_bits(json_string_value(value), &cut)) {
		snprintf(text, sizeof(text), "%s: %s has bits set behind its length. Allowed: %s",
			path, json_string_value(value), ipprefix_format(&cut, right));
		report(ctx, text);
		found++;
	}
	json_object_foreach((json_t *)(uintptr_t)value, key, member)
	{
		snprintf(path + length, size - length, "/%s", key);
		found += find_host_bits(
			member, path, length + strlen(path + length), size, report, ctx);
	}
	json_array_foreach(value, i, member)
	{
		snprintf(path + length, size - length, "[%zu]", i + 1);
		found += find_host_bits(
			member, path, length + strlen(path + length), size, report, ctx);
	}
	path[length] = '\0';
	return found;
}

static unsigned check_prefixes(
	const char *text, void (*report)(void *ctx, const char *text), void *ctx)
{
	json_error_t error;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	char path[2048] = "";
	unsigned found;

	// nearly all that is no JSON libyang has refused already, but not a member that stands twice
	if (!root) {
		snprintf(path, sizeof(path), "/ (line %d): %s", error.line, error.text);
		report(ctx, path);
		return 1;
	}
	found = find_host_bits(root, path, 0, sizeof(path), report, ctx);
	json_decref(root);
	return found;
}

struct config *conf_load_text(const struct schema *schema, const char *text, const char *folder,
	void (*report)(void *ctx, const char *text), void *ctx)
{
	struct lyd_node *tree = NULL;
	struct config *config;
	unsigned errors;

	ly_err_clean(schema->ctx, NULL);
	if (lyd_parse_data_mem(schema->ctx, text, LYD_JSON, LYD_PARSE_STRICT | LYD_PARSE_NO_STATE,
		    LYD_VALIDATE_NO_STATE, &tree) != LY_SUCCESS) {
		report_schema_error(schema, report, ctx);
		lyd_free_all(tree);
		return NULL;
	}
	errors = check_prefixes(text, report, ctx);
	config = read_config(tree, folder);
	if (!config) {
		report(ctx, "out of memory");
		lyd_free_all(tree);
		return NULL;
	}
	errors += check_config(config, report, ctx);
	if (errors) {
		conf_free(config);
		return NULL;
	}
	return config;
}

struct config *conf_load(const struct schema *schema, const char *file,
	void (*report)(void *ctx, const char *text), void *ctx)
{
	char folder[PATH_MAX];
	struct config *config;
	struct err err;
	char *text = read_file(file, &err);
	char *slash;

	if (!text) {
		report(ctx, err.text);
		return NULL;
	}
	if (!realpath(file, folder))
		snprintf(folder, sizeof(folder), "./");
	slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = '\0';
	config = conf_load_text(schema, text, folder, report, ctx);
	free(text);
	return config;
}

char *conf_print(const struct config *config)
{
	char *text = NULL;

	if (lyd_print_mem(&text, config->tree, LYD_JSON, LYD_PRINT_WITHSIBLINGS) != LY_SUCCESS)
		return NULL;
	return text;
}
