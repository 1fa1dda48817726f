"""Generated code: which loops are found and come first, what is told of them, and what is said where there is none."""

import json
import re

import pytest

from sandbox.base import Execution
from tests.tools.benches import SOURCE, Bench, verdicts
from tests.tools.test_profilers import stored
from tools.fake_judge import FakeJudge
from tools.harness import compiled_report
from tools.profiling.base import MARK, SECTION
from tools.profiling.excerpts import STRETCH_LINES, NoCode, code_text
from tools.profiling.generated import MAX_TEXT, CodeResult, CodeText, plain, read_code
from tools.profiling.loops import stretch_text, stretches

HOST = """
Disassembly of section .text:

0000000000001020 <expf@plt>:
    1020:\tjmp    *0x2fca(%rip)        # 4000 <expf@GLIBC_2.27>
    1026:\tpush   $0x0

0000000000001100 <void relu<float>(float*)>:
    1100:\tpush   %rbp
    1110:\tmov    %rdi,%rax
    1120:\tvmovups (%rbx,%rcx,1),%zmm3
    1127:\tvmaxps %zmm1,%zmm3,%zmm0
    1130:\tvmovups %zmm0,(%rdi,%rcx,1)
    1138:\tadd    $0x40,%rcx
    1140:\tjne    1120 <void relu<float>(float*)+0x20>
    1148:\tcmp    %rax,%rbx
    1150:\tjne    1110 <void relu<float>(float*)+0x10>
    1160:\tvmovss (%rbx),%xmm1
    1168:\tvmovss %xmm1,0xc(%rsp)
    1170:\tcall   1020 <expf@plt>
    1178:\tvaddss %xmm0,%xmm1,%xmm1
    1180:\tjne    1160 <void relu<float>(float*)+0x60>
    1190:\tret
"""
MLIR = """#blocked = #ttg.blocked<{sizePerThread = [4]}>
#loc = loc("/candidate/candidate.py":6:1)
module attributes {"ttg.num-warps" = 4 : i32} {
  tt.func public @k(%a: !tt.ptr<f32> loc("a"(#loc))) {
    %x = tt.load %a : tensor<4xf32, #blocked> loc(#loc1)
    scf.for %i = %c0 to %n {
      %y = ttg.convert_layout %x : tensor<4xf32> loc(fused["a"(#loc2)])
    } loc(#loc)
"""
PTX = """.version 9.4
\t.loc\t1 8 0                           // candidate.py:8:0
.visible .entry k(
$L__tmp0:
$L__BB0_2:                              // =>This Inner Loop Header: Depth=1
\tld.global.v4.b32 {%r1}, [%rd1];
\t@%p1 bra $L__BB0_2;
\t.section\t.debug_abbrev
nothing but numbers
"""


def whole(*texts: CodeText, **facts) -> CodeResult:
    return CodeResult(ok=True, texts=texts, **facts)


def machine(text: str = HOST, **facts) -> CodeText:
    return CodeText(part="machine", file="a.so", text=text, **facts)


class TestLoops:
    def test_the_deeper_and_wider_loop_comes_first_and_others_facts_are_told(self):
        first, second = stretches(HOST, on_gpu=False)
        assert [line.mnemonic for line in first.lines] == ["vmovups", "vmaxps", "vmovups", "add", "jne"]
        assert (first.function, first.depth, second.depth) == ("void relu<float>(float*)", 2, 1)
        rows = HOST.splitlines()
        assert rows[first.lines[0].number - 1].endswith("vmovups (%rbx,%rcx,1),%zmm3")
        assert stretch_text(first, on_gpu=False).endswith("512-bit vectors: vmovups 2, vmaxps 1")
        told = stretch_text(second, on_gpu=False)
        assert told.endswith("; one number: vmovss 2, vaddss 1; calls expf@plt; accesses to the stack: 1")

    def test_sass_of_nvcc_has_its_loops_classes_and_widths(self):
        found = stretches(stored("nvcc_sm90.txt"), on_gpu=True)
        assert found
        text = stretch_text(found[0], on_gpu=True)
        assert re.search(r"\d+ instructions, lines \d+ to \d+; ", text)
        assert "global accesses a thread: " in text

    def test_a_backward_branch_is_a_loop_and_the_padding_at_the_end_is_none(self):
        lines = ["Function : k", "/*0000*/ S2R R0, SR_TID.X ;", "/*0010*/ LDG.E.128 R4, [R2] ;",
                 "/*0020*/ HGMMA.64x64x16.F32 R24, R56 ;", "/*0030*/ @!P0 BRA 0x10 ;", "/*0040*/ EXIT ;",
                 "/*0050*/ BRA 0x50;"]  # fmt: skip
        (loop,) = stretches("\n".join(lines), on_gpu=True)
        assert (loop.depth, [line.address for line in loop.lines]) == (1, [0x10, 0x20, 0x30])
        assert "tensor core 1" in stretch_text(loop, on_gpu=True)
        assert "128 bits 1" in stretch_text(loop, on_gpu=True)

    @pytest.mark.parametrize("text", ["", "x" * 200_000, "\n".join(["    1: jne 1 <f>"] * 5000), "loc(" * 50_000])
    def test_whatever_a_file_holds_is_read(self, text):
        assert stretches(f"0001 <f>:\n{text}", on_gpu=False) == []
        assert stretches(f"Function : f\n{text}", on_gpu=True) == []
        assert len(plain(text)) <= len(text)


