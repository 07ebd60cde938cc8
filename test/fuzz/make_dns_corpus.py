#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes corpus/registry_dns: a file for each kind of answer. Run it after adding a kind:

    python3 test/fuzz/make_dns_corpus.py
"""
import pathlib
import socket
import struct

A, NS, CNAME, SOA, AAAA, SRV, OPT = 1, 2, 5, 6, 28, 33, 41
QUESTION = b"\xc0\x0c"  # the name asked for
FAILED, GIVEN_UP, AS_IT_IS = 1, 2, 4


def name(text):
    labels = [label.encode() for label in text.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def rr(owner, kind, data, ttl=30, length=None):
    owner = owner if isinstance(owner, bytes) else name(owner)
    return owner + struct.pack("!HHIH", kind, 1, ttl, len(data) if length is None else length) + data


def srv(target, port=80, priority=1, weight=1, ttl=30):
    target = target if isinstance(target, bytes) else name(target)
    return rr(QUESTION, SRV, struct.pack("!HHH", priority, weight, port) + target, ttl)


def a(owner, address, ttl=30):
    return rr(owner, A, socket.inet_aton(address), ttl)


def aaaa(owner, address, ttl=30):
    return rr(owner, AAAA, socket.inet_pton(socket.AF_INET6, address), ttl)


def answer(answers=(), authority=(), additional=(), rcode=0, flags=0x8180, head=0, counts=None):
    counts = counts or (len(answers), len(authority), len(additional))
    message = struct.pack("!6H", 0, flags | rcode, 1, *counts) + b"".join((*answers, *authority, *additional))
    return bytes([head | rcode << 4]) + struct.pack("!H", len(message)) + message


NOTHING = rr("corp", SOA, name("ns.corp") + name("admin.corp") + struct.pack("!5I", 1, 2, 3, 4, 15))
SEEDS = {
    "additional": [answer([srv("a.corp"), srv("b.corp", 81)], [], [a("a.corp", "10.0.0.1"), aaaa("B.corp", "fd00::1")])],
    "targets": [answer([srv("a.corp"), srv("b.corp")]), answer([a(QUESTION, "10.0.0.1")]), answer([], [NOTHING]),
                answer([], [NOTHING], rcode=3), answer([srv("a.corp")], [], [a("a.corp", "10.0.0.2")])],
    "targets-fail": [answer([srv("a.corp"), srv("b.corp")]), answer(rcode=2), answer(rcode=5), answer(head=FAILED),
                     answer([aaaa(QUESTION, "fd00::2")])],
    "given-up": [answer([srv("a.corp"), srv("b.corp")]), answer([a(QUESTION, "10.0.0.1")], head=GIVEN_UP),
                 answer([srv("c.corp")]), answer([a(QUESTION, "10.0.0.3")]), answer()],
    "no-target": [answer([srv(b"\0", 0, 0, 0)])],
    "no-name": [answer([], [NOTHING], rcode=3)],
    "no-data": [answer([], [NOTHING]), answer(flags=0x8400), answer(flags=0x8000)],
    "referral": [answer([], [rr("corp", NS, name("ns.corp"))], flags=0x8000)],
    "cut": [answer([srv("a.corp")], flags=0x8380)],
    "alias": [answer([rr("c.corp", SRV, struct.pack("!HHH", 1, 1, 80) + name("a.corp")), rr(QUESTION, CNAME, name("c.corp"))],
                     [], [a("a.corp", "10.0.0.1")])],
    "alias-circle": [answer([rr(QUESTION, CNAME, QUESTION), rr("b.corp", CNAME, QUESTION)])],
    "pointer-loop": [answer([srv(b"\xc0\x2a")]), answer([srv(b"\xff\xff")]), answer([srv(b"\1a\xc0\x00")])],
    "pointer-chain": [answer([srv(b"\1a" + QUESTION), srv(b"\1b\xc0\x2c"), srv(b"\1c\xc0\x2d")])],
    "counts-lie": [answer([srv("a.corp")], counts=(65535, 65535, 65535))],
    "short-rdata": [answer([rr(QUESTION, SRV, b"\0\1\0\1")]), answer([srv("a.corp")], [], [rr("a.corp", A, b"\x0a")])],
    "long-rdata": [answer([rr(QUESTION, SRV, b"\0\1\0\1\0\x50\0", length=900)])],
    "odd-labels": [answer([srv(b"\3a b\0"), srv(b"\4\0\xff.\\\0"), srv(b"\x3f" + 63 * b"x" + b"\0")])],
    "spelt": [answer([srv("10-0-0-1.corp"), srv("0a000001.addr.corp"), srv("n.dc1.corp"), srv("n.dc2.corp")], [],
                     [a("10-0-0-1.corp", "10.0.0.1"), a("0a000001.addr.corp", "10.0.0.2"), a("n.dc1.corp", "10.0.0.3")])],
    "weights": [answer([srv("a.corp", 1, 0, 0, 0), srv("b.corp", 2, 0, 65535), srv("c.corp", 65535, 65535, 0, 1 << 31)])],
    "many": [answer([srv("w%d.corp" % i) for i in range(40)], [], [a("w%d.corp" % i, "10.0.0.%d" % i) for i in range(40)])],
    "opt": [answer([srv("a.corp")], [], [b"\0" + struct.pack("!HHIH", OPT, 1232, 1 << 24, 0)])],
    "raw": [bytes([AS_IT_IS]) + b"\0\5\0\0\x81\x80\0"],
}
ADDRESSES = {
    "addresses": [answer([a(QUESTION, "10.0.0.1"), a(QUESTION, "10.0.0.2", 0)]), answer([aaaa(QUESTION, "fd00::1")])],
    "addresses-fail": [answer([a(QUESTION, "10.0.0.1")]), answer(head=FAILED), answer(rcode=2), answer([aaaa(QUESTION, "::1")]),
                       answer([], [NOTHING]), answer(head=FAILED)],
    "addresses-none": [answer([], [NOTHING], rcode=3), answer([], [NOTHING]), answer([], [NOTHING])],
    "addresses-odd": [answer([a(QUESTION, "0.0.0.0")]), answer([aaaa(QUESTION, "::ffff:10.0.0.1"), aaaa(QUESTION, "fe80::1")])],
}

corpus = pathlib.Path(__file__).parent / "corpus" / "registry_dns"
corpus.mkdir(parents=True, exist_ok=True)
for seeds, mode in ((SEEDS, b"\0"), (ADDRESSES, b"\1")):
    for file, answers in seeds.items():
        (corpus / file).write_bytes(mode + b"".join(answers))
