// SPDX-License-Identifier: BSD-3-Clause

// A binding table in a file: one line a binding, comma-separated, without quotes or blanks, below a line that
// names the columns. What libyang would need gigabytes for is read in a second. Only the form is looked at
// here; whether the bindings make sense is asked with those of the other sources.

#include "conf/read.h"
#include "conf/read_softwire.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER  "b4,ipv4,psid-offset,psid-len,psid,br"
#define COLUMNS 6

enum column { COLUMN_B4, COLUMN_IPV4, COLUMN_OFFSET, COLUMN_LENGTH, COLUMN_PSID, COLUMN_BR };

__attribute__((format(printf, 3, 4))) static void fault(
	struct config_softwire *s, uint32_t line, const char *format, ...)
{
	char text[512];
	va_list ap;
	int n = line ? snprintf(text, sizeof(text), "%s line %u: ", s->table_file, line)
		     : snprintf(text, sizeof(text), "%s: ", s->table_file);

	va_start(ap, format);
	if ((size_t)n < sizeof(text))
		vsnprintf(text + n, sizeof(text) - (size_t)n, format, ap);
	va_end(ap);
	// whatever stands in the file, a fault is one line
	for (char *p = text; *p; p++)
		*p = iscntrl((unsigned char)*p) ? '?' : *p;
	if (s->faults < CONFIG_TABLE_FAULTS)
		s->fault[s->faults] = strdup(text);
	s->faults++;
}

static char *read_text(struct config_softwire *s, size_t *size)
{
	int fd = open(s->table_file, O_RDONLY | O_CLOEXEC);
	struct stat status;
	char *text = NULL;
	size_t room;
	ssize_t n;

	if (fd < 0 || fstat(fd, &status) < 0) {
		fault(s, 0, "%s", strerror(errno));
		goto end;
	}
	if (!S_ISREG(status.st_mode)) {
		fault(s, 0, "no regular file");
		goto end;
	}
	room = (size_t)status.st_size;
	text = malloc(room + 1);
	if (!text) {
		fault(s, 0, "no memory for %zu bytes", room);
		goto end;
	}
	for (*size = 0; *size < room; *size += (size_t)n) {
		n = read(fd, text + *size, room - *size);
		if (n <= 0)
			break;
	}
	text[*size] = '\0';
end:
	if (fd >= 0)
		close(fd);
	return text;
}

static bool read_number(const char *field, uint32_t most, uint32_t *value)
{
	uint32_t number = 0;
	const char *p = field;

	for (; *p >= '0' && *p <= '9' && p - field < 5; p++)
		number = number * 10 + (uint32_t)(*p - '0');
	*value = number;
	return p != field && !*p && number <= most;
}

// Cuts a line at its commas. Returns whether it has as many fields as it should.
static bool cut(char *line, char *field[COLUMNS])
{
	for (unsigned i = 0; i < COLUMNS; i++) {
		char *comma = strchr(line, ',');

		field[i] = line;
		if (!comma)
			return i == COLUMNS - 1;
		*comma = '\0';
		line = comma + 1;
	}
	return false;
}

// What the reading of a file goes along with.
struct reading {
	struct config_softwire *s;
	uint32_t line;
	struct in6_addr br; // of the line before, and its number: mostly the same
	uint16_t br_number;
	bool has_br;
};

static void wrong(struct reading *r, const char *column, const char *value, const char *allowed)
{
	fault(r->s, r->line, "%s %s. Allowed: %s", column, *value ? value : "is empty", allowed);
}

static bool read_numbers(struct reading *r, char *field[COLUMNS], struct binding_entry *e)
{
	uint32_t offset, length, psid;

	if (!read_number(field[COLUMN_OFFSET], PSID_BITS, &offset)) {
		wrong(r, "psid-offset", field[COLUMN_OFFSET], "0 to 16");
		return false;
	}
	if (!read_number(field[COLUMN_LENGTH], PSID_BITS, &length)) {
		wrong(r, "psid-len", field[COLUMN_LENGTH], "0 to 16");
		return false;
	}
	if (!read_number(field[COLUMN_PSID], UINT16_MAX, &psid)) {
		wrong(r, "psid", field[COLUMN_PSID], "0 to 65535");
		return false;
	}
	e->geometry = (struct psid_geometry){length ? (uint8_t)offset : 0, (uint8_t)length};
	e->psid = (uint16_t)psid;
	return true;
}

static bool read_line(struct reading *r, char *line, struct binding_entry *e)
{
	static const char prefix[] = "an IPv6 address, or a prefix without bits behind its length";
	char *field[COLUMNS];
	struct in6_addr br;

	if (!cut(line, field)) {
		fault(r->s, r->line, "not %d fields. Allowed: %s", COLUMNS, HEADER);
		return false;
	}
	if (!read_numbers(r, field, e))
		return false;
	if (inet_pton(AF_INET, field[COLUMN_IPV4], &e->ipv4) != 1) {
		wrong(r, "ipv4", field[COLUMN_IPV4], "an IPv4 address");
		return false;
	}
	if (!read_b4(field[COLUMN_B4], e)) {
		wrong(r, "b4", field[COLUMN_B4], prefix);
		return false;
	}
	if (inet_pton(AF_INET6, field[COLUMN_BR], &br) != 1) {
		wrong(r, "br", field[COLUMN_BR], "an IPv6 address");
		return false;
	}
	if (!r->has_br || memcmp(&br, &r->br, sizeof(br))) {
		struct ipaddr addr = ipaddr_v6(br.s6_addr);

		r->br = br;
		r->has_br = true;
		r->br_number = read_br(r->s, &addr);
	}
	e->br = r->br_number;
	return true;
}

static void read_lines(struct config_softwire *s, char *text)
{
	struct reading r = {.s = s};
	char *line = text, *end;

	for (; *line; line = end) {
		end = strchr(line, '\n');
		r.line++;
		if (!end) {
			fault(s, r.line, "the last line does not end");
			return;
		}
		*end++ = '\0';
		if (r.line == 1) {
			if (!strcmp(line, HEADER))
				continue;
			fault(s, r.line, "%.60s. Allowed: %s", line, HEADER);
			return;
		}
		struct config_binding *b = &s->binding[s->bindings];

		*b = (struct config_binding){.line = r.line};
		s->bindings += read_line(&r, line, &b->entry);
	}
	if (!r.line)
		fault(s, 1, "missing. Allowed: %s", HEADER);
}

void read_table_file(struct config *config, struct config_softwire *s)
{
	struct config_binding *more;
	size_t size = 0, lines = 0;
	char *text = read_text(s, &size);

	if (!text)
		return;
	if (strlen(text) != size) {
		fault(s, 0, "holds a zero byte, so it is no text");
		goto end;
	}
	for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	more = reallocarray(s->binding, s->bindings + lines + 1, sizeof(*more));
	if (!more) {
		config->whole = false;
		goto end;
	}
	s->binding = more;
	read_lines(s, text);
end:
	free(text);
}
