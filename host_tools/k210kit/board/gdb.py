"""A debugger's way in: the gdb remote serial protocol over TCP.

Each hart is a thread (1 and 2). While the debugger holds the board, virtual time stands still, but
for a single step, which lets one cycle pass. Protocol: "Remote Serial Protocol" and "RISC-V
Features" in the manual of gdb.
"""

from __future__ import annotations

import logging
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from unicorn import UC_HOOK_CODE, UC_HOOK_MEM_READ, UC_HOOK_MEM_WRITE
from unicorn.riscv_const import UC_RISCV_REG_FCSR

from k210kit.board.core import csr
from k210kit.board.core.bus import BusError
from k210kit.board.core.engine import Engine
from k210kit.board.core.hart import IDLE_HELD, IDLE_WFI, MSTATUS_FS, PRIV_MACHINE
from k210kit.board.machine import ADDRESS_MAP, Machine
from k210kit.errors import K210Error

if TYPE_CHECKING:
    from k210kit.board.board import Board

log = logging.getLogger("k210kit.board")

PACKET_SIZE = 0x4000
WAIT_SECONDS = 0.02
INTERRUPT_BYTE = b"\x03"
SIGINT, SIGTRAP, SIGSEGV = 2, 5, 11
ERROR_ADDRESS, ERROR_ARGUMENT = "E0e", "E16"

REG_PC, REG_F0, REG_FFLAGS, REG_FRM, REG_FCSR, REG_CSR0 = 32, 33, 65, 66, 67, 68
CSR_MSTATUS = 0x300
CSRS = {
    "mstatus": CSR_MSTATUS, "misa": 0x301, "medeleg": 0x302, "mideleg": 0x303, "mie": 0x304, "mtvec": 0x305,
    "mcounteren": 0x306, "mscratch": 0x340, "mepc": 0x341, "mcause": 0x342, "mtval": 0x343, "mip": 0x344,
    "mcycle": 0xB00, "minstret": 0xB02, "mvendorid": 0xF11, "marchid": 0xF12, "mimpid": 0xF13, "mhartid": 0xF14,
    "satp": 0x180, "cycle": 0xC00, "instret": 0xC02,
}  # fmt: skip
_CSR_NUMBERS = list(CSRS.values())
X_NAMES = [
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "fp", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6",
    "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
]  # fmt: skip
F_NAMES = [
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4",
    "fa5", "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9",
    "ft10", "ft11",
]  # fmt: skip
_POINTERS = {"ra": "code_ptr", "sp": "data_ptr", "gp": "data_ptr", "tp": "data_ptr", "fp": "data_ptr"}


def target_description() -> str:
    """The registers for gdb, as target.xml."""
    integer = [_reg(name, number, 64, _POINTERS.get(name, "int")) for number, name in enumerate(X_NAMES)]
    integer.append(_reg("pc", REG_PC, 64, "code_ptr"))
    floats = [_reg(name, REG_F0 + number, 64, "ieee_double") for number, name in enumerate(F_NAMES)]
    floats += [_reg(name, REG_FFLAGS + number, 32, "int") for number, name in enumerate(("fflags", "frm", "fcsr"))]
    csrs = [_reg(name, REG_CSR0 + number, 64, "int") for number, name in enumerate(CSRS)]
    features = "".join(
        f'<feature name="org.gnu.gdb.riscv.{name}">{"".join(registers)}</feature>'
        for name, registers in (("cpu", integer), ("fpu", floats), ("csr", csrs))
    )
    return (
        '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">'
        f"<architecture>riscv:rv64</architecture>{features}</target>"
    )


def _reg(name: str, number: int, bits: int, kind: str) -> str:
    return f'<reg name="{name}" bitsize="{bits}" regnum="{number}" type="{kind}"/>'


