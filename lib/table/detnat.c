// SPDX-License-Identifier: BSD-3-Clause

#include "table/detnat.h"

#include "base/bits.h"
#include "base/rand.h"

#include <stdlib.h>
#include <string.h>

static uint32_t first_address(const struct ipprefix *prefix)
{
	return rte_be_to_cpu_32(ipaddr_be32(&prefix->addr));
}

uint32_t detnat_hosts(const struct ipprefix *prefix)
{
	// both ends of a point-to-point network are hosts (RFC 3021)
	if (prefix->len >= 31)
		return prefix->len == 32 ? 1 : 2;
	return (UINT32_MAX >> prefix->len) - 1;
}

// Numbers the ports that are not reserved.
static uint32_t number_places(struct detnat *d, const struct port_set *reserved)
{
	uint32_t places = 0;

	for (uint32_t port = 0; port <= UINT16_MAX; port++) {
		if (port_set_has(reserved, (uint16_t)port))
			d->place_of[port] = DETNAT_NO_PLACE;
		else
			d->port_of[places++] = (uint16_t)port;
	}
	return places;
}

// Fisher and Yates's shuffle of the fixed places, on the key's stream of numbers.
static void shuffle(struct detnat *d, uint32_t fixed)
{
	struct rand random;

	rand_seed_key(&random, d->key);
	for (uint32_t i = fixed; i > 1; i--) {
		uint32_t k = rand_below(&random, i);
		uint16_t port = d->port_of[i - 1];

		d->port_of[i - 1] = d->port_of[k];
		d->port_of[k] = port;
	}
}

static void cut(struct detnat *d, const struct port_set *reserved)
{
	uint32_t places = number_places(d, reserved), fixed;

	d->ratio = (uint32_t)div_round_up(d->hosts, d->outsides);
	d->size = places / (d->ratio + d->dynamic_factor);
	d->share = d->algorithm == DETNAT_ROUND_ROBIN ? d->size / d->outsides : d->size;
	if (d->algorithm == DETNAT_ROUND_ROBIN)
		d->size = d->share * d->outsides;
	fixed = d->ratio * (places / (d->ratio + d->dynamic_factor));
	d->first_dynamic = d->dynamic_factor && fixed < places ? d->port_of[fixed] : UINT16_MAX + 1;
	if (d->algorithm == DETNAT_CRYPTOGRAPHIC)
		shuffle(d, fixed);
	for (uint32_t place = 0; place < places; place++)
		d->place_of[d->port_of[place]] = (uint16_t)place;
}

struct detnat *detnat_new(const struct detnat_setup *setup, const struct port_set *reserved)
{
	struct detnat *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->algorithm = setup->algorithm;
	d->outsides = setup->outsides;
	d->dynamic_factor = setup->dynamic_factor;
	d->max_ports = setup->max_ports;
	memcpy(d->key, setup->key, sizeof(d->key));
	d->inside = calloc(setup->prefixes, sizeof(*d->inside));
	d->number = calloc(setup->prefixes, sizeof(*d->number));
	if (!d->inside || !d->number) {
		detnat_free(d);
		return NULL;
	}
	for (unsigned i = 0; i < setup->prefixes; i++) {
		d->inside[i] = setup->inside[i];
		d->number[i] = d->hosts;
		d->hosts += detnat_hosts(&setup->inside[i]);
	}
	d->prefixes = setup->prefixes;
	cut(d, reserved);
	return d;
}

void detnat_free(struct detnat *d)
{
	if (!d)
		return;
	free(d->number);
	free(d->inside);
	free(d);
}

bool detnat_same(const struct detnat *d, const struct detnat_setup *setup)
{
	if (d->algorithm != setup->algorithm || d->outsides != setup->outsides ||
		d->dynamic_factor != setup->dynamic_factor || d->max_ports != setup->max_ports ||
		d->prefixes != setup->prefixes || memcmp(d->key, setup->key, sizeof(d->key)))
		return false;
	for (unsigned i = 0; i < d->prefixes; i++) {
		if (d->inside[i].len != setup->inside[i].len ||
			first_address(&d->inside[i]) != first_address(&setup->inside[i]))
			return false;
	}
	return true;
}

uint32_t detnat_number(const struct detnat *d, rte_be32_t inside)
{
	uint32_t address = rte_be_to_cpu_32(inside);

	for (unsigned i = 0; i < d->prefixes; i++) {
		// the first host of a network comes after the network's own address
		uint32_t first = first_address(&d->inside[i]) + (d->inside[i].len < 31);

		if (address - first < detnat_hosts(&d->inside[i]))
			return d->number[i] + (address - first);
	}
	return UINT32_MAX;
}

rte_be32_t detnat_host(const struct detnat *d, uint32_t number)
{
	unsigned i = d->prefixes - 1;

	while (d->number[i] > number)
		i--;
	return rte_cpu_to_be_32(
		first_address(&d->inside[i]) + (d->inside[i].len < 31) + (number - d->number[i]));
}

void detnat_port(
	const struct detnat *d, uint32_t host, uint32_t index, uint32_t *outside, uint16_t *port)
{
	uint32_t place;

	*outside = host / d->ratio;
	switch ((enum detnat_algorithm)d->algorithm) {
	case DETNAT_STAGGERED:
		place = index * d->ratio + host % d->ratio;
		break;
	case DETNAT_ROUND_ROBIN:
		*outside = index % d->outsides;
		place = host * d->share + index / d->outsides;
		break;
	default:
		place = host % d->ratio * d->size + index;
		break;
	}
	*port = d->port_of[place];
}

uint32_t detnat_owner(const struct detnat *d, uint32_t outside, uint16_t port)
{
	uint32_t place = d->place_of[port], host, shares = d->ratio;

	if (port >= d->first_dynamic || place == DETNAT_NO_PLACE)
		return UINT32_MAX;
	switch ((enum detnat_algorithm)d->algorithm) {
	case DETNAT_STAGGERED:
		host = place >= shares * d->size ? shares : place % shares;
		break;
	case DETNAT_ROUND_ROBIN:
		host = place / d->share;
		return host < d->hosts ? host : UINT32_MAX;
	default:
		host = place / d->size;
		break;
	}
	// what the division leaves over at the end is nobody's
	if (host >= shares)
		return UINT32_MAX;
	host += outside * shares;
	return host < d->hosts ? host : UINT32_MAX;
}
