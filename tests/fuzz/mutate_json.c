// SPDX-License-Identifier: BSD-3-Clause

// Changes of JSON texts that leave them JSON, for libFuzzer: bytes changed blindly hardly ever come past
// the parser to what a configuration means. One value of the document is replaced, by a number at some
// border, a value from elsewhere in it, or nothing; or an element of a list is there twice.

#include "fuzz.h"

#include <jansson.h>

#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

#define BLIND_ONE_IN 4
#define PLACES_MAX   1024

// A value, and the object or list that it is in.
struct place {
	json_t *parent;
	json_t *value;
	const char *key; // in an object
	size_t index;    // in a list
};

static struct place places[PLACES_MAX];
static unsigned count;
static uint64_t state;

static unsigned below(unsigned n)
{
	state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)(state >> 33) % n;
}

static void collect(json_t *value)
{
	const char *key;
	json_t *member;
	size_t i;

	json_object_foreach(value, key, member)
	{
		if (count < PLACES_MAX)
			places[count++] = (struct place){value, member, key, 0};
		collect(member);
	}
	json_array_foreach(value, i, member)
	{
		if (count < PLACES_MAX)
			places[count++] = (struct place){value, member, NULL, i};
		collect(member);
	}
}

static json_t *border(void)
{
	static const int64_t borders[] = {
		0, 1, 2, 4, 31, 32, 63, 64, 128, 255, 1023, 4095, 65535, 1 << 20, UINT32_MAX};
	unsigned n = below(sizeof(borders) / sizeof(borders[0]));

	return json_integer(borders[n] + (int)below(3) - 1);
}

// A number in a text, such as a prefix length or a port, becomes another one.
static json_t *text_changed(const char *text)
{
	char out[256];
	size_t length = strlen(text), at, digits;

	if (!length || length > sizeof(out) - 16)
		return json_string("");
	at = below((unsigned)length);
	digits = strspn(text + at, "0123456789");
	snprintf(out, sizeof(out), "%.*s%u%s", (int)at, text, below(digits > 2 ? 70000 : 260),
		text + at + digits);
	return json_string(out);
}

static void put(const struct place *p, json_t *value)
{
	if (p->key)
		json_object_set_new(p->parent, p->key, value);
	else
		json_array_set_new(p->parent, p->index, value);
}

static void change(void)
{
	const struct place *p = &places[below(count)];
	const struct place *other = &places[below(count)];

	switch (below(6)) {
	case 0:
		if (p->key)
			json_object_del(p->parent, p->key);
		else
			json_array_remove(p->parent, p->index);
		break;
	case 1:
		put(p, border());
		break;
	case 2:
		put(p, json_deep_copy(other->value));
		break;
	case 3:
		if (p->key)
			json_object_set_new(p->parent, p->key, json_deep_copy(other->value));
		else
			json_array_append_new(p->parent, json_deep_copy(p->value));
		break;
	case 4:
		if (json_is_boolean(p->value))
			put(p, json_boolean(!json_is_true(p->value)));
		else if (json_is_string(p->value))
			put(p, text_changed(json_string_value(p->value)));
		else if (json_is_integer(p->value))
			put(p, json_integer(json_integer_value(p->value) + (int)below(3) - 1));
		break;
	case 5:
		if (json_is_object(p->value) && other->key)
			json_object_set_new(p->value, other->key, json_deep_copy(other->value));
		break;
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	json_t *root = json_loadb((const char *)data, size, 0, NULL);
	size_t length = 0;

	state = seed;
	count = 0;
	collect(root);
	for (unsigned n = 1 + below(3); count && n; n--) {
		change();
		count = 0;
		collect(root);
	}
	if (root && below(BLIND_ONE_IN))
		length = json_dumpb(root, (char *)data, max_size, JSON_COMPACT);
	json_decref(root);
	return length && length <= max_size ? length : LLVMFuzzerMutate(data, size, max_size);
}
