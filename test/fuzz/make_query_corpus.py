# SPDX-License-Identifier: BSD-2-Clause
"""Writes corpus/query: one message a file, of each kind a server meets. Run it after adding a kind:

    python3 test/fuzz/make_query_corpus.py
"""
import pathlib
import struct

A, NS, SOA, PTR, TXT, AAAA, SRV, OPT, IXFR, AXFR, ANY = 1, 2, 6, 12, 16, 28, 33, 41, 251, 252, 255
QR, RD, RA, CD, AA, TC = 0x8000, 0x0100, 0x0080, 0x0010, 0x0400, 0x0200


def name(text):
    labels = text.encode("latin-1").split(b".") if text else []
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def question(owner, qtype=A, qclass=1):
    return (owner if isinstance(owner, bytes) else name(owner)) + struct.pack("!HH", qtype, qclass)


def rr(owner, rrtype, rdata=b"", ttl=60, rrclass=1):
    owner = owner if isinstance(owner, bytes) else name(owner)
    return owner + struct.pack("!HHIH", rrtype, rrclass, ttl, len(rdata)) + rdata


def opt(size=1232, flags=0, options=b"", owner=b"\0"):
    return rr(owner, OPT, options, flags, size)


def message(flags=RD, qd=(), an=(), ns=(), ar=(), counts=None, tail=b""):
    counts = counts or (len(qd), len(an), len(ns), len(ar))
    return struct.pack("!6H", 0x1234, flags, *counts) + b"".join([*qd, *an, *ns, *ar]) + tail


HERE = b"\xc0\x0c"  # the question's name
NAME = "inventory.service.local"
ONE = [question(NAME)]
LONG = ".".join(["x" * 63] * 3 + ["y" * 61])

