"""The machine's description: this machine's, and that of machines described by their files."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from parallel_transcription import host as machine
from parallel_transcription.measure import engine

LINUX = sys.platform == "linux"


@pytest.fixture
def pretend(monkeypatch, tmp_path):
    """Another Linux machine: files by their absolute names; all others do not exist."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(machine, "_CPUS", tmp_path / "cpus")

    def set_up(files: dict[str, str], cpus: dict[str, str] | None = None) -> None:
        for name, text in (cpus or {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text + "\n")
        real = machine._read

        def read(file: Path) -> str | None:
            if file.is_relative_to(tmp_path):
                return real(file)
            return files.get(str(file))

        monkeypatch.setattr(machine, "_read", read)

    return set_up


def cores(count: int, siblings: int = 1, **caches: str) -> dict[str, str]:
    """Files of a processor with this many cores; caches as L1d="32K", each core its own."""
    files = {}
    for cpu in range(count * siblings):
        shared = ",".join(str(cpu % count + i * count) for i in range(siblings))
        files[f"cpus/cpu{cpu}/topology/core_cpus_list"] = shared
        for index, (name, size) in enumerate(caches.items()):
            cache = f"cpus/cpu{cpu}/cache/index{index}"
            kind = {"d": "Data", "i": "Instruction"}.get(name[2:], "Unified")
            files |= {f"{cache}/level": name[1], f"{cache}/type": kind, f"{cache}/size": size}
            files[f"{cache}/shared_cpu_list"] = "0-255" if name == "L3" else shared
    return files


XEON = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz
flags\t\t: fpu vme avx512f
processor\t: 1
model name\t: another
"""
GRAVITON = """processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd
CPU implementer\t: 0x41
CPU architecture: 8
CPU part\t: 0xd0c
"""


# -------------------------------------------------------------------------- this machine


def test_this_machine_is_described_in_plain_json():
    facts = machine.describe()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["cpu_model"]
    assert facts["logical_cpus"] == os.cpu_count()
    assert 1 <= facts["physical_cores"] <= facts["logical_cpus"]
    assert facts["memory_mb"] > 100
    assert facts["versions"]["ctranslate2"] and facts["versions"]["faster_whisper"]
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    if LINUX:
        assert facts["affinity_cpus"] == len(os.sched_getaffinity(0))


def test_description_does_not_tell_whose_machine_it_is():
    text = json.dumps(machine.describe())
    assert machine.node() == os.uname().nodename
    if len(machine.node()) > 4:
        assert machine.node() not in text
    assert str(Path.home()) not in text.replace('"/"', "") or str(Path.home()) == "/"


def test_label_of_this_machine_is_a_slug():
    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,59}", machine.default_label())


def test_describing_starts_no_program(monkeypatch):
    if not LINUX:
        pytest.skip("macOS asks sysctl")

    def refuse(*arguments, **options):
        raise AssertionError(f"a program was started: {arguments}")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    machine.describe()
    machine.default_label()


# ------------------------------------------------------------------------ other machines


def test_bare_server_with_hyperthreads(pretend):
    pretend(
        {
            "/proc/cpuinfo": XEON,
            "/sys/class/dmi/id/sys_vendor": "Dell Inc.",
        },
        cores(20, 2, L1d="32K", L1i="32K", L2="1024K", L3="28160K"),
    )
    facts = machine.describe()
    assert facts["cpu_model"] == "Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz"
    assert facts["vendor"] == "Intel"
    assert facts["physical_cores"] == 20
    assert facts["caches"] == {
        "L1d": "20 × 32 KiB",
        "L1i": "20 × 32 KiB",
        "L2": "20 × 1 MiB",
        "L3": "27.5 MiB",
    }
    assert facts["virtualised"] is None
    assert facts["governor"] is facts["cgroup_cpus"] is facts["cgroup_memory_mb"] is None
    assert machine.default_label() == "intel-xeon-gold-6248-20c"


def test_the_system_is_named_as_it_names_itself(monkeypatch):
    def missing():
        raise OSError("no os-release")

    monkeypatch.setattr(sys, "platform", "linux")
    names = {"PRETTY_NAME": "Rocky Linux 9.4 (Blue Onyx)"}
    monkeypatch.setattr(machine.platform, "freedesktop_os_release", lambda: names)
    assert machine.describe()["os"] == "Rocky Linux 9.4 (Blue Onyx)"
    monkeypatch.setattr(machine.platform, "freedesktop_os_release", missing)
    assert machine.describe()["os"] == os.uname().sysname


def test_arm_server(pretend):
    files = {"/proc/cpuinfo": GRAVITON, "/sys/class/dmi/id/sys_vendor": "Amazon EC2"}
    pretend(files, cores(4))
    facts = machine.describe()
    assert facts["cpu_model"] == "ARM Neoverse N1"
    assert facts["vendor"] == "ARM"
    assert facts["virtualised"] == "kvm"
    assert facts["caches"] == {}
    assert machine.default_label() == "arm-neoverse-n1-4c"


def test_machine_that_tells_nothing(pretend, monkeypatch):
    pretend({})
    monkeypatch.setattr(machine.os, "cpu_count", lambda: None)
    facts = machine.describe()
    assert facts["cpu_model"] is None
    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*c", machine.default_label())


@pytest.mark.parametrize(
    ("files", "flags", "expected"),
    [
        ({}, "fpu", None),
        ({}, "fpu hypervisor", "unknown"),
        ({"/sys/class/dmi/id/sys_vendor": "QEMU"}, "hypervisor", "kvm"),
        ({"/sys/class/dmi/id/product_name": "VMware7,1"}, "hypervisor", "vmware"),
        ({"/sys/class/dmi/id/sys_vendor": "Microsoft Corporation"}, "hypervisor", "hyper-v"),
        ({"/sys/class/dmi/id/sys_vendor": "Microsoft Corporation"}, "fpu", None),
        ({"/sys/hypervisor/type": "xen"}, "hypervisor", "xen"),
        (
            {
                "/sys/devices/system/clocksource/clocksource0/available_clocksource": (
                    "kvm-clock tsc"
                )
            },
            "hypervisor",
            "kvm",
        ),
    ],
)
def test_hypervisors(pretend, files, flags, expected):
    pretend(files)
    assert machine._hypervisor({"flags": flags}) == expected


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz", "intel-xeon-gold-6248"),
        ("AMD EPYC 9334 32-Core Processor", "amd-epyc-9334"),
        ("AMD EPYC", "amd-epyc"),
        ("AMD Ryzen 9 7940HS w/ Radeon 780M Graphics", "amd-ryzen-9-7940hs"),
        ("AMD Ryzen 7 4700U with Radeon Graphics", "amd-ryzen-7-4700u"),
        ("13th Gen Intel(R) Core(TM) i7-1365U", "intel-core-i7-1365u"),
        ("Intel(R) Core(TM) Ultra 7 155H", "intel-core-ultra-7-155h"),
        ("Apple M2", "apple-m2"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("Tesla T4", "t4"),
        ("NVIDIA A100-SXM4-80GB", "a100-sxm4-80gb"),
    ],
)
def test_labels_keep_the_telling_words(name, label):
    assert "-".join(machine._label_words(name)) == label


def test_labels_with_gpus(pretend, monkeypatch):
    pretend({"/proc/cpuinfo": "model name\t: AMD EPYC 9334 32-Core Processor"}, cores(64))
    monkeypatch.setattr(machine, "gpus", lambda: [{"name": "NVIDIA H200"}])
    assert machine.default_label() == "amd-epyc-9334-64c-h200"
    several = [{"name": "NVIDIA H200"}] * 2 + [{"name": "Tesla T4"}]
    monkeypatch.setattr(machine, "gpus", lambda: several)
    assert machine.default_label() == "amd-epyc-9334-64c-2xh200-t4"


def test_macs(monkeypatch):
    answers = {
        "machdep.cpu.brand_string": "Apple M2",
        "hw.physicalcpu": "8",
        "hw.l1dcachesize": "65536",
        "hw.l2cachesize": "4194304",
        "kern.hv_vmm_present": "0",
    }
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(machine, "_sysctl", answers.get)
    monkeypatch.setattr(machine, "_read", lambda file: None)
    monkeypatch.setattr(machine, "_CPUS", Path("/nowhere"))
    uname = SimpleNamespace(machine="arm64", release="24.1", sysname="Darwin", nodename="m")
    monkeypatch.setattr(machine.os, "uname", lambda: uname)
    facts = machine.describe()
    assert facts["cpu_model"] == "Apple M2"
    assert (facts["vendor"], facts["physical_cores"]) == ("Apple", 8)
    assert facts["caches"] == {"L1d": "64 KiB", "L2": "4 MiB"}
    assert facts["virtualised"] is None
    assert machine.default_label() == "apple-m2-8c"


def test_sysctl_that_is_not_there():
    if LINUX:
        assert machine._sysctl("hw.physicalcpu") is None


# ------------------------------------------------------------------------- containers


@pytest.mark.parametrize(
    ("group", "expected"),
    [("0::/", False), ("0::/kubepods/pod1/x", True), ("12:cpu:/docker/1234", True)],
)
def test_containers_by_their_group(pretend, monkeypatch, group, expected):
    pretend({"/proc/1/cgroup": group})
    monkeypatch.setattr(Path, "exists", lambda self: False)
    for variable in ("container", "APPTAINER_NAME", "SINGULARITY_NAME", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(variable, raising=False)
    assert machine._in_container() is expected
    monkeypatch.setenv("APPTAINER_NAME", "image.sif")
    assert machine._in_container() is True


# --------------------------------------------------------------------------------- GPUs


class FakeNvml(SimpleNamespace):
    def __init__(self, as_bytes: bool):
        wrap = str.encode if as_bytes else str
        super().__init__(
            nvmlInit=lambda: None,
            nvmlShutdown=lambda: None,
            nvmlSystemGetDriverVersion=lambda: wrap("570.86"),
            nvmlDeviceGetCount=lambda: 2,
            nvmlDeviceGetHandleByIndex=lambda number: number,
            nvmlDeviceGetName=lambda device: wrap("NVIDIA H200"),
            nvmlDeviceGetMemoryInfo=lambda device: SimpleNamespace(total=150_754_820_096),
            nvmlDeviceGetCudaComputeCapability=lambda device: (9, 0),
        )


@pytest.mark.parametrize("as_bytes", [False, True], ids=["new", "old"])
def test_gpus_through_nvml(monkeypatch, as_bytes):
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(as_bytes))
    assert machine.gpus() == [
        {
            "number": number,
            "name": "NVIDIA H200",
            "memory_mb": 150755,
            "driver": "570.86",
            "compute_capability": "9.0",
        }
        for number in (0, 1)
    ]


def test_gpus_through_the_driver_alone(tmp_path):
    (tmp_path / "gpus" / "0000:3b:00.0").mkdir(parents=True)
    (tmp_path / "gpus" / "0000:3b:00.0" / "information").write_text(
        "Model: \t\t NVIDIA A40\nIRQ:   \t\t 18\n"
    )
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05\n"
    )
    found = machine._gpus_by_driver(tmp_path)
    assert [gpu["name"] for gpu in found] == ["NVIDIA A40"]
    assert (found[0]["driver"], found[0]["memory_mb"]) == ("535.104.05", None)


def test_no_gpus(monkeypatch):
    broken = SimpleNamespace(nvmlInit=lambda: 1 / 0)
    monkeypatch.setitem(sys.modules, "pynvml", broken)
    monkeypatch.setattr(machine, "_gpus_by_driver", lambda: [])
    assert machine.gpus() == []


# ------------------------------------------------------------------------------- engine


def test_engine_of_this_process():
    import ctranslate2

    found = engine.engine()
    assert found["ctranslate2"] == ctranslate2.__version__
    assert "int8" in found["compute_types"]["cpu"]
    assert found["cuda_devices"] == ctranslate2.get_cuda_device_count()
    assert json.loads(json.dumps(found)) == found


def log(*lines: str) -> str:
    head = "[2026-11-23 18:08:28.816] [ctranslate2] [thread 5281] [info] "
    return "\n".join(["some other output", *(head + line for line in lines), "", "the end"])


def test_what_the_engine_prints_on_a_cpu():
    text = log(
        "CPU: AuthenticAMD (SSE4.1=true, AVX=true, AVX2=true, AVX512=false)",
        " - Selected ISA: AVX2",
        " - Use Intel MKL: false",
        " - SGEMM backend: DNNL (packed: false)",
        " - GEMM_S16 backend: none (packed: false)",
        " - GEMM_S8 backend: DNNL (packed: false, u8s8 preferred: true)",
        "Loaded model /home/somebody/private on device cpu:0",
        " - Binary version: 6",
        " - Selected compute type: int8_float32",
        "Loaded model /home/somebody/private on device cpu:0",
        " - Selected compute type: int8_float32",
    )
    found = engine.parse_verbose(text)
    assert found == {
        "cpu": "AuthenticAMD",
        "cpu_features": ["SSE4.1", "AVX", "AVX2"],
        "isa": "AVX2",
        "mkl": False,
        "gemm_float32": "DNNL",
        "gemm_int16": None,
        "gemm_int8": "DNNL",
        "gemm_packed": False,
        "devices": "cpu:0",
        "compute_type": "int8_float32",
    }
    assert "somebody" not in json.dumps(found)


def test_what_the_engine_prints_on_gpus():
    text = log(
        "CPU: ARM (NEON=true)",
        " - Selected ISA: NEON",
        " - SGEMM backend: OpenBLAS (packed: false)",
        "GPU #0: NVIDIA H200 (CC=9.0)",
        " - Allow INT8: true",
        "GPU #1: NVIDIA H200 (CC=9.0)",
        "Loaded cuBLAS library version 12.8.4",
        "Loaded model /m on device cuda:0",
        " - Selected compute type: int8_float16",
        "Loaded model /m on device cuda:1",
        " - Selected compute type: int8_float32",
    )
    found = engine.parse_verbose(text)
    assert found["gpus"] == [
        {"number": number, "name": "NVIDIA H200", "compute_capability": "9.0"} for number in (0, 1)
    ]
    assert found["cpu_features"] == ["NEON"]
    assert found["cublas"] == "12.8.4"
    assert found["devices"] == "cuda:0, cuda:1"
    assert found["compute_type"] == "int8_float16, int8_float32"


@pytest.mark.parametrize("text", ["", "nothing\nof\nnote", "CPU: ", "GPU #x: y (CC=z)", "\0" * 99])
def test_other_output_gives_nothing(text):
    assert engine.parse_verbose(text) == {}


@pytest.mark.slow
def test_real_output_of_the_engine(tmp_path):
    """Of a real model, so that a version with other words is noticed."""
    from parallel_transcription.inputs import dummy_weights

    folder = dummy_weights.build("tiny", tmp_path / "model", tokens=1)
    code = "import ctranslate2, sys; ctranslate2.models.Whisper(sys.argv[1], compute_type='int8')"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env={**os.environ, "CT2_VERBOSE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = engine.parse_verbose(done.stdout + done.stderr)
    assert found["cpu"] and found["isa"] and found["gemm_float32"]
    assert found["compute_type"].startswith("int8")
    assert found["devices"] == "cpu:0"
    assert str(tmp_path) not in json.dumps(found)
