"""The server: holds the board, lets it go, answers packets.

Each hart is a thread (1 and 2). While the debugger holds the board, virtual time stands still, but
for a single step, which lets one cycle pass.
"""

from __future__ import annotations

import logging
import select
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from k210kit.board.core.bus import BusError
from k210kit.board.core.engine import Engine
from k210kit.board.core.hart import IDLE_HELD, IDLE_WFI
from k210kit.board.gdb.connection import PACKET_SIZE, Connection, unescape
from k210kit.board.gdb.points import Points
from k210kit.board.gdb.registers import REG_FFLAGS, Registers, target_description
from k210kit.board.machine import ADDRESS_MAP
from k210kit.errors import K210Error

if TYPE_CHECKING:
    from k210kit.board.board import Board

log = logging.getLogger("k210kit.board")

WAIT_SECONDS = 0.02
SIGINT, SIGTRAP, SIGSEGV = 2, 5, 11
ERROR_ADDRESS, ERROR_ARGUMENT = "E0e", "E16"


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
        data = unescape(payload) if text[0] == "X" else bytes.fromhex(payload)
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
