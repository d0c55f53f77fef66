// SPDX-License-Identifier: BSD-3-Clause

// Which class a request is of. One that is about more than a class names is not of that class: what is
// done about a part of the traffic must not happen to all of it.

#include "dots/policy.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static bool has_targets(const struct request_class *class, const struct scope *scope)
{
	for (unsigned i = 0; i < scope->targets && class->targets; i++) {
		unsigned k = 0;

		while (k < class->targets && !ipprefix_covers(&class->target[k], &scope->target[i]))
			k++;
		if (k == class->targets)
			return false;
	}
	return true;
}

static bool has_protocol(const struct request_class *class, uint8_t protocol)
{
	return memchr(class->protocol, protocol, class->protocols) != NULL;
}

// ICMP types alone name a protocol too: that of the targets' family (RFC 9066 section 5.3.1).
static bool has_icmp(const struct request_class *class, const struct scope *scope)
{
	for (unsigned i = 0; i < scope->targets; i++) {
		if (!has_protocol(class,
			    scope->target[i].addr.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
			return false;
	}
	return scope->source_types && !scope->source_ports && !scope->target_ports;
}

static bool has_protocols(const struct request_class *class, const struct scope *scope)
{
	if (!class->protocols)
		return true;
	if (!scope->protocols)
		return has_icmp(class, scope);
	for (unsigned i = 0; i < scope->protocols; i++) {
		if (!has_protocol(class, scope->protocol[i]))
			return false;
	}
	return true;
}

static bool has_target_ports(const struct request_class *class, const struct scope *scope)
{
	if (class->port.lower == 0 && class->port.upper == UINT16_MAX)
		return true;
	for (unsigned i = 0; i < scope->target_ports; i++) {
		if (scope->target_port[i].lower < class->port.lower ||
			scope->target_port[i].upper > class->port.upper)
			return false;
	}
	return scope->target_ports;
}

struct measure policy_measure(const struct policy *policy, const struct scope *scope)
{
	for (unsigned i = 0; i < policy->classes; i++) {
		const struct request_class *class = &policy->class[i];

		if (has_targets(class, scope) && has_protocols(class, scope) &&
			has_target_ports(class, scope))
			return class->measure;
	}
	return policy->measure;
}

struct request_class *classes_copy(const struct request_class *class, unsigned classes)
{
	struct request_class *copy;
	struct ipprefix *prefix;
	size_t prefixes = 0, protocols = 0;
	uint8_t *protocol;

	for (unsigned i = 0; i < classes; i++) {
		prefixes += class[i].targets;
		protocols += class[i].protocols;
	}
	copy = malloc(classes * sizeof(*copy) + prefixes * sizeof(*prefix) + protocols + 1);
	if (!copy)
		return NULL;
	prefix = (struct ipprefix *)(copy + classes);
	protocol = (uint8_t *)(prefix + prefixes);
	for (unsigned i = 0; i < classes; i++) {
		copy[i] = class[i];
		copy[i].target = prefix;
		for (unsigned k = 0; k < class[i].targets; k++)
			*prefix++ = class[i].target[k];
		copy[i].protocol = protocol;
		for (unsigned k = 0; k < class[i].protocols; k++)
			*protocol++ = class[i].protocol[k];
	}
	return copy;
}
