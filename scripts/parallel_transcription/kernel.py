"""The engine's int8 kernel: its library, its instructions, and whether it is exact.

Without VNNI, x86 multiplies int8 in pairs whose sums saturate in 16 bits (vpmaddubsw); large
weights and activations then give wrong products (oneDNN: "Nuances of int8 Computations").
Measured with CTranslate2 4.8.5 on an AMD EPYC with AVX-VNNI and AVX512-VNNI, by what dummy weights
say: oneDNN capped to SSE41, AVX, AVX2 and AVX512_CORE saturates; AVX2_VNNI, AVX512_CORE_VNNI and
above do not; MKL does not on AMD, where it takes general code, several times slower. Not measured:
AMX; MKL on Intel, of which oneDNN's issues 518 and 717 report saturation without VNNI; ARM, where
Ruy sums in 32 bits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from parallel_transcription import host

#: oneDNN's instruction sets, best first: the name by which it is capped, what a CPU must have
#: (flags of /proc/cpuinfo), and whether int8 products are exact.
_DNNL: tuple[tuple[str, frozenset[str], bool], ...] = (
    ("AVX512_CORE_AMX", frozenset(("avx512_vnni", "amx_int8", "amx_tile")), True),
    ("AVX512_CORE_VNNI", frozenset(("avx512bw", "avx512dq", "avx512vl", "avx512_vnni")), True),
    ("AVX512_CORE", frozenset(("avx512bw", "avx512dq", "avx512vl")), False),
    ("AVX2_VNNI", frozenset(("avx2", "avx_vnni")), True),
    ("AVX2", frozenset(("avx2",)), False),
    ("AVX", frozenset(("avx",)), False),
    ("SSE41", frozenset(("sse4_1",)), False),
)
#: Caps whose int8 kernel is that of another set in `_DNNL`.
_SAME = {
    "AVX512_CORE_BF16": "AVX512_CORE_VNNI",
    "AVX512_CORE_FP16": "AVX512_CORE_VNNI",
    "AVX2_VNNI_2": "AVX2_VNNI",
}
_VNNI = frozenset(("avx512_vnni", "avx_vnni"))


def int8_kernel(
    backend: str | None, vendor: str | None, flags: Collection[str], environment: Mapping[str, str]
) -> dict[str, Any] | None:
    """What multiplies int8 in a process.

    Args:
        backend: The engine's own word (`gemm_int8` of `engine.parse_verbose`).
        vendor: Maker of the CPU (`host.describe`).
        flags: The CPU's, as /proc/cpuinfo names them.
        environment: The process's.

    Returns:
        backend, isa (oneDNN's name of the instruction set; None for another backend or where the
        flags are not known), vnni (None on ARM and where the flags are not known) and saturates
        (None: not known). None without an int8 backend.
    """
    if not backend:
        return None
    isa, saturates = None, None
    vnni = bool(_VNNI & set(flags)) if flags and backend != "Ruy" else None
    if backend == "DNNL" and flags:
        isa = _dnnl_isa(flags, environment)
        exact = next((exact for name, _, exact in _DNNL if name == isa), None)
        vnni = exact
        saturates = None if exact is None else not exact
    elif backend == "MKL" and vendor:
        saturates = vendor == "Intel" and not vnni
    elif backend == "Ruy":
        saturates = False
    return {"backend": backend, "isa": isa, "vnni": vnni, "saturates": saturates}


def here(backend: str | None, environment: Mapping[str, str]) -> dict[str, Any] | None:
    """`int8_kernel` of a process with this environment on this host."""
    return int8_kernel(backend, host.vendor(), host.cpu_flags(), environment)


def _dnnl_isa(flags: Collection[str], environment: Mapping[str, str]) -> str | None:
    """The instruction set of oneDNN's int8 kernel: the best that CPU and cap allow.

    ONEDNN_MAX_CPU_ISA goes before DNNL_MAX_CPU_ISA unless empty; a name that it does not know is no
    cap (measured).
    """
    cap = environment.get("ONEDNN_MAX_CPU_ISA") or environment.get("DNNL_MAX_CPU_ISA") or ""
    cap = _SAME.get(cap.upper(), cap.upper())
    names = [name for name, _, _ in _DNNL]
    allowed = names[names.index(cap) :] if cap in names else names
    if cap.startswith("AVX512"):  # oneDNN's AVX-512 sets do not contain AVX2_VNNI
        allowed = [name for name in allowed if name != "AVX2_VNNI"]
    has = set(flags)
    return next((name for name, needs, _ in _DNNL if name in allowed and needs <= has), None)


def in_words(kernel: Mapping[str, Any]) -> str:
    """A kernel as reports and messages name it: "DNNL, AVX2 without VNNI, saturates in 16 bits"."""
    words = [str(kernel["backend"])]
    instructions = kernel["isa"] or ""
    if kernel["vnni"] is False:
        instructions += " without VNNI"
    elif kernel["vnni"] and "VNNI" not in instructions:
        instructions += " with VNNI"
    words.append(instructions.strip())
    words.append(
        {True: "sums saturate in 16 bits", False: "exact", None: "may saturate, not known"}[
            kernel["saturates"]
        ]
    )
    return ", ".join(word for word in words if word)
