// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The stages of the pipeline that are not translation. pipeline.c says in which order they run.

#include "net/icmp.h"
#include "net/icmp6.h"
#include "worker/worker.h"

// Which way each packet goes. Every live packet is in one of out, in, routed, pass and the whole ones;
// hairpin is a part of out.
struct ways {
	uint64_t out;     // from inside: translate the source
	uint64_t hairpin; // and then, since it goes to an outside address, as if from outside
	uint64_t in;      // to an outside address: translate the destination
	uint64_t routed;  // between inside networks
	uint64_t pass;    // left as they are, from inside or outside
	uint64_t
		softwire; // to an address behind a border relay: into a tunnel, or translated by MAP-T
	// Without ports, of hosts that have an outside address to themselves; in both masks: a hairpin
	uint64_t whole_out;
	uint64_t whole_in;
};

// The IP packets of a burst.
struct received {
	uint64_t ipv4;
	uint64_t ipv6;
};

// link.c: frames. Finds the interface of each packet of the burst, received on `port`, answers ARP and
// neighbour discovery, and returns the IP packets.
struct received link_receive(struct worker *w, struct burst *b, unsigned port);

// classify.c: routes. Looks up where each packet of the mask goes, answers echo requests, ends what
// cannot be forwarded, and sorts the rest.
struct ways classify(struct worker *w, struct burst *b, uint64_t mask);

// Looks up the routes of addresses, by the mask's packets.
void classify_routes(const struct worker *w, uint64_t mask, const rte_be32_t address[BURST_MAX],
	uint32_t route[BURST_MAX]);

// Looks up the route to the inside address of the mapping of each of the mask; it must lead inside.
// Returns those that do.
uint64_t classify_inside(struct worker *w, struct burst *b, uint64_t mask);

// Looks up the route of each of the mask, which must be an outside address of the box. Returns those
// that are.
uint64_t classify_outside(struct worker *w, struct burst *b, uint64_t mask);

// Ends those of the mask, first packets from inside, whose source is an address of the box: nobody there has
// it. Returns the others.
uint64_t classify_first(struct worker *w, struct burst *b, uint64_t mask);

// Ends those of the mask that do not fit the interface they leave by and may not be fragmented, with an
// ICMP error; the source of those of `hairpin` is translated already. Returns the others; those that have
// to be fragmented are `big`.
uint64_t classify_size(struct worker *w, struct burst *b, uint64_t mask, uint64_t hairpin);

// Ends packet i with a verdict and sends its sender an ICMP error, as far as rules and rate allow. Returns the
// length of what it has sent. The second is for packets from inside whose source is translated already: the error
// goes to where it says, and so goes across.
uint16_t classify_refuse(struct worker *w, struct burst *b, unsigned i, enum verdict verdict,
	uint8_t type, uint8_t code, uint16_t mtu);
uint16_t classify_turn_back(struct worker *w, struct burst *b, unsigned i, enum verdict verdict,
	uint8_t type, uint8_t code, uint16_t mtu);

// Whether the box has sent as many ICMP and ICMPv6 errors as it may for now; it is counted if so.
bool classify_withholds_error(struct worker *w);

// Counts one that has been made of a packet received by an interface.
void classify_count_error(struct worker *w, unsigned iface);

// Which way each IPv6 packet goes.
struct ways6 {
	uint64_t out; // native, from inside
	uint64_t in;  // native, from outside to inside
	uint64_t service[SERVICE_COUNT];
};

// classify6.c: IPv6 routes. Looks up where each packet of the mask goes and whether it can come from where it
// does, answers echo requests, ends what cannot be forwarded, and sorts the rest. What a service takes has had
// no hop counted and no size compared.
struct ways6 classify6(struct worker *w, struct burst *b, uint64_t mask);

// Looks up the routes of `n` IPv6 addresses.
void classify6_routes(const struct worker *w, uint8_t address[BURST_MAX][16], unsigned n,
	uint64_t route[BURST_MAX]);

// Looks up the routes to the hosts whose aliases the packets of the mask are for, and how large they will be: what
// has to be fragmented then is `big`. Returns those whose host is inside.
uint64_t classify6_aliased(struct worker *w, struct burst *b, uint64_t mask);

// The MTU that the sender of packet i, which is to an alias, is too big and is not to be fragmented, has to be told.
// 0: it is fragmented all the same.
uint16_t classify6_inner_mtu(const struct worker *w, const struct burst *b, unsigned i);

// Ends those of the mask that do not fit the interface they leave by, with an ICMPv6 error: routers fragment
// nothing (RFC 8200 section 5). Returns the others.
uint64_t classify6_size(struct worker *w, struct burst *b, uint64_t mask);

