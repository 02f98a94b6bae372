"""How many allocations a request makes on its usual way, counted in the program as it is shipped."""
import subprocess
import sys

import pytest

from support.allocations import AllocationCounter, compile_c
from support.gatehouse import ROOT
from support.processes import free_port

sys.path.insert(0, str(ROOT / "Benchmarks"))

from bench import contestants, servers  # noqa: E402
from bench.allocations import allocations  # noqa: E402

pytestmark = pytest.mark.alone

# Allocations a request. Lower a bound when the way gets shorter; raise none without saying why.
BOUNDS = {
    "PLAIN": 1,
    "SAME_TOKEN": 1,
    "SESSION": 1,
    "CALLOUT": 8,
}
EVERY_KIND = r"""
#include <stdlib.h>
int main(int count, char **arguments) {
    for (int n = atoi(arguments[1]); n > 0; n--) {
        void *found;
        free(malloc(10));
        free(realloc(calloc(2, 10), 30));
        free(aligned_alloc(64, 64));
        if (posix_memalign(&found, 64, 50) == 0) free(found);
    }
}
"""


@pytest.fixture
def world(tmp_path, issuer):
    """The benchmark's backend and tokens."""
    port = free_port()
    serving = servers.backend(tmp_path / "backend", port)
    yield contestants.World(tmp_path, issuer, port, tokens=1)
    serving.stop()


@pytest.mark.parametrize("name", BOUNDS)
def test_a_request_allocates_no_more_than_its_bound(name, world, tmp_path):
    counted = allocations(getattr(contestants, name), world, tmp_path / name.lower())
    assert 0 < counted <= BOUNDS[name], f"{name}: {counted} allocations a request"


def test_every_kind_of_allocation_is_counted(tmp_path):
    source, built = tmp_path / "every.c", tmp_path / "every"
    source.write_text(EVERY_KIND)
    compile_c(source, built, "-fno-builtin")
    counter, seen = AllocationCounter(tmp_path / "counter"), []
    for times in ("0", "100", "300"):
        before = counter.calls, counter.octets
        subprocess.run([built, times], env=counter.environment, check=True)
        seen.append((counter.calls - before[0], counter.octets - before[1]))
    assert seen[2][0] - seen[1][0] == 200 * 5 and seen[1][0] - seen[0][0] == 100 * 5
    assert seen[2][1] - seen[1][1] == 200 * (10 + 20 + 30 + 64 + 50)
