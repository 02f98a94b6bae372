"""What Benchmarks/profile makes of symbols and of callgrind's files."""
import sys

import pytest

from support.gatehouse import ROOT

sys.path.insert(0, str(ROOT / "Benchmarks"))

from bench.callgrind import Part  # noqa: E402
from bench.symbols import group  # noqa: E402


@pytest.mark.parametrize("symbol, image, said", [
    ("tcp_sendmsg", "kernel", "kernel"),
    ("swift_retain", "gatehouse", "ARC"),
    ("swift_isUniquelyReferenced_nonNull_native", "gatehouse", "ARC"),
    ("swift_beginAccess", "gatehouse", "exclusivity"),
    ("_int_malloc", "libc.so.6", "allocation"),
    ("swift_allocObject", "gatehouse", "allocation"),
    ("__memcpy_avx_unaligned_erms", "libc.so.6", "memory moves"),
    ("swift_getTypeByMangledName", "gatehouse", "Swift runtime, rest"),
    ("CRYPTO_memcmp", "libcrypto.so.3", "libcrypto"),
    ("$s5Proxy12FieldScannerO4readyyF", "gatehouse", "our code"),
    ("$s8NIOPosix17BaseSocketChannelC5flushyyF", "gatehouse", "NIO"),
    ("$sSa6append10contentsOfyqd__n_t7ElementQyd__RtzSTRd__lFs5UInt8V_Tg5", "gatehouse", "Swift library"),
    ("$sSa6appendyyxnF5Proxy5FieldV_Tg5", "gatehouse", "our code"),
    ("epoll_wait", "libc.so.6", "libc and others"),
])
def test_a_symbol_belongs_to_its_group(symbol, image, said):
    assert group(symbol, image) == said


CALLGRIND = """
ob=(1) /usr/bin/program
fl=(1) ???
fn=(1) outer
0 100
cob=(2) /lib/libc.so.6
cfn=(2) malloc
calls=3 0
0 60
+0 5

ob=(2)
fn=(2)
0 {own}
fn=(3) outer'2
0 7
totals: 999
"""


def test_a_callee_costs_its_own_function_alone():
    part = Part(CALLGRIND.format(own=60))
    assert part.cost == {("outer", "program"): 105, ("malloc", "libc.so.6"): 60, ("outer", "libc.so.6"): 7}
    assert part.calls == {("outer", "malloc"): 3}


def test_what_runs_without_requests_falls_out():
    cost, calls = Part(CALLGRIND.format(own=80)).more_than(Part(CALLGRIND.format(own=60)), 10)
    assert cost == {("outer", "program"): 0, ("malloc", "libc.so.6"): 2, ("outer", "libc.so.6"): 0}
    assert calls == {("outer", "malloc"): 0}
