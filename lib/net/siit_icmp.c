// SPDX-License-Identifier: BSD-3-Clause

#include "net/siit_icmp.h"

#include "base/bits.h"
#include "net/hdr.h"
#include "net/hdr6.h"
#include "net/icmp.h"
#include "net/icmp6.h"

#define NONE UINT8_MAX

// More of the codes of destination unreachable (RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1).
#define ICMP_PROTOCOL_UNREACHABLE 2
#define ICMP_HOST_PROHIBITED      10
#define ICMP_PRECEDENCE_VIOLATION 14
#define ICMP_PRECEDENCE_CUTOFF    15
#define ICMP_BAD_POINTER          0 // codes of parameter problem
#define ICMP_BAD_LENGTH           2
#define ICMP6_UNKNOWN_NEXT_HEADER 1

// Where the protocol stands in each header, for "protocol unreachable" (RFC 7915 section 4.2).
#define NEXT_HEADER_AT 6

// RFC 1191 section 7.1
static const uint16_t plateau[] = {65535, 32000, 17914, 8166, 4352, 2002, 1492, 1280};

static uint16_t next_plateau(uint16_t length)
{
	unsigned i = 0;

	while (i + 1 < ARRAY_LEN(plateau) && plateau[i] >= length)
		i++;
	return plateau[i];
}

// An IPv4 router that tells no MTU at all is older than RFC 1191.
static uint32_t mtu_to6(uint32_t told, const struct siit_mtu *mtu)
{
	uint32_t least = told ? told + 20 : next_plateau(mtu->quoted);

	least = min_u32(least, min_u32(mtu->mtu6, mtu->mtu4 + 20u));
	return max_u32(least, IPV6_MTU_MIN);
}

// No IPv6 link has less than 1280, whatever is told.
static uint32_t mtu_to4(uint32_t told, const struct siit_mtu *mtu)
{
	told = max_u32(told, IPV6_MTU_MIN);
	return min_u32(told - 20, min_u32(mtu->mtu4, mtu->mtu6 - 20u));
}

static bool unreachable_to6(struct siit_error *e, const struct siit_mtu *mtu)
{
	uint32_t told = e->word;

	e->type = ICMP6_UNREACHABLE;
	e->word = 0;
	switch (e->code) {
	case ICMP_PROTOCOL_UNREACHABLE:
		e->type = ICMP6_PARAMETER_PROBLEM;
		e->code = ICMP6_UNKNOWN_NEXT_HEADER;
		e->word = NEXT_HEADER_AT;
		return true;
	case ICMP_PORT_UNREACHABLE:
		e->code = ICMP6_PORT_UNREACHABLE;
		return true;
	case ICMP_FRAGMENTATION_NEEDED:
		e->type = ICMP6_TOO_BIG;
		e->code = 0;
		e->word = mtu_to6(told, mtu);
		return true;
	case 9: // communication with the network, or the host, is prohibited
	case ICMP_HOST_PROHIBITED:
	case 13:
	case ICMP_PRECEDENCE_CUTOFF:
		e->code = ICMP6_PROHIBITED;
		return true;
	case ICMP_PRECEDENCE_VIOLATION:
		return false;
	default:
		// what is told of networks, hosts, source routes and types of service
		if (e->code > ICMP_PRECEDENCE_CUTOFF)
			return false;
		e->code = ICMP6_NO_ROUTE;
		return true;
	}
}

static bool pointer_to6(struct siit_error *e)
{
	static const uint8_t to[20] = {
		0, 1, 4, 4, NONE, NONE, NONE, NONE, 7, 6, NONE, NONE, 8, 8, 8, 8, 24, 24, 24, 24};
	uint32_t pointer = e->word;

	if ((e->code != ICMP_BAD_POINTER && e->code != ICMP_BAD_LENGTH) ||
		pointer >= ARRAY_LEN(to) || to[pointer] == NONE)
		return false;
	*e = (struct siit_error){.type = ICMP6_PARAMETER_PROBLEM, .word = to[pointer]};
	return true;
}

bool siit_error_to6(struct siit_error *error, const struct siit_mtu *mtu)
{
	switch (error->type) {
	case ICMP_UNREACHABLE:
		return unreachable_to6(error, mtu);
	case ICMP_TIME_EXCEEDED:
		error->type = ICMP6_TIME_EXCEEDED;
		error->word = 0;
		return true;
	case ICMP_PARAMETER_PROBLEM:
		return pointer_to6(error);
	default:
		return false;
	}
}

static bool unreachable_to4(struct siit_error *e)
{
	e->type = ICMP_UNREACHABLE;
	e->word = 0;
	switch (e->code) {
	case ICMP6_NO_ROUTE:
	case ICMP6_BEYOND_SCOPE:
	case ICMP6_ADDRESS_UNREACHABLE:
		e->code = ICMP_HOST_UNREACHABLE;
		return true;
	case ICMP6_PROHIBITED:
		e->code = ICMP_HOST_PROHIBITED;
		return true;
	case ICMP6_PORT_UNREACHABLE:
		e->code = ICMP_PORT_UNREACHABLE;
		return true;
	default:
		return false;
	}
}

static uint8_t pointer_to4(uint32_t pointer)
{
	static const uint8_t to[8] = {0, 1, NONE, NONE, 2, 2, 9, 8};

	if (pointer < ARRAY_LEN(to))
		return to[pointer];
	if (pointer < IPV6_DESTINATION)
		return 12;
	return pointer < IPV6_MIN ? 16 : NONE;
}

static bool parameter_to4(struct siit_error *e)
{
	uint8_t pointer = pointer_to4(e->word);

	if (e->code == ICMP6_UNKNOWN_NEXT_HEADER) {
		*e = (struct siit_error){
			.type = ICMP_UNREACHABLE, .code = ICMP_PROTOCOL_UNREACHABLE};
		return true;
	}
	if (e->code != ICMP6_BAD_FIELD || pointer == NONE)
		return false;
	*e = (struct siit_error){.type = ICMP_PARAMETER_PROBLEM, .word = pointer};
	return true;
}

bool siit_error_to4(struct siit_error *error, const struct siit_mtu *mtu)
{
	switch (error->type) {
	case ICMP6_UNREACHABLE:
		return unreachable_to4(error);
	case ICMP6_TOO_BIG:
		*error = (struct siit_error){.type = ICMP_UNREACHABLE,
			.code = ICMP_FRAGMENTATION_NEEDED,
			.word = mtu_to4(error->word, mtu)};
		return true;
	case ICMP6_TIME_EXCEEDED:
		error->type = ICMP_TIME_EXCEEDED;
		error->word = 0;
		return true;
	case ICMP6_PARAMETER_PROBLEM:
		return parameter_to4(error);
	default:
		return false;
	}
}
