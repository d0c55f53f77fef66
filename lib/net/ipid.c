// SPDX-License-Identifier: BSD-3-Clause

#include "net/ipid.h"

#include "base/rand.h"

#include <rte_malloc.h>

#include <errno.h>

int ipid_init(struct ipid *ids, unsigned worker, unsigned workers, struct rand *random)
{
	*ids = (struct ipid){.shift = 1, .worker = (uint8_t)worker};
	while (1u << (ids->shift - 1) < workers)
		ids->shift++;
	ids->counter = rte_malloc("ipid", IPID_COUNTERS * sizeof(*ids->counter), 0);
	if (!ids->counter)
		return -ENOMEM;
	for (unsigned i = 0; i < 2; i++)
		ids->secret[i] = (uint64_t)rand_u32(random) << 32 | rand_u32(random);
	// an even factor would lose the key's top bits
	ids->secret[1] |= 1;
	for (unsigned i = 0; i < IPID_COUNTERS; i++)
		ids->counter[i] = (uint16_t)rand_u32(random);
	return 0;
}

void ipid_free(struct ipid *ids)
{
	rte_free(ids->counter);
	ids->counter = NULL;
}
