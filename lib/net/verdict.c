// SPDX-License-Identifier: BSD-3-Clause

#include "net/verdict.h"

#define VERDICT_INFO(id, name, kind, help) [id] = {name, kind, help},
const struct verdict_info verdict_info[V_COUNT] = {VERDICTS(VERDICT_INFO)};
#undef VERDICT_INFO