// Ends packet i with a verdict and sends its sender an ICMPv6 error, as far as rules and rate allow; `word` is
// an MTU, or where in the packet the trouble is. Returns the length of what it has sent.
uint16_t classify6_refuse(struct worker *w, struct burst *b, unsigned i, enum verdict verdict,
	uint8_t type, uint8_t code, uint32_t word);

// Whether packet i asks for a route that has not been followed to its end (RFC 7915 section 5.1); it is ended then.
bool classify6_asks_for_route(struct worker *w, struct burst *b, unsigned i);

// As classify6_refuse() for a packet that the box had made an IPv4 one of, and that is as it came again.
uint16_t classify6_refuse_restored(struct worker *w, struct burst *b, unsigned i,
	enum verdict verdict, const struct icmp6_error *error);

// The same for a packet that a host without an IPv4 address sent, and that is an IPv4 one from its alias by now; what
// it is told is given as ICMP.
void classify6_refuse_aliased(struct worker *w, struct burst *b, unsigned i, enum verdict verdict,
	uint8_t type, uint8_t code, uint16_t mtu);

// dstnat.c: destinations by another name. Gives packets of the mask, whose routes have been looked up, the
// destination that their senders mean, and its route.
void dstnat_out(struct worker *w, struct burst *b, uint64_t mask);

// Gives packets of the mask, which are for inside hosts and translated, the source by which these know it.
void dstnat_in(struct worker *w, struct burst *b, uint64_t mask);

// Gives packet i, which goes back to its sender, the destination by which that knows it.
void dstnat_undo(struct worker *w, struct burst *b, unsigned i);

// punt.c: the box's own addresses. Hands packet i to the control thread, for the kernel.
void punt(struct worker *w, struct burst *b, unsigned i);

// So many ticks have passed since more packets could be handed over.
void punt_refill(struct worker *w, uint32_t ticks);

// portless.c: protocols without ports. Takes them, and ICMP errors about them, out of the ways that need ports,
// and ends those that no host may use. Returns the ways of the rest.
struct ways portless_sort(struct worker *w, struct burst *b, struct ways ways);

// Translates and sends those of two masks, which may share packets. Those of `in` alone count as `verdict`; if that is
// not V_NAT44_IN, their hop is counted.
void portless_forward(
	struct worker *w, struct burst *b, uint64_t out, uint64_t in, enum verdict verdict);

// steer.c: owners. Hands packets that belong to other workers over to them; returns the ways of the rest.
struct ways steer(struct worker *w, struct burst *b, struct ways ways);

// The same for packets of carry_across() to addresses that NAT has. Returns this worker's.
uint64_t steer_hairpin(struct worker *w, struct burst *b, uint64_t mask, enum verdict verdict);

// The same for IPv6 packets from inside to a service of the box, which begin their way again at their subscriber's
// worker.
uint64_t steer_service(struct worker *w, struct burst *b, uint64_t mask);
// Hands fragments of tunnel packets over to whom all of one source go to. Returns this worker's.
uint64_t steer_pieces(struct worker *w, struct burst *b, uint64_t mask);

// Hands fragments of the mask, out of softwires, over to whom they meet at. Returns this worker's.
uint64_t steer_tunnelled(struct worker *w, struct burst *b, uint64_t mask);

// Hands one frame over to another worker, which counts it. Returns false if its ring is full.
bool steer_frame(struct worker *w, unsigned to, struct rte_mbuf *mbuf);

// defrag.c: fragments. Takes the raw ones out of the burst until their datagram's ports are known; returns
// the ways of the rest. Those that go on are put in w->again.
struct ways defrag(struct worker *w, struct burst *b, struct ways ways);

// The same for fragments of the mask that came by softwires.
void defrag_tunnelled(struct worker *w, struct burst *b, uint64_t mask);

// The same for IPv6 fragments of the mask, all of which, first ones too, begin their way again.
void defrag6(struct worker *w, struct burst *b, uint64_t mask);

// Fills in what is known of the fragments of the mask, which have been gathered, from their handover.
void defrag_recall(struct burst *b, uint64_t mask);

// Ends datagrams whose time is up, at most `budget`. Returns how many.
unsigned defrag_expire(struct worker *w, uint32_t now, unsigned budget);

// Drops all that waits, when the worker ends.
void defrag_forget(struct worker *w);

// reassemble.c: fragments of tunnel packets. Takes those of the mask out of the burst, all of whose packets come
// to this worker; one of which all is there is put in w->again, as if it had come whole.
void reassemble(struct worker *w, struct burst *b, uint64_t mask);

