"""Which part of the house a symbol belongs to."""
import re
import subprocess

from support.gatehouse import ROOT

OURS = {path.name for path in (ROOT / "Sources").iterdir() if path.is_dir()}
MODULE = re.compile(r"^\$s(\d+)")
RUNTIME = (
    ("ARC", r"swift_(_?retain|_?release|bridgeObject|unknownObject|weak|unowned|nonatomic|isUniquely)|RefCount"
            r"|swift_set_dealloc|_swift_release_dealloc|swift::HeapObject"),
    ("exclusivity", r"swift_(begin|end)Access|AccessSet|swift_runtime::.*[Ee]xclusivity|findAccess"),
    ("allocation", r"^(_*libc_)?(malloc|calloc|realloc|free|cfree|posix_memalign|aligned_alloc|memalign)$"
                   r"|^_int_(malloc|free|realloc|memalign)|malloc_|tcache|arena_|unlink_chunk|sysmalloc"
                   r"|swift_(slow)?(A|a)lloc|swift_(slow)?(D|d)ealloc|swift_initStackObject|^_?Zn[wa]|^_?Zd[la]"
                   r"|^operator (new|delete)|swift_allocObject|swift_deallocClassInstance"),
    ("memory moves", r"^_*mem(cpy|move|set|cmp|chr|pcpy)|^_*(str|raw)(n?len|n?cmp|chr)|_(un)?aligned_erms|_avx_unaligned"
                     r"|_evex_unaligned|_avx512_unaligned|_sse2_unaligned"),
    ("Swift runtime, rest", r"^_*swift|^_ZNK?5swift|^_ZN12_GLOBAL__N_1|getCanonical|MetadataCacheKey"),
)
GROUPS = ("kernel", "our code", "NIO", "ARC", "exclusivity", "allocation", "memory moves", "Swift runtime, rest",
          "Swift library", "NIOSSL", "BoringSSL", "libcrypto", "libc and others")
# NIOSSL's own copy of BoringSSL, whose names have a prefix or a namespace, and its assembly.
BORING = re.compile(r"BoringSSL|^_ZN?K?4bssl|bssl::|^_?(aes|aesni|aes_hw|gcm|vpaes|chacha20|poly1305)_|^check_iovec_alias")


def module(symbol: str) -> str | None:
    """The module that a mangled Swift name begins with; `Swift` for the standard library."""
    found = MODULE.match(symbol)
    if found:
        length = int(found[1])
        return symbol[found.end():found.end() + length]
    return "Swift" if symbol.startswith(("$ss", "$sS", "$s$")) else None


def group(symbol: str, image: str) -> str:
    """The group of a symbol as the object file has it, in an image such as `libcrypto.so.3`."""
    if "kernel" in image or image.startswith("[k") or image == "[vdso]":
        return "kernel"
    if image.startswith("libcrypto"):
        return "libcrypto"
    for name, pattern in RUNTIME:
        if re.search(pattern, symbol):
            return name
    if BORING.search(symbol):
        return "BoringSSL"
    home = module(symbol)
    if home == "NIOSSL" or "6NIOSSL" in symbol:
        return "NIOSSL"
    if home in OURS:
        return "our code"
    if (home and "NIO" in home) or "NIO" in symbol and symbol.startswith("$s") or symbol.startswith(("CNIO", "catmc_")):
        return "NIO"
    if home:
        # A standard function made for one of our types is named after the standard library.
        return "our code" if any(f"{len(name)}{name}" in symbol for name in OURS) else "Swift library"
    return "libc and others"


def readable(symbols: list[str]) -> list[str]:
    """The names as the source has them."""
    said = subprocess.run(
        ["swift-demangle", "--compact", "--simplified"], input="\n".join(symbols), capture_output=True, text=True, check=False)
    lines = said.stdout.splitlines()
    return lines if len(lines) == len(symbols) else symbols
