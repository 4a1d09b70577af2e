# Watchdogs: fed ones do nothing. The last one resets the chip, which whoever runs this sees.
import time

from machine import WDT


def raises(kind, call, *args, **kw):
    try:
        call(*args, **kw)
    except kind as error:
        return str(error)
    raise AssertionError("no %s" % kind.__name__)


raises(ValueError, WDT, 2)
raises(ValueError, WDT, -1)
assert "timeout=0" in raises(ValueError, WDT, timeout=0)
raises(ValueError, WDT, timeout=100_000_000)
wdt = WDT(timeout=100)
for _ in range(20):
    time.sleep_ms(50)
    wdt.feed()
assert WDT(0, timeout=100) is wdt
wdt.feed()
assert "100" in raises(ValueError, WDT, 0, timeout=200)
assert not hasattr(wdt, "deinit")
other = WDT(1, 1000)
for _ in range(10):
    time.sleep_ms(50)
    wdt.feed()
print("fed")
