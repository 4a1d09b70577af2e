"""The debugger's server, by a small client of its own and by gdb where there is one."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import guest_words
import pytest

from k210kit.board.board import Board
from k210kit.board.gdb.registers import CSRS, REG_CSR0, REG_FCSR, REG_FFLAGS, REG_FRM, REG_PC, target_description
from k210kit.errors import K210Error

BASE, LOOP, STORE, FUNC, OTHER, COUNTER = (0x8000_0000 + n for n in (0, 0x14, 0x18, 0x24, 0x2C, 0x40))
BEFORE_FIRST_CALL, LAP = 8, 6
"""Instructions of hart 0 from reset to `func`, and from there to it again."""
T0, T2, T3 = 5, 7, 28


class Client:
    """A debugger's side of the protocol."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._buffer = b""
        self.acks = True
        assert self.ask("qSupported:multiprocess+").startswith("PacketSize=")
        assert self.ask("QStartNoAckMode") == "OK"
        self.acks = False

    def send(self, text: str) -> None:
        body = text.encode("latin-1")
        self._socket.sendall(b"$%s#%02x" % (body, sum(body) & 255))

    def raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def receive(self) -> str:
        while b"#" not in self._buffer or len(self._buffer) < self._buffer.index(b"#") + 3:
            data = self._socket.recv(65536)
            if not data:
                raise EOFError
            self._buffer += data
        start, end = self._buffer.index(b"$"), self._buffer.index(b"#")
        body, checksum = self._buffer[start + 1 : end], self._buffer[end + 1 : end + 3]
        assert int(checksum, 16) == sum(body) & 255
        if self.acks:
            assert self._buffer[:start] == b"+"
            self.raw(b"+")
        self._buffer = self._buffer[end + 3 :]
        return body.decode("latin-1")

    def ask(self, text: str) -> str:
        self.send(text)
        return self.receive()

    def register(self, number: int, hart: int = 0) -> int:
        assert self.ask(f"Hg{hart + 1}") == "OK"
        return int.from_bytes(bytes.fromhex(self.ask(f"p{number:x}")), "little")

    def csr(self, name: str, hart: int = 0) -> int:
        return self.register(REG_CSR0 + list(CSRS).index(name), hart)

    def close(self) -> None:
        self._socket.close()


class Session:
    """A board in a thread of its own, with a client."""

    def __init__(self, listing: str, pure: bool) -> None:
        self.board = Board(guest_words.image(listing), gdb=0, pure=pure)
        assert self.board.debugger is not None
        self.port = self.board.debugger.port
        self.over = threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.client = Client(self.port)

    def _run(self) -> None:
        try:
            self.board.run_while(lambda: not self.board.quit and not self.over.is_set(), 1 << 63)
        except BaseException as error:
            self.error = error

    def join(self) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()

    def close(self) -> None:
        self.over.set()
        self.client.close()
        self.join()
        self.board.close()


@pytest.fixture(params=["fast", "pure"])
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    session = Session(guest_words.COUNT, request.param == "pure")
    yield session
    session.close()


def test_the_guest_waits_for_the_debugger_before_its_first_instruction(session):
    client = session.client
    assert client.ask("?") == "T05thread:1;"
    assert session.board.retired == (0, 0)
    assert client.register(REG_PC, 0) == client.register(REG_PC, 1) == BASE
    assert client.csr("mhartid", 1) == 1
    assert client.ask("qfThreadInfo") == "m1,2"
    assert client.ask("qsThreadInfo") == "l"
    assert client.ask("T2") == "OK"
    assert client.ask("T3").startswith("E")
    assert bytes.fromhex(client.ask("qThreadExtraInfo,2")) == b"hart 1"


def test_a_step_is_one_instruction_of_one_hart(session):
    client = session.client
    for count, pc in enumerate((BASE + 4, BASE + 8, BASE + 12, BASE + 16, LOOP), start=1):
        assert client.ask("vCont;s:1") == "T05thread:1;"
        assert client.register(REG_PC, 0) == pc
        assert session.board.retired == (count, 0)
        assert client.csr("minstret") == count
    assert client.ask("vCont;s:2") == "T05thread:2;"
    assert client.ask("vCont;s:2") == "T05thread:2;"
    assert client.register(REG_PC, 1) == OTHER
    assert session.board.retired == (5, 2)
    assert client.csr("mcycle", 1) == 5 + 2  # time went on while the hart stood still


