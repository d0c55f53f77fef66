// SPDX-License-Identifier: BSD-3-Clause

#include "table/moves.h"

#include "base/bits.h"
#include "table/snapshot.h"

#define BATCH_MOST 64 // blocks of one message

// How many free blocks of one address each worker has.
static void count_of_address(const struct pool *pool, uint32_t address, uint32_t *count)
{
	uint32_t blocks = pool_blocks_an_address(pool);

	for (uint32_t i = 0; i < blocks; i++) {
		uint32_t entry = pool_entry(pool, address * blocks + i);

		if (!pool_entry_block(entry) && pool_block_ports(pool, i))
			count[pool_entry_worker(entry)]++;
	}
}

// Half of what the worker with the most has more than the one that asks, so that it is not the next to ask.
static int plan(const struct snapshot *snapshot, const struct msg *heard, struct msg *answer)
{
	const struct msg_blocks *wanted = &heard->blocks;
	const struct nat_policy *policy = snapshot->policy[wanted->policy];
	uint32_t count[POOL_MAX_WORKERS] = {0};
	unsigned most = 0;

	// a reload may have come between
	if (!policy || policy->pool->id != wanted->pool)
		return -1;
	for (unsigned i = 0; wanted->address == UINT32_MAX && i < policy->pool->workers; i++)
		count[i] = count_read(&policy->pool->free[i]);
	if (wanted->address != UINT32_MAX)
		count_of_address(policy->pool, wanted->address, count);
	for (unsigned i = 1; i < policy->pool->workers; i++) {
		if (count[i] > count[most])
			most = i;
	}
	if (count[most] <= count[heard->worker])
		return -1;
	*answer = (struct msg){.type = MSG_BLOCKS_GIVE, .blocks = *wanted};
	answer->blocks.to = heard->worker;
	answer->blocks.count = min_u32((count[most] - count[heard->worker] + 1) / 2, BATCH_MOST);
	return (int)most;
}

int moves_answer(const struct snapshot *snapshot, const struct msg *heard, struct msg *answer)
{
	if (heard->type == MSG_BLOCKS_WANTED)
		return plan(snapshot, heard, answer);
	*answer = *heard;
	answer->type = MSG_BLOCKS_TAKE;
	return heard->blocks.to;
}