class TestExcerpts:
    def test_the_hot_loops_with_line_numbers_of_the_whole(self):
        told, text = code_text(whole(machine()), "machine")
        assert told.startswith("machine: a.so\n")
        first = next(line for line in told.splitlines() if line.startswith("1. "))
        begin, end = map(int, re.search(r"lines (\d+) to (\d+)", first).groups())
        shown = [line.strip() for line in text.splitlines()[begin - 1 : end]]
        assert " ".join(shown[0].split()) == "1120: vmovups (%rbx,%rcx,1),%zmm3"
        assert shown[0] in told

    def test_long_loops_are_cut_and_say_where_they_go_on(self):
        body = "\n".join(f"    {0x2000 + at:x}:\tvmulps %zmm1,%zmm2,%zmm3" for at in range(100))
        text = f"0000000000002000 <long>:\n{body}\n    3000:\tjne    2000 <long>\n"
        told, all_of_it = code_text(whole(machine(text)), "machine")
        (line,) = [line for line in told.splitlines() if "more instructions" in line]
        number = int(line.split("line=")[1])
        assert all_of_it.splitlines()[number - 1].split()[0] == f"{0x2000 + STRETCH_LINES:x}:"
        assert f"... {101 - STRETCH_LINES} more" in line

    def test_intermediate_code_begins_at_its_loop_without_places(self):
        mlir = CodeText(part="ttgir", file="k.ttgir", about="num_warps=4", text=plain(MLIR))
        told, text = code_text(whole(mlir, machine()), "ttgir")
        assert told.splitlines()[:2] == ["ttgir: k.ttgir num_warps=4", "also there: part=machine"]
        assert "ttg.convert_layout 1" in told
        assert "#blocked = #ttg.blocked" in told
        assert "loc(" not in text
        assert "tt.load %a : tensor<4xf32, #blocked>\n" in text
        begin = told.splitlines().index("from line 6:")
        assert told.splitlines()[begin + 1].strip().startswith("scf.for")
        told, text = code_text(whole(CodeText(part="ptx", file="k.ptx", text=plain(PTX))), "ptx")
        assert "ld.global.v4.b32 1" in told
        assert told.splitlines()[3].startswith("$L__BB0_2:")
        assert "nothing but numbers" not in text
        assert ".loc" not in text

    @pytest.mark.parametrize(
        ("result", "part", "said"),
        [
            (CodeResult(ok=False, reason="compile_error", detail="x"), "machine", "mend the candidate"),
            (CodeResult(ok=False, reason="timeout", detail="x"), "machine", "go on without it"),
            (whole(), "machine", "torch's operators do the work"),
            (whole(on_gpu=True), "ttgir", "compiled when first called"),
            (whole(machine()), "ptx", "the build left no ptx: ask for part=machine"),
            (
                whole(CodeText(part="ptx", file="k.ptx", text=PTX), missing="cuobjdump is not installed", on_gpu=True),
                "machine",
                "no machine code: cuobjdump is not installed; ask for part=ptx",
            ),
        ],
    )
    def test_what_is_not_there_is_one_line_that_says_what_to_do(self, result, part, said):
        with pytest.raises(NoCode) as raised:
            code_text(result, part)
        assert said in str(raised.value)
        assert "\n" not in str(raised.value)