class Registers:
    """A hart's registers by the numbers of the target description."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    @staticmethod
    def size(number: int) -> int:
        """Bytes of a register; 0 when there is none of that number."""
        if not 0 <= number < REG_CSR0 + len(CSRS):
            return 0
        return 4 if REG_FFLAGS <= number <= REG_FCSR else 8

    def read(self, engine: Engine, number: int) -> int:
        """A register's value."""
        if number < REG_PC:
            return engine.x(number)
        if number == REG_PC:
            return engine.pc
        if number < REG_FFLAGS:
            return engine.f(number - REG_F0)
        if number < REG_CSR0:
            return self._fcsr(engine) >> (5 if number == REG_FRM else 0) & {REG_FFLAGS: 31, REG_FRM: 7}.get(number, 255)
        return self._read_csr(engine, _CSR_NUMBERS[number - REG_CSR0])

    def write(self, engine: Engine, number: int, value: int) -> bool:
        """Set a register; False when it cannot be written."""
        if number < REG_PC:
            engine.set_x(number, value)
        elif number == REG_PC:
            engine.pc = value
        elif number < REG_FFLAGS:
            engine.set_f(number - REG_F0, value)
        elif number < REG_CSR0:
            low, width = {REG_FFLAGS: (0, 5), REG_FRM: (5, 3)}.get(number, (0, 8))
            mask = ((1 << width) - 1) << low
            return self._set_fcsr(engine, (self._fcsr(engine) & ~mask) | (value << low & mask))
        else:
            return self._write_csr(engine, _CSR_NUMBERS[number - REG_CSR0], value)
        return True

    @staticmethod
    def _with_fpu(engine: Engine, action: Callable[[], Any]) -> Any:
        """`action()` with the FPU switched on, without which Unicorn shows no fcsr."""
        before = engine.engine_fs()
        engine.set_engine_fs(MSTATUS_FS)
        try:
            return action()
        finally:
            engine.set_engine_fs(before)

    def _fcsr(self, engine: Engine) -> int:
        return int(self._with_fpu(engine, lambda: engine.uc.reg_read(UC_RISCV_REG_FCSR)))

    def _set_fcsr(self, engine: Engine, value: int) -> bool:
        self._with_fpu(engine, lambda: engine.uc.reg_write(UC_RISCV_REG_FCSR, value))
        return True

    def _as_machine(self, engine: Engine, action: Callable[[], Any]) -> Any:
        """`action()` with the rights of machine mode."""
        state = engine.state
        if state.mstatus & MSTATUS_FS:
            state.mstatus = (state.mstatus & ~MSTATUS_FS) | engine.engine_fs()
        priv, state.priv = state.priv, PRIV_MACHINE
        try:
            return action()
        finally:
            state.priv = priv

    def _read_csr(self, engine: Engine, number: int) -> int:
        state = engine.state
        return self._as_machine(engine, lambda: csr.read(state, number, state.cycles)) or 0

    def _write_csr(self, engine: Engine, number: int, value: int) -> bool:
        state = engine.state
        done = self._as_machine(engine, lambda: csr.write(state, number, state.cycles, value))
        if done and number == CSR_MSTATUS:
            engine.set_engine_fs(state.mstatus & MSTATUS_FS)
        return bool(done)