def test_breakpoints_stop_before_their_instruction_with_exact_counts(session):
    client = session.client
    assert client.ask(f"Z0,{FUNC:x},4") == "OK"
    for hit in range(5):
        assert client.ask("vCont;c:1") == "T05thread:1;"
        assert client.register(REG_PC) == FUNC
        assert session.board.retired == (BEFORE_FIRST_CALL + hit * LAP, 0)
        assert client.register(T0) == hit + 1
        assert client.register(T2) == 2 * hit
    assert client.ask(f"z0,{FUNC:x},4") == "OK"
    assert client.ask(f"Z1,{LOOP:x},4") == "OK"
    assert client.ask("c") == "T05thread:1;"
    assert client.register(REG_PC) == LOOP
    assert session.board.retired[0] == BEFORE_FIRST_CALL + 4 * LAP + 3


def test_counts_with_breakpoints_are_those_without(session):
    client, stop = session.client, BEFORE_FIRST_CALL + 40 * LAP
    client.ask(f"Z0,{FUNC:x},4")
    while session.board.retired[0] < stop:
        client.ask("c")
    assert session.board.retired[0] == stop
    assert client.register(T0) == 41


def test_both_harts_run_on_with_a_plain_continue(session):
    client = session.client
    client.ask(f"Z0,{OTHER:x},4")
    assert client.ask("vCont;c") == "T05thread:2;"
    first = client.register(T3, 1)
    assert client.ask("vCont;c") == "T05thread:2;"
    assert client.register(T3, 1) == first + 1
    assert session.board.retired[1] == 2 + 2
    assert session.board.retired[0] > BEFORE_FIRST_CALL


def test_a_watchpoint_stops_before_the_store(session):
    client = session.client
    assert client.ask(f"Z2,{COUNTER:x},8") == "OK"
    for count in (1, 2, 3):
        assert client.ask("vCont;c:1") == f"T05watch:{COUNTER:x};thread:1;"
        assert client.register(REG_PC) == STORE
        assert client.ask(f"m{COUNTER:x},8") == (count - 1).to_bytes(8, "little").hex()
        assert session.board.retired[0] == BEFORE_FIRST_CALL - 2 + (count - 1) * LAP
    assert client.ask(f"z2,{COUNTER:x},8") == "OK"
    assert client.ask(f"Z3,{COUNTER:x},8") == "OK"  # nothing reads it
    client.send("c")
    client.raw(b"\x03")
    assert client.receive().startswith("T02")


def test_ctrl_c_interrupts(session):
    client = session.client
    client.send("vCont;c")
    while session.board.retired[0] < 10_000:
        pass
    client.raw(b"\x03")
    assert client.receive().startswith("T02thread:")
    held = session.board.retired
    assert client.register(T0) > 1000
    assert session.board.retired == held


def test_registers_can_be_written(session):
    client = session.client
    client.ask("Hg1")
    assert client.ask("P5=" + (0x123456789ABCDEF0).to_bytes(8, "little").hex()) == "OK"
    assert client.register(T0) == 0x123456789ABCDEF0
    scratch = REG_CSR0 + list(CSRS).index("mscratch")
    assert client.ask(f"P{scratch:x}=" + "11" * 8) == "OK"
    assert client.csr("mscratch") == 0x1111111111111111
    assert client.csr("mscratch", 1) == 0
    status = client.csr("mstatus")
    assert client.ask(f"P{REG_FCSR:x}=e5000000") == "OK"
    assert (client.register(REG_FFLAGS), client.register(REG_FRM)) == (5, 7)
    assert client.csr("mstatus") == status  # the FPU is as it was
    everything = bytes.fromhex(client.ask("g"))
    assert len(everything) == 65 * 8
    changed = everything[:48] + b"\x77" * 8 + everything[56:]
    assert client.ask("G" + changed.hex()) == "OK"
    assert client.register(6) == 0x7777777777777777
    assert client.ask("pfff").startswith("E")


def test_memory_can_be_read_and_written_code_too(session):
    client = session.client
    assert client.ask(f"m{BASE:x},8") == guest_words.image(guest_words.COUNT)[:8].hex()
    assert client.ask("m90000000,4").startswith("E")
    assert client.ask("m807fffff,8") == "00"  # short at the end of memory
    client.ask(f"Z0,{FUNC:x},4")
    client.ask("vCont;c:1")
    assert client.ask(f"X{FUNC:x},4:" + "\x93\x83\x33\x00") == "OK"  # addi t2, t2, 3
    client.ask("vCont;c:1")
    assert client.register(T2) == 3
    assert client.ask(f"M{COUNTER:x},4:01020304") == "OK"
    assert client.ask(f"m{COUNTER - 0x4000_0000:x},4") == "01020304"  # the uncached alias
    assert client.ask(f"X{COUNTER:x},2:" + "}\x03}\x5d") == "OK"
    assert client.ask(f"m{COUNTER:x},2") == "237d"
    assert client.ask("M90000000,4:00000000").startswith("E")


