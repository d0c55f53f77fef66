// SPDX-License-Identifier: BSD-3-Clause

#include "dots/order.h"

#include "base/bits.h"

#include <errno.h>
#include <stdlib.h>

int order_body(
	const struct part *part, int64_t lifetime, uint8_t attack_status, uint8_t *out, size_t room)
{
	struct mitigation_body body = {
		.scope = part->scope,
		.has_lifetime = true,
		.lifetime = lifetime,
		.attack_status = attack_status,
	};

	return codec_write_mitigations(&body, 1, out, room);
}

static bool fits(const struct part *part)
{
	uint8_t body[ORDER_BODY_MAX];

	return order_body(part, UINT32_MAX, ATTACK_UNDER_WAY, body, sizeof(body)) > 0;
}

// Keeps the first half of a list and leaves the other to the sibling; returns where that begins.
static unsigned share(unsigned *count, unsigned *others)
{
	unsigned first = *count / 2;

	*others = *count - first;
	*count = first;
	return first;
}

// A request is a product of lists, so each half of a list with all of the others asks for half.
static bool halve(struct scope *a, struct scope *b)
{
	*b = *a;
	if (a->targets > 1 && a->targets >= a->target_ports && a->targets >= a->source_ports)
		b->target += share(&a->targets, &b->targets);
	else if (a->source_ports > 1 && a->source_ports >= a->target_ports)
		b->source_port += share(&a->source_ports, &b->source_ports);
	else if (a->target_ports > 1)
		b->target_port += share(&a->target_ports, &b->target_ports);
	else if (a->sources > 1)
		b->source += share(&a->sources, &b->sources);
	else
		return false;
	return true;
}

// Cuts a scope into parts that fit. Returns how many there are, or -EMSGSIZE.
static int cut(const struct scope *scope, struct part part[ORDER_PARTS_MAX])
{
	unsigned parts = 1;

	part[0] = (struct part){.scope = *scope, .todo = TODO_PUT};
	for (unsigned i = 0; i < parts;) {
		if (fits(&part[i])) {
			i++;
			continue;
		}
		if (parts == ORDER_PARTS_MAX)
			return -EMSGSIZE;
		part[parts] = part[i];
		if (!halve(&part[i].scope, &part[parts].scope))
			return -EMSGSIZE;
		parts++;
	}
	return (int)parts;
}

struct order *order_new(struct scope *scope)
{
	struct part part[ORDER_PARTS_MAX];
	int parts = cut(scope, part);
	struct order *order;

	if (parts < 0)
		return NULL;
	order = calloc(1, sizeof(*order) + (unsigned)parts * sizeof(*part));
	if (!order)
		return NULL;
	order->scope = *scope;
	order->parts = (unsigned)parts;
	for (unsigned i = 0; i < order->parts; i++) {
		order->part[i] = part[i];
		order->part[i].order = order;
	}
	*scope = (struct scope){0};
	return order;
}

void order_free(struct order *order)
{
	if (!order)
		return;
	scope_free(&order->scope);
	free(order);
}

enum order_state order_state(const struct order *order)
{
	enum order_state state = ORDER_CONFIRMED;

	for (unsigned i = 0; i < order->parts; i++) {
		if (order->part[i].state == ORDER_REFUSED)
			return ORDER_REFUSED;
		if (order->part[i].state == ORDER_QUEUED)
			state = ORDER_QUEUED;
	}
	return state;
}

struct dropped order_dropped(const struct order *order)
{
	struct dropped sum = {0};

	for (unsigned i = 0; i < order->parts; i++) {
		sum.bytes += order->part[i].dropped.bytes;
		sum.bps += order->part[i].dropped.bps;
		sum.packets += order->part[i].dropped.packets;
		sum.pps += order->part[i].dropped.pps;
	}
	return sum;
}

bool order_mitigates(const struct order *order)
{
	for (unsigned i = 0; i < order->parts; i++) {
		if (order->part[i].status != STATUS_MITIGATED)
			return false;
	}
	return true;
}
