# unittest for small memories: CPython's names; results are printed as they come and not kept.
#
# main() runs every TestCase of a module and returns the TestResult. It never raises SystemExit, which on a board
# would be a soft reset.

import sys


class SkipTest(Exception):
    pass


class _ExpectedFailure(Exception):
    pass


class _UnexpectedSuccess(Exception):
    pass


def skip(reason):
    def decorate(item):
        if isinstance(item, type):
            item._skip_reason = reason
            return item

        def skipped(*_):
            raise SkipTest(reason)

        return skipped

    return decorate


def skipIf(condition, reason):
    return skip(reason) if condition else lambda item: item


def skipUnless(condition, reason):
    return skipIf(not condition, reason)


def expectedFailure(function):
    def run(*args):
        try:
            function(*args)
        except SkipTest:
            raise
        except Exception:
            raise _ExpectedFailure()
        raise _UnexpectedSuccess("the test passes, and was expected to fail")

    return run


class _Raises:
    def __init__(self, case, expected, pattern, msg):
        self.case = case
        self.expected = expected
        self.pattern = pattern
        self.msg = msg
        self.exception = None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None:
            self.case.fail(_text(self.msg, "%r was not raised", self.expected))
        if not issubclass(kind, self.expected):
            return False
        self.exception = value
        if self.pattern is not None:
            self.case.assertRegex(str(value), self.pattern, self.msg)
        return True


class _SubTest:
    def __init__(self, case, name):
        self.case = case
        self.name = name

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        result = self.case._result
        if kind is None or result is None or not issubclass(kind, Exception):
            return False
        if issubclass(kind, (_ExpectedFailure, _UnexpectedSuccess)):
            return False
        result._note(value, self.name)
        self.case._noted = True
        return True


def _text(msg, form, *values):
    text = form % values
    return "%s: %s" % (text, msg) if msg else text


class TestCase:
    _skip_reason = None
    _result = None

    def __init__(self):
        self._cleanups = []

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        pass

    def tearDown(self):
        pass

    def addCleanup(self, function, *args, **kwargs):
        self._cleanups.append((function, args, kwargs))

    def doCleanups(self):
        while self._cleanups:
            function, args, kwargs = self._cleanups.pop()
            function(*args, **kwargs)

    def subTest(self, msg=None, **params):
        parts = ["[%s]" % msg] if msg is not None else []
        if params:
            parts.append("(%s)" % ", ".join("%s=%r" % item for item in sorted(params.items())))
        return _SubTest(self, " ".join(parts))

    def skipTest(self, reason):
        raise SkipTest(reason)

    def fail(self, msg=None):
        raise AssertionError(msg or "fail() called")

    def _check(self, good, msg, form, *values):
        if not good:
            self.fail(_text(msg, form, *values))

    def assertTrue(self, x, msg=None):
        self._check(x, msg, "%r is not true", x)

    def assertFalse(self, x, msg=None):
        self._check(not x, msg, "%r is not false", x)

    def assertEqual(self, x, y, msg=None):
        self._check(x == y, msg, "%r != %r", x, y)

    def assertNotEqual(self, x, y, msg=None):
        self._check(x != y, msg, "%r == %r", x, y)

    def assertLess(self, x, y, msg=None):
        self._check(x < y, msg, "%r is not less than %r", x, y)

    def assertLessEqual(self, x, y, msg=None):
        self._check(x <= y, msg, "%r is greater than %r", x, y)

    def assertGreater(self, x, y, msg=None):
        self._check(x > y, msg, "%r is not greater than %r", x, y)

    def assertGreaterEqual(self, x, y, msg=None):
        self._check(x >= y, msg, "%r is less than %r", x, y)

    def assertIs(self, x, y, msg=None):
        self._check(x is y, msg, "%r is not %r", x, y)

    def assertIsNot(self, x, y, msg=None):
        self._check(x is not y, msg, "both are %r", x)

    def assertIsNone(self, x, msg=None):
        self._check(x is None, msg, "%r is not None", x)

    def assertIsNotNone(self, x, msg=None):
        self._check(x is not None, msg, "it is None")

    def assertIn(self, x, y, msg=None):
        self._check(x in y, msg, "%r is not in %r", x, y)

    def assertNotIn(self, x, y, msg=None):
        self._check(x not in y, msg, "%r is in %r", x, y)

    def assertIsInstance(self, x, y, msg=None):
        self._check(isinstance(x, y), msg, "%r is no instance of %r", x, y)

    def assertNotIsInstance(self, x, y, msg=None):
        self._check(not isinstance(x, y), msg, "%r is an instance of %r", x, y)

    def assertCountEqual(self, x, y, msg=None):
        rest = list(y)
        for item in x:
            self._check(item in rest, msg, "%r: more of it in the first than in the second", item)
            rest.remove(item)
        self._check(not rest, msg, "only in the second: %r", rest)

    def _near(self, x, y, places, delta):
        if x == y:
            return True
        difference = abs(x - y)
        if delta is not None:
            if places is not None:
                raise TypeError("places or delta, not both")
            return difference <= delta
        return round(difference, 7 if places is None else places) == 0

    def assertAlmostEqual(self, x, y, places=None, msg=None, delta=None):
        self._check(self._near(x, y, places, delta), msg, "%r and %r are too far apart", x, y)

    def assertNotAlmostEqual(self, x, y, places=None, msg=None, delta=None):
        self._check(not self._near(x, y, places, delta), msg, "%r and %r are too near", x, y)

    def assertRegex(self, text, pattern, msg=None):
        import re

        found = re.search(pattern, text) if isinstance(pattern, (str, bytes)) else pattern.search(text)
        self._check(found, msg, "%r: nothing in it matches %r", text, pattern)

    def assertRaises(self, expected, function=None, *args, msg=None, **kwargs):
        return self._raises(_Raises(self, expected, None, msg), function, args, kwargs)

    def assertRaisesRegex(self, expected, pattern, function=None, *args, msg=None, **kwargs):
        return self._raises(_Raises(self, expected, pattern, msg), function, args, kwargs)

    def _raises(self, context, function, args, kwargs):
        if function is None:
            return context
        with context:
            function(*args, **kwargs)

    assertListEqual = assertEqual
    assertTupleEqual = assertEqual
    assertSequenceEqual = assertEqual
    assertDictEqual = assertEqual
    assertSetEqual = assertEqual
    assertMultiLineEqual = assertEqual