// Ends packets whose time is up, at most `budget`. Returns how many.
unsigned reassemble_expire(struct worker *w, uint32_t now, unsigned budget);

// Drops all that waits, when the worker ends.
void reassemble_forget(struct worker *w);

// fragments.c: what defrag.c and reassemble.c have in common. Takes packet i out of the burst, ready to wait or to
// begin its way again as what `kind` says.
struct rte_mbuf *fragment_take_out(struct burst *b, unsigned i, enum handover_kind kind);

// Lets fragment i wait in its datagram, if need be in place of older datagrams; else ends it.
void fragment_hold(struct worker *w, struct datagram_table *table, uint32_t number, struct burst *b,
	unsigned i, enum handover_kind kind);

// Drops all of a list.
void fragments_drop(struct worker *w, struct fragment_list list, enum verdict verdict);

// Drops what waits in a datagram, and forgets it.
void datagram_give_up(
	struct worker *w, struct datagram_table *table, uint32_t number, enum verdict verdict);

// Drops what waits in a datagram, and no fragment of it goes on from here on.
void datagram_spoil(struct worker *w, struct datagram_table *table, uint32_t number);

// identify.c: gives packets that are not atomic an identification of their own; they have been translated
// from inside.
void identify(struct worker *w, struct burst *b, uint64_t mask);

// filter.c: mitigations. Does what the ACL rules that match packets from inside say: of `marked` by the
// subscriber of their mapping, of `first`, which have none yet, by their source. Returns those that go on,
// by a route to the scrubber.
uint64_t filter(struct worker *w, struct burst *b, uint64_t marked, uint64_t first);

// The same for native IPv6 packets from inside, by the subscriber network of their source.
uint64_t filter6(struct worker *w, struct burst *b, uint64_t mask);

// The same for one packet, of a subscriber that the caller knows. Returns whether it goes to the scrubber.
bool filter_by(struct worker *w, struct burst *b, unsigned i, const struct subkey *subscriber);

// inspect.c: copies. Gives the control thread a copy of packet i, which a rule in a slot of the ACL inspects.
void inspect(struct worker *w, const struct burst *b, unsigned i, uint32_t slot);

// Tells it no more of packet i than which flow it is of.
void inspect_flow(struct worker *w, const struct burst *b, unsigned i, uint32_t slot);

// So many ticks have passed since more could be copied.
void inspect_refill(struct worker *w, uint32_t ticks);

// softwire_out.c: lw4o6 and MAP-E. Takes IPv6 packets of the mask, to addresses of border relays, out of their
// tunnels, and sends them on.
void softwire_out(struct worker *w, struct burst *b, uint64_t mask);

// Goes on with fragments out of tunnels whose ports are known now.
void softwire_resume(struct worker *w, struct burst *b, uint64_t mask);

// Sends IPv4 packets of the mask, to addresses behind border relays, to subscribers, to count as `verdict`, or as what
// stands for it with MAP-T. The hops of those of `keep_ttl`, which the box has made or carried before, are not counted.
void softwire_in(
	struct worker *w, struct burst *b, uint64_t mask, uint64_t keep_ttl, enum verdict verdict);

// softwire_fast.c: lw4o6 and MAP, ordinary packets alone. Carries those of the mask, IPv6 packets that nothing has been
// read of, that are from subscribers of border relays and leave the box. Returns them; the others are as they were.
uint64_t softwire_fast_out(struct worker *w, struct burst *b, uint64_t mask);

// Carries those of the mask, IPv4 packets from outside to addresses behind border relays, that go to subscribers as
// they are. Returns them; the others are as they were.
uint64_t softwire_fast_in(struct worker *w, struct burst *b, uint64_t mask);

// mapt.c: MAP-T. Translates IPv6 packets of the mask, from subscribers to addresses under DMRs, and sends them on.
void mapt_out(struct worker *w, struct burst *b, uint64_t mask);

// Goes on with fragments from subscribers whose ports are known now.
void mapt_resume(struct worker *w, struct burst *b, uint64_t mask);

// answer.c: TCP that opens nothing. Of packets that have been ended, keeps SYNs from outside for a later
// answer, and resets what belongs to no connection, as policies say; `outward` is from inside.
void answer_dropped(struct worker *w, struct burst *b, uint64_t mask, bool outward);

// Forgets the kept SYNs whose connections the packets of the mask, translated from inside, open themselves.
void answer_match(struct worker *w, struct burst *b, uint64_t mask);

