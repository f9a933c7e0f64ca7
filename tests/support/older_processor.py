"""Programs that take this processor for an older one.

ONNX Runtime has no switch for the instructions it uses: it asks the processor, with the instruction CPUID.
In a copy of the library each CPUID becomes UD2, an instruction of the same length that raises SIGILL, and a
handler answers in the processor's place, without the newer instructions.
"""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.support.hosts import PROJECT, environment

_CPUID, _UD2 = b"\x0f\xa2", b"\x0f\x0b"

_AVX512 = {(7, 0, "ebx"): (16, 17, 21, 28, 30, 31), (7, 0, "ecx"): (1, 6, 12, 14)}
_VNNI = {(7, 0, "ecx"): (11,), (7, 1, "eax"): (4, 5), (7, 1, "edx"): (4, 5), (7, 0, "edx"): (22, 24, 25)}
HIDDEN: dict[str, tuple[dict[tuple[int, int, str], tuple[int, ...]], ...]] = {
    "this one": (),
    "AVX-512": (_VNNI,),
    "AVX2": (_AVX512, _VNNI),
}
"""What a processor that ends at those instructions lacks: bits of CPUID, by leaf, subleaf and register."""

_HANDLER = """
import ctypes, mmap, sys
sys.path.insert(0, {library!r})
HIDDEN = {hidden!r}
CODE = bytes.fromhex("53 89f8 89f1 4989d0 0fa2 418900 41895804 41894808 4189500c 5b c3")
PLACES = dict(eax=13, ebx=11, ecx=14, edx=12)
answered = 0
page = mmap.mmap(-1, len(CODE), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(CODE)
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
ask = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p)(address)

@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
def answer(number, info, context):
    global answered
    registers = (ctypes.c_uint64 * 17).from_address(context + 40)  # ucontext_t.uc_mcontext.gregs
    leaf, subleaf = (registers[PLACES[name]] & 0xFFFFFFFF for name in ("eax", "ecx"))
    found = (ctypes.c_uint32 * 4)()
    ask(leaf, subleaf, ctypes.addressof(found))
    for name, value in zip(PLACES, found):
        for bit in HIDDEN.get((leaf, subleaf, name), ()):
            value &= ~(1 << bit)
        registers[PLACES[name]] = value
    registers[16] += 2  # the instruction pointer
    answered += 1

class Action(ctypes.Structure):
    _fields_ = [("handler", ctypes.c_void_p), ("mask", ctypes.c_char * 128), ("flags", ctypes.c_int),
                ("restorer", ctypes.c_void_p)]

SIGILL, SA_SIGINFO, SA_NODEFER = 4, 4, 0x40000000
action = Action(ctypes.cast(answer, ctypes.c_void_p).value, b"", SA_SIGINFO | SA_NODEFER, None)
assert ctypes.CDLL(None).sigaction(SIGILL, ctypes.byref(action), None) == 0
"""
_CHECK = "\nassert answered > 0, 'the library asked nobody'\n"


def missing() -> str | None:
    """Why it cannot be done here, or None."""
    if sys.platform != "linux" or not shutil.which("objdump"):
        return "needs Linux and objdump"
    if "avx512_vnni" not in Path("/proc/cpuinfo").read_text():
        return "this processor has nothing to hide"
    return None


def library_that_asks(folder: Path) -> Path:
    """A copy of onnxruntime in that folder whose questions to the processor can be answered by a handler."""
    origin = Path(str(find_spec("onnxruntime").origin)).parent  # type: ignore[union-attr]
    shutil.copytree(
        origin, folder / "onnxruntime", ignore=shutil.ignore_patterns("__pycache__", "libonnxruntime.so*")
    )
    (binary,) = (folder / "onnxruntime" / "capi").glob("onnxruntime_pybind11_state*.so")
    content = bytearray(binary.read_bytes())
    for offset in _cpuid_offsets(binary):
        assert content[offset : offset + 2] == _CPUID
        content[offset : offset + 2] = _UD2
    binary.write_bytes(content)
    return folder


def run_as(processor: str, library: Path, program: str, *arguments: str) -> None:
    """Run a program that imports onnxruntime, as if on that processor, a key of HIDDEN."""
    hidden: dict[tuple[int, int, str], tuple[int, ...]] = {}
    for bits in HIDDEN[processor]:
        for place, numbers in bits.items():
            hidden[place] = hidden.get(place, ()) + numbers
    handler = _HANDLER.format(library=str(library), hidden=hidden)
    command = [sys.executable, "-c", handler + program + _CHECK, *arguments]
    subprocess.run(command, cwd=PROJECT, env=environment({}), check=True)


def _cpuid_offsets(binary: Path) -> list[int]:
    """Where in the file each CPUID instruction is. In the code of a shared library of x86-64 as it is built
    here, addresses and offsets differ by a constant that the section's header tells."""
    headers = subprocess.run(
        ["objdump", "-h", "-j", ".text", str(binary)], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"\.text\s+[0-9a-f]+\s+([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)", headers)
    assert found is not None
    shift = int(found[1], 16) - int(found[2], 16)
    code = subprocess.run(
        ["objdump", "-d", "-j", ".text", "--no-show-raw-insn", str(binary)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    places = re.findall(r"^\s*([0-9a-f]+):\s+cpuid\s*$", code, re.MULTILINE)
    assert places
    return [int(place, 16) - shift for place in places]
