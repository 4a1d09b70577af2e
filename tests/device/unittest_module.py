"""The frozen unittest: every assertion both ways, skips, sub-tests, fixtures, and the lines that tools parse."""

import io
import unittest
from unittest import TestCase

order = []


class Asserts(TestCase):
    def test_pass(self):
        self.assertTrue(1)
        self.assertFalse("")
        self.assertEqual([1], [1])
        self.assertNotEqual(1, 2)
        self.assertLess(1, 2)
        self.assertLessEqual(2, 2)
        self.assertGreater(2, 1)
        self.assertGreaterEqual(2, 2)
        self.assertIs(order, order)
        self.assertIsNot([], [])
        self.assertIsNone(None)
        self.assertIsNotNone(0)
        self.assertIn(1, (1, 2))
        self.assertNotIn(3, (1, 2))
        self.assertIsInstance(1, int)
        self.assertNotIsInstance("", (int, float))
        self.assertCountEqual([1, 2, 2], (2, 1, 2))
        self.assertAlmostEqual(0.1 + 0.2, 0.3)
        self.assertAlmostEqual(10, 11, delta=1)
        self.assertAlmostEqual(1.04, 1.0, places=1)
        self.assertNotAlmostEqual(1.0, 1.1)
        self.assertNotAlmostEqual(10, 12, delta=1)
        self.assertRegex("abc12", "[0-9]+$")
        self.assertRaises(ValueError, int, "x")
        self.assertRaises((KeyError, IndexError), lambda d: d["x"], {})
        with self.assertRaises(LookupError) as caught:
            [][1]
        self.assertIs(type(caught.exception), IndexError)
        self.assertRaisesRegex(ValueError, "base 10", int, "x")

    def test_fail(self):
        checks = [
            (self.assertTrue, 0),
            (self.assertFalse, 1),
            (self.assertEqual, 1, 2),
            (self.assertNotEqual, 1, 1),
            (self.assertLess, 2, 2),
            (self.assertLessEqual, 3, 2),
            (self.assertGreater, 2, 2),
            (self.assertGreaterEqual, 1, 2),
            (self.assertIs, [], []),
            (self.assertIsNot, order, order),
            (self.assertIsNone, 0),
            (self.assertIsNotNone, None),
            (self.assertIn, 3, (1, 2)),
            (self.assertNotIn, 1, (1, 2)),
            (self.assertIsInstance, 1, str),
            (self.assertNotIsInstance, 1, int),
            (self.assertCountEqual, [1, 2], [1, 1]),
            (self.assertCountEqual, [1], [1, 1]),
            (self.assertAlmostEqual, 1.0, 1.1),
            (self.assertNotAlmostEqual, 1.0, 1.0),
            (self.assertRegex, "abc", "[0-9]"),
            (self.assertRaises, ValueError, int, "1"),
            (self.assertRaisesRegex, ValueError, "base 11", int, "x"),
            (self.fail,),
        ]
        for check in checks:
            try:
                check[0](*check[1:])
            except AssertionError:
                continue
            raise RuntimeError("passes: %r" % (check,))

    def test_other_exception_passes_through(self):
        try:
            with self.assertRaises(ValueError):
                raise KeyError(1)
        except KeyError:
            return
        self.fail("KeyError got lost")


class Fixtures(TestCase):
    @classmethod
    def setUpClass(cls):
        order.append("class+")

    @classmethod
    def tearDownClass(cls):
        order.append("class-")

    def setUp(self):
        order.append("+")

    def tearDown(self):
        order.append("-")

    def test_a(self):
        self.addCleanup(order.append, "cleanup 1")
        self.addCleanup(order.append, "cleanup 2")
        order.append("a")

    def test_b(self):
        order.append("b")


class Inherits(Fixtures):
    test_b = None

    def test_a(self):
        order.append("A")


class Bad(TestCase):
    def tearDown(self):
        order.append("still torn down")

    def test_error(self):
        raise OSError(5)

    def test_failure(self):
        self.assertEqual(1, 2, "a message")

    def test_sub(self):
        for i in range(4):
            with self.subTest("part", i=i):
                self.assertEqual(i % 2, 0)

    @unittest.expectedFailure
    def test_unexpected(self):
        pass


class Good(TestCase):
    @unittest.expectedFailure
    def test_expected(self):
        self.fail()

    @unittest.skip("no")
    def test_skip(self):
        self.fail()

    @unittest.skipIf(True, "never mind")
    def test_skip_if(self):
        self.fail()

    @unittest.skipUnless(True, "runs")
    def test_runs(self):
        pass

    def test_skip_inside(self):
        self.skipTest("inside")


@unittest.skip("the whole class")
class Skipped(TestCase):
    def test_a(self):
        self.fail()


class NoSetUp(TestCase):
    @classmethod
    def setUpClass(cls):
        raise unittest.SkipTest("not here")

    def test_a(self):
        self.fail()


def run(*classes):
    stream = io.StringIO()
    suite = unittest.TestSuite()
    for cls in classes:
        suite.addTest(cls)
    result = unittest.TestRunner(stream).run(suite)
    return result, stream.getvalue()


def check(got, expected):
    assert got == expected, (got, expected)


result, text = run(Asserts)
check((result.testsRun, result.wasSuccessful()), (3, True))
check(text.split("\n")[-5:], ["-" * 70, "Ran 3 tests", "", "OK", ""])

run(Fixtures)
check(order, ["class+", "+", "a", "-", "cleanup 2", "cleanup 1", "+", "b", "-", "class-"])
order.clear()
run(Inherits)
check(order, ["class+", "+", "A", "-", "class-"])
order.clear()

result, text = run(Bad)
check((result.testsRun, result.failuresNum, result.errorsNum), (4, 4, 1))
check(order, ["still torn down"] * 4)
assert text.endswith("Ran 4 tests\n\nFAILED (failures=4, errors=1)\n"), text
assert "1 != 2: a message" in text and "[part] (i=3) FAIL" in text, text

result, text = run(Good, Skipped, NoSetUp)
check((result.testsRun, result.skippedNum, result.expectedFailuresNum), (7, 5, 1))
assert text.endswith("Ran 7 tests\n\nOK (skipped=5)\n"), text
assert "skipped: the whole class" in text and "skipped: not here" in text, text

# main() finds the classes of a module by itself.
counted = unittest.main()
check(counted.testsRun, 3 + 2 + 1 + 4 + 7)
print("done")