class Points:
    """Breakpoints and watchpoints: hooks on both engines that stop the run loop."""

    KINDS: ClassVar = {2: UC_HOOK_MEM_WRITE, 3: UC_HOOK_MEM_READ, 4: UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE}
    WORDS: ClassVar = {2: "watch", 3: "rwatch", 4: "awatch"}

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._hooks: dict[tuple[int, int, int], list[tuple[Engine, int]]] = {}
        self._breakpoints: dict[int, int] = {}
        self.ignored = False
        self.hit: tuple[int, str] | None = None
        self._undo: tuple[int, bytes] | None = None

    def at(self, pc: int) -> bool:
        """Whether a breakpoint stands at `pc`."""
        return self._breakpoints.get(pc, 0) > 0

    def add(self, kind: int, address: int, length: int) -> None:
        """Set a breakpoint (kind 0 or 1) or a watchpoint (2 to 4); setting it again does nothing."""
        key = (kind, address, length)
        if key in self._hooks:
            return
        self._hooks[key] = [(engine, self._hook(engine, *key)) for engine in self._machine.engines]
        if kind < 2:
            self._breakpoints[address] = self._breakpoints.get(address, 0) + 1
        self._changed()

    def _hook(self, engine: Engine, kind: int, address: int, length: int) -> int:
        def on_code(uc: object, pc: int, size: int, data: object) -> None:
            self._stop(engine, "")

        def on_access(uc: object, access: int, where: int, size: int, value: int, data: object) -> bool:
            if self._stop(engine, f"{self.WORDS[kind]}:{address:x};"):
                found = self._machine.memory.find(where, size)
                if found is not None:
                    self._undo = where, bytes(found[0].view[found[1] : found[1] + size])
            return True

        if kind < 2:
            return int(engine.uc.hook_add(UC_HOOK_CODE, on_code, None, address, address))
        # Unicorn compares an access's first byte only: one that begins before the range is not seen.
        return int(engine.uc.hook_add(self.KINDS[kind], on_access, None, address, address + max(length, 1) - 1))

    def _stop(self, engine: Engine, reason: str) -> bool:
        if self.ignored or self.hit is not None:
            return False
        self.hit = (engine.number, reason)
        self._machine.runner.break_here()
        return True

    def settle(self) -> None:
        """The run loop has stopped: a store that hit a watchpoint is taken back, as it has not happened yet."""
        if self._undo is not None:
            (where, old), self._undo = self._undo, None
            self._machine.write(where, old)

    def remove(self, kind: int, address: int, length: int) -> None:
        """Take a point away again, if it was set."""
        hooks = self._hooks.pop((kind, address, length), None)
        if hooks is None:
            return
        for engine, handle in hooks:
            engine.uc.hook_del(handle)
        if kind < 2:
            self._breakpoints[address] -= 1
        self._changed()

    def clear(self) -> None:
        """Take all points away."""
        for key in list(self._hooks):
            self.remove(*key)

    def _changed(self) -> None:
        self._machine.runner.drop_code()


class Connection:
    """Packets over a socket: framing, checksums, acknowledgements."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._buffer = bytearray()
        self.acknowledge = True
        self.open = True
        self.interrupted = False
        peer.setblocking(False)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def poll(self, seconds: float) -> None:
        """Take in what has come, waiting up to `seconds`."""
        try:
            if select.select([self._peer], [], [], seconds)[0]:
                data = self._peer.recv(1 << 16)
                self._buffer += data
                self.open = bool(data)
        except OSError:
            self.open = False

    def next_packet(self) -> str | None:
        """The next whole packet's contents, or None."""
        while True:
            if self._buffer[:1] == INTERRUPT_BYTE:
                del self._buffer[:1]
                self.interrupted = True
                continue
            start = self._buffer.find(b"$")
            if start > 0:
                if INTERRUPT_BYTE in self._buffer[:start]:
                    self.interrupted = True
                del self._buffer[:start]
            end = self._buffer.find(b"#")
            if start < 0 or end < 0 or len(self._buffer) < end + 3:
                if start < 0:
                    self.interrupted |= INTERRUPT_BYTE in self._buffer
                    self._buffer.clear()
                return None
            body, checksum = bytes(self._buffer[1:end]), bytes(self._buffer[end + 1 : end + 3])
            del self._buffer[: end + 3]
            if not self.acknowledge:
                return body.decode("latin-1")
            good = b"%02x" % (sum(body) & 255) == checksum.lower()
            self._write(b"+" if good else b"-")
            if good:
                return body.decode("latin-1")

    def send(self, text: str) -> None:
        """Send a packet."""
        body = text.encode("latin-1")
        for special in b"}#$*":
            body = body.replace(bytes((special,)), bytes((0x7D, special ^ 0x20)))
        self._write(b"$%s#%02x" % (body, sum(body) & 255))

    def _write(self, data: bytes) -> None:
        try:
            while data and self.open:
                select.select([], [self._peer], [], 1)
                data = data[self._peer.send(data) :]
        except OSError:
            self.open = False

    def close(self) -> None:
        """Hang up."""
        self.open = False
        self._peer.close()


@dataclass
class _Resume:
    """What vCont asks for: the harts that run on, and those that do a step."""

    run: list[int] = field(default_factory=list)
    step: list[int] = field(default_factory=list)


