"""The alerts: valid, tested by Prometheus's own tool, and about series that the bot has."""

import re
import shutil
import subprocess
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from bot.adapters.metrics import PrometheusMetrics
from bot.core.ports.metrics import Readings
from bot.supervision import CAUSES, Unit
from tests.deploy.files import DEPLOY, ROOT, read

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here")
RULE_TESTS = ROOT / "tests/deploy/alerts_test.yml"
UNLIMITED = frozenset({"job", "instance", "le"})
"""Labels of Prometheus itself."""


def rules() -> list[dict[str, Any]]:
    """Return the alerts in the order of their file."""
    (group,) = YAML(typ="safe").load(read("alerts.yml"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def series() -> dict[str, dict[str, set[str]]]:
    """Return every metric of a bot that has just begun, with the values of its labels."""
    metrics = PrometheusMetrics("1")
    page = metrics.page(Readings(disk_free={"spool": 1, "ledger": 1})).decode()
    found: dict[str, dict[str, set[str]]] = {"up": {}}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", DEPLOY / "alerts.yml"), ("test", "rules", RULE_TESTS)],
    ids=["syntax", "tests"],
)
def test_promtool(arguments: tuple[str, ...]) -> None:
    """The rules are valid; each fires where its test says so, and is silent otherwise."""
    done = subprocess.run(
        [str(PROMTOOL), *arguments], capture_output=True, text=True, check=False, timeout=50
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_series_exist(rule: dict[str, Any]) -> None:
    """Every series is there from the start of the bot: one that is misspelled, or appears with its
    first event, would never fire.
    """
    known = series()
    named = re.findall(r"\b(up|(?:relay|process)_\w+)(?:\{([^}]*)\})?", rule["expr"])

    assert named
    for name, selector in named:
        labels = known[name]
        for label, operator, value in re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', selector):
            if label in UNLIMITED and label not in labels:
                continue
            values = value.replace(r"\\.", ".").split("|") if "~" in operator else [value]
            assert set(values) <= labels[label], (name, label)


def test_every_cause_has_an_alert() -> None:
    """A cause against readiness is told by one alert."""
    patterns = re.findall(r'relay_not_ready\{cause=~"([^"]+)"\}', read("alerts.yml"))
    rest = re.findall(r'relay_not_ready\{cause!~"([^"]+)"\}', read("alerts.yml"))
    told = [cause.replace(r"\\.", ".") for line in patterns for cause in line.split("|")]

    assert len(told) == len(set(told))
    assert set(told) < set(CAUSES)
    assert sorted("|".join(patterns).split("|")) == sorted(rest[0].split("|"))
    assert series()["relay_unexpected_errors_total"]["unit"] == {unit.value for unit in Unit}


def test_every_alert_is_tested_and_described() -> None:
    """Each alert has a test in which it fires and one in which it does not, a severity, a summary
    of one line, and its row in the runbook.
    """
    tests = YAML(typ="safe").load(RULE_TESTS.read_text(encoding="utf-8"))["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    names = {rule["alert"] for rule in rules()}

    assert {case["alertname"] for case in cases if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == names
    assert {rule["labels"]["severity"] for rule in rules()} == {"critical", "warning"}
    assert all("\n" not in rule["annotations"]["summary"] for rule in rules())
    assert set(re.findall(r"`(Relay\w+)`", read("README.md"))) == names