class TestResult:
    def __init__(self, stream=None):
        self.stream = stream or sys.stdout
        self.testsRun = 0
        self.failuresNum = 0
        self.errorsNum = 0
        self.skippedNum = 0
        self.expectedFailuresNum = 0

    def wasSuccessful(self):
        return not (self.failuresNum or self.errorsNum)

    def _say(self, text):
        self.stream.write(text)
        self.stream.write("\n")

    def _note(self, error, name=""):
        """Count what ended a test, and say it after the test's name."""
        kind = "ERROR"
        if isinstance(error, SkipTest):
            self.skippedNum += 1
            self._say("%sskipped: %s" % (name and name + " ", error))
            return
        if isinstance(error, _ExpectedFailure):
            self.expectedFailuresNum += 1
            self._say("expected failure")
            return
        if isinstance(error, (AssertionError, _UnexpectedSuccess)):
            self.failuresNum += 1
            kind = "FAIL"
        else:
            self.errorsNum += 1
        self._say("%s%s" % (name and name + " ", kind))
        sys.print_exception(error, self.stream)

    def summary(self):
        self._say("-" * 70)
        self._say("Ran %d tests\n" % self.testsRun)
        if not self.wasSuccessful():
            self._say("FAILED (failures=%d, errors=%d)" % (self.failuresNum, self.errorsNum))
        elif self.skippedNum:
            self._say("OK (skipped=%d)" % self.skippedNum)
        else:
            self._say("OK")


def _run_test(case, name, result):
    """One test with its setUp, tearDown and cleanups, each of which may fail."""
    result.testsRun += 1
    result.stream.write("%s (%s) ... " % (name, type(case).__name__))
    case._result = result
    case._noted = False

    def attempt(function):
        try:
            function()
            return True
        except Exception as error:
            result._note(error)
            case._noted = True
            return False

    if attempt(case.setUp):
        attempt(getattr(case, name))
        attempt(case.tearDown)
    attempt(case.doCleanups)
    if not case._noted:
        result._say("ok")


def _run_class(cls, result):
    names = [name for name in sorted(dir(cls)) if name.startswith("test") and callable(getattr(cls, name))]
    reason = cls._skip_reason
    if reason is None and names:
        try:
            cls.setUpClass()
        except SkipTest as error:
            reason = str(error)
        except Exception as error:
            result.stream.write("setUpClass (%s) ... " % cls.__name__)
            result._note(error)
            return
    for name in names:
        if reason is None:
            _run_test(cls(), name, result)
        else:
            result.testsRun += 1
            result.stream.write("%s (%s) ... " % (name, cls.__name__))
            result._note(SkipTest(reason))
    if reason is None and names:
        try:
            cls.tearDownClass()
        except Exception as error:
            result.stream.write("tearDownClass (%s) ... " % cls.__name__)
            result._note(error)


class TestSuite:
    def __init__(self, name=""):
        self.name = name
        self._tests = []

    def addTest(self, test):
        """Add a TestCase class or another suite."""
        self._tests.append(test)

    def run(self, result):
        for test in self._tests:
            if isinstance(test, TestSuite):
                test.run(result)
            else:
                _run_class(test, result)
        return result


class TestLoader:
    def loadTestsFromTestCase(self, cls):
        suite = TestSuite(cls.__name__)
        suite.addTest(cls)
        return suite

    def loadTestsFromModule(self, module):
        suite = TestSuite(getattr(module, "__name__", ""))
        for name in sorted(dir(module)):
            item = getattr(module, name)
            if isinstance(item, type) and issubclass(item, TestCase) and item is not TestCase:
                suite.addTest(item)
        return suite


class TestRunner:
    def __init__(self, stream=None):
        self.stream = stream

    def run(self, suite):
        result = TestResult(self.stream)
        suite.run(result)
        result.summary()
        return result


TextTestRunner = TestRunner


def main(module="__main__", testRunner=None):
    if isinstance(module, str):
        name = module
        module = __import__(name)
        for part in name.split(".")[1:]:
            module = getattr(module, part)
    runner = testRunner or TestRunner()
    if isinstance(runner, type):
        runner = runner()
    return runner.run(TestLoader().loadTestsFromModule(module))