class Debugger:
    """The server: `ready()` before each slice of the run loop, `ran()` after it.

    Listens on TCP `port` of this machine (0 picks a free one); the guest waits for the first
    client. Raises K210Error when the port is taken.
    """

    def __init__(self, board: Board, port: int) -> None:
        self._board, self._machine = board, board.machine
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind(("127.0.0.1", port))
            self._listener.listen(1)
        except (OSError, OverflowError) as error:
            self._listener.close()
            reason = getattr(error, "strerror", None) or str(error)
            raise K210Error(
                f"cannot listen on TCP port {port} of 127.0.0.1 ({reason}); choose another with --gdb PORT"
            ) from None
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._registers, self._points = Registers(self._machine), Points(self._machine)
        self._connection: Connection | None = None
        self._holding = True
        self._current = self._resumed = 0
        self._last_stop = SIGTRAP, 0, ""
        self._waiting: dict[int, int] = {}
        self._watched: tuple[int, int] | None = None

    @property
    def attached(self) -> bool:
        """Whether a debugger is there."""
        return self._connection is not None

    def close(self) -> None:
        """Hang up and stop listening."""
        if self._connection is not None:
            self._release()
        self._listener.close()

    # ---- What the run loop calls

    def ready(self) -> bool:
        """Serve the debugger; whether the guest may run. Waits a little while it may not."""
        self._accept()
        connection = self._connection
        if connection is None:
            return not self._holding
        connection.poll(WAIT_SECONDS if self._holding else 0)
        while (packet := connection.next_packet()) is not None and self._connection is connection:
            answer = self._handle(packet)
            if answer is not None:
                connection.send(answer)
        if self._connection is connection and not connection.open:
            self._release()
        if connection.interrupted:
            connection.interrupted = False
            if not self._holding:
                self._hold(SIGINT, self._resumed)
        return not self._holding

    def ran(self) -> None:
        """A slice of the run loop has ended: perhaps at a point."""
        if self._points.hit is not None:
            hart, reason = self._points.hit
            self._points.settle()
            if reason:
                self._watched = hart, self._machine.engines[hart].pc
            self._hold(SIGTRAP, hart, reason)

    def crashed(self, hart: int) -> bool:
        """The guest has crashed; whether a debugger takes it from here."""
        if self._connection is None:
            return False
        self._hold(SIGSEGV, hart)
        return True

    def _accept(self) -> None:
        try:
            if self._connection is None and self._holding:
                select.select([self._listener], [], [], WAIT_SECONDS)
            peer, _ = self._listener.accept()
        except OSError:
            return
        if self._connection is not None:
            peer.close()
            return
        self._connection = Connection(peer)
        self._holding, self._current, self._resumed = True, 0, 0
        self._last_stop = SIGTRAP, 0, ""

    def _release(self) -> None:
        """The debugger has gone: the guest runs on."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self._points.clear()
        self._thaw()
        self._points.hit = None
        self._holding = False

    # ---- Stopping and going on

    def _hold(self, signal: int, hart: int, reason: str = "") -> None:
        self._points.hit = None
        self._thaw()
        self._holding = True
        self._current = hart
        self._last_stop = signal, hart, reason
        if self._connection is not None:
            self._connection.send(self._stop_reply())

    def _stop_reply(self) -> str:
        signal, hart, reason = self._last_stop
        return f"T{signal:02x}{reason}thread:{hart + 1};"

    def _freeze(self, hart: int) -> None:
        state = self._machine.engines[hart].state
        self._waiting[hart] = state.idle
        state.idle = IDLE_HELD

    def _thaw(self) -> None:
        for hart, idle in self._waiting.items():
            state = self._machine.engines[hart].state
            if state.idle == IDLE_HELD:
                state.idle = IDLE_WFI if idle else 0
        self._waiting.clear()

    def _resume(self, wanted: _Resume) -> None:
        """Do the steps at once, or let the guest run."""
        if not wanted.run and not wanted.step:
            return
        self._resumed = (wanted.step or wanted.run)[0]
        if wanted.step:
            for hart in wanted.step:
                self._step(hart)
            self._hold(SIGTRAP, self._resumed)
            return
        self._points.hit = None
        # A point where a hart stands has been seen; it counts again when the hart comes back.
        for hart in wanted.run:
            engine = self._machine.engines[hart]
            if self._points.at(engine.pc) or self._watched == (hart, engine.pc):
                self._step(hart)
                if self._points.hit is None and self._points.at(engine.pc):
                    self._points.hit = hart, ""
        self._watched = None
        if self._points.hit is not None:
            self._hold(SIGTRAP, *self._points.hit)
            return
        for hart in range(len(self._machine.engines)):
            if hart not in wanted.run:
                self._freeze(hart)
        self._holding = False

    def _step(self, hart: int) -> None:
        self._points.ignored = True
        try:
            self._machine.runner.step(hart)
        finally:
            self._points.ignored = False
        clock = self._machine.clock
        clock.run_due(clock.time_of(self._machine.runner.now()))

    # ---- Packets

    def _handle(self, packet: str) -> str | None:
        """The answer to a packet; None when it is answered later, or never."""
        name = packet[:1]
        handler = {
            "?": lambda text: self._stop_reply(),
            "g": self._read_all,
            "G": self._write_all,
            "p": self._read_register,
            "P": self._write_register,
            "m": self._read_memory,
            "M": self._write_memory,
            "X": self._write_memory,
            "Z": self._point,
            "z": self._point,
            "H": self._select_thread,
            "T": lambda text: "OK" if self._thread(text) is not None else ERROR_ARGUMENT,
            "c": self._continue,
            "C": self._continue,
            "s": self._continue,
            "S": self._continue,
            "D": self._detach,
            "k": self._kill,
            "v": self._verbose,
            "q": self._query,
            "Q": self._set,
        }.get(name)
        if handler is None:
            return ""
        try:
            return handler(packet if name in "MXZzcCsS" else packet[1:])
        except (ValueError, IndexError):
            return ERROR_ARGUMENT
        except K210Error as error:
            log.info("gdb: %s", error)
            return ERROR_ADDRESS

    @property
    def _engine(self) -> Engine:
        return self._machine.engines[self._current]

    def _read_all(self, text: str) -> str:
        return "".join(self._register_hex(number) for number in range(REG_FFLAGS))

    def _register_hex(self, number: int) -> str:
        value = self._registers.read(self._engine, number)
        return value.to_bytes(8, "little")[: self._registers.size(number)].hex()

    def _write_all(self, text: str) -> str:
        data = bytes.fromhex(text)
        for number in range(min(len(data) // 8, REG_FFLAGS)):
            self._registers.write(self._engine, number, int.from_bytes(data[number * 8 : number * 8 + 8], "little"))
        return "OK"

    def _read_register(self, text: str) -> str:
        number = int(text, 16)
        return self._register_hex(number) if self._registers.size(number) else ERROR_ARGUMENT

    def _write_register(self, text: str) -> str:
        number, _, value = text.partition("=")
        data = bytes.fromhex(value)
        if not data or len(data) != self._registers.size(int(number, 16)):
            return ERROR_ARGUMENT
        done = self._registers.write(self._engine, int(number, 16), int.from_bytes(data, "little"))
        return "OK" if done else ERROR_ARGUMENT

    def _read_memory(self, text: str) -> str:
        address, length = (int(part, 16) for part in text.split(","))
        data = self._peek(address, min(length, PACKET_SIZE // 2))
        return data.hex() if data or not length else ERROR_ADDRESS

    def _peek(self, address: int, length: int) -> bytes:
        """Memory, or a device's registers as they are stored, without the effects of a read; short at its end."""
        for region in self._machine.memory.regions:
            offset = address - region.base
            if 0 <= offset < region.size:
                return bytes(region.view[offset : offset + length])
        for name, device in self._machine.devices.items():
            offset = address - ADDRESS_MAP[name]
            if 0 <= offset < device.size:
                return bytes(device.words.cast("B")[offset : offset + length])
        return b""

    def _write_memory(self, text: str) -> str:
        where, _, payload = text[1:].partition(":")
        address, length = (int(part, 16) for part in where.split(","))
        data = _unescape(payload) if text[0] == "X" else bytes.fromhex(payload)
        if len(data) != length:
            return ERROR_ARGUMENT
        try:
            if length and self._machine.is_memory(address, length):
                self._machine.write(address, data)
            elif length in (1, 2, 4, 8):
                self._machine.write_register(address, length, int.from_bytes(data, "little"))
            elif length:
                return ERROR_ADDRESS
        except BusError:
            return ERROR_ADDRESS
        return "OK"

    def _point(self, text: str) -> str:
        kind, address, length = (int(part, 16) for part in text[1:].split(";")[0].split(","))
        if kind > 4:
            return ""
        if not self._machine.is_memory(address, 1):
            return ERROR_ADDRESS
        if text[0] == "Z":
            self._points.add(kind, address, length)
        else:
            self._points.remove(kind, address, length)
        return "OK"

    def _thread(self, text: str) -> int | None:
        """The hart of a thread id; 0 and -1 (any, all) give the current one."""
        number = int(text, 16)
        if number in (0, -1):
            return self._current
        return number - 1 if 1 <= number <= len(self._machine.engines) else None

    def _select_thread(self, text: str) -> str:
        hart = self._thread(text[1:])
        if hart is None:
            return ERROR_ARGUMENT
        if text[0] == "g":
            self._current = hart
        return "OK"

    def _continue(self, text: str) -> str | None:
        address = text[1:].rpartition(";")[2] if text[0] in "CS" else text[1:]
        if address and (text[0] in "cs" or ";" in text):
            self._engine.pc = int(address, 16)
        everyone = list(range(len(self._machine.engines)))
        self._resume(_Resume(run=everyone) if text[0] in "cC" else _Resume(step=[self._current]))
        return None

    def _detach(self, text: str) -> None:
        if self._connection is not None:
            self._connection.send("OK")
        self._release()

    def _kill(self, text: str) -> None:
        self._board.quit = True
        self._release()
        self._holding = True

    def _verbose(self, text: str) -> str | None:
        if text == "Cont?":
            return "vCont;c;C;s;S"
        if text.startswith("Cont;"):
            return self._vcont(text[5:])
        if text.startswith("Kill"):
            if self._connection is not None:
                self._connection.send("OK")
            self._kill("")
            return None
        return ""

    def _vcont(self, text: str) -> str | None:
        wanted, left = _Resume(), set(range(len(self._machine.engines)))
        for action in text.split(";"):
            verb, _, thread = action.partition(":")
            everyone = not thread or int(thread, 16) == -1
            chosen = left if everyone else left & {self._thread(thread)}
            if not verb or verb[0] not in "cCsS":
                return ERROR_ARGUMENT
            (wanted.run if verb[0] in "cC" else wanted.step).extend(sorted(chosen))
            left = left - chosen
        self._resume(wanted)
        return None

    def _query(self, text: str) -> str:
        if text.startswith("Supported"):
            return f"PacketSize={PACKET_SIZE:x};qXfer:features:read+;QStartNoAckMode+;vContSupported+"
        if text.startswith("Xfer:features:read:target.xml:"):
            start, length = (int(part, 16) for part in text.rpartition(":")[2].split(","))
            part = target_description()[start : start + length]
            return ("m" if start + length < len(target_description()) else "l") + part
        if text == "C":
            return f"QC{self._current + 1}"
        if text == "fThreadInfo":
            return "m" + ",".join(str(engine.number + 1) for engine in self._machine.engines)
        if text == "sThreadInfo":
            return "l"
        if text.startswith("ThreadExtraInfo,"):
            hart = self._thread(text.partition(",")[2])
            return ERROR_ARGUMENT if hart is None else self._describe_hart(hart).encode().hex()
        if text.startswith("Rcmd,"):
            return self._command(bytes.fromhex(text[5:]).decode("utf-8", "replace").strip())
        return "1" if text.startswith("Attached") else ""

    def _describe_hart(self, hart: int) -> str:
        state = self._machine.engines[hart].state
        return f"hart {hart}" + (", crashed" if state.crashed else ", waiting in wfi" if state.idle else "")

    def _command(self, command: str) -> str:
        """`monitor ...`; the answer is text in hexadecimal, or OK."""
        if command == "reset":
            self._board.power_up()
            self._current = 0
            self._last_stop = SIGTRAP, 0, ""
            return "OK"
        return b"the one command known is: monitor reset\n".hex()

    def _set(self, text: str) -> str:
        if text == "StartNoAckMode" and self._connection is not None:
            self._connection.acknowledge = False
            return "OK"
        return ""


def _unescape(payload: str) -> bytes:
    data, source = bytearray(), iter(payload.encode("latin-1"))
    for byte in source:
        data.append(next(source, 0) ^ 0x20 if byte == 0x7D else byte)
    return bytes(data)