class TestTheJob:
    def test_its_output_becomes_texts(self):
        header = {"file": "k.cubin", "part": "machine", "given": {"num_warps": 4, "shared": 9}}
        facts = {"device": "cuda", "files": 2, "left_out": 3, "no_tool": "no cuobjdump"}
        out = f"{SECTION}{json.dumps(header)}\nabc\n{SECTION}{{}}\n\n{MARK}{json.dumps(facts)}\n"
        result = read_code(Execution(0, out.encode(), b"", 0.1))
        assert (result.ok, result.on_gpu, result.left_out, result.missing) == (True, True, 3, "no cuobjdump")
        assert result.texts == (CodeText(part="machine", file="k.cubin", about="num_warps=4", text="abc"),)

    @pytest.mark.parametrize(
        ("done", "reason"),
        [
            (Execution(0, b"", b"", 0.1, timed_out=True), "timeout"),
            (Execution(1, b"", b"boom", 0.1), "runtime_error"),
            (Execution(0, f"{MARK}[]".encode(), b"", 0.1), "unreadable_report"),
        ],
    )
    def test_its_failures_are_values(self, done, reason):
        result = read_code(done)
        assert (result.ok, result.reason) == (False, reason)
        assert result.detail

    def test_what_a_candidate_forges_is_text_and_nothing_more(self):
        forged = {"file": ["x"] * 999, "part": "../../etc", "given": {"num_warps": "x" * 9999}}
        out = f"{SECTION}{json.dumps(forged)}\n\x1b[2J{'y' * (MAX_TEXT + 9)}\n{MARK}{json.dumps({'left_out': 'x'})}\n"
        (text,) = read_code(Execution(0, out.encode(), b"", 0.1)).texts
        assert text.part == "machine"
        assert text.text.startswith("[2Jyy")  # nothing that a terminal obeys
        assert (len(text.text), len(text.file), len(text.about)) == (MAX_TEXT, 80, 60)

    def test_without_a_disassembler_intermediate_code_is_still_told(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(compiled_report, "find_tool", lambda name: None)
        (tmp_path / "k.ttgir").write_text("tt.func")
        (tmp_path / "k.cubin").write_bytes(b"\x7fELF")
        (tmp_path / "linked.ptx").symlink_to(tmp_path / "k.ttgir")
        request = {"build": str(tmp_path), "device": "cuda", "texts": True}
        facts = compiled_report.carry_out(request)
        assert (facts["files"], facts["left_out"]) == (1, 0)
        assert "cuobjdump comes with the CUDA toolkit" in facts["no_tool"]
        assert "tt.func" in capsys.readouterr().out
        assert "missing" in compiled_report.carry_out({**request, "texts": False})


class TestTheTool:
    def test_the_drafts_code_is_excerpted_kept_and_read_on(self, tmp_path):
        bench = Bench(tmp_path, judge=FakeJudge(verdicts, code=whole(machine())))
        assert "call write_candidate" in bench.bad("read_generated_code")
        assert "call read_generated_code first" in bench.bad("read_log", what="code")
        bench.good("write_candidate", source=SOURCE)
        text = bench.good("read_generated_code")
        assert "512-bit vectors: vmovups 2, vmaxps 1" in text
        kept = bench.good("read_log", what="code")
        assert "Disassembly of section" in kept
        assert text.splitlines()[-1].startswith("whole: read_log what=code, ")
        assert bench.store.put(kept)[:16] in text
        assert "1120:" in bench.good("read_log", what="code", line=11).splitlines()[0]

    def test_an_earlier_candidates_code_is_read_too(self, tmp_path):
        bench = Bench(tmp_path, judge=FakeJudge(verdicts, code=whole(machine())))
        bench.bench.readable = {"abcd1111": bench.store.put(SOURCE)}
        assert "512-bit" in bench.good("read_generated_code", id="abcd1")
        assert "choose one of abcd1111" in bench.bad("read_generated_code", id="ffff")
        assert "part: Input should be 'machine', 'ptx' or 'ttgir'" in bench.bad("read_generated_code", part="sass")

    def test_what_does_not_build_is_told(self, tmp_path):
        bench = Bench(tmp_path)
        bench.good("write_candidate", source=SOURCE + "# BROKEN\n")
        assert "compile_candidate says more" in bench.bad("read_generated_code")
        bench.good("write_candidate", source=SOURCE)
        assert "left no compiled code" in bench.bad("read_generated_code", part="machine")
