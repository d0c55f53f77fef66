// SPDX-License-Identifier: BSD-3-Clause

#include "net/mss.h"

#include "net/csum.h"

#include <rte_byteorder.h>

#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_MSS 2
#define MSS_LENGTH 4
#define TCP_MIN    20
#define TCP_SUM    16

// Writes the value and mends the checksum over the words it lies in, two if it begins in the middle of one.
static void put_mss(uint8_t *tcp, unsigned at, uint16_t mss)
{
	uint16_t sum, from, to;
	uint8_t *value = tcp + at;

	memcpy(&from, value, sizeof(from));
	to = rte_cpu_to_be_16(mss);
	memcpy(value, &to, sizeof(to));
	if (at % 2) {
		// one's complement sums do not mind where the bytes of a word lie, but which is which
		from = rte_bswap16(from);
		to = rte_bswap16(to);
	}
	memcpy(&sum, tcp + TCP_SUM, sizeof(sum));
	sum = csum_apply(sum, csum_change16(from, to));
	memcpy(tcp + TCP_SUM, &sum, sizeof(sum));
}

void mss_clamp(uint8_t *tcp, uint32_t length, uint16_t mss)
{
	unsigned end = (tcp[12] >> 4) * 4u;
	unsigned size;

	if (end > length)
		return;
	for (unsigned at = TCP_MIN; at < end && tcp[at] != OPTION_END; at += size) {
		if (tcp[at] == OPTION_NOP) {
			size = 1;
			continue;
		}
		size = at + 1 < end ? tcp[at + 1] : 0;
		if (size < 2 || at + size > end)
			return;
		if (tcp[at] == OPTION_MSS && size == MSS_LENGTH) {
			if ((tcp[at + 2] << 8 | tcp[at + 3]) > mss)
				put_mss(tcp, at + 2, mss);
			return;
		}
	}
}