def test_device_registers_are_read_without_their_effects(session):
    client, machine = session.client, session.board.machine
    client.ask("M38000008,4:01000000")
    assert machine.devices["uarths"].txctrl == 1
    calls: list[int] = []
    machine.devices["uarths"].tracer = lambda *access: calls.append(access)
    assert client.ask("m38000008,4") == "01000000"
    assert client.ask("m38000004,4") != ""
    assert calls == []


def test_monitor_reset_brings_both_harts_to_the_start(session):
    client = session.client
    client.ask(f"Z0,{FUNC:x},4")
    client.ask("vCont;c:1")
    assert client.ask("qRcmd," + b"reset".hex()) == "OK"
    assert client.register(REG_PC, 0) == client.register(REG_PC, 1) == BASE
    assert client.register(T0) == 0
    assert client.ask("vCont;c:1") == "T05thread:1;"  # the breakpoint has stayed
    assert client.register(REG_PC) == FUNC
    assert b"monitor reset" in bytes.fromhex(client.ask("qRcmd," + b"dance".hex()))


def test_after_a_detach_the_guest_runs_on_and_another_debugger_may_come(session):
    client = session.client
    client.ask(f"Z0,{FUNC:x},4")
    assert client.ask("D") == "OK"
    client.close()
    before = session.board.retired[0]
    while session.board.retired[0] < before + 10_000:
        pass
    again = Client(session.port)
    assert again.ask("?") == "T05thread:1;"
    held = session.board.retired
    assert again.ask("?") == "T05thread:1;"
    assert session.board.retired == held
    again.close()


def test_kill_ends_the_board(session):
    session.client.send("k")
    session.join()
    assert session.board.quit
    assert session.board.retired == (0, 0)


def test_nonsense_is_refused_and_survived(session):
    client = session.client
    packets = ["", "y", "mzz,4", "p", "P5", "Z0", "Z9,0,0", "Hgq", "vCont;x", "vDance", "qNothing", "M80000000,4:zz"]
    for packet in packets:
        assert client.ask(packet) == "" or client.ask(packet).startswith("E")
    client.raw(b"noise+--$m80000000,4#00$")
    client.raw(b"?#3f")
    assert "T05thread:1;" in (client.receive(), client.receive())


def test_a_crash_stops_in_the_debugger_and_ends_the_board_after_it():
    session = Session(guest_words.CRASH, pure=False)
    try:
        assert session.client.ask("c") == "T0bthread:1;"
        assert session.client.register(REG_PC) == BASE + 0x30
        assert session.client.csr("mtval") == 0x9000_0008
        session.client.ask("D")
        session.join()
        assert session.board.crash is not None
        assert session.board.crash.pc == BASE + 0x1C
    finally:
        session.close()


def test_a_busy_port_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(K210Error, match=f"TCP port {port} .*--gdb PORT"):
            Board(gdb=port)


def test_the_target_description_numbers_registers_in_order():
    import re

    numbers = [int(number) for number in re.findall(r'regnum="(\d+)"', target_description())]
    assert numbers == list(range(REG_CSR0 + len(CSRS)))


@pytest.mark.skipif(shutil.which("gdb-multiarch") is None, reason="gdb-multiarch is not installed")
def test_gdb_itself(tmp_path: Path):
    program = tmp_path / "count.elf"
    code = guest_words.image(guest_words.COUNT)
    program.write_bytes(guest_words.elf(code, {"_start": BASE, "func": FUNC, "other": OTHER, "counter": COUNTER}))
    board = Board(program, gdb=0)
    assert board.debugger is not None
    over = threading.Event()
    thread = threading.Thread(
        target=lambda: board.run_while(lambda: not board.quit and not over.is_set(), 1 << 63), daemon=True
    )
    thread.start()
    commands = [
        "set confirm off",
        f"target remote 127.0.0.1:{board.debugger.port}",
        "show architecture",
        "info threads",
        f"break *{FUNC:#x}",
        "continue",
        "continue",
        "print $t0",
        "set scheduler-locking on",
        "stepi",
        "print $t2",
        "print/x $mhartid",
        "thread 2",
        "print/x $mhartid",
        "info registers mcause fcsr",
        f"watch *(long *) {COUNTER:#x}",
        "thread 1",
        "delete 1",
        "continue",
        f"x/1gx {COUNTER:#x}",
        "kill",
    ]
    arguments = [item for command in commands for item in ("-ex", command)]
    try:
        done = subprocess.run(
            ["gdb-multiarch", "-nx", "-batch", *arguments, str(program)],
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
    finally:
        over.set()
        thread.join(10)
        board.close()
    text = done.stdout
    assert "riscv:rv64" in text, done
    assert "hart 1" in text
    assert "$1 = 2" in text
    assert "$2 = 4" in text
    assert ("$3 = 0x0" in text, "$4 = 0x1" in text) == (True, True)
    assert "Hardware watchpoint" in text
    assert "0x0000000000000003" in text
    assert not thread.is_alive()