MESSAGES = {
    "a": message(qd=ONE),
    "aaaa": message(qd=[question(NAME, AAAA)]),
    "srv": message(qd=[question("_inventory._tcp.service.local", SRV)]),
    "port-name": message(qd=[question("_http._tcp.inventory.service.local", SRV)]),
    "tag": message(qd=[question("_inventory._v1.service.local", SRV)]),
    "addr": message(qd=[question("10-1-0-7.addr.service.local")]),
    "addr6": message(qd=[question("fd00-1--7.addr.service.local", AAAA)]),
    "ptr": message(qd=[question("7.0.1.10.in-addr.arpa", PTR)]),
    "ptr6": message(qd=[question("7." + "0." * 22 + "1.0.0.0.0.0.d.f.ip6.arpa", PTR)]),
    "apex-soa": message(qd=[question("service.local", SOA)]),
    "apex-ns": message(qd=[question("service.local", NS)]),
    "status": message(qd=[question("_status.service.local", TXT)]),
    "any": message(qd=[question(NAME, ANY)]),
    "axfr": message(qd=[question("service.local", AXFR)]),
    "ixfr": message(qd=[question("service.local", IXFR)],
                    ns=[rr(HERE, SOA, name("ns") + name("h") + bytes(20))]),
    "unknown-type": message(qd=[question(NAME, 65534)]),
    "chaos": message(qd=[question("version.bind", TXT, 3)]),
    "class-any": message(qd=[question(NAME, A, 255)]),
    "mdns": message(qd=[question(NAME, A, 0x8001)]),
    "mixed-case": message(qd=[question("InVenTory.SERVICE.Local")]),
    "root": message(qd=[question("", NS)]),
    "longest-name": message(qd=[question(LONG)]),
    "too-long-name": message(qd=[question(LONG + "z")]),
    "most-labels": message(qd=[question(".".join(["a"] * 127))]),
    "octets-in-label": message(qd=[question("a b\0\xff*\\.service.local")]),
    "foreign": message(qd=[question("www.example")]),
    "no-rd": message(flags=0, qd=ONE),
    "checking-disabled": message(flags=RD | CD, qd=ONE),
    "edns": message(qd=ONE, ar=[opt()]),
    "edns-512": message(qd=ONE, ar=[opt(512)]),
    "edns-0": message(qd=ONE, ar=[opt(0)]),
    "edns-65535": message(qd=ONE, ar=[opt(65535)]),
    "edns-do": message(qd=ONE, ar=[opt(4096, 0x8000)]),
    "edns-version-1": message(qd=ONE, ar=[opt(1232, 0x10000)]),
    "edns-cookie": message(qd=ONE, ar=[opt(options=b"\0\x0a\0\x08abcdefgh")]),
    "edns-subnet": message(qd=ONE, ar=[opt(options=b"\0\x08\0\x07\0\x01\x18\0\x0a\x01\0")]),
    "edns-keepalive": message(qd=ONE, ar=[opt(options=b"\0\x0b\0\0")]),
    "edns-padding": message(qd=ONE, ar=[opt(options=b"\0\x0c\0\x80" + bytes(128))]),
    "edns-option-overrun": message(qd=ONE, ar=[opt(options=b"\0\x0a\0\x09abcdefgh")]),
    "edns-owner": message(qd=ONE, ar=[opt(owner=b"\x01a\0")]),
    "edns-twice": message(qd=ONE, ar=[opt(), opt()]),
    "edns-in-answer": message(qd=ONE, an=[opt()]),
    "additional-before-edns": message(qd=ONE, ar=[rr(HERE, A, b"\x0a\0\0\1"), opt()]),
    "tsig-like": message(qd=ONE, ar=[rr("key", 250, bytes(40), 0, 255)]),
    "update": message(flags=5 << 11, qd=[question("service.local", SOA)]),
    "notify": message(flags=4 << 11 | AA, qd=[question("service.local", SOA)]),
    "iquery": message(flags=1 << 11, an=[rr("", A, b"\x0a\0\0\1")]),
    "opcode-15": message(flags=15 << 11 | RD, qd=ONE),
    "header-only": message(),
    "no-question": message(counts=(0, 0, 0, 0)),
    "two-questions": message(qd=[question(NAME), question(NAME, AAAA)]),
    "counts-lie": message(qd=ONE, counts=(1, 65535, 65535, 65535)),
    "qdcount-lies": message(qd=ONE, counts=(65535, 0, 0, 0)),
    "answer-in-query": message(qd=ONE, an=[rr(HERE, A, b"\x0a\0\0\1")]),
    "trailing": message(qd=ONE, tail=b"behind"),
    "pointer-to-itself": message(qd=[question(HERE)]),
    "pointer-into-header": message(qd=[question(b"\xc0\0")]),
    "pointer-forwards": message(qd=[question(b"\xc0\x20")]),
    "pointer-loop": message(qd=[question(b"\1a\xc0\x0c")]),
    "label-type-01": message(qd=[question(b"\x41a\0")]),
    "label-type-10": message(qd=[question(b"\x81a\0")]),
    "cut-label": message(qd=[b"\x3fshort"]),
    "cut-type": message(qd=[name(NAME) + b"\0"]),
    "cut-header": message(qd=ONE)[:11],
    "nothing": b"",
    "zeroes": bytes(64),
    "ones": b"\xff" * 64,
    "response": message(flags=QR | RD | RA, qd=ONE, an=[rr(HERE, A, b"\xc0\0\2\1")]),
    "response-cname": message(
        flags=QR | RD | RA, qd=[question("www.example")],
        an=[rr(HERE, 5, b"\x03web\xc0\x10"), rr(b"\xc0\x29", A, b"\xc0\0\2\1")],
        ns=[rr(b"\xc0\x10", NS, b"\x02ns\xc0\x10")], ar=[rr(b"\x02ns\xc0\x10", AAAA, bytes(16)), opt(1400)]),
    "response-negative": message(
        flags=QR | RD | RA | 3, qd=[question("no.example")],
        ns=[rr(b"\xc0\x0f", SOA, b"\x02ns\xc0\x0f\x01h\xc0\x0f" + bytes(20))], ar=[opt()]),
    "response-truncated": message(flags=QR | RD | RA | TC, qd=ONE),
    "response-loop": message(flags=QR, qd=ONE, an=[rr(b"\xc0\x29", A, b"\xc0\0\2\1")]),
    "response-rdlength": message(flags=QR, qd=ONE, an=[rr(HERE, A, b"\xc0\0\2\1")[:-1]]),
    "response-two-opts": message(flags=QR, qd=ONE, ar=[opt(), opt()]),
}


def main():
    corpus = pathlib.Path(__file__).parent / "corpus" / "query"
    corpus.mkdir(parents=True, exist_ok=True)
    for file, octets in MESSAGES.items():
        (corpus / file).write_bytes(octets)


if __name__ == "__main__":
    main()
