// SPDX-License-Identifier: BSD-3-Clause

#include "dots/scope.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static void names_free(char **name, unsigned count)
{
	for (unsigned i = 0; name && i < count; i++)
		free(name[i]);
	free(name);
}

void scope_free(struct scope *scope)
{
	free(scope->target);
	free(scope->target_port);
	free(scope->protocol);
	names_free(scope->fqdn, scope->fqdns);
	names_free(scope->uri, scope->uris);
	names_free(scope->alias, scope->aliases);
	free(scope->source);
	free(scope->source_port);
	free(scope->source_type);
	*scope = (struct scope){0};
}

static bool copy_list(void *out, const void *list, unsigned count, size_t size)
{
	void *copy = count ? malloc(count * size) : NULL;

	if (copy)
		memcpy(copy, list, count * size);
	memcpy(out, &copy, sizeof(copy));
	return !count || copy;
}

int scope_copy(struct scope *copy, const struct scope *s)
{
	*copy = (struct scope){
		.targets = s->targets,
		.target_ports = s->target_ports,
		.protocols = s->protocols,
		.sources = s->sources,
		.source_ports = s->source_ports,
		.source_types = s->source_types,
	};
	if (copy_list(&copy->target, s->target, s->targets, sizeof(*s->target)) &&
		copy_list(&copy->target_port, s->target_port, s->target_ports,
			sizeof(*s->target_port)) &&
		copy_list(&copy->protocol, s->protocol, s->protocols, 1) &&
		copy_list(&copy->source, s->source, s->sources, sizeof(*s->source)) &&
		copy_list(&copy->source_port, s->source_port, s->source_ports,
			sizeof(*s->source_port)) &&
		copy_list(&copy->source_type, s->source_type, s->source_types,
			sizeof(*s->source_type)))
		return 0;
	scope_free(copy);
	return -ENOMEM;
}

// Whether each of a's elements, `size` bytes without padding, is among b's.
static bool within(const void *a, unsigned na, const void *b, unsigned nb, size_t size)
{
	for (unsigned i = 0; i < na; i++) {
		const char *wanted = (const char *)a + i * size;
		unsigned j = 0;

		while (j < nb && memcmp(wanted, (const char *)b + j * size, size))
			j++;
		if (j == nb)
			return false;
	}
	return true;
}

static bool same_set(const void *a, unsigned na, const void *b, unsigned nb, size_t size)
{
	return within(a, na, b, nb, size) && within(b, nb, a, na, size);
}

static bool has_name(char **list, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++) {
		if (!strcmp(list[i], name))
			return true;
	}
	return false;
}

static bool names_within(char **a, unsigned na, char **b, unsigned nb)
{
	for (unsigned i = 0; i < na; i++) {
		if (!has_name(b, nb, a[i]))
			return false;
	}
	return true;
}

static bool same_names(char **a, unsigned na, char **b, unsigned nb)
{
	return names_within(a, na, b, nb) && names_within(b, nb, a, na);
}

static bool names_meet(char **a, unsigned na, char **b, unsigned nb)
{
	for (unsigned i = 0; i < na; i++) {
		if (has_name(b, nb, a[i]))
			return true;
	}
	return false;
}

bool scope_equal(const struct scope *a, const struct scope *b)
{
	return same_set(a->target, a->targets, b->target, b->targets, sizeof(*a->target)) &&
		same_set(a->target_port, a->target_ports, b->target_port, b->target_ports,
			sizeof(*a->target_port)) &&
		same_set(a->protocol, a->protocols, b->protocol, b->protocols, 1) &&
		same_names(a->fqdn, a->fqdns, b->fqdn, b->fqdns) &&
		same_names(a->uri, a->uris, b->uri, b->uris) &&
		same_names(a->alias, a->aliases, b->alias, b->aliases) &&
		same_set(a->source, a->sources, b->source, b->sources, sizeof(*a->source)) &&
		same_set(a->source_port, a->source_ports, b->source_port, b->source_ports,
			sizeof(*a->source_port)) &&
		same_set(a->source_type, a->source_types, b->source_type, b->source_types,
			sizeof(*a->source_type));
}

static bool prefixes_meet(
	const struct ipprefix *a, unsigned na, const struct ipprefix *b, unsigned nb)
{
	for (unsigned i = 0; i < na; i++) {
		for (unsigned j = 0; j < nb; j++) {
			if (ipprefix_overlaps(&a[i], &b[j]))
				return true;
		}
	}
	return false;
}

// No ports named: all of them.
static bool ports_meet(
	const struct port_range *a, unsigned na, const struct port_range *b, unsigned nb)
{
	if (!na || !nb)
		return true;
	for (unsigned i = 0; i < na; i++) {
		for (unsigned j = 0; j < nb; j++) {
			if (a[i].lower <= b[j].upper && b[j].lower <= a[i].upper)
				return true;
		}
	}
	return false;
}

bool scope_overlaps(const struct scope *a, const struct scope *b, enum overlap_key key)
{
	if (!prefixes_meet(a->target, a->targets, b->target, b->targets) &&
		!names_meet(a->fqdn, a->fqdns, b->fqdn, b->fqdns) &&
		!names_meet(a->uri, a->uris, b->uri, b->uris) &&
		!names_meet(a->alias, a->aliases, b->alias, b->aliases))
		return false;
	return key == OVERLAP_TARGET ||
		(prefixes_meet(a->source, a->sources, b->source, b->sources) &&
			ports_meet(
				a->source_port, a->source_ports, b->source_port, b->source_ports));
}