// Answers kept SYNs that have waited long enough, some a turn. Returns how many.
unsigned answer_due(struct worker *w);

// transmit.c: next hops. Sends those of the mask by their routes, to count as `verdict`, and those that are
// `big` in fragments.
void transmit(struct worker *w, struct burst *b, uint64_t mask, enum verdict verdict);

// Sends the IPv6 packet i, which the box has made, in fragments of at most `mtu` bytes with this identification.
void transmit_fragments6(struct worker *w, struct burst *b, unsigned i, uint16_t mtu, rte_be32_t id,
	enum verdict verdict);

// Sends a finished frame by an interface.
void transmit_frame(struct worker *w, unsigned iface, struct rte_mbuf *mbuf, enum verdict verdict);

// Sends an IP packet to a station: writes the Ethernet header before the packet at `ip`.
void transmit_ip(struct worker *w, unsigned iface, struct rte_mbuf *mbuf, uint8_t *ip, uint64_t mac,
	uint16_t ethertype, enum verdict verdict);

// Gives all waiting frames to the devices.
void transmit_flush(struct worker *w);

// pipeline.c: the whole way. The burst's mbufs and n are set; afterwards every packet has been sent,
// handed on or freed.
void pipeline_run(struct worker *w, struct burst *b, unsigned port);

// The way of the IPv4 packets of the mask, whose headers have been read; what is translated from inside counts as
// `out`.
void carry4(struct worker *w, struct burst *b, uint64_t mask, enum verdict out, bool may_steer);

// From one subscriber to another. Packets of the mask, to outside addresses of the box by their routes, are from inside,
// or errors of the box about such, and are as seen from outside, with their hop counted: they go on to whoever has the
// address, of whatever service. They count as `verdict`, or, if that is V_NAT44_HAIRPIN, as what stands for it there.
void carry_across(
	struct worker *w, struct burst *b, uint64_t mask, enum verdict verdict, bool may_steer);

// pipeline6.c: the way of the IPv6 packets of the mask.
void carry6(struct worker *w, struct burst *b, uint64_t mask, bool may_steer);

// IPv6 fragments of the mask that have been gathered.
void carry_gathered6(struct worker *w, struct burst *b, uint64_t mask);

// Fragments of the mask that entered before they had to wait, and go on from their aliases.
void carry_entered(struct worker *w, struct burst *b, uint64_t mask);

// Packets of the mask, which NAT44 has translated to aliases, become what their hosts can take, and are sent; those
// of `hairpin` count as `verdict`, if that is not a hairpin.
void carry_aliased(
	struct worker *w, struct burst *b, uint64_t mask, uint64_t hairpin, enum verdict verdict);

// nat44_fast.c: ordinary IPv4 packets, whose headers have not been read. Carries those of the mask that are of NAT44, from
// either side, and those from outside that are for hosts without an IPv4 address of their own or behind border relays.
// Returns those that have gone; the others are as they were.
uint64_t nat44_fast(struct worker *w, struct burst *b, uint64_t mask);

// aliased_fast.c: ordinary packets of hosts without an IPv4 address, whose headers have not been read. Carries those of
// the mask, from inside to NAT64 and AFTRs, that have a mapping here. Returns them; the others are as they were.
uint64_t aliased_fast_out(struct worker *w, struct burst *b, uint64_t mask);

// The same for IPv4 packets of the mask, from outside, whose mappings have been found.
uint64_t aliased_fast_in(struct worker *w, struct burst *b, uint64_t mask);

// dslite.c: softwires. The way of the IPv6 packets of the mask, to AFTRs.
void carry_dslite(struct worker *w, struct burst *b, uint64_t mask, bool may_steer);

// As carry_aliased() for hosts behind B4s; those of `hairpin` count as `verdict`.
void carry_softwired(
	struct worker *w, struct burst *b, uint64_t mask, uint64_t hairpin, enum verdict verdict);

// The largest tunnel packet that packet i, to a host behind a B4, may become; and whether it is fragmented even if
// it says not to.
uint16_t dslite_mtu(const struct worker *w, const struct burst *b, unsigned i);
bool dslite_fragments(const struct worker *w, const struct burst *b, unsigned i);

// As classify_refuse() for a packet that a host behind a B4 sent; its error has the AFTR's source.
void dslite_refuse(struct worker *w, struct burst *b, unsigned i, enum verdict verdict,
	struct icmp_error error);

// The rest of the way for packets that another worker began to carry.
void pipeline_resume(struct worker *w, struct burst *b);

// inbox.c: carries out what the control thread asks. Returns how many messages there were.
unsigned inbox_run(struct worker *w);
