# SPDX-License-Identifier: BSD-3-Clause
"""What the stateful profiles share: tunables, addresses, and programs of both ends.

A profile is a module with

    SAMPLE      the configuration of config/ that it goes with
    CHANGES     leaves of the sample's NAT policies that it replaces ({} if none)
    VERDICTS    what Homeport may count for its packets, as docs/counters.md has it; all else is a fault
    REFUSED     whether connections that never open are part of it

and a Profile. Each of its templates has a server port of its own: behind a NAT TRex's server knows a connection by
nothing else.
"""
import argparse
import ipaddress
import os
import sys

from trex.astf.api import (ASTFAssociationRule, ASTFGlobalInfo, ASTFIPGen, ASTFIPGenDist, ASTFIPGenGlobal, ASTFProfile,
                           ASTFProgram, ASTFTCPClientTemplate, ASTFTCPServerTemplate, ASTFTemplate)


def _last(first, count):
    return str(ipaddress.ip_address(first) + count - 1)


class Profile:
    """Base of all profiles."""

    def parser(self):
        """The tunables; a profile adds its own."""
        module = sys.modules[type(self).__module__]
        parser = argparse.ArgumentParser(prog=os.path.basename(module.__file__), description=module.__doc__,
                                         formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--clients", default="100.64.1.0", help="the first inside host (%(default)s)")
        parser.add_argument("--hosts", type=int, default=1024, help="inside hosts (%(default)s)")
        parser.add_argument("--server", default="198.18.0.1", help="the first outside host (%(default)s)")
        parser.add_argument("--servers", type=int, default=254, help="outside hosts (%(default)s)")
        parser.add_argument("--cps", type=float, default=100.0, help="connections a second at -m 1 (%(default)s)")
        parser.add_argument("--limit", type=int, default=0, help="connections in all; 0: no end (%(default)s)")
        parser.add_argument("--size", type=int, default=64, help="bytes of an answer (%(default)s)")
        parser.add_argument("--mss", type=int, default=1460, help="largest TCP segment (%(default)s)")
        return parser

    def arguments(self, tunables):
        return self.parser().parse_args(tunables)

    def templates(self, args):
        """The templates; template() makes one."""
        raise NotImplementedError

    def info(self, args):
        """Parameters of the clients' end."""
        info = ASTFGlobalInfo()
        info.tcp.mss = args.mss
        return info

    def server_info(self, args):
        """Parameters of the servers' end: the same, unless a profile says otherwise."""
        return self.info(args)

    def get_profile(self, tunables=(), **_):
        args = self.arguments(tunables)
        return ASTFProfile(default_ip_gen=addresses(args), default_c_glob_info=self.info(args),
                           default_s_glob_info=self.server_info(args), templates=self.templates(args))


def addresses(args):
    clients = ASTFIPGenDist(ip_range=[args.clients, _last(args.clients, args.hosts)], distribution="seq")
    servers = ASTFIPGenDist(ip_range=[args.server, _last(args.server, args.servers)], distribution="seq")
    return ASTFIPGen(glob=ASTFIPGenGlobal(ip_offset="0.0.0.0"), dist_client=clients, dist_server=servers)


def template(args, port, client, server, share=1.0, cont=None):
    """One kind of connection: `share` of all connections a second and of the limit."""
    return ASTFTemplate(
        client_template=ASTFTCPClientTemplate(program=client, ip_gen=addresses(args), port=port,
                                              cps=max(0.5, args.cps * share),
                                              limit=int(args.limit * share) or None, cont=cont),
        server_template=ASTFTCPServerTemplate(program=server, assoc=ASTFAssociationRule(port=port)))


def exchange(stream, request, answer):
    """Both ends of a connection in which the client asks and the server answers, once."""
    client, server = ASTFProgram(stream=stream), ASTFProgram(stream=stream)
    if stream:
        client.send(request)
        server.recv(len(request))
        server.send(answer)
        client.recv(len(answer))
    else:
        client.send_msg(request)
        server.recv_msg(1)
        server.send_msg(answer)
        client.recv_msg(1)
    return client, server


def repeated(stream, times, pause, request, answer):
    """As exchange(), so many times, with a pause of so many seconds after each."""
    client, server = ASTFProgram(stream=stream), ASTFProgram(stream=stream)
    for program, first, then in ((client, "send", "recv"), (server, "recv", "send")):
        program.set_var("left", times)
        program.set_label("again:")
        for verb in (first, then):
            # the client sends the request and receives the answer, the server the other way round
            data = request if (program is client) == (verb == "send") else answer
            if stream and verb == "send":
                program.send(data)
            elif stream:
                program.recv(len(data), clear=True)
            elif verb == "send":
                program.send_msg(data)
            else:
                program.recv_msg(1, clear=True)
        if program is client and pause:
            program.delay(int(pause * 1e6))
        program.jmp_nz("left", "again:")
    return client, server
