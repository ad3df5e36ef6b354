"""Which tests of a run have the server they need, and what the run says about the rest.

A test marked `postgres` or `redis` is deselected in a run on other servers (`make test` gives it one of its
own); a test whose server is not installed is skipped by name. Both are counted in the summary with the
reason, under xdist too, and with CI=true the second kind fails the run: nothing is left out in silence.
"""

import os
from collections import Counter
from typing import Any

import pytest
from django.conf import settings

from tests.harness import browser
from tests.harness.servers import NotInstalled

LEFT_OUT = pytest.StashKey[Counter[str]]()
LACKING = pytest.StashKey[Counter[str]]()
OUTPUT = "gatehouse_left_out"


class Selection:
    """A plugin that `tests/conftest.py` registers."""

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[LEFT_OUT] = Counter()
        config.stash[LACKING] = Counter()

    @pytest.hookimpl(trylast=True)  # after -m and -k have chosen
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        lacks, absent = _lacks(), _not_in_this_run()
        kept, left_out = [], []
        for item in items:
            for reason in (reason for part, reason in lacks.items() if item.get_closest_marker(part)):
                item.add_marker(pytest.mark.skip(reason=reason))
            others = [part for part in absent if part not in lacks and item.get_closest_marker(part)]
            (left_out if others else kept).append(item)
            config.stash[LEFT_OUT].update(f"marked {part}, run on {absent[part]}" for part in others[:1])
        if left_out:
            config.hook.pytest_deselected(items=left_out)
        items[:] = sorted(kept, key=_drives_a_browser)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else ""
        if "not installed: " in reason:
            self.lacking[reason.removeprefix("Skipped: ")] += 1

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self.lacking = session.config.stash[LACKING]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[OUTPUT] = dict(session.config.stash[LEFT_OUT])
        elif self.lacking and in_ci() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        counts = getattr(node, "workeroutput", {}).get(OUTPUT, {})
        node.config.stash[LEFT_OUT] |= Counter(counts)  # every worker collects, and counts, the same tests

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        for reason, count in sorted(config.stash[LEFT_OUT].items()):
            terminalreporter.write_line(f"{count} left out of this run: {reason}")
        for reason, count in sorted(config.stash[LACKING].items()):
            failed = ", which fails the run because CI is set" if in_ci() else ""
            terminalreporter.write_line(f"{count} skipped: {reason}{failed}", red=in_ci(), yellow=not in_ci())


def in_ci() -> bool:
    """Whether a missing server is a failure."""
    return os.environ.get("CI", "").lower() in ("1", "true", "on", "yes")


def _drives_a_browser(item: pytest.Item) -> bool:
    """These come last: Playwright leaves its event loop running, and then no other can run in this thread."""
    return item.get_closest_marker("e2e") is not None


def _lacks() -> dict[str, str]:
    """Marker → why nothing marked so can run: what the runner could not start, and a missing browser."""
    told = os.environ.get("GATEHOUSE_LACKS", "")
    lacks = dict(entry.split("=", 1) for entry in told.split(";") if entry)
    try:
        browser.find_chromium()
    except NotInstalled as lack:
        lacks["e2e"] = str(lack)
    return lacks


def _not_in_this_run() -> dict[str, str]:
    """Marker → what the run has in its place."""
    engine = settings.DATABASES["default"]["ENGINE"]
    cache = settings.CACHES["default"]["BACKEND"]
    absent = {}
    if "postgresql" not in engine:
        absent["postgres"] = engine.rpartition(".")[2]
    if "redis" not in cache:
        absent["redis"] = cache.rpartition(".")[2]
    return absent
