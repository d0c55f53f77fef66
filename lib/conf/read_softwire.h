// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Reading the border relays (RFC 8676) into config->softwire and config->map.

#include "conf/config.h"

void read_relays(struct config *config, const struct lyd_node *br_instances);
void free_relays(struct config *config);

// The number of a BR address in the list of an instance, which it enters if it is new.
uint16_t read_br(struct config_softwire *s, const struct ipaddr *br);

// The B4 of a binding, whose address and PSID are known: an address, or what RFC 7596 section 5.1 makes of a
// prefix. Returns false if the text is neither, or a prefix with bits behind its length.
bool read_b4(const char *text, struct binding_entry *entry);

// tablefile.c: adds the bindings of the instance's table file, for which there is room behind the others as soon
// as this has made some. What is wrong with the file is put in s->fault.
void read_table_file(struct config *config, struct config_softwire *s);
