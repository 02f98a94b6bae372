"""Counts the allocations of a program: a small library is preloaded into it and writes to a shared file."""
import mmap
import pathlib
import shutil
import struct
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "allocations/counter.c"


def compile_c(source: pathlib.Path, built: pathlib.Path, *options: str):
    """Compiles one C file with the toolchain's compiler, or the system's."""
    compiler = shutil.which("clang") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError("no C compiler: clang comes with the Swift toolchain")
    subprocess.run([compiler, "-O2", *options, "-o", built, source], check=True)


class AllocationCounter:
    """Built in a folder; `environment` starts a program with it."""

    def __init__(self, folder: pathlib.Path):
        folder.mkdir(parents=True, exist_ok=True)
        library, counts = folder / "counter.so", folder / "counts"
        compile_c(SOURCE, library, "-fPIC", "-shared", "-fno-builtin")
        counts.write_bytes(bytes(mmap.PAGESIZE))
        with open(counts, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.environment = {"LD_PRELOAD": str(library), "ALLOCATION_COUNTS": str(counts)}

    @property
    def calls(self) -> int:
        """How many allocations there were so far."""
        return struct.unpack_from("@LL", self.page)[0]

    @property
    def octets(self) -> int:
        """How much was asked for so far, whatever was given back."""
        return struct.unpack_from("@LL", self.page)[1]
