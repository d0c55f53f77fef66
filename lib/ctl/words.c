// SPDX-License-Identifier: BSD-3-Clause

#include "ctl/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool words_number(const char *text, unsigned long most, unsigned long *out)
{
	char *end;

	if (!strspn(text, "0123456789"))
		return false;
	errno = 0;
	*out = strtoul(text, &end, 10);
	return !*end && !errno && *out <= most;
}

bool words_protocol(const char *text, uint8_t *out)
{
	static const struct {
		const char *name;
		uint8_t number;
	} names[] = {{"icmp", 1}, {"tcp", 6}, {"udp", 17}, {"icmpv6", 58}};
	unsigned long number;

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(text, names[i].name)) {
			*out = names[i].number;
			return true;
		}
	}
	if (!words_number(text, 255, &number) || !number)
		return false;
	*out = (uint8_t)number;
	return true;
}

bool words_time(const char *text, int64_t *unix_ms)
{
	unsigned long seconds;
	struct tm tm = {0};
	const char *rest;

	if (words_number(text, 1ul << 40, &seconds)) {
		*unix_ms = (int64_t)seconds * 1000;
		return seconds != 0;
	}
	rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!rest)
		return false;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (strcmp(rest, "Z") && strcmp(rest, "+00:00"))
		return false;
	*unix_ms = (int64_t)timegm(&tm) * 1000;
	return *unix_ms > 0;
}

bool words_range(const char *text, uint16_t *lower, uint16_t *upper)
{
	const char *dash = strchr(text, '-');
	char first[8];
	unsigned long low, high;

	if (dash && (size_t)(dash - text) < sizeof(first)) {
		memcpy(first, text, (size_t)(dash - text));
		first[dash - text] = '\0';
	} else if (!dash && strlen(text) < sizeof(first)) {
		strcpy(first, text);
	} else {
		return false;
	}
	if (!words_number(first, UINT16_MAX, &low))
		return false;
	high = low;
	if (dash && (!words_number(dash + 1, UINT16_MAX, &high) || high < low))
		return false;
	*lower = (uint16_t)low;
	*upper = (uint16_t)high;
	return true;
}
