"""Guards the table of int8 kernels: which of them saturate, by CPU and environment."""

import pytest

from parallel_transcription.kernel import in_words, int8_kernel

ZEN2 = ["sse4_1", "avx", "avx2", "fma"]
SKYLAKE = [*ZEN2, *["avx512f", "avx512bw", "avx512dq", "avx512vl"]]
ICELAKE = [*SKYLAKE, "avx512_vnni"]
ZEN5 = [*ICELAKE, "avx_vnni"]
SAPPHIRE = [*ZEN5, "amx_tile", "amx_int8"]
ALDERLAKE = [*ZEN2, "avx_vnni"]


@pytest.mark.parametrize(
    ("flags", "environment", "isa", "saturates"),
    [
        (ZEN2, {}, "AVX2", True),
        (SKYLAKE, {}, "AVX512_CORE", True),
        (ICELAKE, {}, "AVX512_CORE_VNNI", False),
        (SAPPHIRE, {}, "AVX512_CORE_AMX", False),
        (ALDERLAKE, {}, "AVX2_VNNI", False),
        # what was measured on a CPU such as this one
        (ZEN5, {}, "AVX512_CORE_VNNI", False),
        (ZEN5, {"DNNL_MAX_CPU_ISA": "SSE41"}, "SSE41", True),
        (ZEN5, {"DNNL_MAX_CPU_ISA": "AVX"}, "AVX", True),
        (ZEN5, {"DNNL_MAX_CPU_ISA": "AVX2"}, "AVX2", True),
        (ZEN5, {"DNNL_MAX_CPU_ISA": "avx2"}, "AVX2", True),
        (ZEN5, {"DNNL_MAX_CPU_ISA": "AVX2_VNNI"}, "AVX2_VNNI", False),
        (ZEN5, {"DNNL_MAX_CPU_ISA": "AVX2_VNNI_2"}, "AVX2_VNNI", False),
        (ZEN5, {"DNNL_MAX_CPU_ISA": "AVX512_CORE"}, "AVX512_CORE", True),
        (ZEN5, {"DNNL_MAX_CPU_ISA": "AVX512_CORE_VNNI"}, "AVX512_CORE_VNNI", False),
        (ZEN5, {"DNNL_MAX_CPU_ISA": "AVX512_CORE_BF16"}, "AVX512_CORE_VNNI", False),
        (ZEN5, {"DNNL_MAX_CPU_ISA": "nonsense"}, "AVX512_CORE_VNNI", False),
        (ZEN5, {"ONEDNN_MAX_CPU_ISA": "AVX2"}, "AVX2", True),
        (ZEN5, {"ONEDNN_MAX_CPU_ISA": "", "DNNL_MAX_CPU_ISA": "AVX2"}, "AVX2", True),
        (
            ZEN5,
            {"ONEDNN_MAX_CPU_ISA": "AVX2_VNNI", "DNNL_MAX_CPU_ISA": "AVX2"},
            "AVX2_VNNI",
            False,
        ),
        # a cap above what the CPU has changes nothing, one below is a cap
        (ZEN2, {"DNNL_MAX_CPU_ISA": "AVX512_CORE_VNNI"}, "AVX2", True),
        (ALDERLAKE, {"DNNL_MAX_CPU_ISA": "AVX2"}, "AVX2", True),
        ([], {}, None, None),
    ],
)
def test_onednn(flags, environment, isa, saturates):
    kernel = int8_kernel("DNNL", "AMD", flags, environment)
    assert (kernel["isa"], kernel["saturates"]) == (isa, saturates)
    assert kernel["vnni"] is (None if saturates is None else not saturates)


@pytest.mark.parametrize(
    ("backend", "vendor", "flags", "saturates"),
    [
        ("MKL", "AMD", ZEN2, False),
        ("MKL", "Intel", SKYLAKE, True),
        ("MKL", "Intel", ICELAKE, False),
        ("MKL", None, ZEN2, None),
        ("Ruy", "ARM", [], False),
        ("Accelerate", "Apple", [], None),
    ],
)
def test_other_libraries(backend, vendor, flags, saturates):
    assert int8_kernel(backend, vendor, flags, {})["saturates"] is saturates


def test_no_kernel_without_int8():
    assert int8_kernel(None, "AMD", ZEN2, {}) is None


def test_a_kernel_in_words():
    words = in_words(int8_kernel("DNNL", "AMD", ZEN2, {}))
    assert words == "DNNL, AVX2 without VNNI, sums saturate in 16 bits"
    words = in_words(int8_kernel("DNNL", "AMD", SAPPHIRE, {}))
    assert words == "DNNL, AVX512_CORE_AMX with VNNI, exact"
    assert in_words(int8_kernel("Ruy", "ARM", [], {})) == "Ruy, exact"
